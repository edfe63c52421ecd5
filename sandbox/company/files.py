"""From the book to the files that leave the simulator: day files, live events, chats, truth.

Belongs here: formats, order and atomic writing. Does not belong here: content.

An event belongs to the day it was sent, not the day it happened: late events come in a later file, as they would
reach a collector. Files of days before the live window never change again.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from pathlib import Path

import numpy as np

from sandbox.clock import DAY, day_name
from sandbox.company.book import SOURCES, Book

LIVE_EVENTS = 10_000
TRUTH = {
    "people": (
        "person_id,user_id,email,second_email,birth_date,habit,arrived_at,crm_birth_date,is_knowable,is_business,is_seen"
    ),
    "identities": "person_id,id_type,id_value,knowable,is_shared",
    "shared_devices": "anonymous_id,person_id,household",
    "sessions": "person_id,started_at,ended_at,source,anonymous_id,count_events,channel",
    "orders": (
        "person_id,order_id,ordered_at,total_cents,currency,source,in_events,in_payments,refunded_cents,refunded_at,"
        "cancelled_at,cause,channel,campaign,ad_id,is_incremental"
    ),
    "channel_effects": "channel,is_incremental,orders,incremental_orders,revenue_cents,incremental_revenue_cents",
    "campaign_effects": (
        "channel,campaign,is_incremental,orders,incremental_orders,revenue_cents,incremental_revenue_cents"
    ),
    "refunds": "person_id,order_id,refund_id,refunded_at,amount_cents",
    "cancellations": (
        "person_id,subscription_id,started_at,cancelled_at,cause,monthly_hazard,count_purchases,count_talks"
    ),
    "churn_hazard": "person_id,subscription_id,observation_date,probability_30d",
    "talks": "person_id,started_at,channel,topic,feeling",
}


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in whole or not at all; the same content is not written again."""
    if path.exists() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)


def write_events(book: Book, spool: Path, company: Path) -> dict[str, int]:
    """Day files and `live.ndjson` from the spooled lines.

    Returns:
        Counts: `events` (each message once), `lines` (duplicates included), `live` lines, `files`.
    """
    sent = np.frombuffer(book.sent_at, dtype=np.int64)
    offsets = np.frombuffer(book.offsets, dtype=np.int64)
    lengths = np.frombuffer(book.lengths, dtype=np.int32)
    codes = np.frombuffer(book.source_codes, dtype=np.int8)
    order = np.argsort(sent, kind="stable")
    cut = max(0, len(order) - LIVE_EVENTS)
    folder = company / "events"
    folder.mkdir(parents=True, exist_ok=True)
    days = sent // DAY
    expected: set[str] = set()
    with spool.open("rb") as lines:
        handle = lines.fileno()

        def read(rows: np.ndarray) -> bytes:
            places = zip(offsets[rows].tolist(), lengths[rows].tolist(), strict=True)
            return b"".join([os.pread(handle, length, offset) for offset, length in places])

        history = order[:cut]
        bounds = np.flatnonzero(np.diff(days[history])) + 1
        for rows in np.split(history, bounds) if cut else []:
            for code, source in enumerate(SOURCES):
                chosen = rows[codes[rows] == code]
                if len(chosen):
                    name = f"{source}-{day_name(int(days[chosen[0]]))}.ndjson.gz"
                    expected.add(name)
                    write_atomically(folder / name, _compressed(read(chosen)))
        write_atomically(company / "live.ndjson", read(order[cut:]))
    _remove_others(folder, "*.ndjson.gz", expected)
    return {"events": book.unique, "lines": len(order), "live": len(order) - cut, "files": len(expected)}


def _remove_others(folder: Path, pattern: str, expected: set[str]) -> None:
    """Files of an earlier simulation by other code, which tells another history."""
    for file in folder.glob(pattern):
        if file.name not in expected:
            file.unlink()


def _compressed(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=buffer, mtime=0) as stream:
        stream.write(content)
    return buffer.getvalue()


def write_chats(book: Book, company: Path) -> int:
    """One file per day on which chats ended; how many chats there are."""
    folder = company / "chats"
    folder.mkdir(parents=True, exist_ok=True)
    for day, lines in sorted(book.chats.items()):
        write_atomically(folder / f"{day_name(day)}.jsonl", b"".join(sorted(lines)))
    _remove_others(folder, "*.jsonl", {f"{day_name(day)}.jsonl" for day in book.chats})
    return sum(map(len, book.chats.values()))


def write_truth(book: Book, folder: Path) -> None:
    """The ground truth as CSV, one file per table of `TRUTH`."""
    folder.mkdir(parents=True, exist_ok=True)
    book.truth["talks"] = book.rows.pop("truth_talks", [])
    for table, header in TRUTH.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(book.truth[table])
        write_atomically(folder / f"{table}.csv", text.getvalue().encode())


def drop_chats(company: Path, inbox: Path) -> int:
    """Copy the chat files that are not in the inbox yet, each in whole; how many were new."""
    target = inbox / "contact_centre"
    target.mkdir(parents=True, exist_ok=True)
    dropped = 0
    for file in sorted((company / "chats").glob("*.jsonl")):
        if not (target / file.name).exists():
            write_atomically(target / file.name, file.read_bytes())
            dropped += 1
    return dropped
