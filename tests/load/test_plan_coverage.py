"""The plan against what arrived: three states, what was kept aside, what each destination got, and drafts' samples."""

from __future__ import annotations

import json
from typing import Any

import pytest
from duckdb import DuckDBPyConnection

from headwater.configuration import (
    Config,
    ConversationSource,
    Destination,
    EventSource,
    Identity,
    KafkaSource,
    PlannedEvent,
    Platform,
    Stream,
    WebhookSource,
)
from headwater.errors import DataError
from headwater.load.plan_coverage import (
    SeenEvent,
    coverage_of,
    recorded,
    seen_events,
    silent_sources,
    write_coverage,
)


def configured(**destinations: Destination) -> Config:
    return Config(
        platform=Platform(company="c", currency="USD", stacks=[]),
        sources={},
        import_source="web",
        identity=Identity(id_types={}, edges=[]),
        destinations=destinations,
        tracking_plan={
            "order_completed": PlannedEvent(event="Order Completed", owner="shop@example.com"),
            "order_lost": PlannedEvent(event="Order Lost", owner="shop@example.com"),
            "any_page": PlannedEvent(type="page", owner="web@example.com"),
        },
    )


def arrived(
    con: DuckDBPyConnection, kind: str, event: str | None, *, violations: str | None = None, **more: Any
) -> None:
    """One row of raw.events; `day` of January is when it happened."""
    day = more.pop("day", 1)
    con.execute(
        "insert into raw.events by name select ? as message_id, ? as type, ? as event, ?::timestamp as timestamp,"
        " ? as payload, ? as violations",
        [f"{kind}{event}{day}", kind, event, f"2026-01-{day:02}", json.dumps({"type": kind, **more}), violations],
    )


def told(con: DuckDBPyConnection, event: str, status: str, count: int, reason: str = "") -> None:
    """Deliveries of a track to `tool`; filtered ones are only counted."""
    if status == "filtered":
        con.execute(
            "insert into raw.delivery_counts by name select 'tool' as destination, 'track' as type, ? as event,"
            " ? as reason, ? as events",
            [event, reason, count],
        )
        return
    con.execute(
        "insert into raw.deliveries by name select 'tool' as destination, 'track' as type, ? as event, ? as status,"
        " ? as reason from range(?)",
        [event, status, reason, count],
    )


def test_each_event_is_planned_and_seen_planned_only_or_seen_only(con):
    arrived(con, "track", "Order Completed", day=3)
    arrived(con, "track", "Order Completed", day=9, violations='[{"type": "rule"}]')
    arrived(con, "track", "order_completed")
    arrived(con, "page", None, name="Home")
    arrived(con, "page", None, name="Cart")
    arrived(con, "identify", None)
    arrived(con, "alias", None)
    rows = coverage_of(con, configured())
    assert [(row.status, row.type, row.event, row.events, row.file) for row in rows] == [
        ("planned_and_seen", "page", "Cart", 1, "any_page"),
        ("planned_and_seen", "page", "Home", 1, "any_page"),
        ("planned_and_seen", "track", "Order Completed", 2, "order_completed"),
        ("planned_never_seen", "track", "Order Lost", 0, "order_lost"),
        ("seen_unplanned", "track", "order_completed", 1, ""),
    ]
    completed = rows[2]
    assert (completed.violating, completed.owner) == (1, "shop@example.com")
    assert (completed.first_seen_at.day, completed.last_seen_at.day) == (3, 9)


def test_what_a_source_s_transformation_renamed_was_seen_under_both_names(con):
    con.execute(
        "insert into raw.events by name select 'm' as message_id, 'track' as type, 'Order Completed' as event,"
        " '{}' as payload, ? as original",
        [json.dumps({"type": "track", "event": "Order Lost"})],
    )
    rows = {row.event: row for row in coverage_of(con, configured())}
    assert [(rows[name].status, rows[name].events) for name in ("Order Completed", "Order Lost")] == [
        ("planned_and_seen", 1), ("planned_and_seen", 1),
    ]  # fmt: skip


def test_each_page_has_its_own_deliveries(con):
    for number, name in enumerate(["Home", "Home", "Cart", "Help"]):
        con.execute(
            "insert into raw.events by name select ? as message_id, 'web' as source, 'page' as type, ? as payload",
            [f"p{number}", json.dumps({"type": "page", "name": name})],
        )
    for number, status in enumerate(["delivered", "delivered", "rejected"]):
        con.execute(
            "insert into raw.deliveries by name select 'tool' as destination, 'page' as type, ? as message_id,"
            " 'web' as source, ? as status, 'HTTP 400' as reason",
            [f"p{number}", status],
        )
    con.execute(
        "insert into raw.delivery_counts by name select 'off' as destination, 'page' as type, '' as event,"
        " 'off' as reason, 4 as events"
    )
    config = configured(tool=webhook(), off=webhook())
    there = {row.event: row.destinations for row in coverage_of(con, config) if row.type == "page"}
    told = {name: (at["tool"].state, at["tool"].delivered, at["tool"].rejected) for name, at in there.items()}
    assert told == {"Home": ("receives", 2, 0), "Cart": ("filtered", 0, 1), "Help": ("nothing yet", 0, 0)}
    assert {at["off"].state for at in there.values()} == {"withheld"}


