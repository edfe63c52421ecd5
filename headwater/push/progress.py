"""One process at a time delivers to a streaming destination, and where its small files are: `<home>/push/`.

Belongs here: the lock. Does not belong here: counts, outcomes, dead letters and the place in the log
(`headwater.storage.deliveries`), or delivering.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headwater.settings import Settings
from headwater.storage.deliveries.progress import Progress, load_progress, save_progress

__all__ = ["Progress", "exclusive", "folder", "load_progress", "save_progress"]


def folder(settings: Settings) -> Path:
    """Where the files are."""
    return settings.home / "push"


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
