"""`POST /v1/replay`: events that were kept aside are judged anew, by the rules of today.

Belongs here: the route. Does not belong here: which ones are sent (`quarantine`), the judgement (`judge`), the marks of
what went through (`replayed`).

The body is NDJSON, a row a line: `{"quarantineId", "source", "payload", "receivedAt", "route", "sentAt", "ip",
"userAgent", "backfill", "type", "messageId", "keptAgainAt"}`; `payload` is the event as it came, or mended: an object
or its text, also a whole `{"batch": […]}`. One that passes goes into the log as it would have then: same source, route,
receivedAt and messageId. Of one that still does not pass nothing is written.

A row is put through once, whoever sends it: the second time it is told among `already`. One that the collector took,
and that a source's transformation then failed, was kept aside again: naming when (`keptAgainAt`) puts it through anew.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from headwater.collect.accept import parse_batch
from headwater.collect.admin import require_scope
from headwater.collect.judge import Accepted, Judge, Origin, events
from headwater.collect.replayed import Claim
from headwater.collect.request import Answer, RefusedError, Request
from headwater.errors import UnavailableError
from headwater.event import identifier, moment

if TYPE_CHECKING:
    from headwater.collect.app import Collector

SCOPE = "replay"
LONGEST_QUARANTINE_ID = 1024


class Row(Struct, rename="camel"):
    """One row of the body."""

    quarantine_id: str
    source: str
    payload: Raw
    received_at: str
    route: str | None = None
    sent_at: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    backfill: bool | None = None
    type: str | None = None
    message_id: str | None = None
    kept_again_at: str | None = None


@dataclass
class Outcome:
    """What became of the rows of one request: `done` by source, `claims` of those that go into the log, `still` and
    `already` as they are told."""

    done: dict[str, Accepted] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    still: list[dict[str, Any]] = field(default_factory=list)
    already: list[dict[str, Any]] = field(default_factory=list)


_row = msgspec.json.Decoder(Row).decode
_text = msgspec.json.Decoder(str).decode
_whole = msgspec.json.Decoder(dict[str, Any]).decode


async def answer(collector: Collector, request: Request, name: str) -> Answer:
    """200 with `replayedAt`, counts (`accepted`, `dropped` among them, `quarantined`, `alreadyReplayed`), `still`: the
    rows that do not pass yet, with why, and `already`: those that went through before, with when."""
    if request.method != "POST":
        raise RefusedError(405, "method_not_allowed", "Send /v1/replay with POST.", headers={"Allow": "POST, OPTIONS"})
    require_scope(collector.rules.admin_tokens, request.headers, SCOPE)
    rows = _rows(await collector.body(request, None))
    # to its end, also when the client has gone: between claim and confirmation nothing may stop
    outcome = await asyncio.shield(_put_through(collector, request, rows))
    done = outcome.done.values()
    told = {
        "success": True,
        "replayedAt": request.received_at.isoformat(),
        "accepted": sum(accepted.count for accepted in done),
        "dropped": sum(sum(accepted.dropped.values()) for accepted in done),
        "quarantined": len(outcome.still),
        "alreadyReplayed": len(outcome.already),
        "still": outcome.still,
        "already": outcome.already,
    }
    return Answer(200, msgspec.json.encode(told))


async def _put_through(collector: Collector, request: Request, rows: list[Row]) -> Outcome:
    """Judge the rows and append what passes: one request at a time, so that two of them cannot both take a row."""
    marks = collector.replayed
    async with collector.replaying:
        try:
            await asyncio.to_thread(marks.settle)
            before = await asyncio.to_thread(marks.when, {row.quarantine_id for row in rows})
            outcome = _judged(collector, request, rows, before)
            if outcome.claims:
                await asyncio.to_thread(marks.claim, outcome.claims)
            try:
                for source, accepted in outcome.done.items():
                    await collector.store(source, accepted)
            except RefusedError:
                with suppress(UnavailableError):  # then the next request, or the next start, does it
                    await asyncio.to_thread(marks.settle)
                raise
            if outcome.claims:
                await asyncio.to_thread(marks.confirm)
        except UnavailableError as error:
            raise RefusedError(503, "replays_unavailable", str(error), headers={"Retry-After": "2"}) from error
    return outcome


def _judged(collector: Collector, request: Request, rows: list[Row], before: dict[str, datetime]) -> Outcome:
    outcome = Outcome()
    for row in rows:
        origin = _origin(row, request)
        again = moment(row.kept_again_at)
        last = before.get(row.quarantine_id)
        if last is not None and (again is None or again < last):
            told = {"quarantineId": row.quarantine_id, "reason": "already replayed", "replayedAt": last.isoformat()}
            outcome.already.append(told)
            continue
        if again is not None:  # later than that, whatever the clock says: it is how the two are told apart
            origin.replayed_at = max(request.received_at, again + timedelta(microseconds=1))
        judge, _ = collector.judge(request, row.source, "import")  # "import": a cookie of the caller is nobody's id
        done = outcome.done.setdefault(row.source, Accepted())
        were = len(done.records)
        if _judge(row, origin, judge, done, outcome.still):
            assert origin.replayed_at
            before[row.quarantine_id] = origin.replayed_at
            outcome.claims[row.quarantine_id] = Claim(origin.replayed_at, len(done.records) - were)
    return outcome


def _rows(body: bytes) -> list[Row]:
    rows = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = _row(line)
            wrong = moment(row.received_at) is None or not 0 < len(row.quarantine_id) <= LONGEST_QUARANTINE_ID
            wrong = wrong or (row.kept_again_at is not None and moment(row.kept_again_at) is None)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise RefusedError(400, "not_a_row", f"Line {number} is not a row to replay: {error}.") from error
        if wrong or not row.source:
            text = f"Line {number} needs a source, a quarantineId and times in ISO 8601."
            raise RefusedError(400, "not_a_row", text)
        rows.append(row)
    return rows


def _origin(row: Row, request: Request) -> Origin:
    received_at = moment(row.received_at)
    assert received_at
    return Origin(
        source=row.source,
        route="import" if row.route == "import" else "live",
        received_at=received_at,
        ip=row.ip,
        user_agent=row.user_agent,
        backfill=bool(row.backfill),
        type=row.type or None,
        sent_at=row.sent_at,
        message_id=row.message_id or row.quarantine_id,
        replays=row.quarantine_id,
        replayed_at=request.received_at,
    )


def _judge(row: Row, origin: Origin, judge: Judge, done: Accepted, still: list[dict[str, Any]]) -> bool:
    """One row: what passes is added to `done`, else the row to `still`; answers whether it passed."""
    payload = bytes(row.payload)
    if payload[:1] == b'"':
        payload = _text(payload).encode("utf-8", "surrogatepass")
    items = _items(payload, origin)
    outcome = Accepted()
    if items is None:
        outcome = events([payload], origin, judge)
    else:
        for number, item in enumerate(items):
            _add(outcome, events([item], replace(origin, message_id=f"{row.quarantine_id}-{number}"), judge))
    if outcome.quarantined:
        why = outcome.rejected[0]
        told = {"quarantineId": row.quarantine_id, "reason": why["message"]}
        still.append(told | ({"detail": why["detail"]} if "detail" in why else {}))
        return False
    _add(done, outcome)
    return True


def _items(payload: bytes, origin: Origin) -> list[bytes] | None:
    """The events of a whole body of a batch, which was kept aside because it was not JSON and has been mended."""
    try:
        found = _whole(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if origin.type or identifier(found.get("type")) or not isinstance(found.get("batch"), list):
        return None
    items, body = parse_batch(payload)
    if isinstance(body.sent_at, str):
        origin.sent_at = body.sent_at[:64]
    return [bytes(item) for item in items]


def _add(done: Accepted, more: Accepted) -> None:
    done.records += more.records
    done.count += more.count
    done.violating += more.violating
    done.quarantined += more.quarantined
    done.rejected += more.rejected
    for reason, count in more.dropped.items():
        done.dropped[reason] = done.dropped.get(reason, 0) + count
