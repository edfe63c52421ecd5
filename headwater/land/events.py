"""Sealed log segments become Parquet objects in the lake: events, what was kept aside, what was dropped.

Belongs here: putting each event, after the company's rules (`headwater.policy.pipeline`), into the file where it
belongs. Does not belong here: any rule of an event, columns (`event_files`), the warehouse, deduplication (loading does
that, once for ever).

An object is named after its segment and never changes, so landing a segment twice writes the same object. The
lander's place in the log is saved only after the objects exist.
"""

from __future__ import annotations

import base64
import gc
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from headwater.configuration import Config
from headwater.event import NOT_JSON, Event, identifier, stable_id, stated_message_id
from headwater.land.event_files import DROPPED, QUARANTINE, EventsFile, table_file
from headwater.policy.pipeline import Pipeline, Taken, violation_errors
from headwater.settings import Settings
from headwater.storage.failures import Failures
from headwater.storage.lake import Lake, content_digest, open_lake
from headwater.storage.log import (
    LANDER,
    DamagedError,
    Envelope,
    LogLock,
    LogReader,
    Position,
    Record,
    Segment,
    recover,
    remove_passed,
    segments,
)

RECORDS_AT_A_TIME = 100  # more of them at a time fall out of the processor's cache: a third slower
BYTES_AT_A_TIME = 8 * 1024 * 1024
DAMAGED = "damaged log record"
IN_BASE64 = "payload in base64"

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


@dataclass
class EventsLanded:
    """What one landing did. `reasons` counts the rows that were kept aside, `dropped` those that the plan or a
    transformation dropped, `removed` the log's segments that everybody has read and whose retention is over."""

    segments: int = 0
    removed: int = 0
    objects: int = 0
    events: int = 0
    quarantined: int = 0
    dropped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def land_events(settings: Settings, config: Config) -> EventsLanded:
    """Land every sealed segment that has not landed yet; a dead collector's open segment is sealed first.

    Raises:
        UnavailableError: the lake cannot be written; segments before it have landed.
    """
    _recover_if_unlocked(settings)
    reader, lake, report = LogReader(settings.log_dir, LANDER), open_lake(settings), EventsLanded()
    with closing(Failures(settings.log_dir)) as failures, Pipeline.of(settings, config, failures) as pipeline:
        for segment in reader.sealed():
            with _no_garbage_collection():
                _land_segment(lake, segment, pipeline, report)
            reader.commit(Position(segment.name, segment.path.stat().st_size))
            report.segments += 1
        report.removed = len(remove_passed(settings.log_dir, config, datetime.now(UTC).replace(tzinfo=None)))
        for oldest in segments(settings.log_dir)[:1] if report.removed else ():
            failures.forget(oldest.name)
    return report


def pending_segments(settings: Settings) -> list[str]:
    """Names of the segments that `land_events` would land now, in order."""
    _recover_if_unlocked(settings)
    return [segment.name for segment in LogReader(settings.log_dir, LANDER).sealed()]


def _recover_if_unlocked(settings: Settings) -> None:
    if all(segment.is_sealed for segment in segments(settings.log_dir)):
        return
    lock = LogLock(settings.log_dir, "the lander's recovery of a dead collector's log")
    if lock.try_acquire():
        try:
            recover(settings.log_dir)
        finally:
            lock.release()


def _land_segment(lake: Lake, segment: Segment, pipeline: Pipeline, report: EventsLanded) -> None:
    out = _Landing()
    pipeline.begin(segment.name)
    for numbered in _chunks(enumerate(_records(segment, out.aside))):
        taken = iter(pipeline.run([record for _, record in numbered if record.envelope.route != "quarantine"]))
        for number, record in numbered:
            if record.envelope.route == "quarantine":
                out.keep(record, record.envelope.reason or "", record.envelope.detail)
            else:
                out.take(number, record, next(taken))
    for day, file in out.days.items():
        lake.put(f"events/received_date={day}/{segment.name}.parquet", file.finish())
        report.objects += 1
        report.events += file.count
    if out.aside:
        lake.put(f"quarantine/events/{segment.name}-{_digest(out.aside)}.parquet", table_file(out.aside, QUARANTINE))
        report.objects += 1
        report.quarantined += len(out.aside)
        report.reasons.update(row["reason"] for row in out.aside)
    if out.dropped:
        ids = [f"{row['source']} {row['message_id']}" for row in out.dropped]
        name = f"dropped/events/{segment.name}-{content_digest(_encode(ids))}.parquet"
        lake.put(name, table_file(out.dropped, DROPPED))
        report.objects += 1
        report.dropped += len(out.dropped)


