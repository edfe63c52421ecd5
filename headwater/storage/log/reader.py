"""Reading the log from a saved place. Many readers, each with its own name and offset.

Belongs here: positions, saved atomically, and reading on from them. Does not belong here: writing, what records mean.

A reader sees records as soon as they are written, in the open segment too. After a power cut the open segment may end
before a reader's place; it then goes on with the next one, and may have seen records that were never acknowledged.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from headwater.errors import DataError
from headwater.storage.log.disk import DISK
from headwater.storage.log.record import MAGIC, DamagedError, Record, scan
from headwater.storage.log.segment import Segment, segments

_READERS = "readers"


@dataclass(frozen=True, order=True)
class Position:
    """Everything before byte `offset` of `segment`, and every earlier segment, has been read."""

    segment: str = ""
    offset: int = 0


class LogReader:
    """One named reader. `read` moves on, `commit` saves how far, `rewind` goes back to what was saved.

    Args:
        directory: the log folder.
        name: the reader's own name; two processes must not use one name at a time.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name
        self.damaged: list[tuple[str, int]] = []
        self._file = directory / _READERS / f"{name}.json"
        self.committed = _load(self._file)
        self.position = self.committed

    def read(self, max_bytes: int = 4 * 1024 * 1024) -> list[Record]:
        """The next records, about `max_bytes` of them (one at least); empty when there is nothing new."""
        while True:
            current, following = self._current()
            if current is None:
                return []
            records = self._read_from(current, max_bytes)
            if records:
                self.position = Position(current.name, records[-1].end)
                return records
            if not following:
                return []
            self.position = Position(following[0].name, 0)

    def sealed(self) -> list[Segment]:
        """The sealed segments behind the committed one, in order, up to the first that is still open."""
        return list(takewhile(lambda s: s.is_sealed, segments(self.directory, after=self.committed.segment)))

    def commit(self, position: Position | None = None) -> None:
        """Save `position` (default: how far `read` came), durably."""
        self.position = position or self.position
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(json.dumps({"segment": self.position.segment, "offset": self.position.offset}).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._file)
        DISK.sync_directory(self._file.parent)
        self.committed = self.position

    def forget(self) -> None:
        """Give the saved place up: a reader of this name holds no segment any more."""
        self._file.unlink(missing_ok=True)
        self.position = self.committed = Position()

    def rewind(self) -> None:
        """Forget what was read since the last commit."""
        self.position = self.committed

    def seek_end(self) -> None:
        """Go behind the last whole record there is now: for a reader that wants only what comes."""
        for last in segments(self.directory)[-1:]:
            self.position = Position(last.name, 0)
            while self._read_on(last):
                pass

    def _read_on(self, segment: Segment) -> bool:
        records = self._read_from(segment, 4 * 1024 * 1024)
        if records:
            self.position = Position(segment.name, records[-1].end)
        return bool(records)

    def _current(self) -> tuple[Segment | None, list[Segment]]:
        """The segment of the position (or, if it is gone, the first after it), and those after that."""
        found = segments(self.directory)
        ahead = [s for s in found if s.name >= self.position.segment]
        if ahead and ahead[0].name != self.position.segment:
            self.position = Position(ahead[0].name, 0)
        return (ahead[0], ahead[1:]) if ahead else (None, [])

    def _read_from(self, segment: Segment, max_bytes: int) -> list[Record]:
        start = max(self.position.offset, len(MAGIC))
        records: list[Record] = []
        wanted = max_bytes
        try:
            with _open(segment) as file:
                while not records:
                    file.seek(start)
                    data = file.read(wanted)
                    try:
                        records.extend(scan(data, 0, start))
                    except DamagedError as damage:
                        if not records and len(data) == wanted:
                            wanted *= 4  # one record larger than the window
                            if wanted <= 512 * 1024 * 1024:
                                continue
                        if not records and segment.is_sealed and (segment.name, damage.offset) not in self.damaged:
                            self.damaged.append((segment.name, damage.offset))
                    break
        except FileNotFoundError:
            return []
        return records


def saved_positions(directory: Path) -> dict[str, Position]:
    """The saved place of every reader that ever saved one, by name."""
    return {path.stem: _load(path) for path in (directory / _READERS).glob("*.json")}


def _open(segment: Segment):  # type: ignore[no-untyped-def]
    try:
        return segment.path.open("rb")
    except FileNotFoundError:
        # sealed since the folder was listed
        return segment.path.with_suffix(".seg").open("rb")


def _load(path: Path) -> Position:
    try:
        saved = json.loads(path.read_bytes())
        return Position(str(saved["segment"]), int(saved["offset"]))
    except FileNotFoundError:
        return Position()
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"The reader position {path} cannot be read.", hint="Delete it to read from the start."
        ) from error
