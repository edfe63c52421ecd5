"""What became of events at each streaming destination, from the delivery stores into the lake.

Belongs here: copying what is new, once, and a picture of what is only counted. Does not belong here: delivering, or
what an outcome means.

`deliveries/<destination>/<from>-<to>.parquet` holds outcomes by their number; `delivery_counts/<destination>/…` holds
what was only counted and, as metadata, how far the destination is in the log, both of one moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.configuration import Config
from headwater.land.objects import STAMP
from headwater.settings import Settings
from headwater.storage.deliveries import Deliveries, delivery_paths
from headwater.storage.lake import Lake, content_digest, open_lake
from headwater.storage.log import Position, segments

ROWS_PER_OBJECT = 200_000
PLACE = "headwater.place"
_TIME = pa.timestamp("us")
_TEXTS = (
    "source",
    "message_id",
    "type",
    "event",
    "status",
    "reason",
    "code",
    "answer",
    "tool_event",
    "steps",
    "segment",
)
_ROWS = pa.schema(
    [("destination", pa.string()), ("seq", pa.int64())]
    + [(name, pa.string()) for name in _TEXTS]
    + [("received_at", _TIME), ("at", _TIME), ("attempts", pa.int64())]
)
_COUNTS = pa.schema(
    [(name, pa.string()) for name in ("destination", "segment", "source", "type", "event", "reason")]
    + [("received_date", pa.date32()), ("events", pa.int64())]
)


class Place(msgspec.Struct, frozen=True):
    """How far a destination is: everything before `segment` has its outcome, all of it too when `is_whole`."""

    segment: str
    is_whole: bool


@dataclass(frozen=True)
class DeliveriesLanded:
    """Outcomes that were new to the lake, by destination."""

    rows: dict[str, int]


def land_deliveries(settings: Settings, config: Config, now: datetime | None = None) -> DeliveriesLanded:
    """Copy new outcomes of every destination that ever delivered, and forget the landed ones of long ago.

    Raises:
        UnavailableError: the lake cannot be written, or a store cannot be read; the others before it have landed.
    """
    lake, landed = open_lake(settings), {}
    now = now or datetime.now(UTC).replace(tzinfo=None)
    days = max(config.platform.collector.duplicate_days, config.platform.collector.retention_days)
    for name, path in delivery_paths(settings).items():
        store = Deliveries(path, read_only=True)
        try:
            with store.snapshot():
                landed[name] = _land_rows(lake, name, store)
                _land_counts(settings, lake, name, store, now)
        finally:
            store.close()
        _forget(lake, name, settings, now - timedelta(days=days))
    return DeliveriesLanded(landed)


def _land_rows(lake: Lake, name: str, store: Deliveries) -> int:
    total, last = 0, _last_landed(lake, name)
    while rows := store.since(last, ROWS_PER_OBJECT):
        table = pa.Table.from_pylist(
            [{**msgspec.structs.asdict(row), "destination": name} for row in rows], schema=_ROWS
        )
        first, last = rows[0].seq, rows[-1].seq
        lake.put(f"deliveries/{name}/{first:012d}-{last:012d}.parquet", written(table))
        total += len(rows)
    return total


def _last_landed(lake: Lake, name: str) -> int:
    keys = [item.key for item in lake.list(f"deliveries/{name}/") if item.key.endswith(".parquet")]
    return max((int(key.rsplit("-", 1)[1].removesuffix(".parquet")) for key in keys), default=0)


def _land_counts(settings: Settings, lake: Lake, name: str, store: Deliveries, now: datetime) -> None:
    place = _place(settings, store.position())
    if place is None:
        return
    rows = [{**msgspec.structs.asdict(row), "destination": name} for row in store.filtered()]
    told = msgspec.json.encode(place).decode()
    digest = content_digest(msgspec.json.encode([rows, told]))
    held = lake.list(f"delivery_counts/{name}/")
    if held and held[-1].key.endswith(f"-{digest}.parquet"):
        return
    content = written(pa.Table.from_pylist(rows, schema=_COUNTS), {PLACE: told})
    lake.put(f"delivery_counts/{name}/{now.strftime(STAMP)}-{digest}.parquet", content)


def _place(settings: Settings, position: Position | None) -> Place | None:
    """The place, and whether the segment there is sealed and read to its end."""
    if position is None:
        return None
    here = next((s for s in segments(settings.log_dir) if s.name == position.segment), None)
    is_whole = here is None or (here.is_sealed and position.offset >= here.path.stat().st_size)
    return Place(position.segment, is_whole)


def _forget(lake: Lake, name: str, settings: Settings, before: datetime) -> None:
    """Outcomes are needed for duplicates and receipts for some days; the lake has them for ever."""
    last = _last_landed(lake, name)
    if last:
        store = Deliveries(delivery_paths(settings)[name])
        try:
            store.forget(before, last)
        finally:
            store.close()


def written(table: pa.Table, metadata: dict[str, str] | None = None) -> bytes:
    """The table as Parquet, with key-value metadata if wanted."""
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(out, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        if metadata:
            writer.add_key_value_metadata(metadata)
    content: bytes = out.getvalue().to_pybytes()
    return content
