from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from headwater.load import event_tables, ledger
from headwater.load.event_shape import columns
from headwater.load.event_shape.rules import Rules
from headwater.load.event_tables import load_event_tables
from headwater.load.events import load_events
from headwater.storage.lake import Lake
from headwater.storage.warehouse import declared_tables, ensure_schemas
from tests.load.landed import call, identify, land, track


def load(con, lake: Lake) -> event_tables.EventTablesLoaded:
    load_events(con, lake)
    return load_event_tables(con, lake)


def types(con, table: str) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute(f"describe events.{table}").fetchall()}


def test_base_tables_stand_typed_in_an_empty_warehouse(con, lake: Lake) -> None:
    assert load(con, lake) == event_tables.EventTablesLoaded()
    for table in ("tracks", "pages", "screens", "identifies", "users", "groups", "aliases", "rudder_discards"):
        assert con.execute(f"select count(*) from events.{table}").fetchone() == (0,)
        assert set(types(con, table)) == set(declared_tables()[f"events.{table}"])


def test_a_track_goes_into_tracks_without_and_into_its_own_table_with_its_properties(con, lake: Lake) -> None:
    land(lake, 1, [
        track("m1", "Order Completed", {"total": 12.5, "count": 3, "isGift": True, "note": "hi"}, userId="u1",
              context={"ip": "10.0.0.1", "page": {"url": "https://x"}}),
    ])  # fmt: skip
    loaded = load(con, lake)

    assert (loaded.events, loaded.rows, loaded.tables) == (1, 2, 2)
    assert con.execute(
        "select id, user_id, event, event_text, context_ip, context_page_url, context_source_id from events.tracks"
    ).fetchall() == [("m1", "u1", "order_completed", "Order Completed", "10.0.0.1", "https://x", "web")]
    assert "total" not in types(con, "tracks")
    assert con.execute(
        "select id, total, count, is_gift, note, context_ip, timestamp from events.order_completed"
    ).fetchall() == [("m1", 12.5, 3, True, "hi", "10.0.0.1", datetime(2026, 1, 1, 12))]
    found = types(con, "order_completed")
    assert [found[name] for name in ("total", "count", "is_gift", "note")] == ["DOUBLE", "BIGINT", "BOOLEAN", "VARCHAR"]


def test_nested_objects_are_flattened_and_arrays_stay_json(con, lake: Lake) -> None:
    land(lake, 1, [track("m1", "Bought", {"cart": {"lines": [{"sku": "a", "n": 1}], "deep": {"er": 1}}, "none": None})])
    load(con, lake)

    assert con.execute("select cart_lines, cart_deep_er from events.bought").fetchall() == [('[{"sku":"a","n":1}]', 1)]
    assert not {"none", "cart", "cart_deep"} & set(types(con, "bought"))


def test_iso_times_become_utc_timestamps_only_where_every_value_is_one(con, lake: Lake) -> None:
    land(lake, 1, [
        track("m1", "Booked", {"starts": "2026-02-03T10:00:00+02:00", "day": "2026-02-03", "mixed": "2026-02-03"}),
        track("m2", "Booked", {"starts": "2026-02-03T10:00:00.5Z", "day": "2026-02-04", "mixed": "soon"}),
    ])  # fmt: skip
    load(con, lake)

    assert con.execute("select starts, day, mixed from events.booked order by id").fetchall() == [
        (datetime(2026, 2, 3, 8), datetime(2026, 2, 3), "2026-02-03"),
        (datetime(2026, 2, 3, 10, 0, 0, 500_000), datetime(2026, 2, 4), "soon"),
    ]


def test_a_wrong_date_or_a_year_out_of_range_is_text_not_an_error(con, lake: Lake) -> None:
    land(lake, 1, [track("m1", "Booked", {"starts": "2026-02-31"}), track("m2", "Booked", {"starts": "2026-02-03"})])
    load(con, lake)

    assert con.execute("select starts from events.booked order by id").fetchall() == [("2026-02-31",), ("2026-02-03",)]


