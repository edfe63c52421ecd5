"""A home with an empty warehouse and a local lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from headwater.settings import Settings, load_settings
from headwater.storage.lake import Lake, open_lake
from headwater.storage.warehouse import connect, ensure_schemas


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    return load_settings(home=home, lake_url=str(home / "lake"))


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return open_lake(settings)


@pytest.fixture
def con(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(settings, purpose="test", wait_seconds=1) as connection:
        ensure_schemas(connection)
        yield connection
