"""The application's own limits, asked without a process around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.collect.app import Collector
from headwater.collect.rules import Rules
from headwater.configuration import Limits
from headwater.storage.log import LogWriter

PAGE = json.dumps({"batch": [{"type": "page", "userId": "u"}]}).encode()


async def ask(
    app: Collector, receive: Callable[[], Awaitable[dict[str, Any]]], size: int, address: str = "203.0.113.7"
) -> tuple[int, dict, dict]:
    """Status, headers and JSON of one POST to /v1/batch."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"x-write-key", b"k"), (b"content-length", str(size).encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/batch", "query_string": b"", "headers": headers,
             "client": (address, 5000)}  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


def test_slow_clients_cannot_fill_the_memory(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        app = Collector(log, Rules({"k": "web"}, Limits(incoming_bytes=1000)))
        hurry = asyncio.Event()
        parts = [b" " * 900, PAGE]

        async def slowly() -> dict[str, Any]:
            if len(parts) == 1:
                await hurry.wait()
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def at_once() -> dict[str, Any]:
            return {"type": "http.request", "body": PAGE + b" " * 100}

        slow = asyncio.create_task(ask(app, slowly, 900 + len(PAGE)))
        await asyncio.sleep(0)
        status, headers, body = await ask(app, at_once, 200)
        assert (status, body["code"]) == (429, "too_many_requests")
        assert int(headers[b"retry-after"]) > 0
        hurry.set()
        assert (await slow)[0] == 200
        assert (await ask(app, at_once, 200))[0] == 200
        await log.close()

    asyncio.run(run())


@pytest.mark.parametrize("most", [2, 0])
def test_one_address_cannot_take_every_place(tmp_path: Path, most: int) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        app = Collector(log, Rules({"k": "web"}, Limits(client_requests=most)))
        hurry = asyncio.Event()

        async def slowly() -> dict[str, Any]:
            await hurry.wait()
            return {"type": "http.request", "body": PAGE}

        async def at_once() -> dict[str, Any]:
            return {"type": "http.request", "body": PAGE}

        slow = [asyncio.create_task(ask(app, slowly, len(PAGE))) for _ in range(2)]
        await asyncio.sleep(0)
        status, headers, body = await ask(app, at_once, len(PAGE))
        if most:
            assert (status, body["code"]) == (503, "too_many_requests")
            assert int(headers[b"retry-after"]) > 0
        else:
            assert status == 200
        assert (await ask(app, at_once, len(PAGE), "203.0.113.8"))[0] == 200
        hurry.set()
        assert [status for status, _, _ in await asyncio.gather(*slow)] == [200, 200]
        assert (await ask(app, at_once, len(PAGE)))[0] == 200
        await log.close()

    asyncio.run(run())


def test_a_client_that_announces_much_and_sends_nothing_keeps_nobody_out(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        app = Collector(log, Rules({"k": "web"}, Limits(incoming_bytes=1000, body_seconds=0.05)))

        async def never() -> dict[str, Any]:
            await asyncio.sleep(3600)
            raise AssertionError

        async def at_once() -> dict[str, Any]:
            return {"type": "http.request", "body": PAGE}

        slow = [asyncio.create_task(ask(app, never, 900)) for _ in range(50)]
        await asyncio.sleep(0)
        assert (await ask(app, at_once, len(PAGE)))[0] == 200
        assert {(status, body["code"]) for status, _, body in await asyncio.gather(*slow)} == {(408, "slow_body")}
        await log.close()

    asyncio.run(run())


def test_a_client_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        app = Collector(log, Rules({"k": "web"}, Limits(incoming_bytes=1000)))

        async def gone() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        for _ in range(5):
            assert (await ask(app, gone, 900))[0] == 400
        await log.close()

    asyncio.run(run())
    assert list(tmp_path.glob("*.seg")) == []


def test_a_defect_is_told_as_json(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        app = Collector(log, Rules({"k": "web"}))

        async def broken() -> dict[str, Any]:
            raise ZeroDivisionError

        status, _, body = await ask(app, broken, 10)
        assert (status, body["code"]) == (500, "internal_error")
        await log.close()

    asyncio.run(run())
