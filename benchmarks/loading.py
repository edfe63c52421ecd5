"""How fast event objects of the lake become rows of `raw.events` and of the tables of schema `events`.

Belongs here: a lake of made-up shop events (some values of the wrong type, some that no column takes, some sent twice),
loading it in a process of its own, its time and memory. Does not belong here: collecting and landing
(`benchmarks.collector`). Run by itself: `python -m benchmarks.loading [EVENTS]`; with PEERS=1 dlt loads a sample of the
same file into DuckDB as well.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pyarrow.parquet as pq

from benchmarks.rows import line, row
from headwater.event import Event
from headwater.land.event_files import EventsFile
from headwater.settings import load_settings
from headwater.storage.lake import open_lake

EVENTS = 1_000_000
EVENTS_PER_OBJECT = 50_000
SAMPLE = 50_000
DUPLICATES = 0.01
_WIDE_EVENTS, _WIDE_KEYS = 5_000, 1_000
TRACKS = (
    *("Product Viewed", "Product Viewed", "Product Viewed", "Products Searched", "Product Added", "Cart Viewed"),
    *("Checkout Started", "Order Completed", "Email Opened"),
)
_encode = msgspec.json.Encoder().encode


def make_lake(home: Path, events: int, keys: int = 0) -> None:
    """Put so many events into the home's lake, in objects as the lander writes them; with so many `keys` more each."""
    lake = open_lake(load_settings(home, lake_url=str(home / "lake")))
    dice = random.Random(7)
    begun = datetime(2026, 1, 1)
    for number, start in enumerate(range(0, events, EVENTS_PER_OBJECT)):
        file = EventsFile()
        for index in range(start, min(start + EVENTS_PER_OBJECT, events)):
            event = _event(dice, index, begun + timedelta(seconds=index))
            event.payload.setdefault("properties", {}).update({f"key_{n}": n + index for n in range(keys)})
            file.add(event, _encode(event.payload), index - start, None, None, None, event.payload["context"]["ip"])
        day = (begun + timedelta(seconds=start)).date()
        lake.put(f"events/received_date={day}/{number:012d}-0000000000001.parquet", file.finish())


def _event(dice: random.Random, index: int, at: datetime) -> Event:
    if index and dice.random() < DUPLICATES:
        index = dice.randrange(index)
    text, person = at.isoformat() + "Z", f"u{dice.randrange(50_000)}"
    payload: dict[str, Any] = {
        "messageId": f"message-{index}",
        "anonymousId": f"a-{person}",
        "userId": person,
        "context": {
            "library": {"name": "analytics.js", "version": "2.11.1"},
            "ip": f"203.0.113.{dice.randrange(256)}",
            "locale": "en-US",
            "page": {"path": f"/p/{dice.randrange(500)}", "url": "https://shop.example/p", "title": "Product"},
            "campaign": {"source": "google", "medium": "cpc"} if dice.random() < 0.3 else {},
        },
        "originalTimestamp": text,
        "sentAt": text,
        "receivedAt": text,
        "timestamp": text,
    }
    chance = dice.random()
    kind, name = (
        ("identify", None) if chance < 0.06 else ("page", None) if chance < 0.3 else ("track", dice.choice(TRACKS))
    )
    if kind == "identify":
        payload["traits"] = {"email": f"{person}@example.com", "plan": "basic", "age": dice.randrange(18, 90)}
    elif kind == "page":
        payload |= {"name": "Product", "properties": {"path": "/p", "referrer": "https://search.example/"}}
    else:
        payload |= {"event": name, "properties": _properties(dice, name or "", text)}
    payload["type"] = kind
    times = (at, at, at, at, at)
    return Event("web", f"message-{index}", kind, name, person, f"a-{person}", *times, "live", payload)


def _properties(dice: random.Random, name: str, text: str) -> dict[str, Any]:
    product = {"product_id": f"p_{dice.randrange(900)}", "sku": "TRO-1", "quantity": 1}
    product["price"] = dice.randrange(500, 9_000) / 100
    if name in ("Order Completed", "Checkout Started"):
        total: Any = dice.randrange(1_000, 30_000) / 100
        return {
            "order_id": f"o-{dice.randrange(10**9)}",
            "total": str(total) + " USD" if dice.random() < 0.001 else total,  # conflicts with a number's column
            "currency": "USD",
            "paid_at": text,
            "products": [product] * dice.randrange(1, 4),
            "user_id": "somebody",  # the column is reserved: discarded
        }
    return product | {"position": dice.randrange(50), "is_new": dice.random() < 0.5}


