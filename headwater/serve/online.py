"""The services' hold on the online store: look-ups, and a way back when the server went away.

Belongs here: reviving the embedded server. Does not belong here: HTTP, or what is looked up.

The embedded Redis stops with whoever started it (a run, the stream worker …). The next request finds it gone, has it
started again from its append-only file, and is answered.
"""

from __future__ import annotations

import asyncio
import time

from headwater.errors import UnavailableError
from headwater.settings import Settings
from headwater.storage.online import Found, OnlineReader, Pushed, RedisHandle, ensure_redis

REVIVE_PAUSE_SECONDS = 2.0


class Online:
    """The online store as a service uses it. `open` before the first request, `close` after the last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handles: list[RedisHandle] = []
        self._reader: OnlineReader | None = None
        self._lock = asyncio.Lock()
        self._next_revival = 0.0

    async def open(self) -> None:
        """Find or start the server. A server that is away is no reason not to start: requests say so."""
        try:
            await self._revive(None)
        except UnavailableError:
            return

    async def find(self, id_type: str, value: str) -> Found | None:
        """The person whom this identifier names, or `None`.

        Raises:
            UnavailableError: the store is away.
        """
        reader = self._reader
        try:
            if reader is not None:
                return await reader.find(id_type, value)
        except UnavailableError:
            pass
        return await (await self._revive(reader)).find(id_type, value)

    async def pushed(self) -> Pushed | None:
        """The last push, or `None` before the first.

        Raises:
            UnavailableError: the store is away.
        """
        reader = self._reader
        try:
            if reader is not None:
                return await reader.pushed()
        except UnavailableError:
            pass
        return await (await self._revive(reader)).pushed()

    async def close(self) -> None:
        """Give the connections back, and stop the server if it was started here."""
        if self._reader is not None:
            await self._reader.close()
        for handle in self._handles:
            await asyncio.to_thread(handle.stop)

    async def _revive(self, failed: OnlineReader | None) -> OnlineReader:
        """A reader other than the failed one: many requests fail at once, one of them looks for the server."""
        async with self._lock:
            if self._reader is not None and self._reader is not failed:
                return self._reader
            if time.monotonic() < self._next_revival:
                raise UnavailableError("The online store is away.")
            self._next_revival = time.monotonic() + REVIVE_PAUSE_SECONDS
            handle = await asyncio.to_thread(ensure_redis, self._settings)
            if handle.is_owner:
                self._handles.append(handle)
            if self._reader is not None:
                await self._reader.close()
            self._reader = OnlineReader(handle.url)
            self._next_revival = 0.0
            return self._reader
