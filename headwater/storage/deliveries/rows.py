"""The rows of the delivery store.

Belongs here: what is kept of an event's delivery. Does not belong here: how it is kept (`store`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from msgspec import Struct

Status = Literal["delivered", "rejected", "filtered", "duplicate"]


class Delivered(Struct, frozen=True):
    """What became of one event at one destination.

    `reason` says why for anything but `delivered` (`consent`, `transformation`, `unsupported`, …; for `rejected` the
    kind of failure), `code` and `answer` are the tool's own, `tool_event` what the tool calls the event, `steps` the
    transformations it went through as JSON. `seq` counts within the destination and `segment` is where in the log it
    stood (empty for a replay); both are set by the store.
    """

    source: str
    message_id: str
    type: str
    event: str | None
    received_at: datetime
    status: Status
    at: datetime
    reason: str = ""
    code: str = ""
    answer: str = ""
    attempts: int = 0
    tool_event: str = ""
    steps: str = "[]"
    seq: int = 0
    segment: str = ""


class Filtered(Struct, frozen=True):
    """Events of one log segment that a destination's settings kept from it, counted only."""

    source: str
    received_date: date
    type: str
    event: str
    reason: str
    events: int
    segment: str = ""


class DeadLetter(Struct, frozen=True):
    """An event that was given up, with what is needed to put it through again."""

    seq: int
    source: str
    message_id: str
    type: str
    event: str | None
    received_at: datetime
    reason: str
    code: str
    answer: str
    given_up_at: datetime
    replayed_at: datetime | None
    body: bytes
