"""From bytes to records, without HTTP: nothing crashes, nothing disappears."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.collect import accept
from headwater.collect.judge import LISTED, Accepted, Judge, Origin
from headwater.collect.request import RefusedError
from headwater.configuration import PlannedEvent, load_config
from headwater.event import complete
from headwater.policy.plan import Checker
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.log.record import Record, scan

JUDGE = Judge(event_bytes=100_000)
PAGE = {"type": "page", "userId": "u", "messageId": "m"}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ids = st.none() | st.text() | st.integers() | st.floats() | anything
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "page", "identify", "nothing"]) | anything,
        "event": st.text() | anything,
        "userId": ids,
        "anonymousId": ids,
        "messageId": ids,
        "timestamp": anything,
        "receivedAt": anything,
        "properties": anything,
    },
)


def origin(**fields: Any) -> Origin:
    return Origin(**{"source": "web", "route": "live", "received_at": datetime(2026, 5, 4), **fields})


def records(accepted: Accepted) -> list[Record]:
    return list(scan(b"".join(accepted.records), 0))


@given(st.lists(events | anything, max_size=6), st.booleans(), st.sampled_from(["live", "import"]))
def test_every_element_is_either_accepted_or_kept_aside(items: list, is_ascii: bool, route: str) -> None:
    body = json.dumps({"batch": items}, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    accepted = accept.batch(body, origin(route=route), JUDGE)
    assert accepted.count + accepted.quarantined == len(items) == len(accepted.records)
    assert sum(accepted.reasons.values()) == accepted.quarantined
    found = records(accepted)
    assert len(found) == len(items)
    for record in found:
        if record.envelope.route != "quarantine":
            _can_land(record)


@given(st.binary(max_size=300), st.integers(0, 60), st.integers(0, 60))
def test_any_damage_to_a_body_is_survived(noise: bytes, start: int, length: int) -> None:
    body = json.dumps({"batch": [PAGE, PAGE], "sentAt": "2026-05-04T00:00:00Z"}).encode()
    damaged = body[:start] + noise + body[start + length :]
    for read in (accept.batch, accept.single, accept.lines):
        try:
            accepted = read(damaged, origin(), JUDGE)
        except RefusedError as refusal:
            assert refusal.kept == damaged
        else:
            assert len(records(accepted)) == accepted.count + accepted.quarantined
    accept.body_write_key(damaged)


@pytest.mark.parametrize("value", ["17850", 17850, 17850.0, " 17850 "])
def test_a_message_id_is_text_whatever_it_was(value: object) -> None:
    (record,) = records(accept.batch(json.dumps({"batch": [{**PAGE, "messageId": value}]}).encode(), origin(), JUDGE))
    assert record.message_id == "17850"


def test_an_event_without_message_id_gets_one_of_its_own() -> None:
    body = json.dumps({"batch": [{**PAGE, "messageId": None}, {**PAGE, "messageId": " "}]}).encode()
    first, second = records(accept.batch(body, origin(), JUDGE))
    assert first.message_id != second.message_id
    assert len(first.message_id) == 36


def test_a_message_id_without_measure_is_kept_aside() -> None:
    accepted = accept.batch(json.dumps({"batch": [{**PAGE, "messageId": "x" * 70_000}]}).encode(), origin(), JUDGE)
    assert accepted.reasons == {"messageId too long": 1}


def test_overlong_headers_do_not_break_the_envelope() -> None:
    body = json.dumps({"batch": [PAGE], "sentAt": "x" * 100_000}).encode()
    (record,) = records(accept.batch(body, origin(user_agent="a" * 1024), JUDGE))
    assert len(record.envelope.sent_at or "") == 64


def test_only_the_first_rejected_events_are_listed_but_all_are_counted() -> None:
    accepted = accept.batch(json.dumps({"batch": [{}] * 500}).encode(), origin(), JUDGE)
    assert (accepted.quarantined, len(accepted.rejected)) == (500, LISTED)


def _can_land(record: Record) -> None:
    """The lander's own steps; what they refuse as no JSON, the lander keeps aside."""
    try:
        payload = msgspec.json.decode(record.payload, type=dict)
    except (ValueError, RecursionError):
        return
    complete(payload, record.message_id, record.envelope.received())


