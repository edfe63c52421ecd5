"""`marts/plan_coverage` materialised in this process: its rows, its metadata, its check."""

from __future__ import annotations

import dagster as dg
import pytest

from headwater.settings import Settings
from headwater.storage.warehouse import connect, ensure_schemas

pytestmark = pytest.mark.slow


def materialize(settings: Settings) -> tuple[dict[str, object], dg.AssetCheckEvaluation]:
    from orchestration.defs.plan import plan_coverage
    from orchestration.platform import Platform, Warehouse

    result = dg.materialize(
        [plan_coverage], resources={"platform": Platform(), "warehouse": Warehouse(database=str(settings.warehouse))}
    )
    (event,) = result.get_asset_materialization_events()
    (check,) = result.get_asset_check_evaluations()
    told = event.step_materialization_data.materialization.metadata
    return {name: value.value for name, value in told.items()}, check


def add(settings: Settings, *events: tuple[str, str | None, str], sources: list[str] | None = None) -> None:
    """Events of all the config's sources, unless these are told."""
    from orchestration.platform import config

    sources = sources or list(config().sources)
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        sent = [*events, *(("alias", None, "{}") for _ in sources)]
        rows = [(f"m{number}", *event, sources[number % len(sources)]) for number, event in enumerate(sent)]
        sql = "insert into raw.events by name select ? as message_id, ? as type, ? as event, ? as payload, ? as source"
        con.executemany(sql, rows)


def test_coverage_tells_what_is_unplanned_and_what_was_never_seen_and_warns(settings: Settings) -> None:
    from orchestration.platform import config

    planned = config().tracking_plan.values()
    add(settings, ("track", "Video Played", "{}"))
    metadata, check = materialize(settings)
    assert metadata["dagster/row_count"] == len(planned) + 1
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["seen_and_not_planned"].value == "track Video Played"
    assert "track Order Completed" in check.metadata["planned_and_never_seen"].value

    with connect(settings, purpose="test") as con:
        con.execute("delete from raw.events")
    payload = '{{"name": "{}"}}'
    add(settings, *((p.type, p.event if p.type == "track" else None, payload.format(p.event)) for p in planned))
    metadata, check = materialize(settings)
    assert check.passed
    assert metadata["dagster/row_count"] == metadata["planned"] == len(planned)


def test_what_was_never_seen_is_no_fault_while_a_source_that_may_send_it_is_not_connected(settings: Settings) -> None:
    add(settings, ("track", "Order Completed", "{}"), sources=["web", "mobile", "server"])
    _, check = materialize(settings)
    assert check.passed
    assert "track Ticket Opened" in check.metadata["planned_and_never_seen"].value
    assert "ticket_activity" in check.metadata["sources_that_sent_nothing"].value

    add(settings, ("track", "Video Played", "{}"), sources=["web"])
    _, check = materialize(settings)
    assert not check.passed
    assert check.metadata["seen_and_not_planned"].value == "track Video Played"
