from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headwater.settings import CHECKOUT, Settings
from tests.orchestration.graph import load

CONFIGS = {
    "config": CHECKOUT / "config",
    **{
        f"examples/{path.name}": path
        for path in sorted((CHECKOUT / "config" / "examples").iterdir())
        if (path / "platform.yaml").is_file()
    },
}


@dataclass(frozen=True)
class Loaded:
    """The graph of one config, what loading it printed, and the home whose dbt manifest it read."""

    graph: dict[str, Any]
    output: str
    home: Path

    def assets(self) -> dict[str, dict[str, Any]]:
        return {asset["key"]: asset for asset in self.graph["assets"]}


@pytest.fixture(scope="package")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Loaded]:
    """Every config of the repository, loaded as a code location; two at a time."""
    homes = {name: tmp_path_factory.mktemp("graph") / "home" for name in CONFIGS}
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda name: (name, *load(CONFIGS[name], homes[name])), CONFIGS)
        return {name: Loaded(graph, output, homes[name]) for name, graph, output in found}


@pytest.fixture(params=CONFIGS)
def loaded(request: pytest.FixtureRequest, graphs: dict[str, Loaded]) -> Loaded:
    return graphs[request.param]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The code location's settings, of a home of its own."""
    monkeypatch.setenv("HEADWATER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEADWATER_CONFIG", str(CHECKOUT / "config"))
    from orchestration import platform  # Dagster costs seconds: only where it is used

    for read_once in (platform.settings, platform.config):
        read_once.cache_clear()
    yield platform.settings()
    for read_once in (platform.settings, platform.config):
        read_once.cache_clear()
