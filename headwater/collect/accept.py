"""From a body to records of the log: each event judged for itself, the client's bytes kept.

Belongs here: reading batches and NDJSON, judging, framing. Does not belong here: HTTP, disk, the rules of an event
(`headwater.event`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from headwater.collect.request import RefusedError
from headwater.collect.split import split_batch
from headwater.event import (
    LONGEST_MESSAGE_ID,
    NOT_AN_OBJECT,
    NOT_JSON,
    TOO_LARGE,
    TYPES,
    fault,
    identifier,
    moment,
    stable_id,
)
from headwater.storage.log import Envelope, encode_envelope, frame

LISTED = 100
KEPT_BYTES = 64 * 1024
_CODES = {NOT_JSON: "not_json", NOT_AN_OBJECT: "not_an_object", TOO_LARGE: "too_large"}


class _Head(Struct, rename="camel", gc=False):
    """The few fields of an event that are looked at before it is logged."""

    type: Any = None
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    event: Any = None
    timestamp: Any = None
    received_at: Any = None
    write_key: Any = None


class _Rejected(Struct):
    """A row that the sender itself could not read, to be kept aside with the sender's reason."""

    payload: str
    reason: str = NOT_JSON
    file: str = ""
    line: int = 0


class _Body(Struct, rename="camel"):
    batch: list[Raw] | None = None
    sent_at: Any = None
    write_key: Any = None
    backfill: Any = None
    rejected: list[_Rejected] = []


_head = msgspec.json.Decoder(_Head).decode
_body = msgspec.json.Decoder(_Body).decode


@dataclass
class Origin:
    """Where a request's events come from; the `Envelope`'s fields. `file` and `line` only for NDJSON imports."""

    source: str
    route: str
    received_at: datetime
    ip: str | None = None
    user_agent: str | None = None
    backfill: bool = False
    type: str | None = None
    sent_at: str | None = None
    file: str = ""
    line: int = 0

    def envelope(self, reason: str | None = None, detail: str | None = None) -> bytes:
        return encode_envelope(
            Envelope(
                source=self.source,
                route="quarantine" if reason else self.route,  # type: ignore[arg-type]
                received_at=self.received_at,
                sent_at=self.sent_at,
                ip=self.ip,
                user_agent=self.user_agent,
                backfill=self.backfill,
                type=self.type,
                reason=reason[:200] if reason else None,
                detail=detail[:2000] if detail else None,
            )
        )


@dataclass
class Accepted:
    """What became of one request's events. `records` are ready for the log, the quarantined ones among them."""

    records: list[bytes] = field(default_factory=list)
    count: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    last_event_at: datetime | None = None

    def quarantine(self, origin: Origin, reason: str, payload: bytes, *, detail: str = "", index: int = 0) -> None:
        """Keep `payload` aside with its reason."""
        line = origin.line + index if origin.line else 0
        place = f"{origin.file}, line {line}" if origin.file and line else ""
        text = "; ".join(part for part in (place, detail) if part)
        self._keep(origin, reason, payload, text, stable_id(origin.source, reason, place, payload))
        if len(self.rejected) < LISTED:
            told = {"index": index, "code": _CODES.get(reason, reason.lower().replace(" ", "_")), "message": reason}
            if detail:
                told["detail"] = detail
            self.rejected.append(told | ({"line": line} if line else {}))

    def quarantine_row(self, origin: Origin, row: _Rejected) -> None:
        """Keep aside what the sender could not read."""
        place = f"{row.file}, line {row.line}" if row.file else ""
        payload = row.payload.encode("utf-8", "surrogatepass")[:KEPT_BYTES]
        self._keep(origin, row.reason, payload, place, stable_id(origin.source, row.reason, place, payload))

    def _keep(self, origin: Origin, reason: str, payload: bytes, detail: str, key: str) -> None:
        self.records.append(frame(origin.envelope(reason, detail), key, payload))
        self.quarantined += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


def single(body: bytes, origin: Origin, event_limit: int) -> Accepted:
    """One event, its type named by the route."""
    return _judge([body], origin, event_limit)


def batch(body: bytes, origin: Origin, event_limit: int) -> Accepted:
    """The events of `{"batch": […], "sentAt": …}`; one bad event never sinks the others.

    Raises:
        RefusedError: 400 when the body cannot be read as that (kept aside).
    """
    items, parsed = parse_batch(body)
    sent_at = parsed.sent_at
    origin.sent_at = sent_at[:64] if isinstance(sent_at, str) else None
    if origin.route == "import":
        origin.backfill = origin.backfill or parsed.backfill is True
    accepted = _judge(items, origin, event_limit)
    for row in parsed.rejected:
        accepted.quarantine_row(origin, row)
    return accepted


