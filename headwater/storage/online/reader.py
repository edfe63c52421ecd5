"""The reading side of the online store, for services: asynchronous, one round trip per look-up step.

Belongs here: reads that answer a request. Does not belong here: writes, HTTP, or starting a server.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import redis
import redis.asyncio

from headwater.errors import UnavailableError
from headwater.storage.online import keys
from headwater.storage.online.store import Pushed


@dataclass(frozen=True)
class Found:
    """What is known about an identifier: the profile as stored (JSON), the last push, a live session (JSON) if any."""

    profile: bytes
    pushed: Pushed | None
    session: bytes | None


class OnlineReader:
    """Looks people up. One instance per process; safe for many requests at once.

    Args:
        url: a Redis URL, as `ensure_redis(settings).url` gives.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = redis.asyncio.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)

    async def find(self, id_type: str, value: str) -> Found | None:
        """The person whom this identifier names, or `None`. A customer id whose person was merged into another leads
        to that one.

        Raises:
            UnavailableError: Redis does not answer.
        """
        try:
            customer_id, session = value, None
            if id_type != "customer_id":
                async with self.client.pipeline(transaction=False) as pipe:
                    pipe.get(keys.identifier(id_type, value))
                    if id_type == "anonymous_id":
                        pipe.hget(keys.session(value), "value")
                    found, *rest = await pipe.execute()
                if found is None:
                    return None
                customer_id, session = found.decode(), rest[0] if rest else None
            async with self.client.pipeline(transaction=False) as pipe:
                pipe.get(keys.profile(customer_id))
                pipe.get(keys.PUSHED)
                profile, pushed = await pipe.execute()
            if profile is None and id_type == "customer_id":
                found = await self.client.get(keys.identifier(id_type, value))
                profile = await self.client.get(keys.profile(_text(found))) if found else None
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise UnavailableError(f"Redis did not answer: {error}.") from error
        if profile is None:
            return None
        return Found(profile, msgspec.json.decode(pushed, type=Pushed) if pushed else None, session)

    async def pushed(self) -> Pushed | None:
        """The last complete push; also serves as the health check.

        Raises:
            UnavailableError: Redis does not answer.
        """
        try:
            value = await self.client.get(keys.PUSHED)
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise UnavailableError(f"Redis did not answer: {error}.") from error
        return msgspec.json.decode(value, type=Pushed) if value else None

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.aclose()


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
