"""One HTTP request before its events are looked at: who sends it, and its body unpacked within bounds.

Belongs here: write keys, body limits, gzip, the client's address. Does not belong here: events, the log,
routing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from headwater.collect.judge import KEPT_BYTES

Receive = Callable[[], Awaitable[dict[str, Any]]]
DRAINED_BYTES = 64 * 1024 * 1024
MOST_MEMBERS = 1_000
"""Of one gzip body: a stream may be many files one behind the other, but each costs more than its bytes."""
_FED_BYTES = 16 * 1024
_PADDING = re.compile(rb"\0*")


class RefusedError(Exception):
    """An answer that is not 200. `kept` are the bytes to keep aside, with `reason`, when the sender is known.

    `code` is for programs, `message` for people; every JSON error carries both (an SDK depends on it).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        kept: bytes | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.kept = kept
        self.reason = reason


class LargeError(Exception):
    """A body that is too large for the event loop: everybody else would wait for it."""


@dataclass
class Request:
    """One request as the routes see it. `path` has no alias and no slash at its end; header names are lower-case."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    query: Mapping[str, str]
    address: str | None
    received_at: datetime
    receive: Receive
    scope: Mapping[str, Any] = field(default_factory=dict)

    @property
    def user_agent(self) -> str | None:
        agent = self.headers.get(b"user-agent")
        return agent.decode("latin-1")[:1024] if agent else None

    @property
    def url(self) -> str:
        """The address as the sender wrote it: behind a proxy, with the scheme and host that the proxy names. Good for
        checking what a sender signed, not for trusting it."""
        scheme, host = self._first(b"x-forwarded-proto"), self._first(b"x-forwarded-host") or self._first(b"host")
        path = self.scope.get("raw_path") or quote(self.scope.get("path", self.path)).encode()
        query = self.scope.get("query_string") or b""
        written = (path.partition(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")
        return f"{scheme or self.scope.get('scheme', 'http')}://{host}{written}"

    def _first(self, header: bytes) -> str:
        return self.headers.get(header, b"").decode("latin-1").split(",")[0].strip()


@dataclass
class Answer:
    """What is answered. `status` 200 means: on disk."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Incoming:
    """A request's body as it arrives: `Receive`, which knows whether there is more of it.

    A client that is still sending does not read: an answer before the end of its body would reach it as a broken
    connection. So the rest is taken and thrown away first.
    """

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes]) -> None:
        self._receive = receive
        self._headers = headers
        self._is_begun = self._is_ended = False

    async def __call__(self) -> dict[str, Any]:
        self._is_begun = True
        message = await self._receive()
        if not message.get("more_body", False):  # nor has a connection that ended
            self._is_ended = True
        return message

    async def drain(self, seconds: float) -> None:
        """Take what is left, for at most so long and up to `DRAINED_BYTES`; who sends more gets a broken connection."""
        announced = self._headers.get(b"content-length", b"0")
        has_body = b"transfer-encoding" in self._headers or (announced.isdigit() and int(announced) > 0)
        asks_first = not self._is_begun and b"expect" in self._headers  # and sends nothing after a refusal
        left = DRAINED_BYTES
        if self._is_ended or not has_body or asks_first or (announced.isdigit() and int(announced) > left):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                while left > 0 and not self._is_ended:
                    left -= len((await self()).get("body", b""))


class Room:
    """How many bytes of bodies are on their way at a time, over all clients.

    Bytes count as they arrive, so a client that announces much and sends little takes nothing from the others.
    """

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int, limit: int) -> None:
        """Raises:
        RefusedError: 429 when there is no room for so much now.
        """
        if self.used + size > limit:
            raise RefusedError(
                429, "too_many_requests", "Too much is on its way at a time.", headers={"Retry-After": "2"}
            )
        self.used += size


def header_map(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Headers by lower-case name; of several the last counts."""
    return dict(scope["headers"])


def query_map(scope: Mapping[str, Any]) -> dict[str, str]:
    """The query's parameters; of several of one name the last counts."""
    raw = scope.get("query_string") or b""
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}


def sent_write_key(headers: Mapping[bytes, bytes], query: Mapping[str, str]) -> str | None:
    """The write key by Basic authentication (as user name), `X-Write-Key` or the query; None when there is none."""
    given = headers.get(b"authorization")
    if given and given[:6].lower() == b"basic ":
        try:
            user = base64.b64decode(given[6:].strip(), validate=True).decode().partition(":")[0]
        except (binascii.Error, ValueError):
            user = ""
        if user:
            return user
    named = headers.get(b"x-write-key")
    if named:
        return named.decode("latin-1").strip()
    return query.get("writeKey") or query.get("write_key") or None


