"""How far each streaming destination is, as small files under `<home>/push/`.

Belongs here: the lock that lets one process deliver to a destination, its counts, its dead letters. Does not belong
here: the place in the log (its `LogReader` keeps that), or delivering.

Others (an asset, `headwater status`) read the counts at any time without touching the log or the warehouse.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from headwater.push.destinations.base import Outcome
from headwater.settings import Settings


class Progress(msgspec.Struct):
    """Counts since this home began. `failed` counts events that were given up and lie in the dead-letter file."""

    delivered: int = 0
    failed: int = 0
    filtered: int = 0
    requests: int = 0
    delivered_until: datetime | None = None
    failing_since: datetime | None = None
    last_error: str = ""
    updated_at: datetime | None = None


class DeadLetter(msgspec.Struct):
    """One event that was given up, with the tool's reason."""

    message_id: str
    code: str
    reason: str
    given_up_at: datetime
    event: msgspec.Raw


def folder(settings: Settings) -> Path:
    """Where the files are."""
    return settings.home / "push"


def load_progress(settings: Settings, name: str) -> Progress:
    """The counts of one destination; zeros when it never delivered (or its file was lost, which costs only counts)."""
    try:
        return msgspec.json.decode((folder(settings) / f"{name}.json").read_bytes(), type=Progress)
    except (OSError, msgspec.DecodeError):
        return Progress()


def save_progress(settings: Settings, name: str, progress: Progress) -> None:
    """Replace the counts whole."""
    path = folder(settings) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(progress))
    temporary.replace(path)


def bury(
    settings: Settings,
    name: str,
    events: Sequence[tuple[str, msgspec.Raw]],
    outcomes: Sequence[Outcome],
    now: datetime,
) -> int:
    """Append refused events (message id, JSON) to `<name>.dead.ndjson`, durably; answers how many."""
    letters = [
        msgspec.json.encode(DeadLetter(message_id, outcome.code, outcome.message, now, event)) + b"\n"
        for (message_id, event), outcome in zip(events, outcomes, strict=True)
        if not outcome.is_accepted
    ]
    if letters:
        path = folder(settings) / f"{name}.dead.ndjson"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.writelines(letters)
            file.flush()
            os.fsync(file.fileno())
    return len(letters)


@contextmanager
def exclusive(settings: Settings, name: str) -> Iterator[bool]:
    """Hold the destination for this process; yields whether it is ours. The kernel frees it when the process ends."""
    path = folder(settings) / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
