"""The rules of one event: names, identifiers, times. Pure: bytes and clocks come in as arguments.

Belongs here: what the Segment/RudderStack spec says of an event, whichever verb asks (the collector checks, the lander
and the streaming destinations complete). Does not belong here: reading, writing, HTTP, the shape of any table.

All times are UTC without an offset, to the microsecond. A time that cannot be read counts as absent; the client's
text stays in the payload.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from msgspec import Struct

TYPES = frozenset({"track", "identify", "page", "screen", "group", "alias"})
Route = Literal["live", "import", "quarantine"]

NOT_JSON = "not JSON"
OUT_OF_RANGE = "number out of range"
NOT_AN_OBJECT = "not an object"
UNKNOWN_TYPE = "unknown type"
NO_ID = "no userId or anonymousId"
NO_EVENT_NAME = "track without an event name"
TOO_LARGE = "event larger than the limit"
LONGEST_MESSAGE_ID = 1024
_read_iso = datetime.fromisoformat
_MESSAGE_ID = re.compile(r'"messageId"\s*:\s*("(?:[^"\\]++|\\.)*+")', re.DOTALL)
_NAMESPACE = uuid.UUID("6d7c8d0a-8f0e-5c1e-9d55-0c1b4d3f2a10")


class Received(Struct, frozen=True):
    """How an event came in. Times are UTC; `sent_at` is the batch's own text, not yet read."""

    source: str
    route: Route
    received_at: datetime
    sent_at: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    backfill: bool = False
    type: str | None = None


class Event(Struct):
    """An event with every field that the platform promises. `payload` is the whole of it under the spec's names."""

    source: str
    message_id: str
    type: str
    event: str | None
    user_id: str | None
    anonymous_id: str | None
    timestamp: datetime
    original_timestamp: datetime | None
    sent_at: datetime | None
    received_at: datetime
    known_at: datetime
    route: str
    payload: dict[str, Any]


def identifier(value: Any) -> str | None:
    """An id as text: numbers become digits (17850.0 is 17850), blanks around it go, nothing left means absent."""
    if type(value) is str:
        return value.strip() or None
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return str(int(value)) if value.is_integer() else str(value)
    return None


def fault(kind: Any, event_name: Any, user_id: Any, anonymous_id: Any) -> str | None:
    """Why an event cannot be used, or None. The arguments are the client's values as they came."""
    if not isinstance(kind, str) or kind not in TYPES:
        return UNKNOWN_TYPE
    if identifier(user_id) is None and identifier(anonymous_id) is None:
        return NO_ID
    if kind == "track" and identifier(event_name) is None:
        return NO_EVENT_NAME
    return None


def moment(value: Any) -> datetime | None:
    """An ISO 8601 date or time as UTC (no offset means UTC), or None when it is none of years 1 to 9999."""
    if type(value) is not str:
        return None
    text = value.strip()
    # `fromisoformat` also reads ordinal and week dates and bare digits, which nobody means as a time
    if text[4:5] != "-" or text[7:8] != "-":
        return None
    try:
        if text[-1] in "Zz":
            found = _read_iso(text[:-1])
            return found if found.tzinfo is None else None
        found = _read_iso(text)
        return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def clock(received_at: datetime, sent_at: datetime | None, original: datetime | None) -> datetime:
    """When it happened by our clock: receivedAt − (sentAt − originalTimestamp).

    Without `sent_at` the skew is unknown and `original` stands; without `original` it happened when it was received.
    """
    if original is None:
        return received_at
    if sent_at is None:
        return original
    try:
        return received_at - (sent_at - original)
    except OverflowError:
        return original


def is_ahead(event: Event) -> bool:
    """Whether it happens more than a day after its receipt, by the clock rule: more than clocks and time zones are
    wrong by."""
    return event.timestamp - event.received_at > timedelta(days=1)


def known_at(how: Received, by_the_row: datetime) -> datetime:
    """When the company could have known of an event.

    Live: when it was collected. Imported: `by_the_row`, which is when another collector received it, else when the row
    says that it was sent or updated, else when it happened; never after the import. Backfilled: the time of the import.
    """
    return min(by_the_row, how.received_at) if how.route == "import" and not how.backfill else how.received_at