def lines(body: bytes, origin: Origin, event_limit: int) -> Accepted:
    """One event a line (NDJSON). Blank lines are nothing.

    Events without messageId get one from file, line and bytes, so that sending them again adds nothing.
    """
    rows = body.split(b"\n")
    if rows and not rows[-1]:
        rows.pop()
    return _judge(rows, origin, event_limit, skip_blank=True)


def parse_batch(body: bytes) -> tuple[list[Any], _Body]:
    """The elements of a batch as bytes, and the rest of the body.

    Raises:
        RefusedError: 400 when it is no JSON object with a `batch` array.
    """
    try:
        parsed = _body(body)
    except msgspec.ValidationError as error:
        raise RefusedError(
            400, "not_a_batch", f"The body is no batch: {error}.", kept=body, reason="not a batch"
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        found = split_batch(body)
        if found is None:
            raise not_json(body) from None
        items, others = found
        return items, _Body(sent_at=others.get("sentAt"), backfill=others.get("backfill"))
    if parsed.batch is None and not parsed.rejected:
        raise RefusedError(400, "not_a_batch", "The body has no array «batch».", kept=body, reason="not a batch")
    return parsed.batch or [], parsed


def body_write_key(body: bytes) -> str | None:
    """The `writeKey` inside a body, or None when there is none to be read."""
    try:
        key = _head(body).write_key
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        found = split_batch(body)
        key = found[1].get("writeKey") if found else None
    return key if isinstance(key, str) and key else None


def not_json(body: bytes) -> RefusedError:
    """The refusal of a body that is not JSON at all."""
    return RefusedError(400, "not_json", "The body is not JSON.", kept=body, reason=NOT_JSON)


def _judge(items: Iterable[Any], origin: Origin, event_limit: int, *, skip_blank: bool = False) -> Accepted:
    accepted = Accepted()
    envelope = origin.envelope()
    route_type, imported = origin.type, origin.route == "import"
    records, latest = accepted.records, ""
    for index, item in enumerate(items):
        payload = bytes(item)
        if skip_blank and not payload.strip():
            continue
        if len(payload) > event_limit:
            accepted.quarantine(origin, TOO_LARGE, payload, detail=f"{len(payload):,} bytes", index=index)
            continue
        try:
            head = _head(payload)
            if not payload.isascii():
                payload.decode()
        except msgspec.ValidationError as error:
            # the decoder stops at the first wrong type, so what follows may not even be JSON
            if _is_other_json(payload):
                accepted.quarantine(origin, NOT_AN_OBJECT, payload, index=index)
            else:
                accepted.quarantine(origin, NOT_JSON, payload, detail=_brief(error), index=index)
            continue
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            accepted.quarantine(origin, NOT_JSON, payload, detail=_brief(error), index=index)
            continue
        kind = route_type or head.type
        # the common case inline; `fault` has the words for everything else
        if not (
            type(head.user_id) is str
            and head.user_id.strip()
            and type(kind) is str
            and kind in TYPES
            and (kind != "track" or (type(head.event) is str and head.event.strip()))
        ):
            reason = fault(kind, head.event, head.user_id, head.anonymous_id)
            if reason:
                accepted.quarantine(origin, reason, payload, index=index)
                continue
        message_id = identifier(head.message_id)
        if message_id is None:
            message_id = stable_id(origin.file, str(origin.line + index), payload) if origin.file else str(uuid.uuid4())
        elif len(message_id) > LONGEST_MESSAGE_ID:
            accepted.quarantine(origin, "messageId too long", payload, index=index)
            continue
        if imported and type(head.timestamp) is str:
            # ISO texts of one length and offset sort as times do; others are read below, one by one
            latest = _later(latest, head.timestamp, head.received_at)
        records.append(frame(envelope, message_id, payload))
        accepted.count += 1
    accepted.last_event_at = moment(latest)
    return accepted


def _later(latest: str, stated: str, received: Any) -> str:
    if type(received) is str and received < stated:
        stated = received
    if len(stated) == len(latest) and stated[-1] == latest[-1] == "Z":
        return stated if stated > latest else latest
    new, old = moment(stated), moment(latest)
    return stated if new is not None and (old is None or new > old) else latest


def _is_other_json(payload: bytes) -> bool:
    """Whether it is JSON, but no object."""
    try:
        msgspec.json.decode(payload, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return payload.lstrip()[:1] != b"{"


def _brief(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def utc_now() -> datetime:
    """Now, as the platform writes times: UTC without offset."""
    return datetime.now(UTC).replace(tzinfo=None)
