"""Durable appends: many requests, one fsync.

Belongs here: group commit, when a segment is opened and sealed, what happens when the disk fails. Does not belong
here: what the records mean, HTTP.

`append` returns only after the bytes are on disk. A failed write or fsync seals the segment at its last durable byte
and is never retried: the kernel may have dropped the pages and report success the second time.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from headwater.errors import UnavailableError
from headwater.storage.log.disk import Disk, make_folder
from headwater.storage.log.lock import LogLock
from headwater.storage.log.reader import saved_positions
from headwater.storage.log.record import MAGIC
from headwater.storage.log.segment import OPEN, next_name, recover, seal

_PROBE_BYTES = 64 * 1024


class LogWriter:
    """The one writer of a log folder, on one event loop.

    Args:
        directory: the log folder; made if missing.
        segment_bytes: a segment is sealed at this size.
        idle_seconds: a segment is sealed when nothing came for so long, so that the lander can have it.
        age_seconds: a segment is sealed at this age even while events keep coming.
        pending_bytes: appends beyond this many bytes not yet on disk are refused, so that a slow disk costs the
            senders their time and never this process its memory.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = 64 * 1024 * 1024,
        idle_seconds: float = 5.0,
        age_seconds: float = 60.0,
        pending_bytes: int = 64 * 1024 * 1024,
        disk: Disk | None = None,
    ) -> None:
        self.directory = directory
        self.fault: str | None = None
        self.commits = 0
        self.committed_bytes = 0
        self._limits = (segment_bytes, idle_seconds, age_seconds, pending_bytes)
        self._disk = disk or Disk()
        self._lock = LogLock(directory, "the collector")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._handle: int | None = None
        self._path: Path | None = None
        self._size = 0
        self._opened_at = self._written_at = 0.0
        self._is_left_open = False
        self._waiting: list[tuple[list[bytes], asyncio.Future[None]]] = []
        self._waiting_bytes = 0
        self._committing: asyncio.Task[None] | None = None
        self._sealing: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Lock the folder, seal what a dead writer left, open a new segment.

        Raises:
            BusyError: another process writes this log.
            UnavailableError: the folder cannot be written.
        """
        try:
            make_folder(self.directory, self._disk)
        except OSError as error:
            raise UnavailableError(self._sentence(error)) from error
        self._lock.acquire()
        try:
            recover(self.directory, self._disk)
            self._open_segment()
        except OSError as error:
            self._lock.release()
            raise UnavailableError(self._sentence(error)) from error

    async def append(self, records: list[bytes]) -> None:
        """Return when all of `records` are on disk.

        Raises:
            UnavailableError: the disk refused, or too much is waiting for it. None of them is acknowledged.
        """
        size = sum(map(len, records))
        if self._waiting_bytes + size > self._limits[3]:
            raise UnavailableError("The event log cannot keep up.", hint="Send again later.")
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((records, done))
        self._waiting_bytes += size
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_waiting())
        if self._sealing is None:
            self._sealing = asyncio.create_task(self._seal_when_idle())
        await done

    @property
    def waiting_bytes(self) -> int:
        """How much has been taken from senders and is not on disk yet."""
        return self._waiting_bytes

    async def check(self) -> str | None:
        """What is wrong with the log, in words. After a failure this tries again, so that a load balancer that sends
        nothing to an unwell collector learns when it is well."""
        if self.fault is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._probe)
        return self.fault

    async def close(self) -> None:
        """Write what waits, seal, release the lock."""
        if self._sealing is not None:
            self._sealing.cancel()
        if self._committing is not None:
            await asyncio.shield(self._committing)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._seal)
        self._thread.shutdown()
        self._lock.release()

    async def _commit_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            data = b"".join([record for records, _ in group for record in records])
            failure: Exception | None = None
            try:
                await loop.run_in_executor(self._thread, self._commit, data)
            except Exception as error:  # noqa: BLE001 - every waiter must hear of it, whatever it was
                failure = error
            self._waiting_bytes -= len(data)
            for _, done in group:
                if not done.done():
                    done.set_exception(failure) if failure else done.set_result(None)
        self._committing = None

    async def _seal_when_idle(self) -> None:
        _, idle, age, _ = self._limits
        while True:
            await asyncio.sleep(min(idle / 2, 0.5))
            now = time.monotonic()
            if self._size > len(MAGIC) and (now - self._written_at >= idle or now - self._opened_at >= age):
                with suppress(OSError):
                    await asyncio.get_running_loop().run_in_executor(self._thread, self._seal)

    # -- below: in the writer's one thread (or before it exists), so nothing here runs at the same time ------------

    def _commit(self, data: bytes) -> None:
        try:
            if self._handle is None:
                self._open_segment()
            handle = self._handle
            assert handle is not None
            rest = memoryview(data)
            while rest:
                rest = rest[self._disk.write(handle, rest) :]
            self._disk.sync(handle)
            if os.fstat(handle).st_nlink == 0:
                raise OSError(errno.ENOENT, "the segment was deleted")
        except OSError as error:
            self._abandon()
            self.fault = self._sentence(error)
            raise UnavailableError(self.fault, hint="Send again later.") from error
        self.fault = None
        self.commits += 1
        self.committed_bytes += len(data)
        self._size += len(data)
        self._written_at = time.monotonic()
        if self._size >= self._limits[0]:
            with suppress(OSError):
                self._seal()

    def _probe(self) -> None:
        try:
            if self._handle is None:
                self._open_segment()
            assert self._handle is not None
            # an almost full disk still takes a file's first bytes, so ask for the room of some events
            if self._disk.write(self._handle, bytes(_PROBE_BYTES)) != _PROBE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.ftruncate(self._handle, self._size)
            self.fault = None
        except OSError as error:
            self._abandon()
            self.fault = self._sentence(error)

    def _sentence(self, error: OSError) -> str:
        return f"The event log {self.directory} cannot be written: {error.strerror}."

    def _open_segment(self) -> None:
        if self._is_left_open:
            recover(self.directory, self._disk)
            self._is_left_open = False
        been = [position.segment for position in saved_positions(self.directory).values()]
        path = self.directory / (next_name(self.directory, been) + OPEN)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._handle, self._path, self._size = handle, path, 0  # 0: nothing in it is durable yet
        try:
            if self._disk.write(handle, MAGIC) != len(MAGIC):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._disk.sync(handle)
            self._disk.sync_directory(self.directory)
        except OSError:
            self._abandon()
            raise
        self._size = len(MAGIC)
        self._opened_at = self._written_at = time.monotonic()

    def _seal(self) -> None:
        if self._handle is None or self._path is None:
            return
        handle, path, size = self._handle, self._path, self._size
        self._handle = self._path = None
        self._size = 0
        os.close(handle)
        try:
            if size <= len(MAGIC):
                path.unlink(missing_ok=True)
            else:
                seal(path, self._disk)
        except OSError:
            self._is_left_open = True  # tried again before the next segment is opened
            raise

    def _abandon(self) -> None:
        """Give up the open segment after a failure, keeping only its durable bytes."""
        with suppress(OSError):
            if self._handle is not None:
                os.ftruncate(self._handle, self._size)
        with suppress(OSError):
            self._seal()
