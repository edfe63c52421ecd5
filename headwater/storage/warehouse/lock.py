"""The lock that lets one process at a time open the warehouse file, and says who that is.

Belongs here: `flock` on `warehouse.lock` beside the file, and the holder's name in it. The kernel drops the lock with
the process, so a killed holder never blocks anybody and nothing has to be cleaned up. Does not belong here: DuckDB.

DuckDB locks the file too, but cannot wait and cannot say who holds it for what.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headwater.errors import BusyError, UnavailableError

WAIT_SECONDS = 60.0
RUN_WAIT_SECONDS = 600.0
"""Of a step of a run: nobody sits before it, and a person's `dbt build` of everything may take minutes."""
_POLL_SECONDS = 0.05


class WarehouseLock:
    """Held from `acquire` until `release` or the end of the process; a second `acquire` needs a new object.

    Args:
        warehouse: the DuckDB file; the lock and the dirty mark lie beside it.
        purpose: what the holder does, as others will read it: «dbt build», «load events».
    """

    def __init__(self, warehouse: Path, purpose: str) -> None:
        self.path = warehouse.with_name("warehouse.lock")
        self.dirty = warehouse.with_name("warehouse.dirty")
        self.purpose = purpose
        self._handle: int | None = None

    def acquire(self, wait_seconds: float = WAIT_SECONDS) -> None:
        """Take the lock, waiting for whoever holds it.

        Raises:
            BusyError: it was held for all of `wait_seconds`; names the holder.
            UnavailableError: the folder cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UnavailableError(f"{self.path} cannot be opened: {error.strerror}.") from error
        deadline = time.monotonic() + wait_seconds
        try:
            while not _try_lock(handle):
                if time.monotonic() >= deadline:
                    raise BusyError(
                        f"The warehouse is being written by {holder(self.path)}; waited {wait_seconds:g} s."
                    )
                time.sleep(_POLL_SECONDS)
            since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            _rewrite(handle, {"pid": os.getpid(), "purpose": self.purpose, "since": since})
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle

    def mark_dirty(self) -> None:
        """Note that the read copy may be behind from now on; `publish` takes the mark away."""
        self.dirty.touch()

    def release(self) -> None:
        """Let the next one in. Harmless when not held."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            try:
                os.ftruncate(handle, 0)
            finally:
                os.close(handle)

    def __del__(self) -> None:
        self.release()


def holder(path: Path) -> str:
    """Who wrote itself into the lock file, in words: `dbt build (process 123, since 2026-01-01 10:00:00 UTC)`."""
    try:
        found = json.loads(path.read_text())
        return f"{found['purpose']} (process {found['pid']}, since {found['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # it took the lock this very moment and has not written its name yet


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _rewrite(handle: int, content: dict[str, Any]) -> None:
    text = json.dumps(content).encode()
    os.pwrite(handle, text, 0)
    os.ftruncate(handle, len(text))
