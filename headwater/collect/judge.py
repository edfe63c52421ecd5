"""Each event judged for itself: it becomes a record of the log, as it came or kept aside with its reason.

Belongs here: the judgement, the plan's verdict, framing. Does not belong here: how a body is cut into events
(`accept`), HTTP, disk, the rules of an event (`headwater.event`) or of the plan (`headwater.policy.plan`).
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw, Struct

from headwater.event import (
    LONGEST_MESSAGE_ID,
    NO_ID,
    NOT_AN_OBJECT,
    NOT_JSON,
    TOO_LARGE,
    TYPES,
    Received,
    complete,
    fault,
    identifier,
    is_ahead,
    moment,
    stable_id,
)
from headwater.policy.plan import Checker, Verdict, beyond_reading
from headwater.policy.plan_violations import AHEAD
from headwater.storage.log import Envelope, encode_envelope, frame

LISTED = 100
KEPT_BYTES = 64 * 1024
_HALF_A_DAY = timedelta(hours=12)
TOO_DEEP = "event nested deeper than the limit"
_CODES = {NOT_JSON: "not_json", NOT_AN_OBJECT: "not_an_object", TOO_LARGE: "too_large", TOO_DEEP: "too_deep"}


class _Head(Struct, rename="camel", gc=False):
    """The few fields of an event that are looked at before it is logged."""

    type: Any = None
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    event: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None
    received_at: Any = None
    write_key: Any = None


class RejectedRow(Struct):
    """A row that the sender itself could not read, to be kept aside with the sender's reason. `file` and `line` say
    where it stands; a place without lines (a Kafka partition) is in `file` alone."""

    payload: str
    reason: str = NOT_JSON
    file: str = ""
    line: int = 0


_head = msgspec.json.Decoder(_Head).decode
_whole = msgspec.json.Decoder(dict[str, Any]).decode
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS = re.compile(rb"[{}\[\]]")


@dataclass(frozen=True)
class Judge:
    """By what the events of one request are judged.

    Attributes:
        event_bytes, event_depth, request_events: the limits of their source.
        checker: the tracking plan, when there is one.
        anonymous_id: gives the id for events that bring neither userId nor anonymousId, when a cookie may be set.
    """

    event_bytes: int = 1024 * 1024
    event_depth: int = 200
    request_events: int = 10_000
    checker: Checker | None = None
    anonymous_id: Callable[[], str] | None = None


@dataclass
class Origin:
    """Where a request's events come from; the `Envelope`'s fields. `file` and `line` only for NDJSON imports.

    `message_id` is for an event that has none of its own, where the sender's own key of it is known (a webhook, a
    replay); `replays` names the quarantined row that is put through again, at `replayed_at`.
    """

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
    message_id: str | None = None
    replays: str | None = None
    replayed_at: datetime | None = None

    def envelope(self, reason: str | None = None, detail: str | None = None, verdict: Verdict | None = None) -> bytes:
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
                verdict="drop" if verdict is not None and verdict.action == "drop" else None,
                violations=verdict.violations if verdict is not None else None,  # type: ignore[arg-type]
                replays=self.replays,
                came_by=self.route if reason else None,  # type: ignore[arg-type]
                replayed_at=self.replayed_at,
            )
        )


@dataclass
class Accepted:
    """What became of one request's events. `records` are ready for the log, the quarantined ones among them.

    `count` are those not quarantined; `dropped` those among them that the plan keeps from going on, by reason;
    `violating` those among them that go on in spite of violations. `violations` are counted by kind and by what became
    of the event.
    """

    records: list[bytes] = field(default_factory=list)
    count: int = 0
    quarantined: int = 0
    violating: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    violations: Counter[tuple[str, str]] = field(default_factory=Counter)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    last_event_at: datetime | None = None

    def quarantine(self, origin: Origin, reason: str, payload: bytes, *, detail: str = "", index: int = 0) -> None:
        """Keep `payload` aside with its reason."""
        line = origin.line + index if origin.line else 0
        place = f"{origin.file}, line {line}" if origin.file and line else ""
        text = "; ".join(part for part in (place, detail) if part)
        self._keep(origin.envelope(reason, text), stable_id(origin.source, reason, place, payload), payload, reason)
        self._tell(index, _CODES.get(reason, reason.lower().replace(" ", "_")), reason, detail, line)

    def violates(self, origin: Origin, verdict: Verdict, message_id: str, payload: bytes, *, index: int = 0) -> None:
        """Take an event that does not fit the tracking plan, as the plan's verdict says."""
        for kind, _, _ in verdict.violations:
            self.violations[kind, verdict.action] += 1
        if verdict.action == "quarantine":
            detail = verdict.cause[2]
            self._keep(origin.envelope(verdict.reason, detail, verdict), message_id, payload, verdict.reason)
            line = origin.line + index if origin.line else 0
            self._tell(index, "violates_plan", verdict.reason, detail, line)
            return
        self.records.append(frame(origin.envelope(verdict=verdict), message_id, payload))
        self.count += 1
        if verdict.action == "drop":
            self.dropped[verdict.reason] = self.dropped.get(verdict.reason, 0) + 1
        else:
            self.violating += 1

    def quarantine_row(self, origin: Origin, row: RejectedRow) -> None:
        """Keep aside what the sender could not read."""
        place = f"{row.file}, line {row.line}" if row.file and row.line else row.file
        payload = row.payload.encode("utf-8", "surrogatepass")[:KEPT_BYTES]
        key = stable_id(origin.source, row.reason, place, payload)
        self._keep(origin.envelope(row.reason, place), key, payload, row.reason)

    def add(self, more: Accepted) -> None:
        """Count what another judgement of the same request gave."""
        self.records += more.records
        self.count += more.count
        self.quarantined += more.quarantined
        self.violating += more.violating
        self.violations.update(more.violations)
        self.rejected += more.rejected[: LISTED - len(self.rejected)]
        for mine, theirs in ((self.reasons, more.reasons), (self.dropped, more.dropped)):
            for reason, number in theirs.items():
                mine[reason] = mine.get(reason, 0) + number

    def _keep(self, envelope: bytes, key: str, payload: bytes, reason: str) -> None:
        self.records.append(frame(envelope, key, payload))
        self.quarantined += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def _tell(self, index: int, code: str, message: str, detail: str, line: int) -> None:
        if len(self.rejected) < LISTED:
            told: dict[str, Any] = {"index": index, "code": code, "message": message}
            if detail:
                told["detail"] = detail
            self.rejected.append(told | ({"line": line} if line else {}))


