"""SDKs as published, against a real collector."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from headwater.configuration import load_config
from headwater.settings import CHECKOUT, load_settings
from tests.collect.conftest import CollectorProcess, free_port
from tests.sdk import npm
from tests.sdk.browser import launched
from tests.sdk.front import Front
from tests.sdk.journey import Journey


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A running collector with a front before it, for one SDK's whole journey."""
    home = tmp_path_factory.mktemp("sdk")
    config = CHECKOUT / "config" / "examples" / "minimal"
    settings = load_settings(home, config, lake_url=str(home / "lake"), collector_port=free_port())
    collector = CollectorProcess(settings, load_config(settings)).start()
    journey = Journey(collector, Front(collector.url))
    yield journey
    collector.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def npm_cache(pytestconfig: pytest.Config) -> Path:
    """Where npm packages stay between runs."""
    return pytestconfig.cache.mkdir("npm")


@pytest.fixture(scope="session")
def node_modules(npm_cache: Path) -> Path:
    """The packages of `node/package.json`."""
    return npm.installed("node", npm_cache)


@pytest.fixture(scope="module")
def browser(npm_cache: Path) -> Iterator[Browser]:
    """A headless Chromium, or a skip that says why there is none."""
    with launched(npm_cache) as found:
        yield found
