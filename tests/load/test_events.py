from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from headwater.errors import DataError
from headwater.load import ledger
from headwater.load.dropped import load_dropped
from headwater.load.event_tables import load_event_tables
from headwater.load.events import EventsLoaded, load_events
from headwater.load.quarantine import load_quarantine
from headwater.settings import Settings, load_settings
from headwater.storage.lake import Lake, open_lake
from headwater.storage.warehouse import connect, ensure_schemas
from tests.load.landed import call, land, track
from tests.s3_server import KEYS, s3_server


def test_every_event_of_every_object_arrives_with_its_columns(con, lake: Lake) -> None:
    key = land(lake, 1, [track("m1", "Order Completed", {"total": 3.5}, userId="u1", anonymousId="a1")])

    assert load_events(con, lake) == EventsLoaded(objects=1, rows_read=1, rows_new=1, duplicates=0)
    row = con.execute(
        "select source, type, event, user_id, anonymous_id, timestamp::text, known_at::text, route, lake_object, "
        "row_number, payload ->> '$.properties.total', typeof(payload) from raw.events where message_id = 'm1'"
    ).fetchone()
    at = "2026-01-01 12:00:00"
    assert row == ("web", "track", "Order Completed", "u1", "a1", at, at, "live", key, 0, "3.5", "JSON")


def test_loading_again_adds_nothing(con, lake: Lake) -> None:
    land(lake, 1, [call("m1", "page"), call("m2", "page")])
    load_events(con, lake)

    assert load_events(con, lake) == EventsLoaded()
    assert con.execute("select count(*) from raw.events").fetchone() == (2,)


def test_of_duplicates_the_first_in_landing_order_stays_within_and_across_objects_and_loads(con, lake: Lake) -> None:
    land(lake, 2, [track("m1", "second object"), track("m3", "only")])
    land(lake, 1, [track("m1", "first"), track("m1", "same object"), track("m2", "before")])
    first = load_events(con, lake)
    land(lake, 3, [track("m2", "later load"), track("m4", "new"), track("m4", "new again")])
    second = load_events(con, lake)

    assert (first.rows_new, first.duplicates) == (3, 2)
    assert (second.rows_new, second.duplicates) == (1, 2)
    rows = con.execute("select message_id, event from raw.events order by 1").fetchall()
    assert rows == [("m1", "first"), ("m2", "before"), ("m3", "only"), ("m4", "new")]


def test_the_same_message_id_from_another_source_is_another_event(con, lake: Lake) -> None:
    land(lake, 1, [call("m1", "page", source="web"), call("m1", "page", source="mobile")])

    assert load_events(con, lake).rows_new == 2


def test_landing_order_is_by_file_name_whatever_the_folder(con, lake: Lake) -> None:
    late = land(lake, 2, [track("m1", "late")])
    moved = late.replace("2026-01-01", "2025-12-31")
    lake.put(moved, lake.get(late))
    land(lake, 1, [track("m1", "early")])
    load_events(con, lake)

    assert con.execute("select event from raw.events").fetchall() == [("early",)]


def test_groups_are_cut_by_rows_and_by_bytes_and_an_oversized_object_stands_alone() -> None:
    sizes = [(150_000, 1), (50_000, 1), (1, 1), (300_000, 1), (1, ledger.GROUP_BYTES), (1, 1)]
    measured = [ledger.Measured(str(index), rows, size) for index, (rows, size) in enumerate(sizes)]

    assert [[item.key for item in group] for group in ledger.groups(measured)] == [
        ["0", "1"],
        ["2"],
        ["3"],
        ["4"],
        ["5"],
    ]


def test_an_object_that_is_no_parquet_is_named_and_what_landed_before_can_still_be_queried(con, lake: Lake) -> None:
    land(lake, 1, [call("m1", "page")])
    load_events(con, lake)
    lake.put("events/received_date=2026-01-01/00000002-1.parquet", b"not parquet")

    with pytest.raises(DataError, match="00000002-1"):
        load_events(con, lake)
    assert con.execute("select count(*) from raw.events").fetchone() == (1,)


