"""The online store: Redis, where the push writes and services read within a millisecond.

Belongs here: the server of a home (`server`), the names of keys (`keys`), writing (`store`), reading (`reader`).
Does not belong here: what a profile holds, or any HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headwater.settings import Settings
from headwater.storage.online.reader import Found, OnlineReader
from headwater.storage.online.server import RedisHandle, ensure_redis
from headwater.storage.online.store import OnlineStore, Pushed, Written

__all__ = [
    "Found",
    "OnlineReader",
    "OnlineStore",
    "Pushed",
    "RedisHandle",
    "Written",
    "ensure_redis",
    "open_online_store",
]


@contextmanager
def open_online_store(settings: Settings) -> Iterator[OnlineStore]:
    """The home's online store for writing, its server started if nobody has and stopped again in that case.

    Raises:
        UnavailableError: there is no server, or it does not answer.
    """
    with ensure_redis(settings) as handle:
        store = OnlineStore(handle.url)
        try:
            yield store
        finally:
            store.close()
