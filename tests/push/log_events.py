"""Writes events into a log as the collector does: for tests of what reads them."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from pathlib import Path
from typing import Any

from headwater.storage.log import Envelope, LogWriter, encode_envelope, frame


def write_events(log_dir: Path, *events: dict[str, Any], route: str = "live", source: str = "web") -> None:
    """Append the events as one request that is received now; `messageId` names each."""
    received_at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    write_record(log_dir, Envelope(source=source, route=route, received_at=received_at), *events)  # type: ignore[arg-type]


def write_record(log_dir: Path, envelope: Envelope, *events: dict[str, Any]) -> None:
    """Append the events as one request with this envelope."""

    async def write() -> None:
        writer = LogWriter(log_dir)
        writer.open()
        data = encode_envelope(envelope)
        await writer.append([frame(data, event["messageId"], json.dumps(event).encode()) for event in events])
        await writer.close()

    asyncio.run(write())


def track(number: int, event: str = "Order Completed", **fields: Any) -> dict[str, Any]:
    """A track call with the message id `m<number>`."""
    return {"messageId": f"m{number}", "type": "track", "event": event, "userId": f"u{number}", **fields}