def test_columns_widen_without_loss_when_types_conflict_across_loads(con, lake: Lake) -> None:
    land(lake, 1, [track("m1", "Seen", {"a": 1, "b": 2.5, "c": True, "d": "2026-01-01T00:00:00Z", "e": 7})])
    load(con, lake)
    land(lake, 2, [track("m2", "Seen", {"a": 1.5, "b": 3, "c": "maybe", "d": "later", "e": [1]})])
    load(con, lake)

    assert con.execute("select a, b, c, d, e from events.seen order by id").fetchall() == [
        (1.0, 2.5, "true", "2026-01-01T00:00:00Z", "7"),
        (1.5, 3.0, "maybe", "later", "[1]"),
    ]
    found = types(con, "seen")
    assert [found[name] for name in "abcde"] == ["DOUBLE", "DOUBLE", "VARCHAR", "VARCHAR", "VARCHAR"]


def test_columns_hold_every_type_that_one_load_brings(con, lake: Lake) -> None:
    values = [1, 2.5, "x", True, [1], None, "", {"in": 3}, 12345678901234567890]
    land(lake, 1, [track(f"m{index}", "Seen", {"v": value}) for index, value in enumerate(values)])
    load(con, lake)

    rows = con.execute("select v from events.seen order by id").fetchall()
    assert [row[0] for row in rows] == ["1", "2.5", "x", "true", "[1]", None, None, None, "12345678901234567890"]
    assert con.execute("select id, v_in from events.seen where v_in is not null").fetchall() == [("m7", 3)]


def test_whole_numbers_too_large_for_a_column_of_floats_are_kept_as_text(con, lake: Lake) -> None:
    land(lake, 1, [track("m1", "Seen", {"number": 9007199254740993})])
    load(con, lake)
    land(lake, 2, [track("m2", "Seen", {"number": 0.5})])
    load(con, lake)

    assert con.execute("select number from events.seen order by id").fetchall() == [("9007199254740993",), ("0.5",)]


def test_the_landers_shapes_are_used_and_wrong_ones_do_no_harm(con, lake: Lake) -> None:
    shapes = {
        "Seen": {"/properties/a.b~1c": ["int"], "/properties/n": ["int"], "/properties/gone": ["string"]},
        "page": {"/properties/path": ["string"]},
    }
    land(
        lake, 1, [track("m1", "Seen", {"a.b/c": 1, "n": "seven"}), call("m2", "page", properties={"path": "/"})], shapes
    )
    load(con, lake)

    assert con.execute("select a_b_c, n from events.seen").fetchall() == [(1, "seven")]
    assert con.execute("select path from events.pages").fetchall() == [("/",)]
    assert "gone" not in types(con, "seen")


@pytest.mark.parametrize(
    ("event", "table"),
    [
        ("Users", "_users"),
        ("tracks", "_tracks"),
        ("select", "_select"),
        ("2nd Visit", "_2nd_visit"),
        ("日本", "unnamed_event"),
    ],
)
def test_event_names_that_cannot_be_table_names_are_changed(con, lake: Lake, event: str, table: str) -> None:
    land(lake, 1, [track("m1", event, {"order": 1})])
    load(con, lake)

    assert con.execute(f'select event_text, event, _order from events."{table}"').fetchall() == [(event, table, 1)]
    assert con.execute("select count(*) from events.users").fetchone() == (0,)


def test_events_whose_names_differ_only_in_writing_share_a_table(con, lake: Lake) -> None:
    land(lake, 1, [track("m1", "Order Completed", {"a": 1}), track("m2", "order_completed", {"a": 2, "A": 3})])
    load(con, lake)

    rows = con.execute("select event_text, a from events.order_completed order by id").fetchall()
    assert rows[0] == ("Order Completed", 1)
    assert rows[1][0] == "order_completed"


def test_a_property_never_takes_a_reserved_column_and_is_recorded_instead(con, lake: Lake) -> None:
    land(lake, 1, [track("m1", "Seen", {"id": "mine", "user_id": "u1", "event": "x", "ok": 1}, userId="u1")])
    assert load(con, lake).discards == 2

    assert con.execute("select id, user_id, event, ok from events.seen").fetchall() == [("m1", "u1", "seen", 1)]
    assert con.execute(
        "select table_name, row_id, column_name, column_value, reason from events.rudder_discards order by 3"
    ).fetchall() == [
        ("seen", "m1", "event", "x", "the column is reserved"),
        ("seen", "m1", "id", "mine", "the column is reserved"),
    ]