def iso(value: datetime) -> str:
    """UTC time as the spec writes it: `2011-12-09T12:50:00.000Z`."""
    fine = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.isoformat("T", fine) + "Z"


def stable_id(*parts: str | bytes) -> str:
    """A messageId that the same row of the same file always gets."""
    raw = b"\x00".join(part.encode() if isinstance(part, str) else part for part in parts)
    return str(uuid.uuid5(_NAMESPACE, raw.hex() if not raw.isascii() else raw.decode("ascii")))


def stated_message_id(kept: bytes) -> str | None:
    """The messageId that something which was kept aside says of itself; None when it says none that is plain.

    Also of what is not JSON (NaN, half a surrogate pair, cut short): then when it names one only, wherever that stands.
    """
    text = kept.decode("utf-8", "replace")
    try:
        found = json.loads(text)  # more forgiving than the parsers that judge events
        stated = found.get("messageId") if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        named = set(_MESSAGE_ID.findall(text))
        try:
            stated = json.loads(named.pop(), strict=False) if len(named) == 1 else None
        except ValueError:
            stated = None
    key = identifier(stated) if isinstance(stated, str | int) else None
    is_plain = key is not None and len(key) <= LONGEST_MESSAGE_ID and not any("\ud800" <= c <= "\udfff" for c in key)
    return key if is_plain else None


_iso_again = lru_cache(64)(iso)  # the events of one request share their receivedAt


def complete(payload: dict[str, Any], message_id: str, how: Received) -> Event:
    """Fill in what the spec promises: messageId, ids as text, the four times, ip and user agent. Changes `payload`.

    The clock rule: on live routes `timestamp` counts as originalTimestamp and is corrected for skew; on imports it
    stands as sent, unless the row carries its own receivedAt, by which it is then corrected; one that is later than
    our own receipt counts as that.
    """
    get = payload.get
    imported = how.route == "import"
    own_received = moment(get("receivedAt")) if imported else None
    if own_received is not None and own_received > how.received_at:  # nobody can have had it after us
        own_received = how.received_at
    received_at = own_received or how.received_at
    own_sent = moment(get("sentAt"))
    sent_at = own_sent or (None if imported else moment(how.sent_at))
    stated_text, original_text = get("timestamp"), get("originalTimestamp")
    stated = moment(stated_text)
    original = (moment(original_text) if original_text is not None else None) or stated
    if not imported or own_received is not None:
        timestamp = clock(received_at, sent_at, original)
    else:
        timestamp = stated or original or received_at

    user_id, anonymous_id = identifier(get("userId")), identifier(get("anonymousId"))
    if "userId" in payload:
        payload["userId"] = user_id
    if "anonymousId" in payload:
        payload["anonymousId"] = anonymous_id
    kind = how.type or payload["type"]
    payload["type"] = kind
    payload["messageId"] = message_id
    if original_text is None and stated_text is not None:
        payload["originalTimestamp"] = stated_text
    if timestamp is not stated or not _is_plain(stated_text):
        payload["timestamp"] = iso(timestamp)
    payload["receivedAt"] = _iso_again(received_at)
    if sent_at is not None and get("sentAt") is None:
        payload["sentAt"] = iso(sent_at)
    payload.pop("writeKey", None)
    if imported:
        updated_at = moment(get("updated_at") or get("updatedAt"))
    else:
        updated_at = None
        _fill_context(payload, how)
    known = known_at(how, own_received or own_sent or updated_at or timestamp)
    return Event(
        how.source,
        message_id,
        kind,
        identifier(get("event")) if kind == "track" else None,
        user_id,
        anonymous_id,
        timestamp,
        original,
        sent_at,
        received_at,
        known,
        how.route,
        payload,
    )


def _is_plain(text: Any) -> bool:
    """Whether a text that was read as a time is already written as `iso` writes it."""
    return len(text) == 24 and text[23] == "Z" and text[10] == "T"


def _fill_context(payload: dict[str, Any], how: Received) -> None:
    context = payload.get("context")
    if context is None:
        context = payload["context"] = {}
    if isinstance(context, dict):
        if how.ip and not context.get("ip"):
            context["ip"] = how.ip
        if how.user_agent and not context.get("userAgent"):
            context["userAgent"] = how.user_agent
