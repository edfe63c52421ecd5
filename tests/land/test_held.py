"""Rows that are kept aside are told with every pull, until they come right or are gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from headwater.configuration import Config, RestSource, RestTable
from headwater.land import held, pages, places
from headwater.land.backfill import try_backfill
from headwater.land.extracts import pull, try_pull
from headwater.land.listings import TablePulled
from headwater.settings import Settings
from tests.land.paged_tool import PagedTool

Pull = Callable[[], TablePulled]


def contact(number: int, **values: Any) -> dict[str, Any]:
    moment = f"2026-01-01T12:{number:02d}:00.000Z"
    return {"id": f"c{number}", "email": f"{number}@example.com", "visits": 1, "updated_at": moment, **values}


def good(*numbers: int) -> list[dict[str, Any]]:
    return [contact(number) for number in numbers]


def bad(*numbers: int) -> list[dict[str, Any]]:
    return [contact(number, visits="many") for number in numbers]


@pytest.fixture
def table(crm: Config) -> RestTable:
    source = crm.sources["crm"]
    assert isinstance(source, RestSource)
    return source.tables["contacts"]


@pytest.fixture
def pulled(settings: Settings, crm: Config, tool: PagedTool, table: RestTable) -> Pull:
    """What the next pull of contacts says; the table's newest three minutes are read again with each."""
    table.overlap = 180
    tool.rows = {"contacts": good(1, 2, 3, 4, 5)}
    return lambda: try_pull(settings, crm, "crm", ["contacts"]).tables["contacts"]


def test_a_lasting_change_of_type_is_told_until_it_ends_and_nothing_else_is_said_of_its_rows(
    pulled: Pull, tool: PagedTool
) -> None:
    assert (pulled().aside, pulled().kept_aside) == (0, "")
    tool.rows["contacts"] = [*good(1, 2, 3), *bad(4, 5, 6)]
    first = pulled()
    assert (first.quarantined, first.aside, first.notes) == (3, 3, [])
    assert first.changes == ["column visits is declared as integer and holds text: discard"]
    assert first.kept_aside.startswith("3 rows are kept aside (raw.quarantine), the first since 20")
    again = pulled()
    assert (again.quarantined, again.changes, again.notes) == (0, [], [])
    assert again.kept_aside == first.kept_aside
    tool.rows["contacts"] = [*good(1, 2, 3, 4), *bad(5), *good(6)]
    some = pulled()
    assert (some.aside, some.notes) == (1, [])
    assert some.kept_aside == first.kept_aside.replace("3 rows are", "1 row is")
    tool.rows["contacts"] = good(1, 2, 3, 4, 5, 6)
    mended = pulled()
    assert (mended.rows, mended.aside, mended.kept_aside, mended.notes) == (1, 0, "", [])