def test_values_beyond_the_column_limit_are_recorded(con, lake: Lake, monkeypatch) -> None:
    monkeypatch.setattr(columns, "MAX_COLUMNS", 20)
    land(lake, 1, [track("m1", "Seen", {"a": 1, "b": 2, "c": 3, "d": 4})])
    load(con, lake)

    kept = con.execute("select a, b from events.seen").fetchall()
    assert kept == [(1, 2)]
    assert con.execute("select column_name, column_value from events.rudder_discards order by 1").fetchall() == [
        ("c", "3"),
        ("d", "4"),
    ]


@pytest.mark.slow
def test_the_column_limit_holds_over_many_loads(con, lake: Lake, monkeypatch) -> None:
    monkeypatch.setattr(columns, "MAX_COLUMNS", 20)
    for number in range(6):
        land(lake, number, [track(f"m{number}", "Seen", {f"key{number}": number})])
        load(con, lake)

    assert len(types(con, "seen")) <= 20
    stored = sum(
        con.execute(f"select count({name}) from events.seen").fetchone()[0]
        for name in types(con, "seen") if name.startswith("key")
    )  # fmt: skip
    assert stored + con.execute("select count(*) from events.rudder_discards").fetchone()[0] == 6


def test_event_names_beyond_the_table_limit_are_kept_in_tracks_and_discards(con, lake: Lake, monkeypatch) -> None:
    monkeypatch.setattr(event_tables, "MAX_EVENT_TABLES", 1)
    land(lake, 1, [track("m1", "First", {"a": 1}), track("m2", "Second", {"a": 2})])
    load(con, lake)

    assert con.execute("select count(*) from events.tracks").fetchone() == (2,)
    tables = con.execute("select table_name from duckdb_tables() where table_name in ('first', 'second')").fetchall()
    assert tables == [("first",)]
    assert con.execute("select row_id, column_name, column_value from events.rudder_discards").fetchall() == [
        ("m2", "a", "2")
    ]


def test_pages_screens_groups_and_aliases_have_their_own_columns(con, lake: Lake) -> None:
    land(lake, 1, [
        call("m1", "page", name="Home", properties={"name": "ignored", "title": "T"}, channel="web"),
        call("m2", "page", properties={"name": "From the property"}),
        call("m3", "screen", name="Start", category="c"),
        call("m4", "group", groupId="g1", traits={"employees": 7}),
        call("m5", "alias", userId="u1", previousId="a1"),
    ])  # fmt: skip
    load(con, lake)

    assert con.execute("select name, title, channel from events.pages order by id").fetchall() == [
        ("Home", "T", "web"), ("From the property", None, None)
    ]  # fmt: skip
    assert con.execute("select name, category from events.screens").fetchall() == [("Start", "c")]
    assert con.execute("select group_id, employees from events.groups").fetchall() == [("g1", 7)]
    assert con.execute("select user_id, previous_id from events.aliases").fetchall() == [("u1", "a1")]


def test_users_hold_the_latest_value_of_each_trait_whatever_the_order_of_loading(con, lake: Lake) -> None:
    land(lake, 1, [
        identify("m1", "u1", {"email": "new@x", "plan": "a"}, at=10),
        identify("m2", "u2", {"email": "two@x"}, at=0),
        call("m3", "identify", anonymousId="a", traits={"email": "nobody@x"}),
    ])  # fmt: skip
    load(con, lake)
    land(lake, 2, [identify("m4", "u1", {"email": "old@x", "city": "Y", "plan": 1}, at=5)])
    land(lake, 3, [identify("m5", "u1", {"plan": "b"}, at=20)])
    load(con, lake)

    assert con.execute("select id, email, plan, city from events.users order by 1").fetchall() == [
        ("u1", "new@x", "b", "Y"), ("u2", "two@x", None, None)
    ]  # fmt: skip
    assert con.execute("select count(*) from events.identifies").fetchone() == (5,)


def test_traits_in_the_context_count_where_the_call_has_none_of_its_own(con, lake: Lake) -> None:
    land(lake, 1, [
        identify("m1", "u1", {"email": "a@x"}, context={"traits": {"email": "b@x", "age": 3}}),
        call("m2", "track", event="Seen", context={"traits": {"email": "c@x"}}),
    ])  # fmt: skip
    load(con, lake)

    assert con.execute("select email, age, context_traits_email from events.identifies").fetchall() == [
        ("a@x", 3, "b@x")
    ]
    assert con.execute("select context_traits_email from events.seen").fetchall() == [("c@x",)]