async def read_body(
    receive: Receive, headers: Mapping[bytes, bytes], limit: int, room: Room, room_limit: int, seconds: float
) -> bytes:
    """The body as sent, at most `limit` bytes. Its bytes stay in `room` until the caller gives them back.

    Raises:
        RefusedError: 413 when it is longer (its beginning is kept aside), 429 without room, 408 when it took longer
            than `seconds`, 400 when the client went away before its end. The room is then given back already.
    """
    announced = headers.get(b"content-length", b"")
    is_too_long = announced.isdigit() and int(announced) > limit
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedError(400, "incomplete_body", "The connection ended before the body did.")
                part = message.get("body", b"")
                if part:
                    if size + len(part) > (KEPT_BYTES if is_too_long else limit):
                        raise too_large(limit, b"".join((*parts, part)))
                    room.take(len(part), room_limit)
                    size += len(part)
                    parts.append(part)
                if not message.get("more_body", False):
                    if is_too_long:
                        raise too_large(limit, b"".join(parts))
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except BaseException as error:
        room.used -= size
        if isinstance(error, TimeoutError):
            raise RefusedError(
                408, "slow_body", f"The body was not there after {seconds:g} seconds.", headers={"Connection": "close"}
            ) from None
        raise


def unpack(body: bytes, encoding: bytes, limit: int, most: int | None = None) -> bytes:
    """The body without its Content-Encoding; gzip is also known by its first bytes, because SDKs forget the header.

    It costs what its bytes cost, however they are cut: nobody is known yet when this is done.

    Raises:
        LargeError: it is larger than `most`, as it came or unpacked, and `limit` allows that.
        RefusedError: 400 for a truncated or broken gzip or one of more than `MOST_MEMBERS` members (kept aside), 413
            when it unpacks to more than `limit` bytes, 415 for another encoding.
    """
    if most is not None and most < limit:
        if len(body) > most:
            raise LargeError
        try:
            return unpack(body, encoding, most)
        except RefusedError as refusal:
            if refusal.status == 413:
                raise LargeError from None
            raise
    encoding = encoding.strip().lower()
    if encoding not in (b"", b"identity", b"gzip", b"x-gzip"):
        raise RefusedError(415, "unknown_encoding", "Content-Encoding must be gzip or nothing.")
    if body[:2] != b"\x1f\x8b":
        if encoding in (b"gzip", b"x-gzip") and body[:1] not in (b"{", b"["):
            raise RefusedError(400, "broken_gzip", "The body is not gzip.", kept=body, reason="broken gzip")
        return body
    unpacked = bytearray()
    at = members = 0
    while at < len(body):
        members += 1
        if members > MOST_MEMBERS:
            text = f"The gzip body has more than {MOST_MEMBERS:,} members."
            raise RefusedError(400, "broken_gzip", text, kept=body, reason="broken gzip")
        at = _unpack_member(body, at, limit, unpacked)
    return bytes(unpacked)


def _unpack_member(body: bytes, at: int, limit: int, unpacked: bytearray) -> int:
    """Add what the member at `at` holds to `unpacked`; answers where the next one begins.

    It is fed piece by piece: zlib copies all that it is given and does not need, again for each member.
    """
    unpacker = zlib.decompressobj(wbits=31)
    while not unpacker.eof:
        fed = body[at : at + _FED_BYTES]
        if not fed:
            raise RefusedError(
                400, "truncated_gzip", "The gzip body ends too early.", kept=body, reason="truncated gzip"
            )
        try:
            unpacked += unpacker.decompress(fed, limit - len(unpacked) + 1)
        except zlib.error:
            raise RefusedError(
                400, "broken_gzip", "The gzip body is broken.", kept=body, reason="broken gzip"
            ) from None
        if len(unpacked) > limit:
            raise too_large(limit, body)
        at += len(fed) - len(unpacker.unused_data)
    padding = _PADDING.match(body, at)
    return padding.end() if padding else at


def too_large(limit: int, kept: bytes) -> RefusedError:
    """The refusal of a request with more than `limit` bytes; `kept` is its beginning."""
    text = f"A request may hold {limit:,} bytes, unpacked. Send smaller batches."
    return RefusedError(413, "too_large", text, kept=kept, reason="request larger than the limit")
