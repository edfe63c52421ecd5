"""A disk that cannot keep up: senders are told to come again, and memory stays as it is."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import httpx

from headwater.collect.app import Collector
from headwater.collect.rules import Rules
from headwater.configuration import load_config
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.log import Disk, LogReader, LogWriter

PENDING = 40_000


class Stuck(Disk):
    """Waits in each sync until it is let go."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.may_go.set()

    def sync(self, handle: int) -> None:
        self.may_go.wait()
        super().sync(handle)


def test_what_the_disk_cannot_take_is_a_503_with_retry_after_and_never_memory(tmp_path: Path) -> None:
    disk = Stuck()
    answers: dict[str, httpx.Response] = {}
    most = 0

    async def run() -> None:
        nonlocal most
        log = LogWriter(tmp_path, disk=disk, pending_bytes=PENDING)
        log.open()
        config = load_config(load_settings(None, CHECKOUT / "config" / "examples" / "minimal"))
        transport = httpx.ASGITransport(Collector(log, Rules.from_config(config)))
        async with httpx.AsyncClient(transport=transport, base_url="http://c", auth=("wk_web_demo", "")) as client:

            async def send(number: int) -> None:
                key = f"m{number}"
                event = {"type": "page", "userId": "u1", "messageId": key, "properties": {"text": "x" * 1000}}
                answers[key] = await client.post("/v1/page", json=event)

            disk.may_go.clear()
            senders = [asyncio.create_task(send(number)) for number in range(200)]
            while len(answers) < 100:  # only the refused are answered while the disk is stuck
                await asyncio.sleep(0.01)
                most = max(most, log.waiting_bytes)
            disk.may_go.set()
            await asyncio.gather(*senders)
            await send(200)
        await log.close()

    asyncio.run(asyncio.wait_for(run(), 120))
    assert most <= PENDING
    refused = [answer for answer in answers.values() if answer.status_code != 200]
    assert len(refused) >= 100
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["code"] == "log_unavailable"
    taken = {key for key, answer in answers.items() if answer.status_code == 200}
    assert "m200" in taken
    assert {record.message_id for record in LogReader(tmp_path, "test").read()} == taken