@pytest.mark.parametrize(
    "body",
    [
        b'{"writeKey":"k","batch":[{"type":"page"}]}',
        b'{"writeKey" : "k","batch":[{"v":NaN, "writeKey":"other"}]}',
        b'{"batch":[{"v":NaN}, ' + b"1," * 5000 + b'2],"sentAt":"x","writeKey":"k"}',
        b'{"writeKey":"k","type":"page","v":"\xff"',
    ],
)
def test_the_write_key_is_found_in_a_broken_body_too(body: bytes) -> None:
    assert accept.body_write_key(body) == "k"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"batch":[]}', b'{"writeKey":5}', b'{"writeKey":""', b'"writeKey":'])
def test_no_write_key_is_none(body: bytes) -> None:
    assert accept.body_write_key(body) is None


FAR = "9999-12-31T23:59:59.999Z"


def ahead(event: dict[str, Any], route: str = "live", sent_at: str | None = None, judge: Judge = JUDGE) -> Accepted:
    body = json.dumps({"batch": [PAGE | event], "sentAt": sent_at}).encode()
    return accept.batch(body, origin(route=route), judge)


@pytest.mark.parametrize(
    ("event", "sent_at", "is_ahead"),
    [
        ({"timestamp": FAR}, None, True),
        ({"originalTimestamp": FAR}, None, True),
        ({"timestamp": FAR, "originalTimestamp": "2026-05-03T00:00:00Z"}, None, False),
        ({"timestamp": "2026-05-05T00:00:00.001Z"}, None, True),
        ({"timestamp": "2026-05-05T00:00:00Z"}, None, False),
        ({"timestamp": "2026-05-04T23:00:00-02:00"}, None, True),
        ({"timestamp": "2026-05-05T11:00:00+14:00"}, None, False),
        ({"timestamp": "9999-12-31T23:00:00Z"}, "9999-12-31T23:30:00Z", False),
        ({"timestamp": "9999-12-31T23:00:00Z", "sentAt": "9999-12-31T23:30:00Z"}, None, False),
        ({"timestamp": "2026-05-04T00:00:00Z"}, "2026-05-01T00:00:00Z", True),
        ({"timestamp": "2026-05-04T00:00:00Z", "sentAt": "2026-05-01T00:00:00Z"}, None, True),
        ({"timestamp": "soon"}, None, False),
    ],
)
def test_an_event_that_happens_a_day_after_its_receipt_is_marked_and_kept_as_it_was_sent(
    event: dict[str, Any], sent_at: str | None, is_ahead: bool
) -> None:
    accepted = ahead(event, sent_at=sent_at)
    (record,) = records(accepted)
    violations = record.envelope.violations or []
    assert [(kind, path) for kind, path, _ in violations] == ([("rule", "timestamp")] if is_ahead else [])
    assert (accepted.count, accepted.violating) == (1, int(is_ahead))
    assert json.loads(record.payload) == PAGE | event


def test_an_import_is_never_as_of_a_time_after_its_receipt() -> None:
    day = "2026-03-01T00:00:00Z"
    rows = [{"timestamp": day}, {"timestamp": FAR}, {"timestamp": FAR, "receivedAt": "2026-03-02T00:00:00Z"}]
    body = json.dumps({"batch": [PAGE | row for row in rows]}).encode()
    accepted = accept.batch(body, origin(route="import"), JUDGE)
    assert accepted.last_event_at == datetime(2026, 3, 1)
    assert accepted.violating == 2


@pytest.mark.parametrize("kinds", [{"rule": "quarantine"}, {"rule": "drop"}, {"wrong_type": "quarantine"}, {}])
def test_the_plan_says_what_becomes_of_an_event_that_happens_after_its_receipt(kinds: dict[str, Any]) -> None:
    planned = PlannedEvent(event="Bought", schema={"properties": {"n": {"type": "integer"}}}, on_violation=kinds)
    minimal = load_config(load_settings(None, CHECKOUT / "config" / "examples" / "minimal"))
    config = msgspec.structs.replace(minimal, tracking_plan={"bought": planned})
    judge = Judge(checker=Checker(config))
    track = {"type": "track", "event": "Bought", "timestamp": FAR}
    accepted = ahead(track | {"properties": {"n": 1}}, judge=judge)
    action = kinds.get("rule", "forward")
    assert (accepted.quarantined, accepted.violating) == (int(action == "quarantine"), int(action == "forward"))
    assert sum(accepted.dropped.values()) == int(action == "drop")
    both = ahead(track | {"properties": {"n": "x"}}, judge=judge)
    (record,) = records(both)
    assert {kind for kind, _, _ in record.envelope.violations or ()} == {"rule", "wrong_type"}
    if kinds:
        (kind,) = kinds
        assert both.quarantined == int(kinds[kind] == "quarantine")
        assert kind in (record.envelope.reason or f"plan: {kind}")
