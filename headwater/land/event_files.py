"""The Parquet files that the lander of events writes: their columns, and events a row group at a time.

Belongs here: columns and writing. Does not belong here: what goes into which file (`events`).
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.event import Event
from headwater.land.shapes import Shapes

ROWS_PER_GROUP = 20_000
BYTES_PER_GROUP = 32 * 1024 * 1024
_TIME = pa.timestamp("us")
# a receipt looks for one message in all objects: a bloom filter answers 99 of 100 row groups without reading them
_BLOOM = {"message_id": {"ndv": ROWS_PER_GROUP, "fpp": 0.01}}


def _columns(*names: str, **others: pa.DataType) -> pa.Schema:
    """Texts, except those whose type is given."""
    return pa.schema([(name, others.get(name, pa.string())) for name in names])


EVENTS = _columns(
    *("source", "message_id", "type", "event", "user_id", "anonymous_id"),
    *("timestamp", "original_timestamp", "sent_at", "received_at", "known_at"),
    *("route", "payload", "row_number", "original", "violations", "replays", "request_ip"),
    **dict.fromkeys(("timestamp", "original_timestamp", "sent_at", "received_at", "known_at"), _TIME),
    row_number=pa.int64(),
)
QUARANTINE = _columns(
    *("reason", "source", "received_at", "payload", "detail", "quarantine_id"),
    *("message_id", "type", "event", "destination", "violations"),
    *("route", "sent_at", "ip", "user_agent", "backfill", "kept_again_at"),
    received_at=_TIME,
    kept_again_at=_TIME,
    backfill=pa.bool_(),
)
DROPPED = _columns(
    *("reason", "source", "message_id", "type", "event", "received_at", "payload", "replays", "replayed_at"),
    received_at=_TIME,
    replayed_at=_TIME,
)
_plain = attrgetter(*EVENTS.names[: EVENTS.names.index("payload")])
_encode = msgspec.json.Encoder().encode


def table_file(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    """One file of rows that are few enough to be held."""
    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema), out, compression="zstd")
    return out.getvalue().to_pybytes()


class EventsFile:
    """One Parquet file being written, a row group at a time, so that memory does not grow with the segment."""

    def __init__(self) -> None:
        self.count = 0
        self._shapes = Shapes()
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0
        self._out = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(self._out, EVENTS, compression="zstd", bloom_filter_options=_BLOOM)

    def add(self, event: Event, payload: bytes, number: int, *more: bytes | str | None) -> None:
        """One row; `more` are the payload before transformations, the plan's violations as JSON, the quarantined row
        that it replays, and the address that the request came from."""
        self._shapes.add(event.event or event.type, event.payload)
        self._rows.append((*_plain(event), payload, number, *more))
        self._bytes += len(payload)
        if len(self._rows) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def finish(self) -> bytes:
        """The file's content."""
        self._flush()
        self._writer.add_key_value_metadata({"headwater.schema": _encode(self._shapes.as_json()).decode()})
        self._writer.close()
        return self._out.getvalue().to_pybytes()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, EVENTS.types, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=EVENTS))
        self.count += len(self._rows)
        self._rows.clear()
        self._bytes = 0
