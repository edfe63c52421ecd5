"""Durable appends on a real folder: what was acknowledged is there after a crash, a power cut, a full disk."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from headwater.errors import BusyError, UnavailableError
from headwater.storage.log import Disk, Envelope, LogReader, LogWriter, encode_envelope, frame, recover, segments
from headwater.storage.log.record import MAGIC

ENVELOPE = encode_envelope(Envelope("web", "live", datetime(2026, 5, 4, 12)))


def record(key: str, size: int = 100) -> bytes:
    return frame(ENVELOPE, key, b"x" * size)


def keys(directory: Path) -> list[str]:
    reader = LogReader(directory, "test")
    found: list[str] = []
    while records := reader.read():
        found += [r.message_id for r in records]
    return found


def test_concurrent_appends_share_an_fsync(tmp_path: Path) -> None:
    class Counting(Disk):
        syncs = 0

        def sync(self, handle: int) -> None:
            self.syncs += 1
            super().sync(handle)

    disk = Counting()

    async def run() -> None:
        log = LogWriter(tmp_path, disk=disk)
        log.open()
        await asyncio.gather(*(log.append([record(f"m{n}")]) for n in range(200)))
        await log.close()

    asyncio.run(run())
    assert sorted(keys(tmp_path)) == sorted(f"m{n}" for n in range(200))
    assert disk.syncs < 20


def test_a_segment_is_sealed_at_its_size_and_the_next_one_sorts_behind_it(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path, segment_bytes=1000)
        log.open()
        for n in range(30):
            await log.append([record(f"m{n}")])
        await log.close()

    asyncio.run(run())
    found = segments(tmp_path)
    assert len(found) > 3
    assert all(segment.is_sealed for segment in found)
    assert keys(tmp_path) == [f"m{n}" for n in range(30)]


def test_an_idle_segment_is_sealed_without_being_asked(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path, idle_seconds=0.05)
        log.open()
        await log.append([record("m1")])
        while not segments(tmp_path)[0].is_sealed:
            await asyncio.sleep(0.01)
        await log.append([record("m2")])
        await log.close()

    asyncio.run(asyncio.wait_for(run(), 10))
    assert keys(tmp_path) == ["m1", "m2"]


def test_a_name_never_comes_back_even_when_old_segments_are_deleted(tmp_path: Path) -> None:
    def write(key: str) -> str:
        async def run() -> None:
            log = LogWriter(tmp_path)
            log.open()
            await log.append([record(key)])
            await log.close()

        asyncio.run(run())
        return segments(tmp_path)[-1].name

    first = write("m1")
    reader = LogReader(tmp_path, "lander")
    reader.read()
    reader.commit()
    segments(tmp_path)[0].path.unlink()
    assert write("m2") > first
    assert [r.message_id for r in reader.read()] == ["m2"]


def test_a_second_writer_is_told_who_holds_the_log(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        with pytest.raises(BusyError, match=f"process {os.getpid()}"):
            LogWriter(tmp_path).open()
        await log.close()

    asyncio.run(run())


def test_a_torn_tail_is_cut_and_the_next_start_opens_a_new_segment(tmp_path: Path) -> None:
    path = tmp_path / "000000000001-0000000000001.open"
    path.write_bytes(MAGIC + record("m1") + record("m2")[:-7])

    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        await log.append([record("m3")])
        await log.close()

    asyncio.run(run())
    assert keys(tmp_path) == ["m1", "m3"]
    assert [segment.name[:12] for segment in segments(tmp_path)] == ["000000000001", "000000000002"]


def test_a_full_disk_is_unavailable_and_recovers_when_there_is_room(tmp_path: Path) -> None:
    class Filling(Disk):
        room = 1000

        def write(self, handle: int, data: bytes | memoryview) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = super().write(handle, data[: self.room])
            self.room -= written
            return written

    disk = Filling()
    acknowledged: list[str] = []

    async def run() -> None:
        log = LogWriter(tmp_path, disk=disk)
        log.open()
        for n in range(20):
            try:
                await log.append([record(f"full{n}")])
                acknowledged.append(f"full{n}")
            except UnavailableError as error:
                assert "No space left" in str(error)
        assert await log.check() is not None
        disk.room = 100_000
        assert await log.check() is None
        await log.append([record("again")])
        acknowledged.append("again")
        assert log.fault is None
        await log.close()

    asyncio.run(run())
    assert 1 < len(acknowledged) < 20
    assert keys(tmp_path) == acknowledged


def test_a_failed_fsync_is_not_retried_and_seals_the_segment(tmp_path: Path) -> None:
    class Failing(Disk):
        fail = False

        def __init__(self) -> None:
            self.broken: set[int] = set()

        def sync(self, handle: int) -> None:
            inode = os.fstat(handle).st_ino
            assert inode not in self.broken, "an fsync that failed was tried again"
            if self.fail:
                self.fail = False
                self.broken.add(inode)
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().sync(handle)

    disk = Failing()

    async def run() -> None:
        log = LogWriter(tmp_path, disk=disk)
        log.open()
        await log.append([record("before")])
        disk.fail = True
        with pytest.raises(UnavailableError):
            await log.append([record("lost")])
        assert segments(tmp_path)[0].is_sealed
        await log.append([record("after")])
        await log.close()

    asyncio.run(run())
    assert keys(tmp_path) == ["before", "after"]


def test_a_deleted_log_is_unavailable_and_not_a_silent_success(tmp_path: Path) -> None:
    directory = tmp_path / "log"

    async def run() -> None:
        log = LogWriter(directory)
        log.open()
        shutil.rmtree(directory)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await log.append([record("m")])
        directory.mkdir()
        await log.append([record("back")])
        await log.close()

    asyncio.run(run())
    assert keys(directory) == ["back"]


def test_more_than_may_wait_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path, pending_bytes=1000)
        log.open()
        with pytest.raises(UnavailableError):
            await log.append([record("huge", 2000)])
        await log.append([record("small")])
        await log.close()

    asyncio.run(run())
    assert keys(tmp_path) == ["small"]


class _Remembering(Disk):
    """Remembers how much of each file has surely reached the disk, as a power cut would find it."""

    def __init__(self) -> None:
        self.synced: dict[int, int] = {}

    def sync(self, handle: int) -> None:
        super().sync(handle)
        self.synced[os.fstat(handle).st_ino] = os.fstat(handle).st_size


class _Forgetting(_Remembering):
    """A writer without its fsync."""

    def sync(self, handle: int) -> None:
        self.synced.setdefault(os.fstat(handle).st_ino, len(MAGIC))


def _lost_by_a_power_cut(directory: Path, disk: _Remembering) -> set[str]:
    """Append from many tasks, cut the power in the middle of it, and say which acknowledged records are gone."""
    acknowledged: set[str] = set()
    left: set[str] = set()

    async def send(log: LogWriter, worker: int) -> None:
        for n in range(30):
            await log.append([record(f"{worker}-{n}")])
            acknowledged.add(f"{worker}-{n}")

    async def run() -> None:
        log = LogWriter(directory / "log", disk=disk, segment_bytes=8_000)
        log.open()
        senders = asyncio.gather(*(send(log, worker) for worker in range(10)))
        while len(acknowledged) < 100:
            await asyncio.sleep(0)
        known, sizes = set(acknowledged), dict(disk.synced)
        after_cut = directory / "after"
        after_cut.mkdir()
        for segment in segments(directory / "log"):
            size = sizes.get(segment.path.stat().st_ino)
            if size is not None:
                copy = after_cut / f"{segment.name}.open"
                shutil.copyfile(segment.path, copy)
                os.truncate(copy, size)
        recover(after_cut)
        left.update(known - set(keys(after_cut)))
        await senders
        await log.close()

    asyncio.run(run())
    return left


def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path) -> None:
    assert _lost_by_a_power_cut(tmp_path, _Remembering()) == set()


def test_without_the_fsync_a_power_cut_would_lose_acknowledged_records(tmp_path: Path) -> None:
    assert _lost_by_a_power_cut(tmp_path, _Forgetting())
