"""How fast the collector takes events from many clients, beside what the same HTTP server can do at all.

Belongs here: these measures. Does not belong here: importing, landing, loading (`benchmarks.collector`).

Rounds of the collector and of the limit alternate, and medians are told, so that another process on the machine
harms both alike. The clients run on the same machine. Run: `python -m benchmarks.collector_live [ROUNDS] [SECONDS]`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvloop

from benchmarks.rows import free_port, line, row
from headwater.settings import CHECKOUT, Settings, load_settings

BATCH = 100
CONNECTIONS = {"batch": 16, "single": 32}
PATHS = {
    ("collector", "batch"): "/v1/batch",
    ("collector", "single"): "/v1/track",
    ("limit", "batch"): "/decode",
    ("limit", "single"): "/decode",
    ("split", "batch"): "/split",
}
PLAN = """
event: Order Completed
owner: bench
description: An order of the benchmark.
on_violation: {wrong_type: quarantine, missing_required: quarantine}
schema:
  type: object
  required: [order_id, total, currency]
  additionalProperties: false
  properties:
    order_id: {type: string, pattern: "^o[0-9]+$"}
    total: {type: number, minimum: 0}
    currency: {enum: [USD, EUR, GBP]}
    coupon: {type: string}
    products:
      type: array
      items:
        type: object
        required: [product_id, price, quantity]
        properties:
          product_id: {type: string}
          name: {type: string}
          price: {type: number, minimum: 0}
          quantity: {type: integer, minimum: 1}