def events(items: Iterable[Any], origin: Origin, judge: Judge, *, skip_blank: bool = False) -> Accepted:
    """Judge each element for itself; the elements are the bytes of one event each (or of anything else)."""
    accepted = Accepted()
    envelope = origin.envelope()
    check = judge.checker.check if judge.checker is not None else None
    route_type, imported = origin.type, origin.route == "import"
    most_bytes, most_depth = judge.event_bytes, judge.event_depth
    records, latest, count = accepted.records, "", 0
    late, early = _bounds(origin)
    for index, item in enumerate(items):
        payload = bytes(item)
        if skip_blank and not payload.strip():
            continue
        if len(payload) > most_bytes:
            accepted.quarantine(origin, TOO_LARGE, payload, detail=f"{len(payload):,} bytes", index=index)
            continue
        try:
            head = _head(payload)
            if not payload.isascii():
                payload.decode()
            if b"\\" in payload and (b"\\ud" in payload or b"\\uD" in payload):
                _whole(payload)  # what the decoder passes over may be half of a surrogate pair
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
        if payload.count(b"{") + payload.count(b"[") > most_depth and nesting(payload) > most_depth:
            accepted.quarantine(origin, TOO_DEEP, payload, detail=f"the limit is {most_depth}", index=index)
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
            is_given = reason == NO_ID and judge.anonymous_id is not None
            if is_given:
                reason = fault(kind, head.event, head.user_id, "by cookie")
            if reason:
                accepted.quarantine(origin, reason, payload, index=index)
                continue
            if is_given and judge.anonymous_id is not None and _is_short(head.message_id):
                payload = with_anonymous_id(payload, judge.anonymous_id())
        message_id = identifier(head.message_id) or origin.message_id
        if message_id is None:
            message_id = stable_id(origin.file, str(origin.line + index), payload) if origin.file else str(uuid.uuid4())
        elif len(message_id) > LONGEST_MESSAGE_ID:
            accepted.quarantine(origin, "messageId too long", payload, index=index)
            continue
        stated = head.timestamp
        # the common case inline
        ahead = (
            (
                imported
                or head.original_timestamp is not None
                or head.sent_at is not None
                or (type(stated) is str and stated > late)
            )
            and _may_be_ahead(head, late, early)
            and _is_ahead(payload, origin, kind)
        )
        if imported and type(head.timestamp) is str and not ahead:
            # ISO texts of one length and offset sort as times do; others are read below, one by one
            latest = _later(latest, head.timestamp, head.received_at)
        verdict = check(kind, head.event, payload) if check is not None else beyond_reading(payload)
        if ahead:
            verdict = _ahead(judge.checker, verdict, kind, payload)
        if verdict is not None:
            accepted.violates(origin, verdict, message_id, payload, index=index)
            continue
        records.append(frame(envelope, message_id, payload))
        count += 1
    accepted.count += count
    last = moment(latest)
    accepted.last_event_at = last and min(last, origin.received_at.replace(microsecond=0))
    return accepted