def measures(events: int = EVENTS) -> list[dict[str, Any]]:
    """Load `events` events in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="hw-loading-") as folder:
        home = Path(folder)
        make_lake(home, events)
        raw, tables, peak, counts = _in_process(home)
        note = f"{events:,} events; {counts}"
        found = [
            row("load_seconds", "seconds", "lower", raw + tables, None, note),
            row("load_raw_events", "events/s", "higher", events / raw, None, "lake → raw.events, deduplicated"),
            row("load_event_tables", "events/s", "higher", events / tables, None, "raw.events → tables"),
            row("load_peak_memory", "MB", "lower", peak / 1e6, None, "resident, of the loading process"),
        ]
        found += _wide()
        if os.environ.get("PEERS"):
            found.append(_beside_dlt(home, events / (raw + tables)))
    return found


def _wide() -> list[dict[str, Any]]:
    """Events of a thousand keys: as many values as half a million usual ones have."""
    with tempfile.TemporaryDirectory(prefix="hw-loading-") as folder:
        make_lake(Path(folder), _WIDE_EVENTS, _WIDE_KEYS)
        raw, tables, peak, _ = _in_process(Path(folder))
    note = f"{_WIDE_EVENTS:,} events of {_WIDE_KEYS:,} keys in {raw + tables:.0f} s"
    rate = _WIDE_EVENTS * _WIDE_KEYS / (raw + tables)
    return [
        row("load_wide_values", "values/s", "higher", rate, None, note),
        row("load_wide_peak_memory", "MB", "lower", peak / 1e6, None, "the same; DuckDB holds 1 MB a column"),
    ]


def _in_process(home: Path) -> tuple[float, float, float, str]:
    command = [sys.executable, "-m", "benchmarks.loading", "--load", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = 0
        while process.poll() is None:
            try:
                peak = max(peak, psutil.Process(process.pid).memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.05)
        assert process.stdout
        told = json.loads(process.stdout.read() or "{}")
    if process.returncode:
        raise RuntimeError(f"loading ended with {process.returncode}")
    return told["raw"], told["tables"], float(peak), told["counts"]


def _load(home: Path) -> None:
    from headwater.load.event_tables import load_event_tables
    from headwater.load.events import load_events
    from headwater.storage.warehouse import connect, ensure_schemas

    settings = load_settings(home, lake_url=str(home / "lake"))
    lake = open_lake(settings)
    with connect(settings, purpose="benchmark") as con:
        ensure_schemas(con)
        begun = time.perf_counter()
        loaded = load_events(con, lake)
        between = time.perf_counter()
        done = load_event_tables(con, lake)
        end = time.perf_counter()
    counts = f"{time.process_time():.1f} CPU s; {loaded.duplicates:,} duplicates, {done.rows:,} rows in "
    counts += f"{done.tables} tables, {done.discards:,} discards"
    print(json.dumps({"raw": between - begun, "tables": end - between, "counts": counts}))


def _beside_dlt(home: Path, ours: float) -> dict[str, Any]:
    """dlt into DuckDB, from the payloads of the first events of the same lake."""
    import dlt

    first = sorted((home / "lake").rglob("*.parquet"), key=lambda path: path.name)[0]
    payloads = [json.loads(text) for text in pq.read_table(first, columns=["payload"])["payload"].to_pylist()[:SAMPLE]]
    pipeline = dlt.pipeline(
        "events",
        destination=dlt.destinations.duckdb(str(home / "dlt.duckdb")),
        dataset_name="events",
        pipelines_dir=str(home / "dlt"),
    )
    begun = time.perf_counter()
    how = {"primary_key": "messageId", "write_disposition": "merge", "loader_file_format": "parquet"}
    pipeline.run(payloads, table_name="tracks", **how)
    seconds = time.perf_counter() - begun
    note = f"dlt with {len(payloads):,} of the same events, merged"
    found = row("load_beside_dlt", "events/s", "higher", ours, None, note)
    return found | {"peer": "dlt", "peer_value": round(len(payloads) / seconds, 2)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        _load(Path(sys.argv[2]))
    else:
        for each in measures(int(sys.argv[1]) if sys.argv[1:] else EVENTS):
            print(line(each))
