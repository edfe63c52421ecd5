"""The rules of one event, by themselves."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.event import (
    NO_EVENT_NAME,
    NO_ID,
    UNKNOWN_TYPE,
    Received,
    clock,
    complete,
    fault,
    identifier,
    is_ahead,
    iso,
    moment,
    stable_id,
    stated_message_id,
)

NOON = datetime(2026, 5, 4, 12)
LIVE = Received("web", "live", NOON, sent_at="2026-05-04T14:00:00Z", ip="203.0.113.7", user_agent="Shop/1")
IMPORT = Received("server", "import", NOON)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
spec_names = st.sampled_from(
    [
        "userId",
        "anonymousId",
        "timestamp",
        "originalTimestamp",
        "sentAt",
        "receivedAt",
        "context",
        "event",
        "updated_at",
    ]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-04T12:00:00Z", NOON),
        ("2026-05-04T12:00:00.250Z", NOON + timedelta(milliseconds=250)),
        ("2026-05-04T14:00:00+02:00", NOON),
        ("2026-05-04T07:30:00.000-0430", NOON),
        ("2026-05-04 12:00:00", NOON),
        (" 2026-05-04T12:00:00z ", NOON),
        ("2026-05-04", datetime(2026, 5, 4)),
        ("2026-05-04T12:00:00.1234567Z", NOON + timedelta(microseconds=123456)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59)),
    ],
)
def test_an_iso_time_is_read_as_utc(text: str, expected: datetime) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", "yesterday", "2026", "2026-13-01", "2026-W19-1", "20260504", "0000-01-01", "0001-01-01T00:00:00+02:00"),
        *("2026-05-04T12:00:00+02:00Z", "10000-01-01", 1777896000, 1.5, None, True, ["2026-05-04"], {}),
    ],
)
def test_what_is_no_time_counts_as_absent(value: object) -> None:
    assert moment(value) is None


@given(st.text() | st.from_regex(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})?"))
def test_reading_a_time_never_fails_and_never_gives_an_offset(text: str) -> None:
    found = moment(text)
    assert found is None or found.tzinfo is None


@given(st.datetimes(min_value=datetime(1, 1, 1)))
def test_a_time_that_we_write_is_read_back(value: datetime) -> None:
    assert moment(iso(value)) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (17850, "17850"),
        (17850.0, "17850"),
        (1.5, "1.5"),
        (" u1 ", "u1"),
        ("", None),
        ("  ", None),
        (None, None),
        (True, None),
        ({"id": 1}, None),
        (123456789012345678901, "123456789012345678901"),
    ],
)
def test_an_id_is_text_and_blank_means_absent(value: object, expected: str | None) -> None:
    assert identifier(value) == expected


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("track", "Order Completed", "u1", None), None),
        (("page", None, None, "a1"), None),
        (("track", "Order Completed", " ", None), NO_ID),
        (("track", "", "u1", None), NO_EVENT_NAME),
        (("tracks", "X", "u1", None), UNKNOWN_TYPE),
        ((["track"], "X", "u1", None), UNKNOWN_TYPE),
    ],
)
def test_an_event_that_cannot_be_used_has_one_reason(arguments: tuple, reason: str | None) -> None:
    assert fault(*arguments) == reason


def test_an_sdk_two_hours_ahead_is_corrected_by_the_collectors_clock() -> None:
    event = complete({"type": "track", "event": "X", "userId": "u", "timestamp": "2026-05-04T13:59:50Z"}, "m", LIVE)
    assert event.timestamp == NOON - timedelta(seconds=10)
    assert event.payload["timestamp"] == "2026-05-04T11:59:50.000Z"
    assert event.payload["originalTimestamp"] == "2026-05-04T13:59:50Z"
    assert event.known_at == event.received_at == NOON


def test_an_events_own_sent_at_counts_before_the_batchs() -> None:
    payload = {"type": "page", "userId": "u", "timestamp": "2026-05-04T10:00:00Z", "sentAt": "2026-05-04T10:00:05Z"}
    assert complete(payload, "m", LIVE).timestamp == NOON - timedelta(seconds=5)


def test_a_live_event_without_times_happened_when_it_was_received() -> None:
    assert complete({"type": "page", "userId": "u"}, "m", Received("web", "live", NOON)).timestamp == NOON


def test_an_imported_time_stands_as_sent() -> None:
    payload = {"type": "page", "userId": "u", "timestamp": "2011-12-09T12:50:00.000Z", "sentAt": "2011-12-10T00:00:00Z"}
    event = complete(payload, "m", IMPORT)
    assert event.timestamp == datetime(2011, 12, 9, 12, 50)
    assert event.known_at == datetime(2011, 12, 10)
    assert event.received_at == NOON


def test_an_import_with_its_own_received_at_is_corrected_by_that() -> None:
    payload = {
        "type": "page",
        "userId": "u",
        "timestamp": "2026-01-01T02:00:00Z",
        "sentAt": "2026-01-01T02:00:10Z",
        "receivedAt": "2026-01-01T00:00:10Z",
    }
    event = complete(payload, "m", IMPORT)
    assert event.timestamp == datetime(2026, 1, 1)
    assert event.received_at == event.known_at == datetime(2026, 1, 1, 0, 0, 10)


def test_an_import_was_received_by_nobody_after_us() -> None:
    text = "9999-06-01T00:00:00Z"
    event = complete({"type": "page", "userId": "u", "timestamp": text, "receivedAt": text}, "m", IMPORT)
    assert event.received_at == event.known_at == IMPORT.received_at
    assert event.payload["receivedAt"] == "2026-05-04T12:00:00.000Z"
    assert is_ahead(event)
    sent = complete({"type": "page", "userId": "u", "sentAt": text}, "m", IMPORT)
    assert sent.known_at == IMPORT.received_at


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, datetime(2020, 1, 1)),
        ({"updated_at": "2020-02-01T00:00:00Z"}, datetime(2020, 2, 1)),
        ({"updatedAt": "2020-02-01T00:00:00Z", "sentAt": "2020-01-05T00:00:00Z"}, datetime(2020, 1, 5)),
    ],
)
def test_an_import_was_known_when_the_row_says_so(extra: dict, expected: datetime) -> None:
    payload = {"type": "page", "userId": "u", "timestamp": "2020-01-01T00:00:00Z", **extra}
    assert complete(payload, "m", IMPORT).known_at == expected


def test_a_backfill_was_known_only_when_it_was_imported() -> None:
    how = Received("server", "import", NOON, backfill=True)
    event = complete({"type": "page", "userId": "u", "timestamp": "2020-01-01T00:00:00Z"}, "m", how)
    assert (event.timestamp, event.known_at) == (datetime(2020, 1, 1), NOON)


def test_an_unreadable_time_is_kept_as_the_original() -> None:
    event = complete({"type": "page", "userId": "u", "timestamp": "last week"}, "m", LIVE)
    assert event.timestamp == NOON
    assert event.original_timestamp is None
    assert event.payload["originalTimestamp"] == "last week"


def test_context_is_filled_only_where_the_client_said_nothing() -> None:
    event = complete({"type": "page", "userId": "u", "context": {"ip": "198.51.100.1"}}, "m", LIVE)
    assert event.payload["context"] == {"ip": "198.51.100.1", "userAgent": "Shop/1"}


def test_an_import_gets_no_address_of_whoever_imports() -> None:
    how = Received("server", "import", NOON, ip="127.0.0.1", user_agent="importer")
    assert "context" not in complete({"type": "page", "userId": "u"}, "m", how).payload


def test_skew_beyond_the_calendar_leaves_the_original() -> None:
    assert clock(NOON, datetime(9999, 1, 1), datetime(1, 1, 1)) == datetime(1, 1, 1)


def test_the_same_row_of_the_same_file_gets_the_same_id() -> None:
    assert stable_id("a", "1", b"x") == stable_id("a", "1", b"x") != stable_id("a", "2", b"x")
    assert stable_id("ä", b"\xff") == stable_id("ä", b"\xff")


@given(st.dictionaries(spec_names | st.text(max_size=10), json_values, max_size=8), st.sampled_from([LIVE, IMPORT]))
def test_any_payload_is_completed_into_json_with_its_promises(payload: dict, how: Received) -> None:
    event = complete({**payload, "type": "page"}, "m1", how)
    written = json.loads(json.dumps(event.payload))
    assert written["messageId"] == "m1"
    assert moment(written["timestamp"]) == event.timestamp
    assert moment(written["receivedAt"]) == event.received_at


@pytest.mark.parametrize(
    ("kept", "stated"),
    [
        (b"", None),
        (b"[]", None),
        (b'"messageId"', None),
        (b'{"messageId": 17, "a": -Infinity}', "17"),
        (b'{"messageId": "m\\u00fc", "a": NaN}', "m\u00fc"),
        (b'{"messageId": "m1", "properties": {"messageId": "m2"}, "a": NaN}', "m1"),
        (b'{"properties": {"messageId": "m2"}}', None),
        (b'{"batch": [{"messageId": "m1"}, {"messageId": "m2"', None),
        (b'{"batch": [{"messageId": "m1"}, {"messageId": "m1"', "m1"),
        (b'{"messageId": "m\\"1", "a', 'm"1'),
        (b'{"messageId": "m\\q", "a', None),
        (b'{"messageId": "\\ud800"}', None),
        (b'{"messageId": NaN}', None),
        (b'{"messageId": true}', None),
        (b'{"messageId": {"a": 1}}', None),
        (b'{"messageId": "' + b"m" * 1025 + b'"}', None),
        (b"[" * 100_000 + b'"messageId": "m1"', "m1"),
    ],
)
def test_what_is_kept_aside_may_still_say_its_message_id(kept: bytes, stated: str | None) -> None:
    assert stated_message_id(kept) == stated
