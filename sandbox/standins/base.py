"""What every stand-in is: its routes, its rate, its faults on demand.

Belongs here: what they share. Does not belong here: any tool's rules.

Beside the tool's own routes each has three of the sandbox's: `GET /<name>/_kept` (what it was told), `GET
/<name>/_counts` (its report by day and event) and `POST|DELETE /<name>/_faults` (to misbehave on demand, in tests).
"""

from __future__ import annotations

import asyncio
import json
import math
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.standins.memory import Memory
from sandbox.tools.limits import Bucket

MAX_KEPT = 1000
Handler = Callable[[Request, bytes], Awaitable[Response] | Response]


@dataclass
class Fault:
    """How the next `times` requests go wrong."""

    times: int
    status: int = 500
    retry_after: str = ""
    hang_seconds: float = 0.0
    html: bool = False


class Standin(ABC):
    """One tool. Subclasses name it, list their routes in `paths`, and keep what they accept.

    Class attributes: `name` (also the path prefix), `title` for people, `rate` (requests a second; as many again at
    once), `largest_body` in bytes.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    rate: ClassVar[float] = 100.0
    largest_body: ClassVar[int] = 10_000_000

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._bucket = Bucket(self.rate)
        self._faults: list[Fault] = []

    @abstractmethod
    def paths(self) -> list[tuple[str, str, Handler]]:
        """(method, path below `/<name>`, handler) of each of the tool's routes. A handler gets the unpacked body."""

    def rate_limited(self, seconds: float) -> Response:
        """The tool's answer when it is asked too often; `seconds` until it may be asked again."""
        content = {"error": "rate limit exceeded"}
        return JSONResponse(content, 429, {"Retry-After": str(max(1, math.ceil(seconds)))})

    def too_large(self) -> Response:
        """The tool's answer to a body of more than `largest_body` bytes."""
        return JSONResponse({"error": "request entity too large"}, 413)

    def keep(self, rows: list[tuple[str, str | None, str | None, Any]]) -> int:
        """Keep (event, message id, user, payload) rows; a message id is kept once. Answers how many were new."""
        return self.memory.keep(self.name, now(), rows)

    def routes(self) -> list[Route]:
        """Everything under `/<name>/`."""
        own = [Route(f"/{self.name}{path}", self._route(act), methods=[method]) for method, path, act in self.paths()]
        return [
            Route(f"/{self.name}/_kept", self._kept, methods=["GET", "DELETE"]),
            Route(f"/{self.name}/_counts", self._counts, methods=["GET"]),
            Route(f"/{self.name}/_faults", self._set_faults, methods=["POST", "DELETE"]),
            *own,
        ]

    def _route(self, act: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            if request.headers.get("content-encoding") == "gzip":
                body = zlib.decompress(body, wbits=31)
            fault = self._next_fault()
            if fault is not None:
                return await misbehave(fault)
            wait = self._bucket.take(time.monotonic())
            if wait:
                return self.rate_limited(wait)
            if len(body) > self.largest_body:
                return self.too_large()
            answer = act(request, body)
            return answer if isinstance(answer, Response) else await answer

        return endpoint

    def _next_fault(self) -> Fault | None:
        if not self._faults:
            return None
        fault = self._faults[0]
        fault.times -= 1
        if fault.times <= 0:
            self._faults.pop(0)
        return fault

    async def _kept(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.memory.forget(self.name)
            return JSONResponse({})
        limit = min(int(request.query_params.get("limit", MAX_KEPT)), MAX_KEPT)
        return JSONResponse(self.memory.rows(self.name, limit))

    async def _counts(self, _: Request) -> Response:
        return JSONResponse(self.memory.counts(self.name))

    async def _set_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._faults.clear()
        else:
            self._faults.append(Fault(**{"times": 1} | await request.json()))
        return JSONResponse({"faults": sum(fault.times for fault in self._faults)})


async def misbehave(fault: Fault) -> Response:
    """An answer as tools give when they are unwell. `retry_after` `date:5` is an HTTP date five seconds ahead."""
    if fault.hang_seconds:
        await asyncio.sleep(fault.hang_seconds)
    headers = {}
    if fault.retry_after.startswith("date:"):
        at = datetime.now(UTC) + timedelta(seconds=float(fault.retry_after[5:]))
        headers["Retry-After"] = format_datetime(at, usegmt=True)
    elif fault.retry_after:
        headers["Retry-After"] = fault.retry_after
    if fault.html:
        return HTMLResponse("<html><body><h1>Bad gateway</h1></body></html>", fault.status, headers)
    return JSONResponse({"error": "internal"}, fault.status, headers)


def now() -> str:
    """Now in UTC, as the stand-ins keep times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_json(body: bytes) -> Any:
    """The body as JSON, or None when it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None
