"""Segment files: their names, their list, sealing and recovery.

Belongs here: the life of a segment file, `<seq>-<start_ms>.open` while it is written and `.seg` once it never changes
again. Does not belong here: the bytes of a record, group commit, readers' positions.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headwater.storage.log.disk import DISK, Disk
from headwater.storage.log.record import MAGIC, DamagedError, Record, scan

OPEN, SEALED = ".open", ".seg"


@dataclass(frozen=True, order=True)
class Segment:
    """One segment file. Segments sort by name, which is the order of writing."""

    name: str
    path: Path

    @property
    def is_sealed(self) -> bool:
        return self.path.suffix == SEALED

    def records(self, offset: int = 0) -> Iterator[Record]:
        """Its records from byte `offset` on (0: from the first).

        Raises:
            DamagedError: the bytes after the last record given are not a whole record.
        """
        if self.path.stat().st_size <= max(offset, len(MAGIC)):
            return
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[: len(MAGIC)] != MAGIC:
                raise DamagedError(0)
            yield from scan(data, max(offset, len(MAGIC)))  # type: ignore[arg-type]


def segments(directory: Path, *, after: str = "") -> list[Segment]:
    """The segments whose name is greater than `after`, in the order of writing. A missing folder has none."""
    found: dict[str, Segment] = {}
    with suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            stem, _, suffix = entry.name.rpartition(".")
            # a rename between two directory reads can show both names; the sealed one is the later truth
            if suffix == SEALED[1:] or (suffix == OPEN[1:] and stem not in found):
                found[stem] = Segment(stem, Path(entry.path))
    return [found[name] for name in sorted(found) if name > after]


def next_name(directory: Path, positions: list[str]) -> str:
    """A name greater than every segment there is or that a reader has been at (deleted ones must not come back)."""
    known = [segment.name for segment in segments(directory)] + positions
    latest = max((int(name.split("-")[0]) for name in known if name.split("-")[0].isdigit()), default=0)
    return f"{latest + 1:012d}-{time.time_ns() // 1_000_000:013d}"


def seal(path: Path, disk: Disk = DISK) -> Path:
    """Rename `.open` to `.seg` and make the name durable."""
    sealed = path.with_suffix(SEALED)
    path.rename(sealed)
    disk.sync_directory(path.parent)
    return sealed


def recover(directory: Path, disk: Disk = DISK) -> list[Path]:
    """Seal what a dead writer left open: cut the torn tail, drop a segment without records. Hold the log's lock.

    Returns:
        the segments sealed.
    """
    sealed = []
    for segment in segments(directory):
        if segment.is_sealed:
            continue
        end = len(MAGIC)
        try:
            for record in segment.records():
                end = record.end
        except DamagedError:
            # everything before the last completed fsync is whole, so the cut takes nothing acknowledged
            pass
        if end == len(MAGIC):
            segment.path.unlink()
            continue
        with segment.path.open("r+b") as file:
            file.truncate(end)
            disk.sync(file.fileno())
        sealed.append(seal(segment.path, disk))
    return sealed