class _Landing:
    """What one segment becomes: event files by day, rows kept aside, rows dropped."""

    def __init__(self) -> None:
        self.days: dict[date, EventsFile] = {}
        self.aside: list[dict[str, Any]] = []
        self.dropped: list[dict[str, Any]] = []

    def take(self, number: int, record: Record, taken: Taken) -> None:
        """An event, by what the company's rules made of it."""
        envelope, event = record.envelope, taken.event
        if event is None or taken.status == "failed":
            self.keep(record, taken.reason, taken.detail)
            return
        try:
            payload = _encode(event.payload)
        except (ValueError, OverflowError, RecursionError) as error:
            self.keep(record, NOT_JSON, str(error)[:200])
            return
        if taken.status == "dropped":
            self.dropped.append(
                {
                    "reason": taken.reason,
                    "source": event.source,
                    "message_id": event.message_id,
                    "type": event.type,
                    "event": event.event,
                    "received_at": event.received_at,
                    "payload": payload,
                    "replays": envelope.replays,
                    "replayed_at": envelope.replayed_at,
                }
            )
            return
        day = envelope.received_at.date()
        file = self.days.get(day)
        if file is None:
            file = self.days[day] = EventsFile()
        address = _request_ip(envelope, event, taken.original is not None)
        file.add(event, payload, number, taken.original, _violations(envelope), envelope.replays, address)

    def keep(self, record: Record, reason: str, detail: str | None) -> None:
        """Keep a record aside. One that was kept aside before, and was put through again, is the same row again."""
        envelope = record.envelope
        try:
            payload = record.payload.decode()
        except UnicodeDecodeError:
            payload = base64.b64encode(record.payload).decode()
            detail = "; ".join(part for part in (detail, IN_BASE64) if part)
        of_event = envelope.route != "quarantine" or envelope.violations is not None
        key = stable_id("quarantined event", envelope.source, record.message_id) if of_event else record.message_id
        kind, event = _head(record.payload, envelope.type)
        self.aside.append(
            {
                "reason": reason,
                "source": envelope.source,
                "received_at": envelope.received_at,
                "payload": payload,
                "detail": detail,
                "quarantine_id": envelope.replays or key,
                "message_id": record.message_id if of_event else stated_message_id(record.payload),
                "type": kind,
                "event": event,
                "destination": None,
                "violations": _violations(envelope),
                "route": envelope.came_by or (None if envelope.route == "quarantine" else envelope.route),
                "sent_at": envelope.sent_at,
                "ip": envelope.ip,
                "user_agent": envelope.user_agent,
                "backfill": envelope.backfill,
                "kept_again_at": envelope.replayed_at,
            }
        )


def _head(payload: bytes, route_type: str | None) -> tuple[str | None, str | None]:
    """Type and event name of what is kept aside, as far as they can be read."""
    try:
        found = _decode(payload)
    except (ValueError, RecursionError) as error:
        if "out of range" not in str(error):
            return route_type, None
        found = _lenient(payload)
    return route_type or identifier(found.get("type")), identifier(found.get("event"))


def _lenient(payload: bytes) -> dict[str, Any]:
    """An event with a number that is too large for anybody; nothing where it is no plain text either."""
    try:
        found = json.loads(payload)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _request_ip(envelope: Envelope, event: Event, is_changed: bool) -> str | None:
    """Where the request came from. What a transformation took out or masked of an address is not brought back."""
    if envelope.route == "import" or envelope.ip is None:
        return None
    context = event.payload.get("context")
    stands = isinstance(context, dict) and context.get("ip") == envelope.ip
    return envelope.ip if stands or not is_changed else None


def _violations(envelope: Envelope) -> str | None:
    return _encode(violation_errors(envelope.violations)).decode() if envelope.violations else None


def _digest(rows: list[dict[str, Any]]) -> str:
    return content_digest(_encode([row["quarantine_id"] for row in rows]))


def _chunks(records: Iterator[tuple[int, Record]]) -> Iterator[list[tuple[int, Record]]]:
    """So many at a time that a transformation's process is worth asking."""
    chunk: list[tuple[int, Record]] = []
    size = 0
    for numbered in records:
        chunk.append(numbered)
        size += len(numbered[1].payload)
        if len(chunk) >= RECORDS_AT_A_TIME or size >= BYTES_AT_A_TIME:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Nothing here makes cycles; looking for some in all rows again and again would take a fourth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _records(segment: Segment, aside: list[dict[str, Any]]) -> Iterator[Record]:
    """The segment's records up to damage, which is itself kept aside: bytes changed after they were acknowledged."""
    received_at = None
    try:
        for record in segment.records():
            received_at = record.envelope.received_at
            yield record
    except DamagedError as damage:
        lost = segment.path.stat().st_size - damage.offset
        detail = f"segment {segment.name}: {lost:,} bytes from byte {damage.offset:,} on cannot be read"
        row = {"reason": DAMAGED, "source": None, "received_at": received_at, "payload": "", "detail": detail}
        aside.append(row | {"quarantine_id": f"{segment.name}:{damage.offset}"})
