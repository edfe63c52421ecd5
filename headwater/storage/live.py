"""Following events as they come in, for people who watch.

Belongs here: reading on from the log's end, and what of a record is told. Does not belong here: printing, HTTP.
A follower saves no place and holds nothing back: it only looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from headwater.event import identifier, stated_message_id
from headwater.settings import Settings
from headwater.storage.log import LogReader, Record


class Seen(Struct, frozen=True):
    """One event as it came in. `verdict`: `ok`, `violates`, `dropped` or `quarantined`."""

    received_at: datetime
    source: str
    verdict: str
    type: str
    event: str
    user_id: str
    anonymous_id: str
    message_id: str
    reason: str
    payload: dict[str, Any] | None


class Wanted(Struct, frozen=True):
    """What a follower wants to see; empty means everything."""

    source: str = ""
    event: str = ""
    user: str = ""
    verdict: str = ""

    def fits(self, seen: Seen) -> bool:
        """Whether an event is wanted. `event` also names a type; `user` any of the two ids."""
        return (
            (not self.source or seen.source == self.source)
            and (not self.event or self.event in (seen.event, seen.type))
            and (not self.user or self.user in (seen.user_id, seen.anonymous_id))
            and (not self.verdict or seen.verdict == self.verdict)
        )


class Follower:
    """Events from now on. Ask `new` again and again."""

    def __init__(self, settings: Settings, wanted: Wanted | None = None) -> None:
        self._wanted = wanted or Wanted()
        self._reader = LogReader(settings.log_dir, "live")
        self._reader.seek_end()

    def new(self) -> Iterator[Seen]:
        """What came since the last time, in order."""
        while records := self._reader.read():
            for record in records:
                seen = told(record)
                if self._wanted.fits(seen):
                    yield seen


def told(record: Record) -> Seen:
    """What a watcher is told of a record."""
    envelope = record.envelope
    try:
        payload = msgspec.json.decode(record.payload, type=dict[str, Any])
    except (ValueError, RecursionError):
        payload = None
    known = payload or {}
    kind = envelope.type or str(known.get("type") or "")
    message_id = record.message_id
    if envelope.route == "quarantine":
        verdict, reason = "quarantined", envelope.reason or ""
        message_id = stated_message_id(record.payload) or message_id
    else:
        verdict = "dropped" if envelope.verdict == "drop" else "violates" if envelope.violations else "ok"
        reason = "; ".join(f"{problem} {path}".strip() for problem, path, _ in envelope.violations or ())
    return Seen(
        received_at=envelope.received_at,
        source=envelope.source,
        verdict=verdict,
        type=kind,
        event=(identifier(known.get("event")) or "") if kind == "track" else str(known.get("name") or ""),
        user_id=identifier(known.get("userId")) or "",
        anonymous_id=identifier(known.get("anonymousId")) or "",
        message_id=message_id,
        reason=reason,
        payload=payload,
    )
