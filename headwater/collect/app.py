"""The collector as an ASGI application: routes, answers, CORS.

Belongs here: HTTP. Does not belong here: what is said of an event (`judge`), what the config says (`rules`), how
events are kept (`storage.log`), starting and stopping (`server`).

200 means: on disk. Every other answer is JSON with `code` and `message`; 429 and 503 carry Retry-After.

A route with a module of its own is one line in `_FOLDERS` or `_PATHS`, and there `async def answer(collector, request,
name) -> Answer`; it uses `Collector.body`, `source_of`, `origin`, `judge` and `store`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import msgspec

from headwater import __version__
from headwater.collect import accept, pixel, replay, webhook
from headwater.collect.cookie import AnonymousId
from headwater.collect.judge import KEPT_BYTES, Accepted, Judge, Origin, utc_now
from headwater.collect.limits import Crowd
from headwater.collect.metrics import CountingDisk, Metrics
from headwater.collect.proxies import client_address
from headwater.collect.replayed import Replayed
from headwater.collect.request import (
    Answer,
    Incoming,
    LargeError,
    Receive,
    RefusedError,
    Request,
    Room,
    header_map,
    query_map,
    read_body,
    sent_write_key,
    unpack,
)
from headwater.collect.rules import Rules
from headwater.errors import UnavailableError
from headwater.storage.log import LogWriter

Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = Mapping[str, Any]
Handler = Callable[["Collector", Request, str], Awaitable[Answer]]

_SINGLE = {name: name for name in ("track", "identify", "page", "screen", "group", "alias")} | {
    "t": "track",
    "i": "identify",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
}
_MANY = {"batch": "live", "b": "live", "import": "import"}
_COLLECT = {f"/v1/{name}": name for name in (*_SINGLE, *_MANY)} | {"/beacon/v1/batch": "batch"}
_FOLDERS: dict[str, Handler] = {"/pixel/v1": pixel.answer, "/v1/webhook": webhook.answer}
_PATHS: dict[str, Handler] = {"/v1/replay": replay.answer}
_SHOWN = ("/health", "/metrics", "/version")
_RETRY_AFTER = {"Retry-After": "2"}
_CROWDED = RefusedError(
    503, "too_many_requests", "Too many requests of this address are on their way.",
    headers={**_RETRY_AFTER, "Connection": "close"},
)  # fmt: skip
_LARGE = 256 * 1024
_encode = msgspec.json.encode
_log = logging.getLogger(__name__)


class Collector:
    """The ASGI application.

    Attributes:
        rules: what the config says; may be replaced while requests are under way.
        config_fault: tells why a changed config is not used, for /health.
        replayed, replaying: the marks of quarantined rows that were put through again, and the turn to change them.
    """

    def __init__(self, log: LogWriter, rules: Rules, disk: CountingDisk | None = None) -> None:
        self.rules = rules
        self.config_fault: Callable[[], str | None] = lambda: None
        self.metrics = Metrics()
        self.replayed = Replayed(log.directory)
        self.replaying = asyncio.Lock()
        self._log = log
        self._disk = disk
        self._room = Room()
        self._crowd = Crowd()
        # one thread judges large bodies, so that small requests need not wait for them
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="large")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = time.perf_counter()
        headers = header_map(scope)
        path = scope["path"]
        incoming = Incoming(receive, headers)
        limits = self.rules.limits
        try:
            path = self.rules.route(path)
            address = client_address(scope, headers, self.rules.proxies)
            with self._crowd.one_more(address, limits.client_requests) as is_welcome:
                if not is_welcome:
                    raise _CROWDED
                answer = await self._answer(scope, path, headers, incoming, address)
        except RefusedError as refusal:
            patience = 1.0 if refusal is _CROWDED else limits.body_seconds - (time.perf_counter() - begun)
            await incoming.drain(patience)
            body = _encode({"success": False, "code": refusal.code, "message": refusal.message})
            answer = Answer(refusal.status, body, refusal.headers)
        except Exception:  # noqa: BLE001 - see the next line
            # a defect must not look like a closed connection, which says nothing to a client
            _log.exception("defect while answering %s %s", scope["method"], path)
            body = _encode({"success": False, "code": "internal_error", "message": "The collector has a defect."})
            answer = Answer(500, body, dict(_RETRY_AFTER))
        await send({"type": "http.response.start", "status": answer.status, "headers": _headers(headers, answer)})
        await send({"type": "http.response.body", "body": answer.body})
        self.metrics.answered(_label(path), answer.status, time.perf_counter() - begun)

    async def _answer(
        self, scope: Scope, path: str, headers: Mapping[bytes, bytes], receive: Receive, address: str | None
    ) -> Answer:
        method = scope["method"]
        if method == "OPTIONS":
            return Answer(204, b"", _preflight(headers))
        request = Request(method, path, headers, query_map(scope), address, utc_now(), receive, scope)
        name = _COLLECT.get(path)
        if name is not None:
            return await self._collect(name, request)
        folder, _, last = path.rpartition("/")
        handler = _PATHS.get(path) or _FOLDERS.get(folder)
        if handler is not None:
            return await handler(self, request, last)
        is_shown = path in _SHOWN or (folder.startswith("/v1/projects/") and last == "settings")
        if is_shown and method not in ("GET", "HEAD"):
            raise RefusedError(405, "method_not_allowed", f"Get {path} with GET.", headers={"Allow": "GET, OPTIONS"})
        if path == "/health":
            return await self._health()
        if path == "/metrics":
            text = await asyncio.to_thread(self.metrics.text, self._log, self._disk)
            return Answer(200, text.encode(), {}, "text/plain; version=0.0.4; charset=utf-8")
        if path == "/version":
            return Answer(200, _encode({"name": "headwater", "version": __version__}))
        if is_shown:
            return self._settings(unquote(folder[13:]))
        raise RefusedError(404, "not_found", f"There is no route {path or '/'}.")

    async def _health(self) -> Answer:
        fault = await self._log.check()
        if fault is not None:
            return Answer(503, _encode({"code": "log_unavailable", "message": fault}), dict(_RETRY_AFTER))
        counts = {outcome: self.metrics.total(outcome) for outcome in ("accepted", "dropped", "quarantined")}
        config = self.config_fault()
        return Answer(200, _encode({"status": "ok", **counts} | ({"config": config} if config else {})))

    def _settings(self, key: str) -> Answer:
        """What Segment's browser library asks before it sends anything."""
        if key not in self.rules.write_keys:
            raise RefusedError(404, "unknown_write_key", "The write key is unknown.")
        return Answer(200, _encode({"integrations": {"Segment.io": {"apiKey": key}}}))

    async def _collect(self, name: str, request: Request) -> Answer:
        if request.method != "POST":
            text = f"Send {request.path} with POST."
            raise RefusedError(405, "method_not_allowed", text, headers={"Allow": "POST, OPTIONS"})
        key = sent_write_key(request.headers, request.query)
        source = self.source_of(request, key) if key is not None else None
        try:
            packed = await self.packed_body(request, source)
        except RefusedError as refusal:
            if source is not None and refusal.kept:
                await self._keep_refused(refusal, source, request)
            raise
        try:
            work = (name, request, source, packed)
            try:
                accepted, found, headers = self._read(*work, _LARGE)
            except LargeError:
                loop = asyncio.get_running_loop()
                accepted, found, headers = await loop.run_in_executor(self._thread, self._read, *work)
            await self.store(found, accepted)
        except _KeptError as kept:
            await self._keep_refused(kept.refusal, kept.source, request)
            raise kept.refusal from None
        finally:
            self._room.used -= len(packed)
        return _told(name, accepted, headers)

    def _read(
        self, name: str, request: Request, source: str | None, packed: bytes, most: int | None = None
    ) -> tuple[Accepted, str, dict[str, str]]:
        """Everything between the body's arrival and the disk. Also called in the thread for large bodies.

        Raises:
            LargeError: it is larger than `most`, as it came or unpacked; nothing was done.
        """
        try:
            limit = self.rules.limits_of(source).request_bytes
            body = unpack(packed, request.headers.get(b"content-encoding", b""), limit, most)
            if source is None:
                source = self.source_of(request, accept.body_write_key(body))
            origin = self.origin(request, source, _MANY.get(name, "live"))
            judge, cookies = self.judge(request, source, origin.route)
            if name in _SINGLE:
                origin.type = _SINGLE[name]
                accepted = accept.single(body, origin, judge)
            elif origin.route == "import" and _as_import(origin, request):
                accepted = accept.lines(body, origin, judge)
            else:
                accepted = accept.batch(body, origin, judge)
        except RefusedError as refusal:
            if source is not None and refusal.kept:
                raise _KeptError(refusal, source) from None
            raise
        return accepted, source, cookies()

    # -- what a route's module uses ---------------------------------------------------------------------------------

    def source_of(self, request: Request, key: str | None) -> str:
        """The source of a write key, when it may send now (None: look for the key in header and query).

        Raises:
            RefusedError: 401 when the key is missing or unknown, 429 when the source sends too much.
        """
        key = key or sent_write_key(request.headers, request.query)
        source = self.rules.write_keys.get(key) if key else None
        if source is None:
            text = "The write key is unknown." if key else "The write key is missing."
            raise RefusedError(401, "unknown_write_key", text, headers={"WWW-Authenticate": 'Basic realm="write key"'})
        self.require_rate(source)
        return source

    def require_rate(self, source: str) -> None:
        """Raises:
        RefusedError: 429 when the source has sent more than its rate allows.
        """
        bucket = self.rules.buckets.get(source)
        wait = bucket.wait(time.monotonic()) if bucket is not None else 0
        if wait:
            text = f"The source «{source}» sends more events than its rate allows."
            raise RefusedError(429, "rate_limited", text, headers={"Retry-After": str(wait)})

    async def packed_body(self, request: Request, source: str | None) -> bytes:
        """The body as sent. Give its length back to `release` when the request is done."""
        limits, own = self.rules.limits, self.rules.limits_of(source)
        return await read_body(
            request.receive,
            request.headers,
            own.request_bytes,
            self._room,
            limits.incoming_bytes,
            limits.body_seconds,
        )

    async def body(self, request: Request, source: str | None) -> bytes:
        """The body, unpacked, within the source's limits.

        Raises:
            RefusedError: as `request.read_body` and `request.unpack`.
        """
        packed = await self.packed_body(request, source)
        try:
            work = (packed, request.headers.get(b"content-encoding", b""), self.rules.limits_of(source).request_bytes)
            try:
                return unpack(*work, _LARGE)
            except LargeError:
                return await asyncio.get_running_loop().run_in_executor(self._thread, unpack, *work)
        finally:
            self._room.used -= len(packed)

    def origin(self, request: Request, source: str, route: str = "live") -> Origin:
        """Where a request's events come from."""
        origin = Origin(source=source, route=route, received_at=request.received_at)
        if route == "live":
            origin.ip = request.address
            origin.user_agent = request.user_agent
        return origin

    def judge(self, request: Request, source: str, route: str = "live") -> tuple[Judge, Callable[[], dict[str, str]]]:
        """By what a source's events are judged, and the headers that the answer needs once they are.

        A cookie gives an id to live events only: an import's rows are of other people than its sender."""
        rules = self.rules
        limits = rules.limits_of(source)
        cookie = AnonymousId(rules.cookie, request.headers) if rules.cookie and route == "live" else None
        judge = Judge(
            event_bytes=limits.event_bytes,
            event_depth=limits.event_depth,
            request_events=limits.request_events,
            checker=rules.checker,
            anonymous_id=cookie.value if cookie else None,
        )
        return judge, cookie.headers if cookie else dict

    async def store(self, source: str, accepted: Accepted) -> None:
        """Return when everything is on disk.

        Raises:
            RefusedError: 503 when the log does not take it; nothing of it is acknowledged.
        """
        if not accepted.records:
            return
        try:
            await self._log.append(accepted.records)
        except UnavailableError as error:
            raise RefusedError(503, "log_unavailable", str(error), headers=_RETRY_AFTER) from error
        self.metrics.count(source, accepted)
        bucket = self.rules.buckets.get(source)
        if bucket is not None:
            bucket.take(len(accepted.records), time.monotonic())

    async def _keep_refused(self, refusal: RefusedError, source: str, request: Request) -> None:
        """Put the beginning of a body that could not be read at all aside, when its sender is known."""
        aside = Accepted()
        kept = refusal.kept or b""
        detail = refusal.message if refusal.status == 413 else f"a body of {len(kept):,} bytes"
        origin = Origin(source=source, route="live", received_at=request.received_at)
        aside.quarantine(origin, refusal.reason, kept[:KEPT_BYTES], detail=detail)
        await self.store(source, aside)


