"""Asking for days of history again: the place of the incremental pull is not touched, and what changed is loaded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import duckdb
import pytest

from headwater.configuration import Config, RestSource, SqlSource, SqlTable
from headwater.errors import UsageError
from headwater.land.backfill import try_backfill
from headwater.land.extracts import pull
from headwater.load.extracts import load_extracts
from headwater.settings import Settings
from headwater.storage.lake import LocalLake
from headwater.storage.warehouse import ensure_schemas
from tests.land.paged_tool import PagedTool

JANUARY = [datetime(2026, 1, day) for day in range(1, 32)]


def contact(number: int, day: int, **values: Any) -> dict[str, Any]:
    moment = f"2026-01-{day:02d}T12:00:00.000Z"
    return {"id": f"c{number}", "email": f"{number}@example.com", "visits": 1, "updated_at": moment, **values}


def visits(lake: LocalLake, config: Config) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        ensure_schemas(con)
        load_extracts(con, lake, config, "crm")
        return con.execute("select id, visits from raw.crm__contacts order by 1").fetchall()


def test_a_day_that_is_asked_for_again_brings_what_changed_in_silence_and_no_other_day(
    settings: Settings, crm: Config, tool: PagedTool, lake: LocalLake
) -> None:
    tool.rows = {"contacts": [contact(n, n) for n in range(1, 6)], "deals": []}
    pull(settings, crm, "crm")
    tool.rows["contacts"] = [contact(n, n, visits=9) for n in range(1, 6)]
    found = try_backfill(settings, crm, "crm", JANUARY[1], JANUARY[3], ["contacts"]).tables["contacts"]
    assert (found.rows, found.objects, found.error) == (2, 1, None)
    assert visits(lake, crm) == [("c1", 1), ("c2", 9), ("c3", 9), ("c4", 1), ("c5", 1)]


def test_the_incremental_pull_goes_on_from_its_own_place(
    settings: Settings, crm: Config, tool: PagedTool, lake: LocalLake
) -> None:
    tool.rows = {"contacts": [contact(n, n) for n in range(1, 6)], "deals": []}
    pull(settings, crm, "crm")
    for _ in range(2):
        assert try_backfill(settings, crm, "crm", JANUARY[0], JANUARY[2], ["contacts"]).tables["contacts"].rows == 2
    tool.rows["contacts"].append(contact(6, 9))
    assert pull(settings, crm, "crm").tables["contacts"].rows == 1
    assert visits(lake, crm) == [(f"c{n}", 1) for n in range(1, 7)]


def test_a_tool_that_promises_an_order_is_not_asked_beyond_the_window(
    settings: Settings, crm: Config, tool: PagedTool
) -> None:
    source = crm.sources["crm"]
    assert isinstance(source, RestSource)
    source.page_size, source.tables["contacts"].is_ordered = 1, True
    tool.rows = {"contacts": [contact(n, n) for n in range(1, 20)], "deals": []}
    found = try_backfill(settings, crm, "crm", JANUARY[0], JANUARY[2], ["contacts"]).tables["contacts"]
    assert (found.rows, len(tool.requests)) == (2, 3)


def test_days_of_a_database_are_asked_for_again(
    settings: Settings, postgres: Any, postgres_server: str, config_of: Callable[..., Config], lake: LocalLake
) -> None:
    postgres.execute("create table contacts (id text, visits bigint, updated_at timestamptz)")
    postgres.execute(
        "insert into contacts select 'c' || i, 1, timestamptz '2026-01-01 12:00Z' + (i - 1) * interval '1 day' "
        "from generate_series(1, 5) i"
    )
    table = SqlTable(columns={"id": "text", "visits": "integer", "updated_at": "timestamp"})
    config = config_of(crm=SqlSource(url=postgres_server, tables={"contacts": table}))
    pull(settings, config, "crm")
    postgres.execute("update contacts set visits = 9")
    assert try_backfill(settings, config, "crm", JANUARY[1], JANUARY[3], ["contacts"]).tables["contacts"].rows == 2
    assert visits(lake, config) == [("c1", 1), ("c2", 9), ("c3", 9), ("c4", 1), ("c5", 1)]


def test_a_table_without_a_cursor_of_time_cannot_be_asked_for_days(settings: Settings, crm: Config) -> None:
    source = crm.sources["crm"]
    assert isinstance(source, RestSource)
    source.tables["contacts"].cursor = None
    with pytest.raises(UsageError, match="has no cursor of type timestamp or date"):
        try_backfill(settings, crm, "crm", JANUARY[0], JANUARY[1], ["contacts"])
