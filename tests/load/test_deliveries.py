"""Deliveries from the lake into the warehouse: each object once, the latest picture, and the destinations of now."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection

from headwater.configuration import load_config
from headwater.land.deliveries import land_deliveries, written
from headwater.load.deliveries import StreamingDestination, load_deliveries
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.deliveries import Delivered, Deliveries, delivery_path
from headwater.storage.lake import Lake, open_lake
from headwater.storage.log import Position

NOW = datetime(2026, 11, 21, 12)
TOOL = StreamingDestination("tool", "webhook", knows_repeats=True)
SLACK = StreamingDestination("shout", "slack", knows_repeats=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "home", CHECKOUT / "config" / "examples" / "minimal")


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return open_lake(settings)


def report(lake: Lake, number: int, *counts: int) -> datetime:
    """A report as the lander keeps it, with a row for each count."""
    read_at = datetime(2026, 11, 21, 12, number, tzinfo=UTC).replace(tzinfo=None)
    rows = [
        {"destination": "tool", "day": read_at.date(), "event": f"e{n}", "events": count, "read_at": read_at}
        for n, count in enumerate(counts)
    ]
    fields = {"destination": pa.string(), "day": pa.date32(), "event": pa.string(), "events": pa.int64()}
    schema = pa.schema(fields | {"read_at": pa.timestamp("us")})
    content = written(pa.Table.from_pylist(rows, schema=schema), {"headwater.read_at": read_at.isoformat()})
    lake.put(f"destination_counts/tool/20261121T12{number:02}00.000000Z-{number:016}.parquet", content)
    return read_at


def test_outcomes_are_loaded_once_with_the_place_of_the_destination(
    con: DuckDBPyConnection, settings: Settings, lake: Lake
) -> None:
    store = Deliveries(delivery_path(settings, "tool"))
    outcome = Delivered("web", "m1", "track", "Order Completed", NOW, "delivered", NOW, tool_event="purchase")
    store.commit(Position("000000000001-1", 10), [outcome])
    land_deliveries(settings, load_config(settings), NOW)
    assert [load_deliveries(con, lake, [TOOL]).deliveries for _ in range(2)] == [1, 0]
    assert con.execute("select message_id, tool_event from raw.deliveries").fetchall() == [("m1", "purchase")]
    assert con.execute("from raw.delivery_places").fetchall() == [("tool", "000000000001-1", True)]


def test_the_latest_report_takes_the_place_of_the_one_before_an_empty_one_too(
    con: DuckDBPyConnection, lake: Lake
) -> None:
    for number, counts in enumerate([(3, 4), (5,), ()]):
        read_at = report(lake, number, *counts)
        load_deliveries(con, lake, [TOOL])
        found = con.execute("select events from raw.destination_counts order by event").fetchall()
        assert found == [(count,) for count in counts]
        assert con.execute("from raw.destination_reports").fetchall() == [("tool", read_at)]


def test_the_destinations_are_those_of_now(con: DuckDBPyConnection, lake: Lake) -> None:
    for destinations in ([TOOL, SLACK], [SLACK], []):
        load_deliveries(con, lake, destinations)
        found = con.execute(
            "select destination, type, knows_repeats, counted_types from raw.destinations order by 1"
        ).fetchall()
        assert found == sorted((one.name, one.type, one.knows_repeats, ",track,") for one in destinations)
