"""What the config says of the tables of events: kinds of sources, subtrees that stay JSON, the whole event."""

from __future__ import annotations

import json

import pytest

from headwater.configuration import (
    Config,
    EventSource,
    EventTables,
    Identity,
    KafkaSource,
    Platform,
    Source,
    WebhookSource,
)
from headwater.load.event_shape.rules import rules_of
from headwater.load.event_tables import load_event_tables
from headwater.load.events import load_events
from headwater.storage.lake import Lake
from tests.load.landed import call, identify, land, track

DEEP = {"a": {"b": {"c": {"d": {"e": {"f": 1}}, "n": 2}}}, "x": 3}


def config(event_tables: EventTables | None = None) -> Config:
    sources: dict[str, Source] = {
        "web": EventSource(["wk"]),
        "shop's": WebhookSource("shopify"),
        "bus": KafkaSource(bootstrap_servers="localhost:1", topics=["events"], write_key="wk_bus"),
    }
    platform = Platform(company="Test", currency="EUR", stacks=[], event_tables=event_tables or EventTables())
    return Config(platform, sources, "web", Identity(id_types={}, edges=[]))


def load(con, lake: Lake, event_tables: EventTables | None = None) -> int:
    load_events(con, lake)
    return load_event_tables(con, lake, rules_of(config(event_tables))).discards


def names(con, table: str) -> set[str]:
    return {row[0] for row in con.execute(f"describe events.{table}").fetchall()}


def test_each_row_names_its_source_its_kind_and_this_warehouse(con, lake: Lake) -> None:
    sources = ("web", "shop's", "bus", "long_gone")
    land(lake, 1, [track(f"m{index}", "Seen", {"n": 1}, source=name) for index, name in enumerate(sources)])
    load(con, lake)

    for table in ("tracks", "seen"):
        assert con.execute(
            "select context_source_id, context_source_type, context_destination_id, context_destination_type "
            f"from events.{table} order by id"
        ).fetchall() == [
            ("web", "events", "warehouse", "DUCKDB"),
            ("shop's", "webhook", "warehouse", "DUCKDB"),
            ("bus", "kafka", "warehouse", "DUCKDB"),
            ("long_gone", None, "warehouse", "DUCKDB"),
        ]


def test_keys_of_the_user_do_not_take_those_columns_and_are_recorded(con, lake: Lake) -> None:
    context = {"source": {"type": "mine"}, "request_ip": "1.1.1.1", "passed": {"ip": "2.2.2.2"}, "rudder_event": "x"}
    land(lake, 1, [track("m1", "Seen", {"rudder_event": "y"}, context=context, request_ip="203.0.113.1")])

    assert load(con, lake) == 4
    assert con.execute(
        "select context_source_type, context_request_ip, context_rudder_event from events.seen"
    ).fetchall() == [("events", "203.0.113.1", "x")]
    found = con.execute("select column_name, column_value from events.rudder_discards order by 1").fetchall()
    assert found == [
        ("context_passed_ip", "2.2.2.2"),
        ("context_request_ip", "1.1.1.1"),
        ("context_source_type", "mine"),
        ("rudder_event", "y"),
    ]


def test_the_address_of_the_request_and_the_one_that_the_event_names_have_columns_each(con, lake: Lake) -> None:
    land(lake, 1, [
        track("m1", "Seen", context={"ip": "203.0.113.1"}, request_ip="203.0.113.1"),  # filled in by the collector
        track("m2", "Seen", context={"ip": "198.51.100.9"}, request_ip="203.0.113.1"),
        track("m3", "Seen", context={"ip": "198.51.100.9"}),
        track("m4", "Seen"),
    ])  # fmt: skip
    load(con, lake)

    assert con.execute(
        "select id, context_ip, context_request_ip, context_passed_ip from events.tracks order by id"
    ).fetchall() == [
        ("m1", "203.0.113.1", "203.0.113.1", None),
        ("m2", "198.51.100.9", "203.0.113.1", "198.51.100.9"),
        ("m3", "198.51.100.9", None, "198.51.100.9"),
        ("m4", None, None, None),
    ]


def test_what_a_webhook_nests_below_four_keys_is_json_and_an_sdks_event_is_flat_beside_it(con, lake: Lake) -> None:
    land(lake, 1, [track("m1", "Seen", DEEP, source="shop's"), track("m2", "Seen", DEEP)])
    load(con, lake)

    assert con.execute("select id, a_b_c_d, a_b_c_d_e_f, a_b_c_n, x from events.seen order by id").fetchall() == [
        ("m1", '{"e":{"f":1}}', None, 2, 3),
        ("m2", None, 1, 2, 3),
    ]


def test_a_webhook_alone_makes_no_columns_of_what_is_deeper(con, lake: Lake) -> None:
    land(lake, 1, [identify("m1", "u1", DEEP, source="shop's"), call("m2", "page", context=DEEP, source="shop's")])
    load(con, lake)

    assert con.execute("select a_b_c_d, a_b_c_n from events.users").fetchall() == [('{"e":{"f":1}}', 2)]
    assert con.execute("select context_a_b_c_d from events.pages").fetchall() == [('{"e":{"f":1}}',)]
    assert not {"a_b_c_d_e_f", "context_a_b_c_d_e_f"} & (names(con, "users") | names(con, "pages"))


def test_a_path_that_the_config_names_stays_one_column_of_json(con, lake: Lake) -> None:
    rules = EventTables(json_paths=["context.app", "track.properties.cart.lines"])
    cart = {"lines": {"one": {"n": 1}}, "total": 5}
    land(lake, 1, [
        track("m1", "Seen", {"cart": cart}, context={"app": {"build": 7}}),
        track("m2", "Seen", {"cart": {"lines": "none"}}, context={"app": 3}),
        call("m3", "page", properties={"cart": cart}, context={"app": {"build": 8}}),
    ])  # fmt: skip
    load(con, lake, rules)

    assert con.execute("select cart_lines, cart_total, context_app from events.seen order by id").fetchall() == [
        ('{"one":{"n":1}}', 5, '{"build":7}'),
        ('"none"', None, "3"),
    ]
    assert con.execute("select cart_lines_one_n, context_app from events.pages").fetchall() == [(1, '{"build":8}')]
    assert not {"cart_lines_one_n", "context_app_build"} & names(con, "seen")


@pytest.mark.parametrize("has_full_event", [True, False])
def test_tables_of_types_hold_the_whole_event_where_the_config_says_so(con, lake: Lake, has_full_event: bool) -> None:
    land(lake, 1, [track("m1", "Seen", {"n": 1}), identify("m2", "u1", {"email": "a@x"})])
    load(con, lake, EventTables(has_full_event=has_full_event))

    tables = [t for t in ("tracks", "identifies", "seen", "users") if "rudder_event" in names(con, t)]
    assert tables == (["tracks", "identifies"] if has_full_event else [])
    if has_full_event:
        (text,) = con.execute("select rudder_event from events.tracks").fetchone()
        assert json.loads(text) == track("m1", "Seen", {"n": 1})
