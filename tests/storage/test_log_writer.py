"""Durable appends on a real folder: what was acknowledged is there after a crash, a power cut, a full disk."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from datetime import datetime
from pathlib import Path

import pytest

from headwater.errors import BusyError, UnavailableError
from headwater.storage.log import Disk, Envelope, LogReader, LogWriter, encode_envelope, frame, segments
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

    asyncio.run(asyncio.wait_for(run(), 120))
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


def test_each_user_s_records_stay_in_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    async def user(log: LogWriter, name: str) -> None:
        for n in range(0, 30, 3):
            await log.append([record(f"{name}-{n + i}") for i in range(3)])

    async def run() -> None:
        log = LogWriter(tmp_path, segment_bytes=5000)
        log.open()
        await asyncio.gather(*(user(log, f"u{n}") for n in range(20)))
        # not awaited one by one: given in order, kept in order
        await asyncio.gather(*(log.append([record(f"hasty-{n}")]) for n in range(30)))
        await log.close()

    asyncio.run(run())
    found = keys(tmp_path)
    for name in [*(f"u{n}" for n in range(20)), "hasty"]:
        assert [key for key in found if key.startswith(f"{name}-")] == [f"{name}-{n}" for n in range(30)]


def test_a_slow_disk_is_told_to_the_senders_and_never_costs_more_memory(tmp_path: Path) -> None:
    class Slow(Disk):
        may_sync = threading.Event()

        def sync(self, handle: int) -> None:
            self.may_sync.wait()
            super().sync(handle)

    disk = Slow()
    disk.may_sync.set()
    taken: list[str] = []
    refused: list[str] = []

    async def send(log: LogWriter, key: str) -> None:
        try:
            await log.append([record(key, 1000)])
            taken.append(key)
        except UnavailableError as error:
            assert "cannot keep up" in str(error)
            refused.append(key)

    async def run() -> None:
        log = LogWriter(tmp_path, disk=disk, pending_bytes=50_000)
        log.open()
        disk.may_sync.clear()
        senders = []
        for n in range(500):
            senders.append(asyncio.create_task(send(log, f"m{n}")))
            await asyncio.sleep(0)
            assert log.waiting_bytes <= 50_000
        assert len(refused) > 400
        disk.may_sync.set()
        await asyncio.gather(*senders)
        assert log.waiting_bytes == 0
        await send(log, "after")
        await log.close()

    asyncio.run(run())
    assert "after" in taken
    assert keys(tmp_path) == taken
    assert len(taken) + len(refused) == 501
