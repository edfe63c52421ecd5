"""`POST /v1/replay`: events that were kept aside are judged anew, by the rules of today.

Belongs here: the route. Does not belong here: which ones are sent (`quarantine`), the judgement (`judge`).

The body is NDJSON, a row a line: `{"quarantineId", "source", "payload", "receivedAt", "route", "sentAt", "ip",
"userAgent", "backfill", "type", "messageId"}`; `payload` is the event as it came, or mended: an object or its text,
also a whole `{"batch": […]}`. One that passes goes into the log as it would have then: same source, route, receivedAt
and messageId, so that sending a row twice adds nothing. Of one that still does not pass nothing is written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from headwater.collect.accept import parse_batch
from headwater.collect.admin import require_scope
from headwater.collect.judge import Accepted, Judge, Origin, events
from headwater.collect.request import Answer, RefusedError, Request
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


_row = msgspec.json.Decoder(Row).decode
_text = msgspec.json.Decoder(str).decode
_whole = msgspec.json.Decoder(dict[str, Any]).decode


async def answer(collector: Collector, request: Request, name: str) -> Answer:
    """200 with `replayedAt`, counts (`accepted`, `dropped` among them, `quarantined`), and `still`: the rows that do
    not pass yet, with why."""
    if request.method != "POST":
        raise RefusedError(405, "method_not_allowed", "Send /v1/replay with POST.", headers={"Allow": "POST, OPTIONS"})
    require_scope(collector.rules.admin_tokens, request.headers, SCOPE)
    rows = _rows(await collector.body(request, None))
    done: dict[str, Accepted] = {}
    still: list[dict[str, Any]] = []
    for row in rows:
        judge, _ = collector.judge(request, row.source, "import")  # "import": a cookie of the caller is nobody's id
        _judge(row, _origin(row, request), judge, done.setdefault(row.source, Accepted()), still)
    for source, accepted in done.items():
        await collector.store(source, accepted)
    told = {
        "success": True,
        "replayedAt": request.received_at.isoformat(),
        "accepted": sum(accepted.count for accepted in done.values()),
        "dropped": sum(sum(accepted.dropped.values()) for accepted in done.values()),
        "quarantined": len(still),
        "still": still,
    }
    return Answer(200, msgspec.json.encode(told))


def _rows(body: bytes) -> list[Row]:
    rows = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = _row(line)
            wrong = moment(row.received_at) is None or not 0 < len(row.quarantine_id) <= LONGEST_QUARANTINE_ID
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise RefusedError(400, "not_a_row", f"Line {number} is not a row to replay: {error}.") from error
        if wrong or not row.source:
            text = f"Line {number} needs a source, a quarantineId and a receivedAt in ISO 8601."
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


def _judge(row: Row, origin: Origin, judge: Judge, done: Accepted, still: list[dict[str, Any]]) -> None:
    """One row: what passes is added to `done`, else the row to `still`."""
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
    else:
        _add(done, outcome)


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
