"""Where one message is and what became of it: in the log, the lake, at every destination, in the read copy.

Belongs here: finding it, from what each verb leaves behind, without opening the warehouse. Does not belong here: words
for people (`headwater.entrance.receipt`), HTTP (`headwater.serve`), why a destination's settings keep an event away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.errors import UnavailableError
from headwater.event import stated_message_id
from headwater.settings import Settings
from headwater.storage.deliveries import Delivered, Deliveries, delivery_paths
from headwater.storage.deliveries.progress import load_progress
from headwater.storage.failures import Failures
from headwater.storage.lake import Lake, open_lake
from headwater.storage.log import DamagedError, LogReader, Position, Record, segments
from headwater.storage.warehouse.publication import read_copy

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LANDER = "lander"
PLACES = {"events/": "accepted", "quarantine/events/": "quarantined", "dropped/events/": "dropped"}


@dataclass(frozen=True)
class Arrival:
    """The message as it came in, once for each time that it did.

    Attributes:
        verdict: `accepted`, `quarantined` or `dropped`.
        detail: why in more words, where there are some.
        place: the lake object that holds it, or the log segment while it has not landed.
        end: where its record ends in that segment; 0 when it has landed.
        violations: of the tracking plan: type, property, message.
    """

    source: str
    type: str
    event: str
    received_at: datetime
    verdict: str
    reason: str
    place: str
    is_landed: bool
    route: str = ""
    end: int = 0
    violations: list[dict[str, str]] = field(default_factory=list)
    replays: str = ""
    payload: dict[str, Any] | None = None
    detail: str = ""


@dataclass(frozen=True)
class Loaded:
    """Where the read copy of the warehouse holds it, and as of when that copy is."""

    table: str
    as_of: datetime


@dataclass(frozen=True)
class Receipt:
    """Everything that is known of a message. `deliveries` holds the outcomes by destination, oldest first; `behind`
    are the destinations that have not come past its latest arrival, each with its present problem, or an empty text."""

    message_id: str
    arrivals: list[Arrival]
    deliveries: dict[str, list[Delivered]]
    behind: dict[str, str]
    loaded: list[Loaded]

    @property
    def is_known(self) -> bool:
        """Whether it was ever here."""
        return bool(self.arrivals or any(self.deliveries.values()))


def as_json(
    receipt: Receipt,
    why_not: Callable[[str, Arrival], str],
    *,
    payload: bool = False,
    is_configured: Callable[[str], bool] = lambda _: True,
) -> dict[str, Any]:
    """The receipt as an API tells it, in the order in which things happen to a message.

    Args:
        why_not: (destination, arrival) → why a destination that is past it has no outcome.
        payload: also what was sent, which may hold personal data.
        is_configured: whether a destination still is one: another waits for nothing.
    """
    last = next((a for a in reversed(receipt.arrivals) if a.verdict == "accepted"), None)
    destinations = {}
    for name, rows in receipt.deliveries.items():
        told = [_outcome(row) for row in rows]
        if not told and name in receipt.behind and is_configured(name):
            told = [{"status": "waiting", "reason": receipt.behind[name] or None}]
        elif not told and last is not None:
            told = [{"status": "not sent", "reason": why_not(name, last)}]
        destinations[name] = told
    return {
        "messageId": receipt.message_id,
        "arrivals": [_arrival(arrival, payload) for arrival in receipt.arrivals],
        "destinations": destinations,
        "loaded": [{"table": found.table, "readCopyAsOf": f"{found.as_of.isoformat()}Z"} for found in receipt.loaded],
    }


def _arrival(arrival: Arrival, payload: bool) -> dict[str, Any]:
    told = {
        "source": arrival.source,
        "type": arrival.type,
        "event": arrival.event or None,
        "receivedAt": f"{arrival.received_at.isoformat()}Z",
        "route": arrival.route or None,
        "verdict": arrival.verdict,
        "reason": arrival.reason or None,
        "detail": arrival.detail or None,
        "violations": arrival.violations,
        "landed": arrival.place if arrival.is_landed else None,
        "logSegment": None if arrival.is_landed else arrival.place,
        "replays": arrival.replays or None,
    }
    return told | ({"payload": arrival.payload} if payload else {})


def _outcome(row: Delivered) -> dict[str, Any]:
    return {
        "status": row.status,
        "at": f"{row.at.isoformat()}Z",
        "reason": row.reason or None,
        "code": row.code or None,
        "answer": row.answer or None,
        "attempts": row.attempts,
        "toolEvent": row.tool_event or None,
        "transformations": msgspec.json.decode(row.steps),
    }


def find_receipt(settings: Settings, message_id: str) -> Receipt:
    """Look everywhere.

    Raises:
        UnavailableError: lake or log cannot be read.
    """
    import duckdb

    with closing(Failures(settings.log_dir)) as failures:
        waiting = [_judged(failures, arrival) for arrival, _ in _in_log(settings, message_id)]
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        lake = open_lake(settings)
        lake.configure(con)
        try:
            landed = list(_in_lake(con, lake, message_id))
        except duckdb.Error as error:
            raise UnavailableError(f"The lake cannot be searched: {str(error).splitlines()[0]}") from error
    arrivals = sorted([*landed, *waiting], key=lambda arrival: arrival.received_at)
    deliveries, behind = _delivered(settings, message_id, arrivals)
    return Receipt(message_id, arrivals, deliveries, behind, _loaded(settings, message_id))


def _judged(failures: Failures, arrival: Arrival) -> Arrival:
    """An arrival in the log, by what the first reader found that came to it."""
    if arrival.verdict != "accepted":
        return arrival
    _, failed = failures.known(arrival.source, arrival.place, arrival.end, arrival.end)
    if arrival.end not in failed:
        return arrival
    name, detail, is_suspended = failed[arrival.end]
    reason = f"transformation: {name}{' suspended' if is_suspended else ''}"
    return replace(arrival, verdict="quarantined", reason=reason, detail=detail)


def _in_log(settings: Settings, message_id: str) -> Iterator[tuple[Arrival, Record]]:
    """Arrivals in the segments that have not landed."""
    done = LogReader(settings.log_dir, LANDER).committed.segment
    for segment in segments(settings.log_dir, after=done):
        try:
            for record in segment.records():
                if _is_of(record, message_id):
                    yield _of_record(record, segment.name), record
        except (DamagedError, FileNotFoundError):
            continue  # the tail that is being written, or a segment that was sealed under another name meanwhile


def _is_of(record: Record, message_id: str) -> bool:
    """What was kept aside goes by what it says of itself: its own key in the log is another."""
    if record.message_id == message_id:
        return True
    return record.envelope.route == "quarantine" and stated_message_id(record.payload) == message_id


def _of_record(record: Record, segment: str) -> Arrival:
    envelope = record.envelope
    try:
        payload = msgspec.json.decode(record.payload, type=dict[str, Any])
    except (ValueError, RecursionError):
        payload = None
    told = payload or {}
    verdict = "quarantined" if envelope.route == "quarantine" else "dropped" if envelope.verdict else "accepted"
    found = [{"type": kind, "property": path, "message": text} for kind, path, text in envelope.violations or ()]
    return Arrival(
        source=envelope.source,
        type=envelope.type or str(told.get("type") or ""),
        event=str(told.get("event") or ""),
        received_at=envelope.received_at,
        verdict=verdict,
        reason=envelope.reason or "",
        place=segment,
        end=record.end,
        is_landed=False,
        route=envelope.route,
        violations=found,
        replays=envelope.replays or "",
        payload=payload,
        detail=envelope.detail or "",
    )


def _in_lake(con: DuckDBPyConnection, lake: Lake, message_id: str) -> Iterator[Arrival]:
    for prefix, verdict in PLACES.items():
        keys = {lake.uri(item.key): item.key for item in lake.list(prefix) if item.key.endswith(".parquet")}
        if not keys:
            continue
        options = "union_by_name = true, filename = true"
        given = {row[0] for row in con.execute(f"describe from read_parquet(?, {options})", [list(keys)]).fetchall()}
        if "message_id" not in given:
            continue
        names = (
            "source",
            "type",
            "event",
            "received_at",
            "reason",
            "route",
            "violations",
            "replays",
            "payload",
            "detail",
        )
        columns = ", ".join(name if name in given else f"null as {name}" for name in names)
        also = " or quarantine_id = ?2" if "quarantine_id" in given else ""  # as it was named while in the log
        query = f"select {columns}, filename from read_parquet(?1, {options}) where message_id = ?2{also}"
        for source, kind, event, at, reason, route, violations, replays, payload, detail, uri in con.execute(
            query, [list(keys), message_id]
        ).fetchall():
            yield Arrival(
                source=source or "",
                type=kind or "",
                event=event or "",
                received_at=at,
                verdict=verdict,
                reason=reason or "",
                place=keys[uri],
                is_landed=True,
                route=route or "",
                violations=_violations(violations),
                replays=replays or "",
                payload=_object(payload),
                detail=detail or "",
            )


def _violations(text: str | None) -> list[dict[str, str]]:
    try:
        found = msgspec.json.decode(text or "[]")
    except msgspec.DecodeError:
        return []
    rows = found if isinstance(found, list) else []
    named = ("type", "property", "message")
    return [row if isinstance(row, dict) else dict(zip(named, map(str, row), strict=False)) for row in rows]


def _object(text: str | None) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text or "null")
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _delivered(
    settings: Settings, message_id: str, arrivals: list[Arrival]
) -> tuple[dict[str, list[Delivered]], dict[str, str]]:
    found: dict[str, list[Delivered]] = {}
    behind = {}
    latest = _place(settings, message_id, arrivals) if arrivals else Position()
    for name, path in delivery_paths(settings).items():
        with closing(Deliveries(path, read_only=True)) as store:
            found[name] = store.find(message_id)
            place = store.position() or Position()
        if not found[name] and place < latest:
            progress = load_progress(settings, name)
            behind[name] = progress.last_error if progress.failing_since else ""
    return found, behind


def _place(settings: Settings, message_id: str, arrivals: list[Arrival]) -> Position:
    """Where in the log the latest arrival ends. The lake does not tell; but while a destination may be before it, its
    segment is still in the log."""
    segment, end, is_landed = max((_segment(arrival), arrival.end, arrival.is_landed) for arrival in arrivals)
    if is_landed:
        for one in segments(settings.log_dir):
            with suppress(DamagedError, FileNotFoundError):  # what was read before the damage counts
                for record in one.records() if one.name == segment else ():
                    end = record.end if _is_of(record, message_id) else end
    return Position(segment, end)


def _segment(arrival: Arrival) -> str:
    """The log segment of an arrival; objects of the lake are named after it, those beside the events with a digest."""
    name = arrival.place.rsplit("/", 1)[-1].removesuffix(".parquet")
    return name.rsplit("-", 1)[0] if arrival.is_landed and arrival.verdict != "accepted" else name


def _loaded(settings: Settings, message_id: str) -> list[Loaded]:
    """Where the read copy has it; a service never opens the warehouse itself."""
    import duckdb

    copy = read_copy(settings)
    if copy is None:
        return []
    found = []
    try:
        with duckdb.connect(str(settings.warehouse_read), read_only=True) as con:
            for table in ("raw.events", "raw.quarantine", "raw.dropped"):
                query = f"select 1 from {table} where message_id = ? limit 1"
                if con.execute(query, [message_id]).fetchone():
                    found.append(Loaded(table, copy.published_at))
    except duckdb.Error:
        return found  # an older copy without one of the tables, or one that is being swapped: what was found counts
    return found
