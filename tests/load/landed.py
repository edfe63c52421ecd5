"""Event objects as the lander writes them, for the tests of loading."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headwater.storage.lake import Lake

_AT = datetime(2026, 1, 1, 12)
_TEXTS = ("source", "message_id", "type", "event", "user_id", "anonymous_id")
_TIMES = ("timestamp", "original_timestamp", "sent_at", "received_at", "known_at")


def track(message_id: str, event: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return call(message_id, "track", event=event, properties=properties or {}, **more)


def identify(message_id: str, user_id: str, traits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return call(message_id, "identify", userId=user_id, traits=traits, **more)


def call(message_id: str, kind: str, **more: Any) -> dict[str, Any]:
    """One event as its payload; `source`, `at` (minutes after the first), `text` (a payload as it is) and
    `request_ip` are taken out when it is landed."""
    return {"messageId": message_id, "type": kind, **more}


def land(lake: Lake, number: int, events: list[dict[str, Any]], shapes: dict[str, Any] | None = None) -> str:
    """Put the events into the lake as segment `number`; returns the key."""
    rows = []
    for index, event in enumerate(events):
        payload = dict(event)
        source, at = payload.pop("source", "web"), _AT + timedelta(minutes=payload.pop("at", index))
        text, request_ip = payload.pop("text", None), payload.pop("request_ip", None)
        texts = (source, payload["messageId"], payload["type"], payload.get("event"), payload.get("userId"))
        rows.append(
            (
                *texts,
                payload.get("anonymousId"),
                *[at] * len(_TIMES),
                "live",
                text or json.dumps(payload),
                index,
                request_ip,
            )
        )
    names = (*_TEXTS, *_TIMES, "route", "payload", "row_number", "request_ip")
    kinds = (
        [pa.string()] * len(_TEXTS) + [pa.timestamp("us")] * len(_TIMES) + [pa.string()] * 2 + [pa.int64(), pa.string()]
    )
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    table = pa.Table.from_arrays(
        [pa.array(c, k) for c, k in zip(zip(*rows, strict=True), kinds, strict=True)], schema=schema
    )
    if shapes is not None:
        table = table.replace_schema_metadata({"headwater.schema": json.dumps(shapes)})
    out = io.BytesIO()
    pq.write_table(table, out)
    key = f"events/received_date=2026-01-01/{number:08d}-1767268800000.parquet"
    lake.put(key, out.getvalue())
    return key