def test_a_row_is_still_told_when_it_is_not_asked_for_any_more_and_is_right_by_its_key(
    pulled: Pull, tool: PagedTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.rows["contacts"] = [*bad(1), *good(2, 3, 9)]
    assert pulled().aside == 1
    monkeypatch.setattr(places, "ASIDE_DAYS", -1)
    assert [pulled().aside, pulled().aside] == [1, 1]
    tool.rows["contacts"] = [contact(1, updated_at="2026-01-01T12:08:30.000Z"), *good(2, 3, 9)]
    assert pulled().aside == 0


def test_a_row_that_is_gone_where_it_was_asked_for_again_is_not_aside_any_more(pulled: Pull, tool: PagedTool) -> None:
    tool.rows["contacts"] = [*good(1), *bad(2), *good(3, 9)]
    assert pulled().aside == 1
    tool.rows["contacts"] = good(1, 3, 9)
    assert pulled().aside == 0


def test_of_a_table_that_is_read_whole_only_what_was_met_last_is_aside(
    pulled: Pull, tool: PagedTool, table: RestTable
) -> None:
    table.cursor = None
    tool.rows["contacts"] = [*good(1), *bad(2, 3), contact(4, id=None)]
    assert pulled().aside == 3
    tool.rows["contacts"] = [*good(1), *bad(3)]
    assert pulled().aside == 1


def test_days_that_were_asked_for_again_end_it_or_begin_it(
    pulled: Pull, tool: PagedTool, settings: Settings, crm: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.rows["contacts"] = [*bad(1, 2), *good(3, 9)]
    assert pulled().aside == 2
    monkeypatch.setattr(places, "ASIDE_DAYS", -1)
    tool.rows["contacts"] = [*good(1), *bad(2, 3), *good(9)]
    try_backfill(settings, crm, "crm", datetime(2026, 1, 1), datetime(2026, 1, 2), ["contacts"])
    assert [pulled().aside, pulled().aside] == [2, 2]
    tool.rows["contacts"] = good(1, 2, 3, 9)
    try_backfill(settings, crm, "crm", datetime(2026, 1, 1), datetime(2026, 1, 2), ["contacts"])
    assert pulled().aside == 0


def test_a_row_that_a_scan_of_the_keys_brought_is_not_aside_any_more(
    pulled: Pull, tool: PagedTool, table: RestTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.deletes, table.scan_hours = "scan", 0
    tool.rows["contacts"] = [*bad(1), *good(2, 3, 9)]
    assert pulled().aside == 1
    monkeypatch.setattr(places, "ASIDE_DAYS", -1)
    pulled()
    tool.rows["contacts"] = good(1, 2, 3, 9)
    assert pulled().rows == 1
    assert pulled().aside == 0


def test_of_too_many_rows_to_remember_each_it_is_told_that_there_are_more(
    pulled: Pull, tool: PagedTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "REMEMBERED", 2)
    tool.rows["contacts"] = [*bad(1, 2, 3, 4), *good(9)]
    assert pulled().kept_aside.startswith("4 rows are kept aside")
    assert pulled().kept_aside.startswith("4 rows are kept aside")  # they were asked for again
    monkeypatch.setattr(places, "ASIDE_DAYS", -1)
    pulled()
    assert pulled().kept_aside.startswith("more than 2 rows are kept aside")


def test_rows_that_cannot_be_placed_are_named_where_the_newest_row_is_not_found(pulled: Pull, tool: PagedTool) -> None:
    pulled()
    rows = [*good(1, 2, 3, 4), contact(5, updated_at="soon")]
    body = json.dumps({"data": rows, "next_page_token": None}).encode()
    tool.fault = lambda path, count: (200, {}, body)
    found = pulled()
    assert found.notes == [
        "the newest row is not where it was: it is among those whose updated_at cannot be read, or it was deleted, or "
        "the tool's clock went back; rows from before updated_at were read again"
    ]
    assert found.aside == 1


def test_rows_that_come_again_after_a_pull_that_broke_off_are_not_called_late(
    settings: Settings,
    crm: Config,
    pulled: Pull,
    tool: PagedTool,
    table: RestTable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "ATTEMPTS", 1)
    table.is_ordered = True
    pulled()
    tool.fault = lambda path, count: (200, {}, b"<html>")
    assert pulled().error is not None
    tool.fault = lambda path, count: None
    assert pulled().notes == []
    tool.rows["contacts"].append(contact(4, id="c99"))
    assert pull(settings, crm, "crm", ["contacts"]).tables["contacts"].notes == [
        "1 row came late, after others with a newer updated_at"
    ]


def test_a_row_that_says_something_else_than_before_is_not_called_late(pulled: Pull, tool: PagedTool) -> None:
    tool.rows["contacts"] = [contact(number, colour="red") for number in (1, 2, 3)]
    assert pulled().changes == ["column colour (text) is not declared: evolve"]
    tool.rows["contacts"] = [*good(1, 2), contact(3, visits=9), contact(3, id="c99")]
    assert pulled().notes == [
        "1 row came late, after others with a newer updated_at",
        "3 rows changed without a newer updated_at",
    ]
    assert pulled().notes == []
