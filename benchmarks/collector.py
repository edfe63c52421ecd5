"""How fast files come in: import, landing, loading; against what disk and parser allow.

Belongs here: these measures. Does not belong here: the printing of all benchmarks together (`benchmarks.__main__`
calls `measures`). Run by itself: `python -m benchmarks.collector [EVENTS]`. Live traffic is
`benchmarks.collector_live`'s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from benchmarks.rows import free_port, line, row
from headwater.collect.importer import import_events
from headwater.configuration import load_config
from headwater.land.events import land_events
from headwater.load.event_tables import load_event_tables
from headwater.load.events import load_events
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.lake import open_lake
from headwater.storage.warehouse import connect, ensure_schemas

EVENTS = 200_000
BLOCK = 1024 * 1024


def measures(events: int = EVENTS) -> list[dict[str, Any]]:
    """Measure everything in a temporary home."""
    with tempfile.TemporaryDirectory(prefix="hw-bench-") as folder:
        data = _events_file(Path(folder), events)
        settings = load_settings(
            Path(folder) / "home",
            CHECKOUT / "config" / "examples" / "minimal",
            lake_url=str(Path(folder) / "lake"),
            collector_port=free_port(),
        )
        config = load_config(settings)
        begun = time.perf_counter()
        with _collector(settings):
            started = time.perf_counter() - begun
            begun = time.perf_counter()
            import_events(settings, config, data.parent)
            imported = events / (time.perf_counter() - begun)
        begun = time.perf_counter()
        landed = land_events(settings, config).events
        landing = landed / (time.perf_counter() - begun)
        begun_load = time.perf_counter()
        loaded = _load(settings)
        loading = loaded / (time.perf_counter() - begun_load)
        whole = 1 / (1 / imported + 1 / landing + 1 / loading)
        disk, parser = _disk_limit(data), _parser_limit(data)
    note = f"{data_size(events)} bytes an event"
    return [
        row("collector_start", "seconds", "lower", started, None, "until /health answers"),
        row("collector_import", "events/s", "higher", imported, disk, f"{note}; limit: write and fsync of the bytes"),
        row("load_events", "events/s", "higher", loading, None, "raw.events and one table an event"),
        row("import_to_warehouse", "events/s", "higher", whole, disk, "import, landing and loading in turn"),
        row("land_events", "events/s", "higher", landing, parser, f"{note}; limit: decode and encode alone"),
    ]


def _load(settings: Settings) -> int:
    lake = open_lake(settings)
    with connect(settings, purpose="benchmark") as connection:
        ensure_schemas(connection)
        loaded = load_events(connection, lake)
        load_event_tables(connection, lake)
    return loaded.rows_new


def data_size(count: int) -> int:
    """Bytes of the average event of the benchmark."""
    sample = range(0, count, max(count // 100, 1))
    return sum(len(_event(n)) for n in sample) // len(sample)


def _event(n: int) -> bytes:
    products = [
        {"product_id": f"p{(n * 7 + i) % 999}", "name": "A plain white mug", "price": 4.5, "quantity": i + 1}
        for i in range(n % 4)
    ]
    return json.dumps(
        {
            "type": "track",
            "messageId": f"bench-{n:012d}",
            "userId": f"u{n % 5000}",
            "anonymousId": f"a{n % 7000}",
            "event": "Order Completed",
            "properties": {"order_id": f"o{n}", "total": n % 1000 / 4, "currency": "USD", "products": products},
            "timestamp": f"2026-01-{1 + n % 28:02d}T12:{n % 60:02d}:00.000Z",
            "sentAt": f"2026-01-{1 + n % 28:02d}T12:{n % 60:02d}:01.000Z",
            "context": {
                "library": {"name": "bench", "version": "1"},
                "page": {"url": f"https://shop.example/products/{n % 99}", "title": "A plain white mug"},
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140",
                "locale": "en-GB",
            },
        }
    ).encode()


def _events_file(folder: Path, count: int) -> Path:
    path = folder / "data" / "bench.ndjson"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.writelines(_event(n) + b"\n" for n in range(count))
    return path


@contextmanager
def _collector(settings: Settings) -> Iterator[None]:
    command = [str(Path(sys.executable).parent / "headwater"), "collect", "--home", str(settings.home)]
    command += ["--config", str(settings.config_dir), "--port", str(settings.collector_port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                httpx.get(f"{settings.collector_url}/health")
                break
            except httpx.TransportError:
                time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait()


def _disk_limit(data: Path) -> float:
    """Events a second when their bytes are only written, with one fsync a block."""
    blob = data.read_bytes()
    count = blob.count(b"\n")
    target = data.with_suffix(".copy")
    begun = time.perf_counter()
    with target.open("wb", buffering=0) as file:
        for start in range(0, len(blob), BLOCK):
            file.write(blob[start : start + BLOCK])
            os.fdatasync(file.fileno())
    return count / (time.perf_counter() - begun)


def _parser_limit(data: Path) -> float:
    """Events a second when each is only decoded and encoded again."""
    lines = data.read_bytes().splitlines()[:50_000]
    decode, encode = msgspec.json.Decoder(dict[str, Any]).decode, msgspec.json.Encoder().encode
    begun = time.perf_counter()
    for text in lines:
        encode(decode(text))
    return len(lines) / (time.perf_counter() - begun)


if __name__ == "__main__":
    for each in measures(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS):
        print(line(each))
