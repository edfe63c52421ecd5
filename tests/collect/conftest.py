"""A real collector: its own process, a real port, a real log folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwater.configuration import Config, load_config
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.log import LogReader, Position, Record, recover

COMMAND = [str(Path(sys.executable).parent / "headwater"), "collect"]
WEB = ("wk_web_demo", "")


@dataclass
class CollectorProcess:
    """A collector under test; `records` reads its log, which works while it runs and after it died."""

    settings: Settings
    config: Config
    preexec: Callable[[], None] | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    since: Position = field(default_factory=Position)
    log_dir: Path = field(init=False)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120), repr=False)

    def __post_init__(self) -> None:
        self.log_dir = self.settings.log_dir

    @property
    def url(self) -> str:
        return self.settings.collector_url

    def start(self) -> CollectorProcess:
        self.process = subprocess.Popen(
            [*COMMAND, *options(self.settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=self.preexec,
        )
        while True:
            with suppress(httpx.TransportError):
                self.client.get(f"{self.url}/version")
                return self
            if self.process.poll() is not None:
                assert self.process.stderr is not None
                raise AssertionError(self.process.stderr.read().decode())
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)
            self.process.wait(60)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        given = {"json": body} if body is not None and "content" not in options else {}
        return self.client.post(f"{self.url}{path}", **{"auth": WEB, **given, **options})

    def fresh(self, home: Path) -> CollectorProcess:
        """The same process, as a client with a home of its own sees it: only records from now on."""
        reader = LogReader(self.log_dir, "test")
        reader.seek_end()
        view = replace(self, settings=replace(self.settings, home=home), since=reader.position)
        view.log_dir = self.log_dir
        return view

    def records(self) -> list[Record]:
        if self.process is not None and self.process.poll() is not None:
            recover(self.log_dir)
        reader = LogReader(self.log_dir, "test")
        reader.position = self.since
        found: list[Record] = []
        while some := reader.read():
            found += some
        return found

    def events(self) -> list[Record]:
        return [record for record in self.records() if record.envelope.route != "quarantine"]

    def aside(self) -> list[Record]:
        return [record for record in self.records() if record.envelope.route == "quarantine"]


def options(settings: Settings) -> list[str]:
    """The command line's words for an installation."""
    where = ["--home", str(settings.home), "--config", str(settings.config_dir)]
    return [*where, "--port", str(settings.collector_port)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def new_collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    """A collector with a home of its own, not started yet."""
    settings = load_settings(
        tmp_path / "home",
        CHECKOUT / "config" / "examples" / "minimal",
        lake_url=str(tmp_path / "lake"),
        collector_port=free_port(),
    )
    made = CollectorProcess(settings, load_config(settings))
    yield made
    made.stop(signal.SIGKILL)


@pytest.fixture
def collector(new_collector: CollectorProcess) -> CollectorProcess:
    """A running collector with a home of its own."""
    return new_collector.start()


@pytest.fixture(scope="module")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One running collector for the tests of a module that only look at answers and at their own message ids."""
    settings = load_settings(
        tmp_path_factory.mktemp("collector"), CHECKOUT / "config" / "examples" / "minimal", collector_port=free_port()
    )
    made = CollectorProcess(settings, load_config(settings)).start()
    yield made
    made.stop(signal.SIGKILL)
