"""Sealed segments become objects: complete, once, with their shapes, and nothing lost on the way."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from headwater.configuration import load_config
from headwater.land import event_files
from headwater.land.event_files import EVENTS
from headwater.land.events import EventsLanded, land_events, pending_segments
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.log import Envelope, LogLock, encode_envelope, frame
from headwater.storage.log.record import MAGIC

EVENING, NEXT_DAY = datetime(2026, 5, 4, 23, 59, 59), datetime(2026, 5, 5, 0, 0, 1)
LIVE = Envelope("web", "live", EVENING, ip="203.0.113.7")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    config = CHECKOUT / "config" / "examples" / "minimal"
    made = load_settings(tmp_path / "home", config, lake_url=str(tmp_path / "lake"))
    made.log_dir.mkdir(parents=True)
    return made


def segment(settings: Settings, number: int, *rows: tuple[Envelope, str, Any], suffix: str = ".seg") -> Path:
    path = settings.log_dir / f"{number:012d}-0000000000001{suffix}"
    frames = [
        frame(encode_envelope(e), key, p if isinstance(p, bytes) else json.dumps(p).encode()) for e, key, p in rows
    ]
    path.write_bytes(MAGIC + b"".join(frames))
    return path


def page(user: Any = "u1", **extra: Any) -> dict[str, Any]:
    return {"type": "page", "userId": user, "name": "Home", **extra}


def land(settings: Settings) -> EventsLanded:
    return land_events(settings, load_config(settings))


def read(settings: Settings, what: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return duckdb.sql(
        f"select {columns} from read_parquet('{settings.lake_url}/{what}/**/*.parquet', filename = true) order by all"
    ).fetchall()


def objects(settings: Settings) -> dict[str, bytes]:
    root = Path(settings.lake_url)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.parquet"))}


def test_an_event_lands_with_every_promised_column(settings: Settings) -> None:
    track = {"type": "track", "event": "Order Completed", "userId": 17850, "timestamp": "2026-05-04T23:00:00Z"}
    segment(settings, 1, (LIVE, "m1", track))
    assert land(settings) == EventsLanded(segments=1, objects=1, events=1)
    (path,) = objects(settings)
    assert path == "events/received_date=2026-05-04/000000000001-0000000000001.parquet"
    table = pq.read_table(Path(settings.lake_url, path), partitioning=None)
    assert table.schema.remove_metadata() == EVENTS
    (row,) = table.to_pylist()
    payload = json.loads(row.pop("payload"))
    assert row == {
        "source": "web",
        "message_id": "m1",
        "type": "track",
        "event": "Order Completed",
        "user_id": "17850",
        "anonymous_id": None,
        "timestamp": datetime(2026, 5, 4, 23),
        "original_timestamp": datetime(2026, 5, 4, 23),
        "sent_at": None,
        "received_at": EVENING,
        "known_at": EVENING,
        "route": "live",
        "row_number": 0,
        "original": None,
        "violations": None,
        "replays": None,
        "request_ip": "203.0.113.7",
    }
    assert payload["messageId"] == "m1"
    assert payload["userId"] == "17850"
    assert payload["receivedAt"] == "2026-05-04T23:59:59.000Z"
    assert payload["context"] == {"ip": "203.0.113.7"}


def test_landing_twice_writes_the_same_objects(settings: Settings) -> None:
    aside = Envelope("web", "quarantine", EVENING, reason="not JSON")
    rows = [(LIVE, f"m{n}", page(n, properties={"b": n, "a": "x"})) for n in range(50)]
    segment(settings, 1, *rows, (aside, "q", b"{"))
    assert land(settings).segments == 1
    first = objects(settings)
    assert land(settings) == EventsLanded()
    (settings.log_dir / "readers" / "lander.json").unlink()
    assert land(settings).segments == 1
    assert objects(settings) == first


def test_a_segment_that_crosses_midnight_lands_in_both_days(settings: Settings) -> None:
    late = Envelope("web", "live", NEXT_DAY)
    segment(settings, 1, (LIVE, "m1", page()), (late, "m2", page()), (LIVE, "m3", page()))
    land(settings)
    assert read(settings, "events", "received_date::varchar, message_id, row_number") == [
        ("2026-05-04", "m1", 0),
        ("2026-05-04", "m3", 2),
        ("2026-05-05", "m2", 1),
    ]


def test_rows_come_in_their_order_over_many_row_groups(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_files, "ROWS_PER_GROUP", 7)
    segment(settings, 1, *((LIVE, f"m{n}", page()) for n in range(50)))
    land(settings)
    (path,) = objects(settings)
    table = pq.read_table(Path(settings.lake_url, path), partitioning=None)
    assert table["message_id"].to_pylist() == [f"m{n}" for n in range(50)]
    assert table["row_number"].to_pylist() == list(range(50))
    assert pq.read_metadata(Path(settings.lake_url, path)).num_row_groups == 8


def test_the_shapes_of_the_events_are_recorded_with_the_object(settings: Settings) -> None:
    track = {"type": "track", "event": "Order", "userId": "u"}
    segment(
        settings,
        1,
        (LIVE, "m1", track | {"properties": {"total": 3.5, "a/b": {"c.d": "2026-01-01"}, "empty": "", "none": None}}),
        (LIVE, "m2", track | {"properties": {"total": 3.0, "products": [1], "paid": True}}),
        (LIVE, "m3", page(context={"page": {"url": "x"}})),
    )
    land(settings)
    (path,) = objects(settings)
    shapes = json.loads(pq.read_metadata(Path(settings.lake_url, path)).metadata[b"headwater.schema"])
    assert shapes == {
        "Order": {
            "/context/ip": ["string"],
            "/properties/a~1b/c.d": ["datetime"],
            "/properties/paid": ["boolean"],
            "/properties/products": ["array"],
            "/properties/total": ["float", "int"],
        },
        "page": {"/context/ip": ["string"], "/context/page/url": ["string"]},
    }


def test_what_the_collector_kept_aside_lands_in_quarantine(settings: Settings) -> None:
    text = Envelope("web", "quarantine", EVENING, reason="not JSON", detail="a.ndjson, line 2")
    binary = Envelope("web", "quarantine", EVENING, reason="truncated gzip")
    segment(settings, 1, (text, "q1", b'{"broken'), (binary, "q2", b"\x1f\x8b\xff"), (LIVE, "m1", page()))
    report = land(settings)
    assert (report.events, report.quarantined) == (1, 2)
    assert read(settings, "quarantine", "reason, source, received_at, payload, detail") == [
        ("not JSON", "web", EVENING, '{"broken', "a.ndjson, line 2"),
        ("truncated gzip", "web", EVENING, "H4v/", "payload in base64"),
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"type":"page","userId":"u","x":1e999}', "number out of range"),
        (b'{"type":"page","userId":"\\ud800"}', "not JSON"),
        (b'{"type":"track","event":"\\ud800","userId":"u"}', "not JSON"),
        (b'{"type":"track","userId":"u","x":1e999,"event":"\\ud800"}', "number out of range"),
    ],
)
def test_an_event_that_cannot_be_written_as_json_is_kept_aside(settings: Settings, payload: bytes, reason: str) -> None:
    segment(settings, 1, (LIVE, "m1", payload), (LIVE, "m2", page()))
    report = land(settings)
    assert (report.events, dict(report.reasons)) == (1, {reason: 1})
    assert read(settings, "quarantine", "payload") == [(payload.decode(),)]


def test_a_number_that_nobody_can_read_is_named_and_the_events_name_stays(settings: Settings) -> None:
    payload = b'{"type": "track", "event": "Order Completed", "userId": "u", "context": {"n": 1e400}}'
    segment(settings, 1, (LIVE, "m1", payload))
    land(settings)
    assert read(settings, "quarantine", "reason, type, event") == [("number out of range", "track", "Order Completed")]


def test_damage_is_kept_aside_with_its_place_and_the_next_segment_lands(settings: Settings) -> None:
    path = segment(settings, 1, (LIVE, "m1", page()), (LIVE, "m2", page()))
    path.write_bytes(path.read_bytes()[:-3])
    segment(settings, 2, (LIVE, "m3", page()))
    report = land(settings)
    assert (report.segments, report.events, dict(report.reasons)) == (2, 2, {"damaged log record": 1})
    assert "000000000001" in read(settings, "quarantine", "detail")[0][0]


def test_the_open_segment_of_a_dead_collector_is_sealed_and_landed(settings: Settings) -> None:
    path = segment(settings, 1, (LIVE, "m1", page()), (LIVE, "m2", page()), suffix=".open")
    path.write_bytes(path.read_bytes()[:-3])
    assert pending_segments(settings) == ["000000000001-0000000000001"]
    assert land(settings).events == 1


def test_the_open_segment_of_a_living_collector_is_left_alone(settings: Settings) -> None:
    path = segment(settings, 1, (LIVE, "m1", page()), suffix=".open")
    lock = LogLock(settings.log_dir, "a collector")
    assert lock.try_acquire()
    assert pending_segments(settings) == []
    assert land(settings) == EventsLanded()
    assert path.exists()
    lock.release()


def test_a_home_without_a_log_has_nothing_to_land(settings: Settings) -> None:
    settings.log_dir.rmdir()
    assert pending_segments(settings) == []
    assert land(settings) == EventsLanded()
    assert not settings.log_dir.exists() or objects(settings) == {}


def test_an_sdk_two_hours_ahead_lands_at_the_collectors_time(settings: Settings) -> None:
    ahead = Envelope("web", "live", EVENING, sent_at="2026-05-05T01:59:59.000Z")
    segment(settings, 1, (ahead, "m1", page(timestamp="2026-05-05T01:59:29.000Z")))
    land(settings)
    assert read(settings, "events", "timestamp, original_timestamp, sent_at, known_at") == [
        (datetime(2026, 5, 4, 23, 59, 29), datetime(2026, 5, 5, 1, 59, 29), datetime(2026, 5, 5, 1, 59, 59), EVENING)
    ]