def with_anonymous_id(payload: bytes, anonymous_id: str) -> bytes:
    """The event (a JSON object) with this anonymousId; behind the client's own fields, where the last of two counts."""
    begun = payload.rstrip()[:-1].rstrip()
    comma = b"" if begun.endswith(b"{") and begun.strip() == b"{" else b","
    return begun + comma + b'"anonymousId":"' + anonymous_id.encode() + b'"}'


def nesting(payload: bytes) -> int:
    """How deep JSON is nested. It must be valid."""
    deepest = depth = 0
    for mark in _BRACKETS.findall(_STRINGS.sub(b"", payload)):
        if mark in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _is_short(message_id: Any) -> bool:
    return len(identifier(message_id) or "") <= LONGEST_MESSAGE_ID


def _bounds(origin: Origin) -> tuple[str, str]:
    """Times as text, half a day after and before the receipt (a day, but for the offsets that a text may have): only
    what is beyond them is looked at closely. Everything is where the batch itself says that it was sent long ago."""
    sent_at = moment(origin.sent_at) if origin.route == "live" else None
    try:
        late, early = origin.received_at + _HALF_A_DAY, origin.received_at - _HALF_A_DAY
    except OverflowError:
        return "", "9"
    return "" if sent_at is not None and sent_at < early else late.isoformat()[:19], early.isoformat()[:19]


def _may_be_ahead(head: _Head, late: str, early: str) -> bool:
    stated, sent, received = head.timestamp, head.sent_at, head.received_at
    if type(received) is str and type(stated) is str and stated[:19] > received[:19]:
        return True
    if type(sent) is str and sent[:19] < early:
        return True
    original = head.original_timestamp
    return (type(stated) is str and stated[:19] > late) or (type(original) is str and original[:19] > late)


def _is_ahead(payload: bytes, origin: Origin, kind: str) -> bool:
    how = Received(
        origin.source, origin.route, origin.received_at, origin.sent_at, backfill=origin.backfill, type=kind,  # type: ignore[arg-type]
    )  # fmt: skip
    try:
        return is_ahead(complete(_whole(payload), "", how))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return False  # nobody can complete it, and whoever reads the log says so


def _ahead(checker: Checker | None, verdict: Verdict | None, kind: str, payload: bytes) -> Verdict:
    if checker is None:
        return Verdict("forward", [AHEAD], AHEAD)
    return checker.add_ahead(verdict, kind, _whole(payload).get("event" if kind == "track" else "name"))


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
