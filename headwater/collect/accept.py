"""From a body to its events: single ones, batches and NDJSON.

Belongs here: cutting a body into the bytes of its events. Does not belong here: HTTP, what is said of an event
(`judge`).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from headwater.collect.judge import Accepted, Judge, Origin, RejectedRow, events
from headwater.collect.request import RefusedError
from headwater.collect.split import TooManyError, split_batch
from headwater.event import NOT_JSON


class _Body(Struct, rename="camel"):
    batch: list[Raw] | None = None
    sent_at: Any = None
    write_key: Any = None
    backfill: Any = None
    rejected: list[RejectedRow] = []


class _Key(Struct, rename="camel"):
    write_key: Any = None


_WRITE_KEY = re.compile(rb'"writeKey"\s*:\s*"([ -!#-\[\]-~]{1,200})"')
_key = msgspec.json.Decoder(_Key).decode
_body = msgspec.json.Decoder(_Body).decode


def single(body: bytes, origin: Origin, judge: Judge) -> Accepted:
    """One event, its type named by the route."""
    return events([body], origin, judge)


def batch(body: bytes, origin: Origin, judge: Judge) -> Accepted:
    """The events of `{"batch": […], "sentAt": …}`; one bad event never sinks the others.

    Raises:
        RefusedError: 400 when the body cannot be read as that (kept aside), 413 (too) when it holds too many events.
    """
    items, parsed = parse_batch(body, judge.request_events)
    _require_few(len(items) + len(parsed.rejected), judge.request_events, body)
    sent_at = parsed.sent_at
    origin.sent_at = sent_at[:64] if isinstance(sent_at, str) else None
    if origin.route == "import":
        origin.backfill = origin.backfill or parsed.backfill is True
    accepted = events(items, origin, judge)
    for row in parsed.rejected:
        accepted.quarantine_row(origin, row)
    return accepted


def lines(body: bytes, origin: Origin, judge: Judge) -> Accepted:
    """One event a line (NDJSON). Blank lines are nothing.

    Events without messageId get one from file, line and bytes, so that sending them again adds nothing.

    Raises:
        RefusedError: 413 when there are too many lines (kept aside).
    """
    _require_few(body.count(b"\n"), judge.request_events, body)
    rows = body.split(b"\n")
    if rows and not rows[-1]:
        rows.pop()
    return events(rows, origin, judge, skip_blank=True)


def parse_batch(body: bytes, most: int = 10_000) -> tuple[list[Any], _Body]:
    """The elements of a batch as bytes, and the rest of the body.

    Raises:
        RefusedError: 400 when it is no JSON object with a `batch` array, 413 when it is broken and holds more than
            `most` elements.
    """
    try:
        parsed = _body(body)
    except msgspec.ValidationError as error:
        raise RefusedError(
            400, "not_a_batch", f"The body is no batch: {error}.", kept=body, reason="not a batch"
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        try:
            found = split_batch(body, most)
        except TooManyError:
            raise too_many(most, body) from None
        if found is None:
            raise not_json(body) from None
        items, others = found
        return items, _Body(sent_at=others.get("sentAt"), backfill=others.get("backfill"))
    if parsed.batch is None and not parsed.rejected:
        raise RefusedError(400, "not_a_batch", "The body has no array «batch».", kept=body, reason="not a batch")
    return parsed.batch or [], parsed


def body_write_key(body: bytes) -> str | None:
    """The `writeKey` inside a body, or None when there is none to be read.

    Of a body whose JSON is broken somewhere it is what stands before the batch, else what comes last.
    """
    try:
        key = _key(body).write_key
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        found = _WRITE_KEY.findall(body[:1024])[:1] or _WRITE_KEY.findall(body[-1024:])[-1:]
        key = found[0].decode() if found else None
    return key if isinstance(key, str) and key else None


def not_json(body: bytes) -> RefusedError:
    """The refusal of a body that is not JSON at all."""
    return RefusedError(400, "not_json", "The body is not JSON.", kept=body, reason=NOT_JSON)


def too_many(most: int, body: bytes) -> RefusedError:
    """The refusal of a request with more than `most` events."""
    text = f"A request may hold {most:,} events. Send smaller batches."
    return RefusedError(413, "too_many_events", text, kept=body, reason="too many events in one request")


def _require_few(count: int, most: int, body: bytes) -> None:
    if count > most:
        raise too_many(most, body)
