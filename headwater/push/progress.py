"""How far each streaming destination is, as small files under `<home>/push/`.

Belongs here: the lock that lets one process deliver to a destination, its counts. Does not belong here: outcomes, dead
letters and the place in the log (`headwater.storage.deliveries`), or delivering.

Others (an asset, `headwater status`) read the counts at any time without touching the log or the warehouse.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from headwater.settings import Settings


class Progress(msgspec.Struct):
    """Counts since this home began: `failed` counts events that were given up, `filtered` also those only counted."""

    delivered: int = 0
    failed: int = 0
    filtered: int = 0
    requests: int = 0
    delivered_until: datetime | None = None
    failing_since: datetime | None = None
    last_error: str = ""
    updated_at: datetime | None = None


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
