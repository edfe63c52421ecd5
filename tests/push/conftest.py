"""What the tests of pushing share: a tool to push to, a warehouse with something to push, a config that ties them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from headwater.configuration import Config, Destination, Identity, Platform, Stream, Sync
from headwater.settings import Settings, load_settings
from tests.tool_server import TOKEN, ToolServer


@pytest.fixture
def tool() -> Iterator[ToolServer]:
    with ToolServer() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", config=tmp_path / "config")


@pytest.fixture
def config(tool: ToolServer) -> Config:
    mapping = {"id": "crm_id", "first_name": "first_name", "likelihood_to_churn": "likelihood_to_churn"}
    return Config(
        platform=Platform(company="Test", currency="EUR", stacks=["starter"], api_tokens=["t"]),
        sources={},
        import_source="server",
        identity=Identity(id_types={}, edges=[]),
        syncs={
            "crm": Sync(
                model="marts.people", key="crm_id", destination="crm", object="contacts", mapping=mapping,
                where="crm_id is not null",
            ),
        },
        destinations={
            "crm": Destination(type="crm", base_url=f"{tool.url}/crm", token=TOKEN, rate_per_second=10_000),
            "events": Destination(
                type="email", base_url=f"{tool.url}/email", token=TOKEN, rate_per_second=10_000,
                stream=Stream(types=["track", "identify"], events=["Order Completed"]),
            ),
        },
    )  # fmt: skip


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'; create schema marts")
        connection.execute("""
            create table marts.people as
            select
                'customer_' || i as customer_id, 'crm_' || lpad(i::varchar, 4, '0') as crm_id,
                'Ana ' || i as first_name,
                i / 1000 as likelihood_to_churn
            from range(250) as numbers(i)
        """)
        yield connection
