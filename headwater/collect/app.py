"""The collector as an ASGI application: routes, answers, CORS.

Belongs here: HTTP. Does not belong here: what an event is (`accept`), how it is kept (`storage.log`), starting and
stopping (`server`).

200 means: on disk. Every other answer is JSON with `code` and `message`; 429 and 503 carry Retry-After.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from headwater import __version__
from headwater.collect import accept
from headwater.collect.accept import KEPT_BYTES, Accepted, Origin, utc_now
from headwater.collect.request import (
    Receive,
    RefusedError,
    client_address,
    header_map,
    query_map,
    read_body,
    sent_write_key,
    unpack,
)
from headwater.errors import UnavailableError
from headwater.storage.log import LogWriter

Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = Mapping[str, Any]

_SINGLE = {name: name for name in ("track", "identify", "page", "screen", "group", "alias")} | {
    "t": "track",
    "i": "identify",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
}
_MANY = {"batch": "live", "b": "live", "import": "import"}
_RETRY_AFTER = {"Retry-After": "2"}
_encode = msgspec.json.encode
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """In bytes: largest event, largest request (unpacked), all bodies that may be on their way at a time."""

    event_bytes: int = 1024 * 1024
    request_bytes: int = 4 * 1024 * 1024
    incoming_bytes: int = 128 * 1024 * 1024


class Collector:
    """The ASGI application. `write_keys` maps a key to its source's name."""

    def __init__(self, log: LogWriter, write_keys: Mapping[str, str], limits: Limits | None = None) -> None:
        self._log = log
        self._write_keys = dict(write_keys)
        self._limits = limits or Limits()
        self._incoming = 0
        self._counts = {"accepted": 0, "quarantined": 0, "refused": 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = header_map(scope)
        try:
            status, extra, body = await self._answer(scope, headers, receive)
        except RefusedError as refusal:
            self._counts["refused"] += 1
            status, extra = refusal.status, refusal.headers
            body = _encode({"success": False, "code": refusal.code, "message": refusal.message})
        except Exception:  # noqa: BLE001 - a defect must not look like a closed connection, which says nothing to a client
            _log.exception("defect while answering %s %s", scope["method"], scope["path"])
            status, extra = 500, dict(_RETRY_AFTER)
            body = _encode({"success": False, "code": "internal_error", "message": "The collector has a defect."})
        await send({"type": "http.response.start", "status": status, "headers": _headers(headers, extra)})
        await send({"type": "http.response.body", "body": body})

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[int, dict[str, str], bytes]:
        method, path = scope["method"], scope["path"].rstrip("/")
        if method == "OPTIONS":
            return 204, _preflight(headers), b""
        folder, _, name = path.rpartition("/")
        if folder == "/v1" and (name in _SINGLE or name in _MANY):
            if method != "POST":
                raise RefusedError(
                    405, "method_not_allowed", f"Send {path} with POST.", headers={"Allow": "POST, OPTIONS"}
                )
            return await self._collect(name, scope, headers, receive)
        if path == "/health":
            return await self._health()
        if path == "/version":
            return 200, {}, _encode({"name": "headwater", "version": __version__})
        if folder.startswith("/v1/projects/") and name == "settings":
            # what Segment's browser library asks before it sends anything
            return 200, {}, _encode({"integrations": {"Segment.io": {"apiKey": unquote(folder[13:])}}})
        raise RefusedError(404, "not_found", f"There is no route {path or '/'}.")

    async def _health(self) -> tuple[int, dict[str, str], bytes]:
        fault = await self._log.check()
        if fault is not None:
            return 503, dict(_RETRY_AFTER), _encode({"code": "log_unavailable", "message": fault})
        return 200, {}, _encode({"status": "ok", **self._counts})

    async def _collect(
        self, name: str, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[int, dict[str, str], bytes]:
        received_at = utc_now()
        query = query_map(scope)
        key = sent_write_key(headers, query)
        if key is not None and key not in self._write_keys:
            raise _unknown_key()
        body = await self._body(receive, headers)
        route = _MANY.get(name, "live")
        try:
            body = unpack(body, headers.get(b"content-encoding", b""), self._limits.request_bytes)
            if key is None:
                key = accept.body_write_key(body)
            if key is None or key not in self._write_keys:
                raise _unknown_key()
            origin = Origin(source=self._write_keys[key], route=route, received_at=received_at)
            if route == "live":
                origin.ip = client_address(scope, headers)
                agent = headers.get(b"user-agent")
                origin.user_agent = agent.decode("latin-1")[:1024] if agent else None
            accepted = self._read(name, body, origin, headers, query)
        except RefusedError as refusal:
            await self._keep_refused(refusal, self._write_keys.get(key or ""), received_at)
            raise
        await self._store(accepted)
        return _told(name, accepted)

    async def _body(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
        """The body, with room kept for it meanwhile, so that many slow clients cannot fill the memory."""
        announced = headers.get(b"content-length", b"")
        room = min(int(announced), self._limits.request_bytes) if announced.isdigit() else self._limits.request_bytes
        if self._incoming + room > self._limits.incoming_bytes:
            raise RefusedError(429, "too_many_requests", "Too much is on its way at a time.", headers=_RETRY_AFTER)
        self._incoming += room
        try:
            return await read_body(receive, headers, self._limits.request_bytes)
        finally:
            self._incoming -= room

    def _read(
        self, name: str, body: bytes, origin: Origin, headers: Mapping[bytes, bytes], query: Mapping[str, str]
    ) -> Accepted:
        limit = self._limits.event_bytes
        if name in _SINGLE:
            origin.type = _SINGLE[name]
            return accept.single(body, origin, limit)
        if origin.route == "import":
            origin.backfill = query.get("backfill", "").lower() in ("1", "true", "yes")
            if b"ndjson" in headers.get(b"content-type", b""):
                origin.file = query.get("file", "")[:500]
                line = query.get("line", "1")
                origin.line = int(line) if line.isdigit() and len(line) < 16 else 1
                return accept.lines(body, origin, limit)
        return accept.batch(body, origin, limit)

    async def _keep_refused(self, refusal: RefusedError, source: str | None, received_at: Any) -> None:
        """Put the beginning of a body that could not be read at all aside, when its sender is known."""
        if source is None or not refusal.kept:
            return
        aside = Accepted()
        origin = Origin(source=source, route="live", received_at=received_at)
        detail = f"a body of {len(refusal.kept):,} bytes"
        aside.quarantine(origin, refusal.reason, refusal.kept[:KEPT_BYTES], detail=detail)
        await self._store(aside)

    async def _store(self, accepted: Accepted) -> None:
        if not accepted.records:
            return
        try:
            await self._log.append(accepted.records)
        except UnavailableError as error:
            raise RefusedError(503, "log_unavailable", str(error), headers=_RETRY_AFTER) from error
        self._counts["accepted"] += accepted.count
        self._counts["quarantined"] += accepted.quarantined


def _told(name: str, accepted: Accepted) -> tuple[int, dict[str, str], bytes]:
    """The answer: a single bad event is a 400, bad events of a batch are listed in a 200."""
    if name in _SINGLE and accepted.quarantined:
        told = accepted.rejected[0]
        message = f"The event is kept aside: {told['message']}."
        return 400, {}, _encode({"success": False, "code": told["code"], "message": message})
    answer: dict[str, Any] = {"success": True, "accepted": accepted.count, "quarantined": accepted.quarantined}
    if accepted.quarantined:
        answer |= {"reasons": accepted.reasons, "rejected": accepted.rejected}
    if accepted.last_event_at is not None:
        answer["last_event_at"] = accepted.last_event_at
    return 200, {}, _encode(answer)


def _unknown_key() -> RefusedError:
    return RefusedError(
        401,
        "unknown_write_key",
        "The write key is missing or unknown.",
        headers={"WWW-Authenticate": 'Basic realm="write key"'},
    )


def _headers(request: Mapping[bytes, bytes], extra: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    found = [(b"content-type", b"application/json")]
    found += [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in extra.items()]
    origin = request.get(b"origin")
    if origin:
        found += [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"retry-after"),
            (b"vary", b"origin"),
        ]
    return found


def _preflight(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    asked = headers.get(b"access-control-request-headers", b"authorization, content-type, x-retry-count, x-write-key")
    return {
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": asked.decode("latin-1"),
        "Access-Control-Max-Age": "86400",
    }
