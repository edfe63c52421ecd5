"""What a body may cost before anybody knows who sent it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import threading
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwater.collect import accept, app
from headwater.collect.app import Collector
from headwater.collect.request import MOST_MEMBERS, LargeError, RefusedError, unpack
from headwater.collect.rules import Rules
from headwater.storage.log import LogWriter

EMPTY = gzip.compress(b"")


def test_a_gzip_of_many_empty_members_is_refused_after_some_of_them() -> None:
    with pytest.raises(RefusedError, match="more than 1,000 members") as refused:
        unpack(EMPTY * (MOST_MEMBERS + 1), b"gzip", 4_000_000)
    assert (refused.value.status, refused.value.code) == (400, "broken_gzip")
    assert unpack(EMPTY * MOST_MEMBERS, b"gzip", 4_000_000) == b""


def test_unpacking_costs_what_the_bytes_cost_however_many_members_they_are_cut_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [os.urandom(4_000) for _ in range(MOST_MEMBERS)]
    body = b"\0".join(gzip.compress(text) for text in texts)
    real, fed = zlib.decompressobj, 0

    class Counting:
        def __init__(self, **options: Any) -> None:
            self._real = real(**options)

        def decompress(self, data: bytes, most: int) -> bytes:
            nonlocal fed
            fed += len(data)
            return self._real.decompress(data, most)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    assert unpack(body, b"", 5_000_000) == b"".join(texts)
    assert fed < 10 * len(body)


@pytest.mark.parametrize("cut", [1, 9, 5_000])
def test_a_gzip_that_ends_too_early_is_told_wherever_it_was_cut(cut: int) -> None:
    body = EMPTY + gzip.compress(os.urandom(100_000))
    with pytest.raises(RefusedError, match="ends too early"):
        unpack(body[:-cut], b"gzip", 4_000_000)


def test_the_limit_counts_all_members_together() -> None:
    body = gzip.compress(b"a" * 600) * 2
    assert unpack(body, b"", 1200) == b"a" * 1200
    with pytest.raises(RefusedError, match="1,199 bytes"):
        unpack(body, b"", 1199)


def test_what_is_large_unpacked_is_told_before_it_is_unpacked() -> None:
    body = gzip.compress(b" " * 1000)
    with pytest.raises(LargeError):
        unpack(body, b"", 5000, 999)
    assert len(unpack(body, b"", 5000, 1000)) == 1000
    with pytest.raises(RefusedError, match="900 bytes"):
        unpack(body, b"", 900, 999)


def test_a_small_gzip_that_unpacks_to_much_is_judged_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    real = accept.batch

    def seen(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return real(*arguments)

    monkeypatch.setattr(app.accept, "batch", seen)
    page = {"type": "page", "userId": "u"}
    small = json.dumps({"batch": [page]}).encode()
    large = json.dumps({"batch": [page | {"properties": {"text": "x" * 400_000}}]}).encode()

    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        transport = httpx.ASGITransport(Collector(log, Rules({"k": "web"})))
        async with httpx.AsyncClient(transport=transport, base_url="http://c", auth=("k", "")) as client:
            for body in (small, large):
                answer = await client.post("/v1/batch", content=gzip.compress(body))
                assert answer.json()["accepted"] == 1
        await log.close()

    asyncio.run(run())
    assert [thread is threading.main_thread() for thread in threads] == [True, False]