"""


@dataclass
class Round:
    """What one round of one server gave."""

    per_second: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def add(self, per_second: float, p99: float) -> None:
        self.per_second.append(per_second)
        self.p99.append(p99)


def measures(rounds: int = 5, seconds: float = 3.0) -> list[dict[str, Any]]:
    """Measure in a temporary home."""
    with tempfile.TemporaryDirectory(prefix="hw-bench-") as name:
        folder = Path(name)
        settings = _settings(folder)
        limit_port = free_port()
        found = {key: Round() for key in PATHS}
        with _collector(settings) as collector, _limit(folder / "limit", limit_port):
            for number in range(rounds):
                # the order changes from round to round, so that none is always the one after another
                for key in list(PATHS)[:: 1 if number % 2 else -1]:
                    port = settings.collector_port if key[0] == "collector" else limit_port
                    found[key].add(*_run(port, *key, seconds))
            peak = _peak_megabytes(collector.pid)
            told = httpx.get(f"{settings.collector_url}/health", trust_env=False).json()
            assert told["quarantined"] == 0
            assert told["accepted"] > 0
    size = sum(len(_event(n)) for n in range(200)) // 200
    note = (
        f"median of {rounds} rounds of {seconds:g} s, {size} bytes an event, fsync (fdatasync, group commit), plan on"
    )
    value = {key: statistics.median(one.per_second) for key, one in found.items()}
    p99 = {key: statistics.median(one.p99) for key, one in found.items()}
    ratios = {
        kind: statistics.median(
            a / b for a, b in zip(found["collector", kind].per_second, found["limit", kind].per_second, strict=True)
        )
        for kind in CONNECTIONS
    }
    return [
        row(
            "collector_live_events",
            "events/s",
            "higher",
            value["collector", "batch"],
            value["limit", "batch"],
            f"batches of {BATCH}, {CONNECTIONS['batch']} clients, {ratios['batch']:.2f} of the limit (decode to "
            f"objects and append; without decoding it is {value['split', 'batch']:,.0f}); {note}",
        ),
        row("collector_live_p99", "ms", "lower", p99["collector", "batch"], p99["limit", "batch"], "at that load"),
        row(
            "collector_single_requests",
            "requests/s",
            "higher",
            value["collector", "single"],
            value["limit", "single"],
            f"{CONNECTIONS['single']} clients, one event each, {ratios['single']:.2f} of the limit; {note}",
        ),
        row("collector_single_p99", "ms", "lower", p99["collector", "single"], p99["limit", "single"], "at that load"),
        row("collector_memory", "MB", "lower", peak, None, "the process's peak at that load"),
    ]


def _settings(folder: Path) -> Settings:
    config = folder / "config"
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", config)
    (config / "tracking_plan").mkdir(exist_ok=True)
    (config / "tracking_plan" / "bench_order.yaml").write_text(PLAN)
    return load_settings(folder / "home", config, lake_url=str(folder / "lake"), collector_port=free_port())


def _event(n: int) -> bytes:
    products = [
        {"product_id": f"p{(n * 7 + i) % 999}", "name": "A plain white mug", "price": 4.5, "quantity": i + 1}
        for i in range(1 + n % 3)
    ]
    context = {
        "library": {"name": "bench", "version": "1"},
        "page": {"url": f"https://shop.example/products/{n % 99}", "title": "A plain white mug"},
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140",
        "locale": "en-GB",
    }
    event = {
        "type": "track",
        "messageId": f"bench-{n:012d}",
        "userId": f"u{n % 5000}",
        "anonymousId": f"a{n % 7000}",
        "event": "Order Completed",
        "properties": {"order_id": f"o{n}", "total": n % 1000 / 4, "currency": "USD", "products": products},
        "timestamp": f"2026-01-{1 + n % 28:02d}T12:{n % 60:02d}:00.000Z",
        "context": context,
    }
    return json.dumps(event).encode()


def _requests(server: str, kind: str) -> list[bytes]:
    """Ready-made requests, so that the clients cost little."""
    made = []
    for start in range(0, 64 * BATCH, BATCH):
        if kind == "batch":
            body = b'{"batch":[' + b",".join(_event(n) for n in range(start, start + BATCH))
            body += b'],"sentAt":"2026-02-01T00:00:00.000Z"}'
        else:
            body = _event(start)
        head = f"POST {PATHS[server, kind]} HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic d2tfd2ViX2RlbW86\r\n"
        made.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return made


class _Client(asyncio.Protocol):
    """One connection that sends its next request as soon as the last one is answered."""

    def __init__(self, requests: list[bytes], offset: int, until: float, done: asyncio.Future[None]) -> None:
        self.times: list[float] = []
        self._requests, self._next, self._until, self._done = requests, offset, until, done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 200"), data
        now = time.perf_counter()
        self.times.append(now - self._begun)
        if now < self._until:
            self._send()
        elif not self._done.done():
            self._transport.close()
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])  # type: ignore[attr-defined]
        self._next += 1


def _run(port: int, server: str, kind: str, seconds: float) -> tuple[float, float]:
    """Events a second and the 99th percentile of a request's time in ms."""
    requests = _requests(server, kind)

    async def clients() -> list[float]:
        loop = asyncio.get_running_loop()
        until = time.perf_counter() + seconds
        made = []
        for number in range(CONNECTIONS[kind]):
            client = _Client(requests, number * 5, until, loop.create_future())
            await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
            made.append(client)
        await asyncio.gather(*(client._done for client in made))
        return [taken for client in made for taken in client.times]

    begun = time.perf_counter()
    times = sorted(uvloop.run(clients()))
    per_request = BATCH if kind == "batch" else 1
    return len(times) * per_request / (time.perf_counter() - begun), times[int(len(times) * 0.99)] * 1000


@contextmanager
def _collector(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(Path(sys.executable).parent / "headwater"), "collect", "--home", str(settings.home)]
    command += ["--config", str(settings.config_dir), "--port", str(settings.collector_port)]
    with _process(command, f"{settings.collector_url}/health") as process:
        yield process


@contextmanager
def _limit(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "benchmarks.limit_server", str(folder), str(port)]
    with _process(command, f"http://127.0.0.1:{port}/") as process:
        yield process


@contextmanager
def _process(command: list[str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=CHECKOUT)
    try:
        while process.poll() is None:
            with suppress(httpx.TransportError):
                httpx.get(url, trust_env=False)
                break
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _peak_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    options = [int(sys.argv[1]) if len(sys.argv) > 1 else 5, float(sys.argv[2]) if len(sys.argv) > 2 else 3.0]
    for each in measures(int(options[0]), options[1]):
        print(line(each))
