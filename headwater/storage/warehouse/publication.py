"""The read copy: the warehouse as it was at the end of the last run that wrote, swapped in whole.

Belongs here: making the copy and telling its age. Does not belong here: reading it (`connection.connect_read`).

Readers that have the old copy open keep it; whoever opens next sees the new one; nobody ever sees half of one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headwater.errors import UnavailableError
from headwater.settings import Settings
from headwater.storage.warehouse.connection import open_file
from headwater.storage.warehouse.lock import WAIT_SECONDS, WarehouseLock

_FICLONE = 0x40049409  # Linux: share the blocks of another file (btrfs, xfs); instant and free


@dataclass(frozen=True)
class PublishReport:
    """What `publish` did. `copied` is False when the copy was already up to date."""

    path: Path
    copied: bool
    size: int
    seconds: float


@dataclass(frozen=True)
class ReadCopy:
    """The read copy as it stands. `is_behind`: something opened the warehouse to write after it was made."""

    path: Path
    size: int
    published_at: datetime
    is_behind: bool

    def age_seconds(self, now: datetime) -> float:
        """Age at `now` (UTC, naive)."""
        return (now - self.published_at).total_seconds()


def publish(settings: Settings, *, wait_seconds: float = WAIT_SECONDS, purpose: str = "publish") -> PublishReport:
    """Renew the read copy, if anything was written since.

    Also right after a writer was killed: opening the file replays what it had committed.

    Raises:
        BusyError: another process held the warehouse for all of `wait_seconds`.
        UnavailableError: the copy cannot be written, for instance because the disk is full.
    """
    started = time.monotonic()
    target = settings.warehouse_read
    lock = WarehouseLock(settings.warehouse, purpose)
    lock.acquire(wait_seconds)
    try:
        if target.is_file() and settings.warehouse.is_file() and not lock.dirty.exists():
            return PublishReport(target, False, target.stat().st_size, time.monotonic() - started)
        lock.mark_dirty()
        _checkpoint(settings.warehouse, started + wait_seconds, wait_seconds)
        try:
            _swap_in(settings.warehouse, target)
        except OSError as error:
            raise UnavailableError(f"{target} cannot be written: {error.strerror}.") from error
        lock.dirty.unlink(missing_ok=True)
        return PublishReport(target, True, target.stat().st_size, time.monotonic() - started)
    finally:
        lock.release()


def read_copy(settings: Settings) -> ReadCopy | None:
    """The read copy's size and time, or None when there is none yet."""
    try:
        found = settings.warehouse_read.stat()
    except FileNotFoundError:
        return None
    at = datetime.fromtimestamp(found.st_mtime, UTC).replace(tzinfo=None)
    return ReadCopy(
        settings.warehouse_read, found.st_size, at, settings.warehouse.with_name("warehouse.dirty").exists()
    )


def _checkpoint(warehouse: Path, deadline: float, wait_seconds: float) -> None:
    con = open_file(warehouse, deadline, wait_seconds)
    try:
        con.execute("checkpoint")
    finally:
        con.close()


def _swap_in(source: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")  # one name is enough: only the lock's holder writes it
    try:
        with source.open("rb") as read, part.open("wb") as write:
            _copy(read.fileno(), write.fileno(), source, part)
            os.fsync(write.fileno())
        target.with_name(f"{target.name}.wal").unlink(missing_ok=True)  # of a tool that opened the old copy to write
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _copy(read: int, write: int, source: Path, part: Path) -> None:
    try:
        fcntl.ioctl(write, _FICLONE, read)
    except OSError:  # another file system: copy the bytes, inside the kernel
        shutil.copyfile(source, part)
