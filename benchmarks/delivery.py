"""How soon a webhook has an event, what a dead destination does to the others, and how fast one destination is.

Belongs here: the streaming worker as it runs, against real HTTP endpoints of this machine. Does not belong here: the
collector (`collector`, `collector_live`) or the tools' own limits.

`delivery_p95` counts from the moment of the log's receipt until the endpoint has read the event. Rounds with and
without a dead destination (it answers 503 all the time) alternate, so that the noise of a shared machine meets both.
`delivery_rate` is one destination draining a backlog, beside a plain httpx loop that posts the same batches.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.rows import line, row
from headwater.configuration import Collector, Config, Destination, Identity, Platform, Stream
from headwater.event import moment
from headwater.push.stream import drain
from headwater.push.worker import work
from headwater.settings import Settings, load_settings
from headwater.storage.log import Envelope, LogWriter, encode_envelope, frame
from tests.tool_server import TOKEN, ToolServer

ROUNDS, SECONDS, PER_SECOND = 3, 6, 50
BACKLOG = 20_000


def config(**destinations: Destination) -> Config:
    return Config(
        platform=Platform(company="B", currency="EUR", stacks=["starter"], collector=Collector()),
        sources={}, import_source="web", identity=Identity(id_types={}, edges=[]), destinations=destinations,
    )  # fmt: skip


def webhook(url: str, batch_size: int | None = None) -> Destination:
    return Destination(
        type="webhook", base_url=f"{url}/webhook", token=TOKEN, stream=Stream(batch_size=batch_size),
        rate_per_second=1_000_000,
    )  # fmt: skip


def event(number: int) -> dict[str, object]:
    return {
        "messageId": f"m{number}", "type": "track", "event": "Product Viewed", "userId": f"u{number % 100}",
        "properties": {"product_id": f"P-{number % 500}", "price": 12.5, "note": "x" * 350},
    }  # fmt: skip


async def write(settings: Settings, first: int, count: int, pause: float) -> None:
    """As the collector does: one group commit after another."""
    writer = LogWriter(settings.log_dir)
    writer.open()
    size = 1 if pause else 500
    for start in range(first, first + count, size):
        envelope = Envelope("web", "live", dt.datetime.now(dt.UTC).replace(tzinfo=None))
        data = encode_envelope(envelope)
        some = [event(number) for number in range(start, min(start + size, first + count))]
        await writer.append([frame(data, str(one["messageId"]), json.dumps(one).encode()) for one in some])
        await asyncio.sleep(pause)
    await writer.close()


class Timed(ToolServer):
    """Notes how old each event is when it has come."""

    def __init__(self) -> None:
        super().__init__()
        self.ages: list[float] = []

    def answer(self, path: str, token: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        for one in json.loads(body)["events"]:
            received = moment(one["receivedAt"])
            assert received is not None
            self.ages.append((now - received).total_seconds())
        return 200, {}, b"{}"


class Dead(ToolServer):
    """Answers 503."""

    def answer(self, path: str, token: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return 503, {}, b"{}"


@contextmanager
def home() -> Iterator[Settings]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config").mkdir()
        yield load_settings(home=Path(folder) / "home", config=Path(folder) / "config")


def p95_live(*, is_one_dead: bool) -> float:
    """The 95th percentile of the age of events on their arrival, in seconds."""
    with home() as settings, Timed() as tool, Dead() as dead:
        decided = {"hook": webhook(tool.url), **({"dead": webhook(dead.url)} if is_one_dead else {})}
        stop = threading.Event()
        worker = threading.Thread(target=work, args=(settings, config(**decided), stop))
        worker.start()
        asyncio.run(write(settings, 0, SECONDS * PER_SECOND, 1 / PER_SECOND))
        end = time.monotonic() + 30
        while len(tool.ages) < SECONDS * PER_SECOND and time.monotonic() < end:
            time.sleep(0.05)
        stop.set()
        worker.join()
        assert len(tool.ages) == SECONDS * PER_SECOND, f"{len(tool.ages)} of {SECONDS * PER_SECOND} events came"
        return statistics.quantiles(tool.ages, n=20)[-1]


def rate_of_one() -> float:
    with home() as settings, ToolServer() as tool:
        asyncio.run(write(settings, 0, BACKLOG, 0))
        began = time.perf_counter()
        report = drain(settings, config(hook=webhook(tool.url)), "hook")
        assert report.delivered == len(tool.accepted) == BACKLOG
        return BACKLOG / (time.perf_counter() - began)


def rate_of_httpx() -> float:
    """What posting alone costs: no log, no outcomes, nothing that survives a kill."""
    with ToolServer() as tool, httpx.Client(trust_env=False) as client:
        began = time.perf_counter()
        for start in range(0, BACKLOG, 100):
            some = [event(number) for number in range(start, start + 100)]
            client.post(
                f"{tool.url}/webhook", content=json.dumps({"events": some}),
                headers={"Authorization": f"Bearer {TOKEN}"},
            ).raise_for_status()  # fmt: skip
        assert len(tool.accepted) == BACKLOG
        return BACKLOG / (time.perf_counter() - began)


def measures() -> list[dict[str, Any]]:
    """The rows of this benchmark."""
    alone, beside, ours, plain = [], [], [], []
    for _ in range(ROUNDS):
        alone.append(p95_live(is_one_dead=False))
        beside.append(p95_live(is_one_dead=True))
        ours.append(rate_of_one())
        plain.append(rate_of_httpx())
    healthy, with_dead = statistics.median(alone), statistics.median(beside)
    note = f"median of {ROUNDS} alternating rounds, {PER_SECOND} events/s, fsync on"
    told = f"{note}; limit: without the dead one: {with_dead / healthy - 1:+.0%}"
    batches = "one webhook, batches of 100, outcomes durable; limit: a plain httpx loop"
    return [
        row("delivery_p95", "ms", "lower", 1000 * healthy, None, f"receipt to webhook; {note}"),
        row("delivery_p95_beside_a_dead_one", "ms", "lower", 1000 * with_dead, 1000 * healthy, told),
        row("delivery_rate", "events/s", "higher", statistics.median(ours), statistics.median(plain), batches),
    ]


if __name__ == "__main__":
    for each in measures():
        print(line(each))
