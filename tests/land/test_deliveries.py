"""Deliveries in the lake and in the warehouse: each once, whatever is killed, and the day's numbers balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import httpx
import pyarrow as pa
import pytest

from headwater.configuration import Config, Destination, Stream, load_config
from headwater.land.deliveries import land_deliveries
from headwater.land.destination_counts import land_destination_counts
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.deliveries import Delivered, Deliveries, delivery_path
from headwater.storage.lake import open_lake
from headwater.storage.log import Position
from sandbox.standins.webhook import Webhook
from tests.standin_server import StandinServer

NOW = datetime(2026, 11, 21, 12)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "home", CHECKOUT / "config" / "examples" / "minimal")


def outcome(n: int, status: str = "delivered") -> Delivered:
    return Delivered("web", f"m{n}", "track", "Order Completed", NOW, status, NOW, tool_event="purchase")


def landed(settings: Settings, prefix: str) -> pa.Table:
    lake = open_lake(settings)
    uris = [lake.uri(item.key) for item in lake.list(prefix)]
    with duckdb.connect() as con:
        return con.execute("from read_parquet(?) order by all", [uris]).to_arrow_table()


def test_each_outcome_lands_once_and_in_order(settings: Settings) -> None:
    store = Deliveries(delivery_path(settings, "tool"))
    config = load_config(settings)
    store.commit(Position("000000000001-1", 10), [outcome(n) for n in range(3)])
    assert land_deliveries(settings, config, NOW).rows == {"tool": 3}
    store.commit(Position("000000000001-1", 20), [outcome(3, "rejected")])
    assert land_deliveries(settings, config, NOW).rows == {"tool": 1}
    assert land_deliveries(settings, config, NOW).rows == {"tool": 0}
    rows = landed(settings, "deliveries/").to_pylist()
    assert [(row["destination"], row["seq"], row["message_id"]) for row in rows] == [
        ("tool", n + 1, f"m{n}") for n in range(4)
    ]
    assert {row["segment"] for row in rows} == {"000000000001-1"}


def test_what_is_only_counted_lands_as_a_picture_of_one_moment_and_only_when_it_changed(settings: Settings) -> None:
    store = Deliveries(delivery_path(settings, "tool"))
    config = load_config(settings)
    key = ("web", NOW.date(), "track", "Product Viewed", "events")
    store.commit(Position("000000000001-1", 10), filtered=Counter({key: 2}))
    land_deliveries(settings, config, NOW)
    land_deliveries(settings, config, NOW + timedelta(minutes=1))
    lake = open_lake(settings)
    assert len(lake.list("delivery_counts/")) == 1
    store.commit(Position("000000000001-1", 20), filtered=Counter({key: 1}))
    land_deliveries(settings, config, NOW + timedelta(minutes=2))
    assert len(lake.list("delivery_counts/")) == 2
    with duckdb.connect() as con:
        newest = lake.uri(lake.list("delivery_counts/")[-1].key)
        assert con.execute("select event, reason, events from read_parquet(?)", [newest]).fetchall() == [
            ("Product Viewed", "events", 3)
        ]


def test_landed_outcomes_of_long_ago_are_forgotten_by_the_store_and_stay_in_the_lake(settings: Settings) -> None:
    store = Deliveries(delivery_path(settings, "tool"))
    store.commit(Position("000000000001-1", 10), [outcome(1)])
    later = NOW + timedelta(days=30)
    assert land_deliveries(settings, load_config(settings), later).rows == {"tool": 1}
    assert store.find("m1") == []
    store.commit(Position("000000000001-1", 20), [outcome(2)])
    assert land_deliveries(settings, load_config(settings), NOW).rows == {"tool": 1}
    assert landed(settings, "deliveries/").num_rows == 2


@pytest.fixture
def reporting(settings: Settings, tmp_path: Path) -> Iterator[tuple[Config, httpx.Client]]:
    """A config with a destination `tool` that reports, and the tool."""
    with StandinServer(Webhook, tmp_path) as server:
        config = load_config(settings)
        config.destinations["tool"] = Destination(
            type="webhook", base_url=server.url, counts_url=f"{server.url}/_counts", stream=Stream()
        )
        yield config, server.client


def read_at(settings: Settings) -> list[str]:
    lake = open_lake(settings)
    with duckdb.connect() as con:
        query = "select decode(value) from parquet_kv_metadata(?) where decode(key) = 'headwater.read_at'"
        return [
            con.execute(query, [lake.uri(item.key)]).fetchall()[0][0] for item in lake.list("destination_counts/tool/")
        ]


def test_a_tool_s_report_is_kept_when_it_or_what_was_delivered_has_changed(
    settings: Settings, reporting: tuple[Config, httpx.Client]
) -> None:
    config, tool = reporting
    began = datetime.now(UTC).replace(tzinfo=None).isoformat()
    assert land_destination_counts(settings, config).rows == {"tool": 0}  # a report of nothing is one too
    assert land_destination_counts(settings, config).rows == {}
    event = {"type": "track", "event": "Order Completed", "messageId": "m1", "userId": "u"}
    tool.post("/events", json={"events": [event]}, headers={"Authorization": "Bearer sandbox_demo"})
    assert land_destination_counts(settings, config).rows == {"tool": 1}
    assert land_destination_counts(settings, config).rows == {}
    Deliveries(delivery_path(settings, "tool")).commit(Position("000000000001-1", 10), [outcome(1), outcome(2)])
    assert land_destination_counts(settings, config).rows == {"tool": 1}  # it says the same of two more
    assert [row["events"] for row in landed(settings, "destination_counts/").to_pylist()] == [1, 1]
    assert len(read_at(settings)) == 3 and began < read_at(settings)[0] < read_at(settings)[-1]


def test_a_tool_that_does_not_answer_keeps_its_last_report_and_is_named(
    settings: Settings, reporting: tuple[Config, httpx.Client]
) -> None:
    config, _ = reporting
    land_destination_counts(settings, config)
    config.destinations["tool"].counts_url = config.destinations["tool"].counts_url.replace("_counts", "nowhere")
    report = land_destination_counts(settings, config)
    assert report.rows == {} and "nowhere" in report.failed["tool"]
    assert len(read_at(settings)) == 1