def test_tables_are_the_same_in_one_load_and_in_many(con, lake: Lake, monkeypatch) -> None:
    monkeypatch.setattr(ledger, "GROUP_ROWS", 2)
    for number in range(4):
        land(
            lake, number, [track(f"m{number}", "Seen", {"n": number}), identify(f"i{number}", "u1", {f"t{number}": 1})]
        )
        load(con, lake)
    first = [con.execute(f"select * exclude uuid_ts from events.{t} order by id").fetchall() for t in ("seen", "users")]
    con.execute("delete from raw.loaded_objects where target = 'events'")
    for (table,) in con.execute("select table_name from duckdb_tables() where schema_name = 'events'").fetchall():
        con.execute(f"drop table events.{table}")
    ensure_schemas(con)
    monkeypatch.setattr(ledger, "GROUP_ROWS", 200_000)
    load(con, lake)

    again = [con.execute(f"select * exclude uuid_ts from events.{t} order by id").fetchall() for t in ("seen", "users")]
    assert again == first


def test_a_column_that_a_person_declared_with_another_type_keeps_it_while_values_fit(con, lake: Lake) -> None:
    con.execute("create table events.seen (id varchar, price decimal(10, 2), day date, code integer)")
    land(lake, 1, [track("m1", "Seen", {"price": 3.25, "day": "2026-01-01", "code": "x1"})])
    load(con, lake)

    assert [types(con, "seen")[name] for name in ("price", "day", "code")] == ["DECIMAL(10,2)", "DATE", "VARCHAR"]
    assert con.execute("select price::double, day::text, code, event_text from events.seen").fetchall() == [
        (3.25, "2026-01-01", "x1", "Seen")
    ]


def test_objects_that_left_the_lake_after_loading_still_reach_their_tables(con, lake: Lake) -> None:
    key = land(lake, 1, [track("m1", "Seen", {"n": 1})], {"Seen": {"/properties/n": ["int"]}})
    load_events(con, lake)
    Path(lake.uri(key)).unlink()
    load_event_tables(con, lake)

    assert con.execute("select n from events.seen").fetchall() == [(1,)]


def test_of_two_keys_that_are_called_the_same_the_second_value_is_recorded(con, lake: Lake) -> None:
    land(lake, 1, [
        track("m1", "Bought", {"productId": "a", "product_id": "b"}, context={"appName": "x", "app": {"name": "y"}}),
        track("m2", "Bought", {"product_id": "c"}),
        track("m3", "Bought", {"productId": "d", "product_id": "d"}),
        identify("m4", "u1", {"age": 3}, context={"traits": {"age": 4}}),
    ])  # fmt: skip
    load(con, lake)
    assert con.execute("select id, product_id, context_app_name from events.bought order by 1").fetchall() == [
        ("m1", "a", "y"), ("m2", "c", None), ("m3", "d", None),
    ]  # fmt: skip
    found = con.execute("select row_id, column_name, column_value, reason from events.rudder_discards order by all")
    assert found.fetchall() == [
        ("m1", "context_app_name", "x", "another key is called the same: /context/appName"),
        ("m1", "product_id", "b", "another key is called the same: /properties/product_id"),
    ]


@pytest.mark.parametrize("planned", [{}, {"bought": {"total": "DOUBLE"}}], ids=["unplanned", "planned"])
def test_a_number_beyond_a_double_is_never_infinity_and_its_text_is_kept(con, lake: Lake, planned) -> None:
    huge = 10**400
    land(lake, 1, [track("m1", "Bought", {"total": 1.5}), track("m2", "Bought", {"total": huge})])
    load_events(con, lake)
    load_event_tables(con, lake, Rules(planned))
    found = con.execute("select total::varchar from events.bought order by id").fetchall()
    discards = con.execute("select row_id, column_name, column_value from events.rudder_discards").fetchall()
    if planned:
        assert (types(con, "bought")["total"], found) == ("DOUBLE", [("1.5",), (None,)])
        assert discards == [("m2", "total", str(huge))]
    else:
        assert (types(con, "bought")["total"], found) == ("VARCHAR", [("1.5",), (str(huge),)])
        assert discards == []
