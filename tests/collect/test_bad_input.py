"""What clients really send when something is wrong: taken or kept aside with a reason, never a crash or silence."""

from __future__ import annotations

import gzip
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import load_config
from headwater.land.events import land_events
from headwater.storage.lake import open_lake
from headwater.storage.log import Record
from tests.collect.conftest import CollectorProcess

GOOD = {"type": "page", "userId": "u"}


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


def mine(collector: CollectorProcess, mark: str) -> list[Record]:
    return [r for r in collector.records() if mark in r.message_id or mark.encode() in r.payload]


def event(mark: str, inside: str) -> str:
    return f'{{"type":"page","userId":"u","messageId":"{mark}-odd","properties":{inside}}}'


def beside_good(collector: CollectorProcess, mark: str, odd: str) -> dict[str, Any]:
    """What is answered for a batch of a good event, the odd one and another good one; the good ones must be taken."""
    good = [json.dumps(GOOD | {"messageId": f"{mark}-good{n}"}) for n in range(2)]
    body = f'{{"batch":[{good[0]},{odd},{good[1]}],"sentAt":"2026-01-01T00:00:00Z"}}'
    answer = collector.post("/v1/batch", content=body.encode("utf-8", "surrogatepass"))
    assert answer.status_code == 200
    taken = {r.message_id for r in mine(collector, mark) if r.envelope.route == "live"}
    assert {f"{mark}-good0", f"{mark}-good1"} <= taken
    told: dict[str, Any] = answer.json()
    assert told["accepted"] + told["quarantined"] == 3
    return told


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ('{"v": NaN}', "not JSON"),
        ('{"v": -Infinity}', "not JSON"),
        ('{"v": "\\ud800"}', "not JSON"),
        ('{"v": "\\uDC00 \\ud83d\\ude00"}', "not JSON"),
        ('{"v": "\ud800"}', "not JSON"),
        ('{"v": "\x01"}', "not JSON"),
        ('{"v": 01}', "not JSON"),
        ('{"v": 1,}', "not JSON"),
        ("{'v': 1}", "not JSON"),
        ("[" * 1000 + "]" * 1000, None),
        ('{"a":' * 300 + "1" + "}" * 300, "event nested deeper than the limit"),
    ],
)
def test_an_event_that_cannot_be_read_is_kept_aside(
    shared_collector: CollectorProcess, mark: str, inside: str, reason: str | None
) -> None:
    told = beside_good(shared_collector, mark, event(mark, inside))
    assert told["quarantined"] == 1
    kept = [r for r in mine(shared_collector, mark) if r.envelope.route == "quarantine"]
    assert len(kept) == 1
    assert kept[0].payload == event(mark, inside).encode("utf-8", "surrogatepass")
    assert kept[0].envelope.reason == (reason or kept[0].envelope.reason)


@pytest.mark.parametrize(
    "inside",
    [
        '{"v": "\\ud83d\\ude00"}',
        '{"v": "\\\\ud800"}',
        '{"v": 1, "v": 2}',
        '{"text": "' + "[{" * 5000 + '"}',
        '{"v": [' + "[]," * 5000 + "[]]}",
        '{"a":' * 150 + "1" + "}" * 150,
    ],
)
def test_what_only_looks_bad_is_accepted(shared_collector: CollectorProcess, mark: str, inside: str) -> None:
    assert beside_good(shared_collector, mark, event(mark, inside))["quarantined"] == 0


def test_a_number_that_nobody_can_read_is_kept_aside_and_counted_so(
    shared_collector: CollectorProcess, mark: str
) -> None:
    told = beside_good(shared_collector, mark, event(mark, '{"v": 1e400}'))
    assert (told["accepted"], told["quarantined"]) == (2, 1)
    assert told["rejected"][0]["code"] == "violates_plan"
    [kept] = [r for r in mine(shared_collector, mark) if r.envelope.route == "quarantine"]
    assert kept.envelope.reason == "plan: wrong_type"


def test_ids_as_numbers_and_duplicate_keys_are_accepted_as_they_came(
    shared_collector: CollectorProcess, mark: str
) -> None:
    odd = f'{{"type":"page","userId":17850.0,"userId":17851,"messageId":"{mark}-odd","anonymousId":4}}'
    assert beside_good(shared_collector, mark, odd)["quarantined"] == 0
    assert odd.encode() in [r.payload for r in mine(shared_collector, mark)]


