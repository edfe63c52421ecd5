"""A power cut takes what was not synced, and nothing that was acknowledged.

Each test that finds nothing lost is itself tested: on a writer from whose source the sync was taken out, it must find a
loss.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from headwater.storage.log import Envelope, LogReader, LogWriter, encode_envelope, frame, recover
from headwater.storage.log import writer as module
from tests.storage.power_cut import Journal, Recording, cut_power

ENVELOPE = encode_envelope(Envelope("web", "live", datetime(2026, 5, 4, 12)))
SYNC_BYTES = "            self._disk.sync(handle)\n"
SYNC_NAMES = "            self._disk.sync_directory(self.directory)\n"


def without(line: str) -> type[LogWriter]:
    """The writer with that line taken out of its source wherever it stands."""
    source = inspect.getsource(LogWriter)
    assert line in source
    namespace = dict(vars(module))
    exec("from __future__ import annotations\n" + source.replace(line, ""), namespace)
    return namespace["LogWriter"]


def found(directory: Path) -> tuple[list[str], list[str]]:
    """What is read after the next start, and which segments are damaged."""
    recover(directory)
    reader = LogReader(directory, "test")
    keys: list[str] = []
    while records := reader.read():
        keys += [record.message_id for record in records]
    return keys, [name for name, _ in reader.damaged]


class CuttingEverywhere(Recording):
    """Cuts the power before and after each call of the disk, and looks what would be left."""

    def __init__(self, base: Path, folder: Path, seed: int) -> None:
        super().__init__(Journal(base / "journal"))
        self.base, self.folder = base, folder
        self.chance = random.Random(seed)
        self.acknowledged: list[str] = []
        self.lost: set[str] = set()  # records, and segments that a reader would complain of
        self.cuts = 0

    def write(self, handle: int, data: bytes | memoryview) -> int:
        self.cut()
        # a write that is taken in parts, as a nearly full disk does
        part = len(data) if len(data) < 50 else self.chance.randint(1, len(data))
        written = super().write(handle, data[:part])
        self.cut()
        return written

    def sync(self, handle: int) -> None:
        self.cut()
        super().sync(handle)
        self.cut()

    def sync_directory(self, directory: Path) -> None:
        self.cut()
        super().sync_directory(directory)
        self.cut()

    def cut(self) -> None:
        self.cuts += 1
        known = set(self.acknowledged)
        left = self.base / "left"
        cut_power(self.base / "journal", self.base, self.folder, left, self.chance)
        keys, damaged = found(left)
        self.lost |= known - set(keys) | set(damaged)
        shutil.rmtree(left)


def lost_at_any_call(base: Path, writer: type[LogWriter], seed: int) -> set[str]:
    disk = CuttingEverywhere(base, base / "home" / "log", seed)

    async def send(log: LogWriter, user: int) -> None:
        for n in range(4):
            await log.append([frame(ENVELOPE, f"{user}-{n}", b"x" * 100)])
            disk.acknowledged.append(f"{user}-{n}")

    async def run() -> None:
        for part in range(2):  # the second start finds the first one's segments
            log = writer(disk.folder, disk=disk, segment_bytes=900)
            log.open()
            await asyncio.gather(*(send(log, 10 * part + user) for user in range(4)))
            await log.close()

    asyncio.run(run())
    assert disk.cuts > 50
    assert len(disk.acknowledged) == 32
    assert set(disk.acknowledged) == set(found(disk.folder)[0])
    return disk.lost


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_at_any_call_of_the_disk_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    assert lost_at_any_call(tmp_path, LogWriter, seed) == set()


@pytest.mark.parametrize("line", [SYNC_BYTES, SYNC_NAMES])
def test_a_writer_without_its_syncs_would_lose_acknowledged_records(tmp_path: Path, line: str) -> None:
    assert lost_at_any_call(tmp_path, without(line), 0)


def test_a_new_home_is_as_durable_as_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_folder", lambda folder, disk: folder.mkdir(parents=True, exist_ok=True))
    assert lost_at_any_call(tmp_path, LogWriter, 0)
