"""The company's own systems send their latest events with Segment's official SDK.

Belongs here: from `live.ndjson` to SDK calls, and remembering what a collector has taken. Does not belong here: HTTP;
retries and batches are the SDK's business.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from segment.analytics.client import Client

from sandbox.company.files import write_atomically
from sandbox.errors import SandboxError

WRITE_KEYS = {"web": "wk_web_demo", "mobile": "wk_mobile_demo", "server": "wk_server_demo"}


def send_live(folder: Path, collector: str, keys: dict[str, str], *, again: bool = False) -> tuple[int, int]:
    """Send each event of `live.ndjson` as its source.

    Args:
        folder: the company's folder.
        collector: base URL.
        keys: write key by source, where it differs from the shipped example's.
        again: send also what this collector has already taken.

    Returns:
        How many events were sent and how many left out because this collector took them before.

    Raises:
        SandboxError: no simulation was made, or the collector did not take everything.
    """
    path = folder / "company" / "live.ndjson"
    if not path.exists():
        raise SandboxError(f"There is no {path}; run `python -m sandbox simulate --out {folder}` first.")
    receipt = folder / "company" / "live.sent.json"
    taken: dict[str, list[str]] = json.loads(receipt.read_text()) if receipt.exists() else {}
    before = set() if again else set(taken.get(collector, []))
    events = [json.loads(line) for line in path.read_bytes().splitlines()]
    wanted = [event for event in events if event["messageId"] not in before]
    failures: list[Exception] = []

    def failed(error: Exception, _: list[Any]) -> None:
        failures.append(error)

    clients = {
        source: Client(
            keys.get(source, key),
            host=collector,
            on_error=failed,
            max_queue_size=len(wanted) + 1,
            upload_interval=0.1,
            max_retries=4,
            gzip=True,
        )
        for source, key in WRITE_KEYS.items()
    }
    for event in wanted:
        _call(clients[event["channel"]], event)
    for client in clients.values():
        client.flush()
        client.shutdown()
    if failures:
        raise SandboxError(f"{collector} did not take all live events: {failures[0]}")
    taken[collector] = [event["messageId"] for event in events]
    write_atomically(receipt, json.dumps(taken).encode())
    return len(wanted), len(events) - len(wanted)


def _call(client: Client, event: dict[str, Any]) -> None:
    """One SDK call; the SDK names itself in `context.library` and sets `sentAt`, as it always does."""
    kind = event["type"]
    arguments: dict[str, Any] = {
        "user_id": event.get("userId"),
        "context": event["context"],
        "timestamp": datetime.fromisoformat(event["timestamp"]),
        "message_id": event["messageId"],
    }
    if kind == "alias":
        client.alias(previous_id=event["previousId"], **arguments)
        return
    arguments["anonymous_id"] = event.get("anonymousId")
    if kind == "track":
        client.track(event=event["event"], properties=event.get("properties"), **arguments)
    elif kind == "identify":
        client.identify(traits=event.get("traits"), **arguments)
    elif kind == "group":
        client.group(group_id=event["groupId"], traits=event.get("traits"), **arguments)
    else:
        send = client.page if kind == "page" else client.screen
        send(name=event.get("name"), properties=event.get("properties"), **arguments)
