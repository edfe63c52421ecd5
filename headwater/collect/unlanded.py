"""Rows that were kept aside and have not landed yet: a replay takes what the lake holds, so they wait for it.

Belongs here: counting them. Does not belong here: the rows that a replay takes (`quarantine`).
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

from headwater.event import identifier, stated_message_id
from headwater.policy.choice import Choice
from headwater.settings import Settings
from headwater.storage.failures import Failure, Failures
from headwater.storage.log import LANDER, DamagedError, LogReader, Record, segments


def count_unlanded(settings: Settings, choice: Choice) -> int:
    """How many rows of a choice are still in the log: put there by the collector, or by a source's transformation as
    far as a reader has come to it.

    Raises:
        UnavailableError: log or failures cannot be read.
    """
    count = 0
    with closing(Failures(settings.log_dir)) as failures:
        for segment in segments(settings.log_dir, after=LogReader(settings.log_dir, LANDER).committed.segment):
            failed: dict[str, dict[int, Failure]] = {}
            try:
                for record in segment.records():
                    source = record.envelope.source
                    if source not in failed:
                        failed[source] = failures.known(source, segment.name, 0, 2**62)[1]
                    reasons = _reasons(record, failed[source])
                    count += bool(reasons) and _is_chosen(record, reasons, choice)
            except (DamagedError, FileNotFoundError):
                continue  # the tail that is being written, or a segment that was sealed or landed meanwhile
    return count


def _reasons(record: Record, failed: dict[int, Failure]) -> tuple[str, ...]:
    """Why it is kept aside; nothing when it is not."""
    envelope = record.envelope
    if envelope.route == "quarantine":
        return (f"{envelope.reason or ''} {envelope.detail or ''}",)
    if envelope.verdict is None and record.end in failed:
        name, detail, is_suspended = failed[record.end]
        return (f"transformation: {name}{' suspended' if is_suspended else ''} {detail}",)
    return ()


def _is_chosen(record: Record, reasons: tuple[str, ...], choice: Choice) -> bool:
    envelope, told = record.envelope, _told(record.payload)
    kind = envelope.type or identifier(told.get("type")) or ""
    keys = {record.message_id, stated_message_id(record.payload) or record.message_id, envelope.replays or ""}
    return any(
        choice.takes(reasons, envelope.source, kind, identifier(told.get("event")), envelope.received_at, key)
        for key in keys
    )


def _told(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