def webhook() -> Destination:
    return Destination(type="webhook", base_url="http://127.0.0.1:1", token="t", stream=Stream())


def test_a_source_is_silent_until_something_of_it_came_whatever_became_of_it(con):
    config = configured()
    config.sources = {
        "web": EventSource(write_keys=["wk"]), "survey": WebhookSource(type="generic"),
        "till": EventSource(write_keys=["wt"]), "bus": KafkaSource("k:9092", ["t"], "wb"),
        "chats": ConversationSource(),
    }  # fmt: skip
    assert silent_sources(con, config) == ["web", "survey", "till", "bus"]
    con.execute("insert into raw.events by name select 'm' as message_id, 'track' as type, 'web' as source")
    con.execute("insert into raw.quarantine by name select 'not JSON' as reason, 'survey' as source")
    con.execute("insert into raw.dropped by name select 'plan: rule' as reason, 'till' as source")
    assert silent_sources(con, config) == ["bus"]


def test_events_that_the_plan_kept_aside_were_seen(con):
    con.execute(
        "insert into raw.quarantine by name select 'plan: wrong_type properties.total' as reason, 'track' as type,"
        " 'Order Lost' as event union all select 'not JSON', 'track', 'Order Completed'"
    )
    con.execute("insert into raw.dropped by name select 'plan: rule' as reason, 'page' as type, 'Home' as event")
    rows = {row.event: row for row in coverage_of(con, configured())}
    assert (rows["Order Lost"].status, rows["Order Lost"].quarantined) == ("planned_and_seen", 1)
    assert rows["Order Completed"].status == "planned_never_seen"
    assert (rows["Home"].status, rows["Home"].dropped) == ("planned_and_seen", 1)


@pytest.mark.parametrize(
    ("stream", "told_of", "expected"),
    [
        (Stream(), [("delivered", 2, ""), ("filtered", 1, "consent")], ("receives", 2, 0, 1, ["consent"])),
        (Stream(), [("filtered", 3, "consent"), ("filtered", 9, "routes")], ("filtered", 0, 0, 3, ["consent"])),
        (Stream(), [("rejected", 1, "refused")], ("filtered", 0, 1, 0, ["refused"])),
        (Stream(), [("filtered", 9, "off")], ("withheld", 0, 0, 0, [])),
        (Stream(start="now"), [("filtered", 9, "start")], ("withheld", 0, 0, 0, [])),
        (Stream(), [("filtered", 9, "plan"), ("filtered", 1, "quarantined")], ("nothing yet", 0, 0, 0, [])),
        (Stream(), [], ("nothing yet", 0, 0, 0, [])),
        (Stream(events=["Order Lost"]), [], ("withheld", 0, 0, 0, [])),
        (Stream(types=["identify"]), [], ("withheld", 0, 0, 0, [])),
        (Stream(types=["track"], events=["Order Completed"]), [], ("nothing yet", 0, 0, 0, [])),
    ],
)
def test_what_a_destination_got_of_an_event(con, stream, told_of, expected):
    arrived(con, "track", "Order Completed")
    for status, count, reason in told_of:
        told(con, "Order Completed", status, count, reason)
    told(con, "Order Lost", "delivered", 7)
    config = configured(tool=Destination(type="webhook", stream=stream), crm=Destination(type="crm"))
    there = next(row for row in coverage_of(con, config) if row.event == "Order Completed").destinations
    assert list(there) == ["tool"]
    tool = there["tool"]
    assert (tool.state, tool.delivered, tool.rejected, tool.filtered, tool.reasons) == expected


def test_without_a_plan_nothing_is_covered(con):
    arrived(con, "track", "Order Completed")
    config = configured()
    config.tracking_plan = {}
    assert coverage_of(con, config) == []
    assert write_coverage(con, []) == 0


def test_the_table_has_one_row_an_event_and_is_replaced_whole(con):
    arrived(con, "track", "Order Completed")
    config = configured(tool=Destination(type="webhook", stream=Stream()))
    for _ in range(2):
        assert write_coverage(con, coverage_of(con, config)) == 3
    found = con.execute(
        "select status, events, destinations->>'$.tool.state' from marts.plan_coverage where event = 'Order Completed'"
    ).fetchall()
    assert found == [("planned_and_seen", 1, "nothing yet")]


def test_the_samples_of_a_draft_are_the_latest_and_of_the_right_part(con):
    for day in (1, 2, 3):
        arrived(con, "track", "Order Completed", properties={"day": day}, day=day)
    arrived(con, "identify", None, traits={"a": 1}, context={"traits": {"a": 0, "b": 2}})
    seen = {one.type: one for one in seen_events(con)}
    assert list(recorded(con, seen["track"], 2)) == [{"day": 3}, {"day": 2}]
    assert list(recorded(con, seen["identify"], 9)) == [{"a": 1, "b": 2}]
    assert list(recorded(con, SeenEvent("track", "Nope", 0, None, None, 0), 9)) == []


def test_a_warehouse_of_an_older_version_says_so(con):
    con.execute("alter table raw.events drop column violations")
    with pytest.raises(DataError, match="older version"):
        seen_events(con)
