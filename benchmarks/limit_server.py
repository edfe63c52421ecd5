"""The limit of a collector in this language: the same HTTP server, which only decodes and appends.

Belongs here: that server. Does not belong here: measuring it (`benchmarks.collector_live`).

It decodes the body to Python objects (on `/split`: only finds where each event begins and ends), waits for the same
group commit, and does nothing else: no write key, no rules, no plan, no counters. Run: `python -m
benchmarks.limit_server LOG_FOLDER PORT`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from msgspec import Raw, Struct

from headwater.storage.log import LogWriter


class _Body(Struct):
    batch: list[Raw] = []


_split = msgspec.json.Decoder(_Body).decode
_decode = msgspec.json.Decoder().decode


async def _serve(folder: Path, port: int) -> None:
    log = LogWriter(folder)
    log.open()

    async def app(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        parts = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        body = b"".join(parts)
        count = len(_split(body).batch) if scope["path"] == "/split" else len(_decode(body))
        await log.append([body])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"count":%d}' % count})

    server = Server(
        app,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        backlog=1024,
        backpressure=1024,
        http=HTTPModes.http1,
        log_enabled=False,
    )
    await server.serve()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
