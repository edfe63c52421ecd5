"""Which records a destination's settings let through, decided from as little of a record as possible.

Belongs here: `stream:` filters and what the plan said, for records that are then only counted. Does not belong here:
what is decided event by event with a row each (`choosing`).

Reasons: `quarantined` (the collector or a source's transformation put it there), `plan` (dropped), `off` (switched
off), and the key of `stream:` that keeps it away: `routes`, `sources`, `types`, `events`, `start` (it came before).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from headwater.configuration import Stream
from headwater.event import identifier, moment
from headwater.policy.selection import Selection
from headwater.storage.log import Envelope, Record

Counted = tuple[str, date, str, str, str]
"""(source, received date, type, event, reason), as `Deliveries.commit` counts them."""

QUARANTINED, PLAN, OFF, START = "quarantined", "plan", "off", "start"


class _Peek(msgspec.Struct):
    """The fields that filters look at."""

    type: Any = None
    event: Any = None
    receivedAt: Any = None  # noqa: N815 - the spec's name


_peek = msgspec.json.Decoder(_Peek).decode


@dataclass
class Selected:
    """A record that goes on, and what was only counted since the one before it."""

    record: Record
    passed: Counter[Counted] = field(default_factory=Counter)


class Filter:
    """One destination's filter.

    Args:
        stream: its settings.
        transformed: sources whose transformations may rename an event: their records are judged after these.
    """

    def __init__(self, stream: Stream, transformed: Sequence[str] = ()) -> None:
        self.reason = Selection(stream).reason
        self.transformed = frozenset(transformed)

    def select(self, records: Sequence[Record], withheld: str) -> tuple[list[Selected], Counter[Counted]]:
        """The records that go on, and what was counted behind the last of them. `withheld` is why none goes on that
        the settings let through (`OFF`, `START`); empty: they do."""
        found: list[Selected] = []
        passed: Counter[Counted] = Counter()
        for record in records:
            envelope = record.envelope
            if envelope.route != "quarantine" and envelope.source in self.transformed:
                reason = ""
            else:
                kind, event, received = peek(record)
                if envelope.route == "quarantine":
                    reason = QUARANTINED
                elif envelope.verdict == "drop":
                    reason = PLAN
                else:
                    reason = self.reason(envelope.source, envelope.route, kind, event) or withheld
            if reason:
                passed[envelope.source, received, kind, event, reason] += 1
            else:
                found.append(Selected(record, passed))
                passed = Counter()
        return found, passed


def peek(record: Record) -> tuple[str, str, date]:
    """Type, name (of a track; else empty) and the day it was received, as `raw.events` will tell them. What cannot be
    read is empty."""
    envelope: Envelope = record.envelope
    try:
        found = _peek(record.payload)
    except (ValueError, RecursionError):
        return envelope.type or "", "", envelope.received_at.date()
    kind = envelope.type or (found.type if isinstance(found.type, str) else "")
    event = (identifier(found.event) or "") if kind == "track" else ""
    own = moment(found.receivedAt) if envelope.route == "import" and found.receivedAt is not None else None
    return kind, event, min(own or envelope.received_at, envelope.received_at).date()
