"""The online store: Redis, where the push writes and services read within a millisecond.

Belongs here: the server of a home (`server`), the names of keys (`keys`), writing (`store`), reading (`reader`).
Does not belong here: what a profile holds, or any HTTP.
"""

from headwater.storage.online.reader import Found, OnlineReader
from headwater.storage.online.server import RedisHandle, ensure_redis
from headwater.storage.online.store import OnlineStore, Pushed, Written

__all__ = ["Found", "OnlineReader", "OnlineStore", "Pushed", "RedisHandle", "Written", "ensure_redis"]
