"""Profiles and the identifiers that lead to them, written to Redis by the push and by nobody else.

Belongs here: writing in batches, and the rule that an older write never replaces a newer one. Does not belong here:
which profiles have changed (`headwater.push.online`), or the reading side of the services (`reader`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import msgspec
import redis

from headwater.errors import UnavailableError
from headwater.storage.online import keys, scripts

BATCH = 1_000
T = TypeVar("T")


class Pushed(msgspec.Struct, frozen=True):
    """The last complete push: written after everything it wrote, so that whoever reads it may rely on the rest.

    `version` is in microseconds since 1970, the times are ISO 8601 in UTC, `run_id` ties it to the ledger of the
    warehouse it came from.
    """

    run_id: str
    version: int
    as_of: str
    pushed_at: str
    people: int
    model_version: str | None = None


@dataclass(frozen=True)
class Written:
    """How many writes took effect, and how many found something newer in place."""

    written: int
    outdated: int


class OnlineStore:
    """The writing side of the online store.

    Args:
        url: a Redis URL, as `ensure_redis(settings).url` gives.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=30)

    def put_profiles(self, rows: Iterable[tuple[str, str]], version: int) -> Written:
        """Write (customer_id, members) pairs; `members` is a JSON object without a member `version`.

        Args:
            rows: the profiles.
            version: microseconds since 1970; what is there with a higher version stays.
        """
        digits = version_digits(version)
        results: list[int] = []
        for batch in batches(rows, BATCH):
            with self.client.pipeline(transaction=False) as pipe:
                script = self.client.register_script(scripts.PUT_IF_NOT_OLDER)
                for customer_id, members in batch:
                    separator = "," if members != "{}" else ""
                    value = f'{{"version":{digits}{separator}{members[1:]}'
                    script(keys=[keys.profile(customer_id)], args=[digits, value], client=pipe)
                results += _execute(pipe)
        return Written(sum(results), len(results) - sum(results))

    def remove_profiles(self, customer_ids: Iterable[str], version: int) -> int:
        """Remove people who no longer exist; answers how many there were."""
        digits = version_digits(version)
        removed = 0
        for batch in batches(customer_ids, BATCH):
            with self.client.pipeline(transaction=False) as pipe:
                script = self.client.register_script(scripts.REMOVE_IF_NOT_NEWER)
                for customer_id in batch:
                    script(keys=[keys.profile(customer_id)], args=[digits], client=pipe)
                removed += sum(_execute(pipe))
        return removed

    def put_identifiers(self, rows: Iterable[tuple[str, str, str]]) -> int:
        """Let each (id_type, value) lead to its customer_id. One push at a time writes these: the warehouse's lock."""
        written = 0
        for batch in batches(rows, BATCH):
            with self.client.pipeline(transaction=False) as pipe:
                for id_type, value, customer_id in batch:
                    pipe.set(keys.identifier(id_type, value), customer_id)
                written += len(_execute(pipe))
        return written

    def remove_identifiers(self, rows: Iterable[tuple[str, str, str]]) -> int:
        """Remove (id_type, value) where it still leads to this customer_id."""
        removed = 0
        for batch in batches(rows, BATCH):
            with self.client.pipeline(transaction=False) as pipe:
                script = self.client.register_script(scripts.REMOVE_IF_EQUAL)
                for id_type, value, customer_id in batch:
                    script(keys=[keys.identifier(id_type, value)], args=[customer_id], client=pipe)
                removed += sum(_execute(pipe))
        return removed

    def get_profile(self, id_type: str, value: str) -> bytes | None:
        """The profile of the person whom this identifier names, as JSON, or `None`."""
        customer_id: bytes | str | None = value
        if id_type != "customer_id":
            customer_id = self._read(keys.identifier(id_type, value))
        if customer_id is None:
            return None
        profile = self._read(keys.profile(customer_id if isinstance(customer_id, str) else customer_id.decode()))
        if profile is None and id_type == "customer_id" and (successor := self._read(keys.identifier(id_type, value))):
            profile = self._read(keys.profile(successor.decode()))
        return profile

    def pushed(self) -> Pushed | None:
        """The last complete push, or `None` when there was none."""
        value = self._read(keys.PUSHED)
        return msgspec.json.decode(value, type=Pushed) if value else None

    def mark_pushed(self, pushed: Pushed) -> None:
        """Declare a push complete: the last write of it."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.set(keys.PUSHED, msgspec.json.encode(pushed))
            _execute(pipe)

    def get_sessions(self, anonymous_ids: Sequence[str]) -> dict[str, tuple[str, bytes]]:
        """The live sessions among these ids: id → (position in the log, JSON)."""
        with self.client.pipeline(transaction=False) as pipe:
            for anonymous_id in anonymous_ids:
                pipe.hmget(keys.session(anonymous_id), "position", "value")
            found: list[Any] = _execute(pipe)
        return {id_: (at.decode(), value) for id_, (at, value) in zip(anonymous_ids, found, strict=True) if at}

    def put_sessions(self, rows: Iterable[tuple[str, str, bytes, int]]) -> int:
        """Write (anonymous_id, position, JSON, seconds to live); a position that is not after the stored one changes
        nothing. Answers how many took effect."""
        written = 0
        for batch in batches(rows, BATCH):
            with self.client.pipeline(transaction=False) as pipe:
                script = self.client.register_script(scripts.PUT_SESSION)
                for anonymous_id, position, value, seconds in batch:
                    script(keys=[keys.session(anonymous_id)], args=[position, value, seconds], client=pipe)
                written += sum(_execute(pipe))
        return written

    def clear(self) -> int:
        """Remove every profile and identifier (`headwater online rebuild`); sessions stay. Answers how many keys."""
        return sum(self._sweep(pattern, set()) for pattern in (keys.PUSHED, "hw:id:*", "hw:{*}:profile"))

    def sweep(self, customer_ids: Iterable[str], identifiers: Iterable[tuple[str, str]]) -> tuple[int, int]:
        """Remove every profile and identifier but these; answers how many of each. Costs a scan of the whole store."""
        kept = {keys.profile(customer_id).encode() for customer_id in customer_ids}
        kept_ids = {keys.identifier(id_type, value).encode() for id_type, value in identifiers}
        return self._sweep("hw:{*}:profile", kept), self._sweep("hw:id:*", kept_ids)

    def _sweep(self, pattern: str, kept: set[bytes]) -> int:
        removed = 0
        try:
            stale = (key for key in self.client.scan_iter(match=pattern, count=BATCH) if key not in kept)
            for batch in batches(stale, BATCH):
                removed += int(self.client.unlink(*batch))
        except redis.RedisError as error:
            raise _unavailable(error) from error
        return removed

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()

    def _read(self, key: str) -> bytes | None:
        try:
            value = self.client.get(key)
        except redis.RedisError as error:
            raise _unavailable(error) from error
        return value if isinstance(value, bytes) else None


def version_digits(version: int) -> str:
    """A version as 16 digits, which compare as text as they do as numbers.

    Raises:
        ValueError: it has not 16 digits, so it is no number of microseconds since 1970 (between 2001 and 2286).
    """
    text = str(version)
    if len(text) != scripts.VERSION_DIGITS or not text.isdigit():
        raise ValueError(f"a version is microseconds since 1970, 16 digits; not {version}")
    return text


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """The rows in lists of at most `size`."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def _execute(pipe: redis.client.Pipeline) -> list[Any]:
    try:
        return list(pipe.execute())
    except redis.RedisError as error:
        raise _unavailable(error) from error


def _unavailable(error: redis.RedisError) -> UnavailableError:
    return UnavailableError(f"Redis did not answer: {error}.")
