"""Chat transcripts of the lake into `raw.conversations`: one row a conversation.

Belongs here: reading JSONL, one index row a conversation, lines kept aside. Does not belong here: what a chat is
about; the transcript itself stays in the lake.

A conversation that several files hold (a file that grew, a second export) counts once: its longest version, then the
one that ended last.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from duckdb import DuckDBPyConnection

from headwater.load import ledger
from headwater.storage.lake import Lake, Object
from headwater.storage.warehouse import declared_tables, transaction

TARGET = "raw.conversations"
_ENDINGS = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_SHOWN = 100_000


class Turn(msgspec.Struct):
    """One thing that was said."""

    role: str
    text: str | None = None
    timestamp: datetime | None = None


class Conversation(msgspec.Struct):
    """One line of a transcript file. Ids may be numbers in it; unknown fields stay in the lake."""

    conversation_id: str | int
    turns: list[Turn]
    channel: str | None = None
    language: str | None = None
    customer_id: str | int | None = None
    user_id: str | int | None = None
    email: str | None = None
    agent_id: str | int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class ConversationsLoaded:
    """What was new: files, conversations written (new or longer than before), lines kept aside."""

    objects: int = 0
    rows: int = 0
    quarantined: int = 0


_UPSERT = """
create or replace temp table _chats as
select * from _read
qualify row_number() over (
    partition by source, conversation_id order by count_turns desc, ended_at desc nulls last, lake_object
) = 1;
delete from _chats using raw.conversations held
where held.source = _chats.source and held.conversation_id = _chats.conversation_id
    and (held.count_turns, coalesce(held.ended_at, timestamp '0001-01-01'))
        >= (_chats.count_turns, coalesce(_chats.ended_at, timestamp '0001-01-01'));
delete from raw.conversations held using _chats
where held.source = _chats.source and held.conversation_id = _chats.conversation_id;
"""


def load_conversations(con: DuckDBPyConnection, lake: Lake) -> ConversationsLoaded:
    """Load every transcript file that is not loaded yet.

    Raises:
        UnavailableError: the lake cannot be reached.
    """
    done = ledger.loaded(con, TARGET)
    files, rows, aside = 0, 0, 0
    for item in lake.list("files/"):
        if item.key in done or not item.key.endswith(_ENDINGS):
            continue
        written, kept_aside = _load(con, lake, item)
        files, rows, aside = files + 1, rows + written, aside + kept_aside
    return ConversationsLoaded(files, rows, aside)


def _load(con: DuckDBPyConnection, lake: Lake, item: Object) -> tuple[int, int]:
    import pyarrow as pa

    source = item.key.split("/")[1]
    rows: list[dict[str, Any]] = []
    aside: list[tuple[str, str, str, datetime, str, str]] = []
    now = datetime.now(UTC).replace(tzinfo=None)
    decoder = msgspec.json.Decoder(Conversation)
    for number, line in enumerate(_lines(lake.get(item.key)), 1):
        if isinstance(line, Exception):
            detail = f"{item.key} ends in the middle, after line {number - 1}: {line}"
            aside.append(("truncated file", "", source, now, detail, item.key))
            continue
        if not line.strip():
            continue
        try:
            rows.append(_row(decoder.decode(line), source, item.key))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            payload = line[:_SHOWN].decode("utf-8", "replace")
            aside.append(("broken conversation", payload, source, now, f"line {number}: {error}", item.key))
    types = {"timestamp": pa.timestamp("us"), "bigint": pa.int64()}
    columns = declared_tables()[TARGET]
    schema = pa.schema([(column, types.get(kind, pa.string())) for column, kind in columns.items()])
    con.register("_read", pa.Table.from_pylist(rows, schema))
    try:
        with transaction(con):
            for statement in _UPSERT.split(";"):
                if statement.strip():
                    con.execute(statement)
            inserted = con.execute("insert into raw.conversations by name from _chats").fetchone()
            con.execute("drop table _chats")
            if aside:
                con.executemany(
                    "insert into raw.quarantine (reason, payload, source, received_at, detail, lake_object) "
                    "values (?, ?, ?, ?, ?, ?)",
                    aside,
                )
            ledger.record(con, TARGET, [(item.key, len(rows))])
    finally:
        con.unregister("_read")
    return (int(inserted[0]) if inserted else 0), len(aside)


def _row(chat: Conversation, source: str, key: str) -> dict[str, Any]:
    said = [turn.text for turn in chat.turns if turn.role == "customer"]
    spoken = [_utc(turn.timestamp) for turn in chat.turns if turn.timestamp]
    started, ended = _utc(chat.started_at), _utc(chat.ended_at)
    last = ended or max(spoken, default=None) or started
    return {
        "conversation_id": str(chat.conversation_id),
        "source": source,
        "channel": chat.channel,
        "user_id": _id(chat.customer_id if chat.customer_id is not None else chat.user_id),
        "email": chat.email,
        "agent_id": _id(chat.agent_id),
        "started_at": started or min(spoken, default=None),
        "ended_at": last,
        "count_turns": len(chat.turns),
        "count_customer_turns": len(said),
        "customer_text": "\n".join(text for text in said if text),
        "language": chat.language,
        "known_at": last,
        "lake_object": key,
    }


def _id(value: str | int | None) -> str | None:
    return None if value is None or value == "" else str(value)


def _utc(value: datetime | None) -> datetime | None:
    return value.astimezone(UTC).replace(tzinfo=None) if value is not None and value.tzinfo else value


def _lines(content: bytes) -> Iterator[bytes | Exception]:
    """The lines of a plain or gzipped file; of one that is cut, those before the cut and then what is wrong."""
    fault: Exception | None = None
    if content[:2] == b"\x1f\x8b":
        content, fault = _unpacked(content)
    lines = content.split(b"\n")
    if fault is not None:
        lines.pop()  # the line that the cut went through
    yield from lines
    if fault is not None:
        yield fault


def _unpacked(content: bytes) -> tuple[bytes, Exception | None]:
    parts = []
    while content:
        unpack = zlib.decompressobj(wbits=31)
        try:
            for start in range(0, len(content), 1 << 16):
                parts.append(unpack.decompress(content[start : start + (1 << 16)]))
                if unpack.eof:
                    break
        except zlib.error as error:
            return b"".join(parts), error
        if not unpack.eof:
            return b"".join(parts), EOFError("the gzip stream is cut")
        content = unpack.unused_data + content[start + (1 << 16) :]
    return b"".join(parts), None