class _KeptError(Exception):
    """A refusal whose body is to be kept aside, with its source."""

    def __init__(self, refusal: RefusedError, source: str) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.source = source


def _as_import(origin: Origin, request: Request) -> bool:
    """Read what an import says of itself beside its body; tell whether that is NDJSON."""
    query = request.query
    origin.backfill = query.get("backfill", "").lower() in ("1", "true", "yes")
    if b"ndjson" not in request.headers.get(b"content-type", b""):
        return False
    origin.file = query.get("file", "")[:500]
    line = query.get("line", "1")
    origin.line = int(line) if line.isdigit() and len(line) < 16 else 1
    return True


def _told(name: str, accepted: Accepted, headers: dict[str, str]) -> Answer:
    """The answer: a single bad event is a 400, bad events of a batch are listed in a 200."""
    if name in _SINGLE and accepted.quarantined:
        told = accepted.rejected[0]
        detail = f" ({told['detail']})" if "detail" in told else ""
        message = f"The event is kept aside: {told['message']}{detail}."
        return Answer(400, _encode({"success": False, "code": told["code"], "message": message}))
    answer: dict[str, Any] = {"success": True, "accepted": accepted.count, "quarantined": accepted.quarantined}
    if accepted.quarantined:
        answer |= {"reasons": accepted.reasons, "rejected": accepted.rejected}
    if accepted.last_event_at is not None:
        answer["last_event_at"] = accepted.last_event_at
    return Answer(200, _encode(answer), headers)


def _label(path: str) -> str:
    """The route's name for counting; of a folder only the folder, because clients choose the rest."""
    if path in _COLLECT or path in _PATHS or path in _SHOWN:
        return path
    folder = path.rpartition("/")[0]
    if folder in _FOLDERS:
        return folder
    return "/v1/projects" if folder.startswith("/v1/projects/") else "other"


def _headers(request: Mapping[bytes, bytes], answer: Answer) -> list[tuple[bytes, bytes]]:
    found = [(b"content-type", answer.content_type.encode())]
    found += [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()]
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
