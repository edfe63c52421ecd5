"""Sealed log segments become Parquet objects in the lake: events, and what was kept aside.

Belongs here: completing each event by the rules of `headwater.event` and writing it in columns. Does not belong here:
any rule of an event, the warehouse, deduplication (loading does that, once for ever).

An object is named after its segment and never changes, so landing a segment twice writes the same object. The
lander's place in the log is saved only after the objects exist.
"""

from __future__ import annotations

import base64
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.configuration import Config
from headwater.event import NOT_JSON, Event, complete
from headwater.land.shapes import Shapes
from headwater.settings import Settings
from headwater.storage.lake import Lake, content_digest, open_lake
from headwater.storage.log import (
    LANDER,
    DamagedError,
    LogLock,
    LogReader,
    Position,
    Record,
    Segment,
    recover,
    remove_passed,
    segments,
)

ROWS_PER_GROUP = 20_000
BYTES_PER_GROUP = 32 * 1024 * 1024
DAMAGED = "damaged log record"

_TIME = pa.timestamp("us")
EVENT_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("source", "message_id", "type", "event", "user_id", "anonymous_id")]
    + [(name, _TIME) for name in ("timestamp", "original_timestamp", "sent_at", "received_at", "known_at")]
    + [("route", pa.string()), ("payload", pa.string()), ("row_number", pa.int64())]
)
QUARANTINE_SCHEMA = pa.schema(
    [
        ("reason", pa.string()),
        ("source", pa.string()),
        ("received_at", _TIME),
        ("payload", pa.string()),
        ("detail", pa.string()),
        ("quarantine_id", pa.string()),
    ]
)
_plain = attrgetter(*EVENT_SCHEMA.names[:-2])
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


@dataclass
class EventsLanded:
    """What one landing did. `reasons` counts the rows that were kept aside, `removed` the log's segments that
    everybody has read and whose retention is over."""

    segments: int = 0
    removed: int = 0
    objects: int = 0
    events: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def land_events(settings: Settings, config: Config) -> EventsLanded:
    """Land every sealed segment that has not landed yet; a dead collector's open segment is sealed first.

    Raises:
        UnavailableError: the lake cannot be written; segments before it have landed.
    """
    _recover_if_unlocked(settings)
    reader, lake, report = LogReader(settings.log_dir, LANDER), open_lake(settings), EventsLanded()
    for segment in reader.sealed():
        with _no_garbage_collection():
            _land_segment(lake, segment, report)
        reader.commit(Position(segment.name, segment.path.stat().st_size))
        report.segments += 1
    report.removed = len(remove_passed(settings.log_dir, config, datetime.now(UTC).replace(tzinfo=None)))
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


def _land_segment(lake: Lake, segment: Segment, report: EventsLanded) -> None:
    days: dict[date, _EventsFile] = {}
    aside: list[dict[str, Any]] = []
    envelope, how = None, None
    for number, record in enumerate(_records(segment, aside)):
        if record.envelope is not envelope or how is None:
            envelope = record.envelope
            how, day = envelope.received(), envelope.received_at.date()
        if envelope.route == "quarantine":
            aside.append(_aside(record, envelope.reason or "", envelope.detail))
            continue
        try:
            event = complete(_decode(record.payload), record.message_id, how)
            payload = _encode(event.payload)
        except (ValueError, RecursionError, UnicodeError) as error:
            aside.append(_aside(record, NOT_JSON, str(error)[:200]))
            continue
        if day not in days:
            days[day] = _EventsFile()
        days[day].add(event, payload, number)
    for day, file in days.items():
        lake.put(f"events/received_date={day}/{segment.name}.parquet", file.finish())
        report.objects += 1
        report.events += file.count
    if aside:
        digest = content_digest(_encode([row["quarantine_id"] for row in aside]))
        lake.put(f"quarantine/events/{segment.name}-{digest}.parquet", _quarantine_file(aside))
        report.objects += 1
        report.quarantined += len(aside)
        report.reasons.update(row["reason"] for row in aside)


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


def _aside(record: Record, reason: str, detail: str | None) -> dict[str, Any]:
    try:
        payload = record.payload.decode()
    except UnicodeDecodeError:
        payload = base64.b64encode(record.payload).decode()
        detail = "; ".join(part for part in (detail, "payload in base64") if part)
    return {
        "reason": reason,
        "source": record.envelope.source,
        "received_at": record.envelope.received_at,
        "payload": payload,
        "detail": detail,
        "quarantine_id": record.message_id,
    }


def _quarantine_file(rows: list[dict[str, Any]]) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, QUARANTINE_SCHEMA), out, compression="zstd")
    return out.getvalue().to_pybytes()


class _EventsFile:
    """One Parquet file being written, a row group at a time, so that memory does not grow with the segment."""

    def __init__(self) -> None:
        self.count = 0
        self._shapes = Shapes()
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0
        self._out = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(self._out, EVENT_SCHEMA, compression="zstd")

    def add(self, event: Event, payload: bytes, number: int) -> None:
        self._shapes.add(event.event or event.type, event.payload)
        self._rows.append((*_plain(event), payload, number))
        self._bytes += len(payload)
        if len(self._rows) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def finish(self) -> bytes:
        self._flush()
        self._writer.add_key_value_metadata({"headwater.schema": _encode(self._shapes.as_json()).decode()})
        self._writer.close()
        return self._out.getvalue().to_pybytes()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, EVENT_SCHEMA.types, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=EVENT_SCHEMA))
        self.count += len(self._rows)
        self._rows.clear()
        self._bytes = 0
