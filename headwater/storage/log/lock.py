"""One writer per log: an advisory lock that dies with its process.

Belongs here: who may write or recover segments. Does not belong here: reading, which needs no lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from headwater.errors import BusyError, UnavailableError

_NAME = ".lock"


class LogLock:
    """The lock of one log folder. The kernel releases it when the process ends, however it ends."""

    def __init__(self, directory: Path, purpose: str) -> None:
        self.directory = directory
        self.purpose = purpose
        self._handle: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free.

        Raises:
            UnavailableError: the folder cannot be made or written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.directory / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UnavailableError(f"The event log {self.directory} cannot be opened: {error.strerror}.") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        holder = {"pid": os.getpid(), "purpose": self.purpose, "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"}
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(holder).encode(), 0)
        except OSError:
            pass  # on a full disk the lock itself still holds; only the holder's name is missing
        self._handle = handle
        return True

    def acquire(self, wait_seconds: float = 1.0) -> None:
        """Take the lock, waiting out a short recovery by somebody else.

        Raises:
            BusyError: another process keeps it; the message names it.
            UnavailableError: the folder cannot be made or written.
        """
        until = time.monotonic() + wait_seconds
        while not self.try_acquire():
            if time.monotonic() > until:
                raise BusyError(
                    f"The event log {self.directory} is written by {self.holder()}.",
                    hint="Stop it first, or use another home.",
                )
            time.sleep(0.05)

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def holder(self) -> str:
        """Who holds the lock, in words."""
        try:
            held = json.loads((self.directory / _NAME).read_bytes())
            return f"{held['purpose']} (process {held['pid']}, since {held['since']} UTC)"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"
