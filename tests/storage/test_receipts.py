"""A message is found wherever it is: in the log, in the lake, at destinations, in the read copy."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import Destination, EventSource, Stream, load_config
from headwater.land.events import land_events
from headwater.load.events import load_events
from headwater.push.stream import drain
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.deliveries import Delivered, Deliveries, delivery_path
from headwater.storage.deliveries.progress import Progress, save_progress
from headwater.storage.lake import open_lake
from headwater.storage.live import Follower, Wanted
from headwater.storage.log import Envelope, LogWriter, Position, encode_envelope, frame, segments
from headwater.storage.receipts import Receipt, as_json, find_receipt
from headwater.storage.warehouse import connect, ensure_schemas, publish

NOW = datetime(2026, 11, 21, 12)
VIOLATION = ("wrong_type", "properties.total", "is no number")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    yield load_settings(tmp_path / "home", CHECKOUT / "config" / "examples" / "minimal")


def write(settings: Settings, *records: tuple[str, Envelope], seal: bool = True) -> None:
    async def run() -> None:
        log = LogWriter(settings.log_dir)
        log.open()
        event = {"type": "track", "event": "Order Completed", "userId": "u1", "properties": {"total": "12"}}
        framed = [
            frame(encode_envelope(envelope), message_id, json.dumps({**event, "messageId": message_id}).encode())
            for message_id, envelope in records
        ]
        await log.append(framed)
        await log.close()

    asyncio.run(run())


def live(**more: object) -> Envelope:
    return Envelope("web", "live", NOW, ip="203.0.113.7", **more)  # type: ignore[arg-type]


def stand(settings: Settings, name: str, place: Position | None, *rows: Delivered) -> None:
    """A destination that has come so far."""
    with closing(Deliveries(delivery_path(settings, name))) as store:
        if place is not None:
            store.commit(place, rows)


def told(receipt: Receipt) -> list[tuple[str, str, bool]]:
    return [(arrival.verdict, arrival.event, arrival.is_landed) for arrival in receipt.arrivals]


def test_a_message_nobody_sent_is_not_known(settings: Settings) -> None:
    assert not find_receipt(settings, "m1").is_known


def test_a_message_is_found_in_the_log_then_in_the_lake_and_told_once(settings: Settings) -> None:
    write(settings, ("m1", live(violations=[VIOLATION])), ("m2", live()))
    before = find_receipt(settings, "m1")
    assert told(before) == [("accepted", "Order Completed", False)]
    land_events(settings, load_config(settings))
    after = find_receipt(settings, "m1")
    assert told(after) == [("accepted", "Order Completed", True)]
    wanted = [{"type": "wrong_type", "property": "properties.total", "message": "is no number"}]
    assert before.arrivals[0].violations == after.arrivals[0].violations == wanted


def test_what_was_kept_aside_or_dropped_is_told_with_its_reason(settings: Settings) -> None:
    aside = Envelope("web", "quarantine", NOW, reason="plan: wrong_type properties.total", violations=[VIOLATION])
    write(settings, ("m1", aside), ("m2", live(verdict="drop", violations=[VIOLATION])))
    for _ in ("in the log", "in the lake"):
        quarantined, dropped = find_receipt(settings, "m1"), find_receipt(settings, "m2")
        assert quarantined.arrivals[0].verdict == "quarantined"
        assert quarantined.arrivals[0].reason == "plan: wrong_type properties.total"
        assert dropped.arrivals[0].verdict == "dropped"
        land_events(settings, load_config(settings))


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type": "track", "event": "E", "userId": "u", "messageId": "m1", "properties": {"total": NaN}}',
        b'{"type": "track", "event": "\\ud800", "userId": "u", "messageId": "m1"}',
        b'{"type": "track", "event": "\xff", "userId": "u", "messageId": "m1"}',
        b'{"type": "page", "messageId": "m0", "name": "x", "messageId": "m1"}',
        b'{"type": "page", "messageId": " m1 "}',
        b'{"messageId" : "m1", "properties": {"text": "cut sho',
    ],
    ids=["NaN", "half a surrogate pair", "no UTF-8", "a key twice", "no user", "cut short"],
)
def test_what_could_not_be_read_is_found_by_the_message_id_that_it_says(settings: Settings, payload: bytes) -> None:
    follower = Follower(settings)

    async def run() -> None:
        log = LogWriter(settings.log_dir)
        log.open()
        await log.append([frame(encode_envelope(Envelope("web", "quarantine", NOW, reason="bad")), "key", payload)])
        await log.close()

    asyncio.run(run())
    assert [seen.message_id for seen in follower.new()] == ["m1"]
    for _ in ("in the log", "in the lake"):
        for name in ("m1", "key"):
            (arrival,) = find_receipt(settings, name).arrivals
            assert (arrival.verdict, arrival.reason) == ("quarantined", "bad")
        assert not find_receipt(settings, "m0").is_known
        land_events(settings, load_config(settings))
    assert arrival.is_landed


def test_every_arrival_of_a_message_is_told(settings: Settings) -> None:
    write(settings, ("m1", live()))
    land_events(settings, load_config(settings))
    write(settings, ("m1", live()))
    assert told(find_receipt(settings, "m1")) == [
        ("accepted", "Order Completed", True),
        ("accepted", "Order Completed", False),
    ]


def test_outcomes_waiting_and_left_out_are_told_apart(settings: Settings) -> None:
    write(settings, ("m1", live()))
    (segment,) = [path.stem for path in settings.log_dir.glob("*.seg")]
    row = Delivered("web", "m1", "track", "Order Completed", NOW, "delivered", NOW, code="200", attempts=2)
    for name, place, rows in (("sent", segment, [row]), ("past", segment, []), ("behind", "0", [])):
        stand(settings, name, Position(place, 10_000), *rows)
    shown = as_json(find_receipt(settings, "m1"), lambda name, _: f"because of {name}")["destinations"]
    assert [(one["status"], one["attempts"]) for one in shown["sent"]] == [("delivered", 2)]
    assert shown["past"] == [{"status": "not sent", "reason": "because of past"}]
    assert shown["behind"] == [{"status": "waiting", "reason": None}]


def test_a_destination_that_is_none_any_more_waits_for_nothing(settings: Settings) -> None:
    write(settings, ("m1", live()))
    for name in ("here", "gone"):
        stand(settings, name, Position("0", 0))
    found = find_receipt(settings, "m1")
    shown = as_json(found, lambda *_: "not configured any more", is_configured=lambda name: name == "here")
    assert shown["destinations"] == {
        "here": [{"status": "waiting", "reason": None}],
        "gone": [{"status": "not sent", "reason": "not configured any more"}],
    }


def test_what_a_sources_transformation_failed_at_is_told_before_it_lands_as_after_it(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", tmp_path / "config")
    settings = load_settings(tmp_path / "home", tmp_path / "config")
    (tmp_path / "config" / "transformations").mkdir(exist_ok=True)
    (tmp_path / "config" / "transformations" / "bad.py").write_text("def transform(event):\n    return 1 / 0\n")
    config = load_config(settings)
    config.sources["web"] = EventSource(write_keys=["k"], transformations=["bad"])
    config.destinations["hook"] = Destination(type="webhook", base_url="http://127.0.0.1:9", stream=Stream())
    write(settings, ("m1", live()))
    drain(settings, config, "hook")
    before = as_json(find_receipt(settings, "m1"), lambda *_: "it came before this destination began")
    [arrival] = before["arrivals"]
    assert arrival["landed"] is None
    land_events(settings, config)
    [landed] = as_json(find_receipt(settings, "m1"), lambda *_: "")["arrivals"]
    assert landed["landed"]
    for told in (arrival, landed):
        assert (told["verdict"], told["reason"]) == ("quarantined", "transformation: bad")
        assert told["detail"] == "bad.py, line 2: ZeroDivisionError: division by zero"
    assert before["destinations"] == {"hook": []}


@pytest.mark.parametrize("is_landed", [False, True])
def test_a_destination_in_the_middle_of_a_segment_is_past_what_stands_before_its_place_only(
    settings: Settings, is_landed: bool
) -> None:
    write(settings, ("m1", live()), ("m2", live()))
    if is_landed:
        land_events(settings, load_config(settings))
    (segment,) = segments(settings.log_dir)
    first = next(segment.records())
    stand(settings, "stuck", Position(segment.name, first.end))
    stand(settings, "new", None)
    save_progress(settings, "stuck", Progress(failing_since=NOW, last_error="the tool answers 503"))

    def shown(message_id: str) -> dict[str, list[dict[str, Any]]]:
        return as_json(find_receipt(settings, message_id), lambda name, _: f"because of {name}")["destinations"]

    assert shown("m1") == {
        "stuck": [{"status": "not sent", "reason": "because of stuck"}],
        "new": [{"status": "waiting", "reason": None}],
    }
    assert shown("m2")["stuck"] == [{"status": "waiting", "reason": "the tool answers 503"}]


def test_it_is_loaded_when_the_read_copy_has_it(settings: Settings) -> None:
    write(settings, ("m1", live()))
    land_events(settings, load_config(settings))
    assert find_receipt(settings, "m1").loaded == []
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        load_events(con, open_lake(settings))
    publish(settings)
    assert [found.table for found in find_receipt(settings, "m1").loaded] == ["raw.events"]


def test_what_was_sent_is_only_shown_when_asked_for(settings: Settings) -> None:
    write(settings, ("m1", live()))
    receipt = find_receipt(settings, "m1")
    assert "userId" not in json.dumps(as_json(receipt, lambda *_: ""))
    assert as_json(receipt, lambda *_: "", payload=True)["arrivals"][0]["payload"]["userId"] == "u1"


def test_a_follower_sees_what_comes_after_it_began_and_what_it_wants(settings: Settings) -> None:
    write(settings, ("old", live()))
    everything, broken = Follower(settings), Follower(settings, Wanted(verdict="violates", user="u1"))
    write(settings, ("m1", live()), ("m2", live(violations=[VIOLATION])))
    assert [(seen.message_id, seen.verdict) for seen in everything.new()] == [("m1", "ok"), ("m2", "violates")]
    assert [(seen.message_id, seen.reason) for seen in broken.new()] == [("m2", "wrong_type properties.total")]
    assert list(everything.new()) == []