@pytest.mark.parametrize("size", [2_000_000, 3_900_000])
def test_an_event_over_the_limit_is_kept_aside_whole(shared_collector: CollectorProcess, mark: str, size: int) -> None:
    told = beside_good(shared_collector, mark, event(mark, f'{{"v":"{"x" * size}"}}'))
    assert told["reasons"] == {"event larger than the limit": 1}
    assert any(len(r.payload) > size for r in mine(shared_collector, f"{mark}-odd"))


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_event_of_10_mb_is_refused_with_its_request(shared_collector: CollectorProcess, is_packed: bool) -> None:
    body = json.dumps(GOOD | {"properties": {"v": "x" * 10_000_000}}).encode()
    answer = shared_collector.post("/v1/page", content=gzip.compress(body) if is_packed else body)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    kept = shared_collector.aside()[-1]
    assert (kept.envelope.reason, kept.envelope.source) == ("request larger than the limit", "web")
    assert 0 < len(kept.payload) <= 64 * 1024


def test_more_events_than_a_request_may_hold_are_refused(shared_collector: CollectorProcess) -> None:
    for path, body in (("/v1/batch", b'{"batch":[' + b"1," * 20_000 + b"1]}"), ("/v1/import", b"1\n" * 20_000)):
        answer = shared_collector.post(path, content=body, headers={"Content-Type": "application/x-ndjson"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_many_events")
        assert shared_collector.aside()[-1].envelope.reason == "too many events in one request"


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>502 Bad Gateway</body></html>",
        b"",
        b"null",
        b'"text"',
        b"\x00\x01\x02",
        b"%7B%22type%22%3A%22page%22%7D",
        b'{"batch":[{"type":"page"',
        b"[" * 1000,
        b'{"a":' * 100_000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/page", "/v1/import"])
def test_a_body_that_is_no_event_is_told_and_kept_aside(
    shared_collector: CollectorProcess, body: bytes, path: str
) -> None:
    before = len(shared_collector.aside())
    answer = shared_collector.post(path, content=body)
    assert answer.status_code == 400
    assert set(answer.json()) >= {"code", "message"}
    kept = shared_collector.aside()[before:]
    whole = body if path == "/v1/page" else body[: 64 * 1024]
    assert [r.payload for r in kept] == ([whole] if body or path == "/v1/page" else [])


@pytest.mark.parametrize("key", ["wk_of_nobody", "", " ", "wk_web_demo\x00", "ü", "a" * 5000])
def test_a_wrong_or_empty_key_is_refused_wherever_it_stands(
    shared_collector: CollectorProcess, key: str, mark: str
) -> None:
    body = {"batch": [GOOD | {"messageId": mark}], "writeKey": key}
    for options in ({"auth": (key, "")}, {"auth": None, "params": {"writeKey": key}}, {"auth": None}):
        answer = shared_collector.post("/v1/batch", body, **options)
        assert (answer.status_code, answer.json()["code"]) == (401, "unknown_write_key")
    assert mine(shared_collector, mark) == []


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic " + "Og==", "Bearer x", "Basic /w=="])
def test_a_broken_authorization_is_refused(shared_collector: CollectorProcess, header: str) -> None:
    answer = shared_collector.post("/v1/batch", {"batch": [GOOD]}, auth=None, headers={"Authorization": header})
    assert answer.status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "soon"]
)
def test_any_timestamp_is_accepted_and_lands(collector: CollectorProcess, tmp_path: Path, text: str) -> None:
    rows = [GOOD | {"messageId": "m", "timestamp": text, "originalTimestamp": text, "sentAt": text}]
    assert collector.post("/v1/batch", {"batch": rows, "sentAt": text}).json()["accepted"] == 1
    collector.stop()
    settings = collector.settings
    assert land_events(settings, load_config(settings)).events == 1


@pytest.mark.slow
def test_an_sdk_whose_clock_is_two_hours_ahead_is_set_right(collector: CollectorProcess) -> None:
    """Clock rule, from the request to `raw.events`: what the SDK says happened 90 seconds before it sent."""
    from headwater.load.events import load_events
    from headwater.storage.warehouse import connect, ensure_schemas

    body = {
        "batch": [GOOD | {"messageId": "skewed", "timestamp": "2031-05-04T14:00:00.000Z"}],
        "sentAt": "2031-05-04T14:01:30.000Z",
    }
    assert collector.post("/v1/batch", body).status_code == 200
    # the same on the import route stands as it was sent
    body["batch"][0]["messageId"] = "imported"
    assert collector.post("/v1/import", body).status_code == 200
    collector.stop()
    land_events(collector.settings, load_config(collector.settings))
    with connect(collector.settings, purpose="test") as connection:
        ensure_schemas(connection)
        load_events(connection, open_lake(collector.settings))
        query = "select message_id, timestamp, received_at, original_timestamp from raw.events order by message_id desc"
        skewed, imported = connection.execute(query).fetchall()
    received = skewed[2]
    assert abs((datetime.now(UTC).replace(tzinfo=None) - received).total_seconds()) < 120
    assert (received - skewed[1]).total_seconds() == 90
    assert skewed[3] == datetime(2031, 5, 4, 14)
    assert imported[1] == datetime(2031, 5, 4, 14)