def test_an_object_with_a_payload_that_is_not_json_loads_none_of_its_group(con, lake: Lake, monkeypatch) -> None:
    monkeypatch.setattr(ledger, "GROUP_ROWS", 1)
    land(lake, 1, [call("m1", "page")])
    land(lake, 2, [call("m2", "page")])
    land(lake, 3, [call("m3", "page", text="{broken")])

    with pytest.raises(DataError, match="00000003"):
        load_events(con, lake)
    assert con.execute("select message_id from raw.events order by 1").fetchall() == [("m1",), ("m2",)]
    assert len(ledger.loaded(con, "raw.events")) == 2


def test_quarantine_is_loaded_once_with_its_reasons_even_without_some_columns(con, lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "q.parquet"
    con.execute(f"copy (select 'no id' as reason, 'web' as source, '{{' as payload) to '{file}' (format parquet)")
    lake.put("quarantine/events/20260101T000000Z-abc.parquet", file)

    assert load_quarantine(con, lake).by_reason == {"no id": 1}
    assert load_quarantine(con, lake).rows == 0
    assert con.execute("select reason, payload, detail, lake_object from raw.quarantine").fetchall() == [
        ("no id", "{", None, "quarantine/events/20260101T000000Z-abc.parquet")
    ]


def test_what_is_met_again_in_another_object_is_kept_once(con, lake: Lake, tmp_path: Path) -> None:
    line, row = "'not JSON', 'web', '{', 'a.ndjson, line 3', 'id-1'", "'wrong type', 'shop', 'x', 'age', null"
    for number, rows in enumerate([[line, row, row], [row, line.replace("id-1", "id-2")], [line]]):
        file = tmp_path / f"{number}.parquet"
        con.execute(
            f"copy (from (values {', '.join(f'({values})' for values in rows)}) "
            f"as t(reason, source, payload, detail, quarantine_id)) to '{file}' (format parquet)"
        )
        lake.put(f"quarantine/events/2026010{number + 1}T000000Z-abc.parquet", file)

    assert load_quarantine(con, lake).by_reason == {"not JSON": 2, "wrong type": 1}
    assert load_quarantine(con, lake).objects == 0
    assert con.execute("select quarantine_id from raw.quarantine where reason = 'not JSON' order by 1").fetchall() == [
        ("id-1",), ("id-2",),
    ]  # fmt: skip


@pytest.mark.slow
def test_events_and_their_tables_are_loaded_from_s3(con, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path) as endpoint:
        for name, value in {"AWS_ENDPOINT_URL": endpoint, **KEYS}.items():
            monkeypatch.setenv(name, value)
        bucket = open_lake(load_settings(home=tmp_path, lake_url="s3://bucket/some/prefix"))
        land(bucket, 1, [track("m1", "Seen", {"n": 1})], {"Seen": {"/properties/n": ["int"]}})
        land(bucket, 2, [track("m1", "Seen", {"n": 2}), track("m2", "Seen", {"n": 3})])

        assert load_events(con, bucket).rows_new == 2
        load_event_tables(con, bucket)
    assert con.execute("select id, n from events.seen order by id").fetchall() == [("m1", 1), ("m2", 3)]


_LOAD_AND_DIE = """
import os, signal, sys
from headwater.load import event_tables, events, ledger
from headwater.settings import load_settings
from headwater.storage.lake import open_lake
from headwater.storage.warehouse import connect, ensure_schemas

ledger.GROUP_ROWS = 1
left = int(sys.argv[2])
record = ledger.record

def dying_record(*args):
    global left
    left -= 1
    record(*args)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

ledger.record = dying_record
settings = load_settings(home=sys.argv[1])
with connect(settings, purpose="doomed") as con:
    ensure_schemas(con)
    events.load_events(con, open_lake(settings))
    event_tables.load_event_tables(con, open_lake(settings))
"""


@pytest.mark.parametrize("dies_at", [2, 5])
@pytest.mark.slow
def test_a_load_killed_at_any_point_and_run_again_gives_the_same_tables(
    settings: Settings, lake: Lake, dies_at
) -> None:
    for number in (1, 2, 3):
        land(lake, number, [track("m0", "Order Completed", {"total": number}), track(f"m{number}", "Cart Viewed")])
    environment = {**os.environ, "HEADWATER_LAKE": settings.lake_url}
    child = subprocess.run(
        [sys.executable, "-c", _LOAD_AND_DIE, settings.home, str(dies_at)], env=environment, check=False
    )
    assert child.returncode == -signal.SIGKILL

    with connect(settings, purpose="again", wait_seconds=1) as con:
        ensure_schemas(con)
        load_events(con, lake)
        load_event_tables(con, lake)
        assert con.execute("select message_id, count(*) from raw.events group by 1 order by 1").fetchall() == [
            ("m0", 1), ("m1", 1), ("m2", 1), ("m3", 1)
        ]  # fmt: skip
        assert con.execute("select id from events.tracks order by 1").fetchall() == [("m0",), ("m1",), ("m2",), ("m3",)]
        assert con.execute("select id, total from events.order_completed").fetchall() == [("m0", 1)]
        assert con.execute("select target, count(*) from raw.loaded_objects group by 1 order by 1").fetchall() == [
            ("events", 3), ("raw.events", 3)
        ]  # fmt: skip


def test_an_event_that_was_put_through_again_marks_its_quarantined_row(con, lake: Lake, tmp_path: Path) -> None:
    for number, key in enumerate(["q1", "q2", "q3"]):
        file = tmp_path / f"{key}.parquet"
        values = f"'plan: rule' as reason, 'web' as source, '{{' as payload, '{key}' as quarantine_id"
        con.execute(f"copy (select {values}) to '{file}' (format parquet)")
        lake.put(f"quarantine/events/2026010{number + 1}T000000Z-abc.parquet", file)
    land(lake, 1, [track("m1", "Order")])
    load_events(con, lake)
    con.execute("update raw.events set replays = 'q1'")
    con.execute("insert into raw.dropped (replays, replayed_at) values ('q2', timestamp '2026-02-01')")

    assert load_quarantine(con, lake).replayed == 2
    assert load_quarantine(con, lake).replayed == 0
    assert con.execute("select quarantine_id, replayed_at from raw.quarantine order by 1").fetchall() == [
        ("q1", datetime(2026, 1, 1, 12)), ("q2", datetime(2026, 2, 1)), ("q3", None),
    ]  # fmt: skip


def test_objects_without_the_newer_columns_load_beside_those_that_have_them(con, lake: Lake, tmp_path: Path) -> None:
    old = land(lake, 1, [track("m1", "Order")])
    file = tmp_path / "new.parquet"
    con.execute(
        f"copy (select * replace ('m2' as message_id), '{{}}' as original, '[]' as violations, 'q1' as replays "
        f"from read_parquet('{lake.uri(old)}')) to '{file}' (format parquet)"
    )
    lake.put(old.replace("00000001-", "00000002-"), file)
    assert load_events(con, lake).rows_new == 2
    assert con.execute("select message_id, original, violations, replays from raw.events order by 1").fetchall() == [
        ("m1", None, None, None), ("m2", "{}", "[]", "q1"),
    ]  # fmt: skip


def test_what_was_dropped_is_loaded_once(con, lake: Lake, tmp_path: Path) -> None:
    for number in range(2):
        file = tmp_path / f"{number}.parquet"
        con.execute(
            "copy (select 'plan: rule' as reason, 'web' as source, unnest(['m1', 'm2', 'm2']) as message_id, "
            f"'{{}}' as payload) to '{file}' (format parquet)"
        )
        lake.put(f"dropped/events/0000000{number}-abc.parquet", file)
    assert load_dropped(con, lake).by_reason == {"plan: rule": 2}
    assert load_dropped(con, lake).rows == 0
    assert con.execute("select message_id from raw.dropped order by 1").fetchall() == [("m1",), ("m2",)]


def test_a_group_that_needs_more_memory_is_done_again_with_the_warehouses_limit(con, lake: Lake, monkeypatch) -> None:
    (limit,) = con.execute("select current_setting('memory_limit')").fetchone()
    monkeypatch.setattr(ledger, "MEMORY_LIMIT", "1KB")
    land(lake, 1, [track(f"m{index}", "Seen", {"n": index}) for index in range(5)])

    assert load_events(con, lake).rows_new == 5
    assert load_event_tables(con, lake).rows == 10
    assert con.execute("select sum(n) from events.seen").fetchone() == (10,)
    assert con.execute("select current_setting('memory_limit')").fetchone() == (limit,)
