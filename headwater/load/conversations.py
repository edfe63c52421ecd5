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
_GROUP_BYTES = 16 << 20


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


_DECODER = msgspec.json.Decoder(Conversation)

_UPSERT = (
    """create or replace temp table _chats as
    select * from _read
    qualify row_number() over (
        partition by source, conversation_id order by count_turns desc, ended_at desc nulls last, lake_object
    ) = 1""",
    """delete from _chats using raw.conversations held
    where held.source = _chats.source and held.conversation_id = _chats.conversation_id
        and (held.count_turns, coalesce(held.ended_at, timestamp '0001-01-01'))
            >= (_chats.count_turns, coalesce(_chats.ended_at, timestamp '0001-01-01'))""",
    """delete from raw.conversations held using _chats
    where held.source = _chats.source and held.conversation_id = _chats.conversation_id""",
)


def load_conversations(con: DuckDBPyConnection, lake: Lake) -> ConversationsLoaded:
    """Load every transcript file that is not loaded yet.

    Raises:
        UnavailableError: the lake cannot be reached.
    """
    done = ledger.loaded(con, TARGET)
    waiting = [item for item in lake.list("files/") if item.key not in done and item.key.endswith(_ENDINGS)]
    rows, aside = 0, 0
    for group in _groups(waiting):
        written, kept_aside = _load(con, lake, group)
        rows, aside = rows + written, aside + kept_aside
    return ConversationsLoaded(len(waiting), rows, aside)


def _groups(objects: list[Object]) -> Iterator[list[Object]]:
    """Many small files in one transaction, as far as memory allows."""
    group: list[Object] = []
    for item in objects:
        if group and sum(other.size for other in group) + item.size > _GROUP_BYTES:
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _load(con: DuckDBPyConnection, lake: Lake, objects: list[Object]) -> tuple[int, int]:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    aside: list[dict[str, Any]] = []
    counts = []
    for item in objects:
        before = len(rows)
        _read(lake, item.key, rows, aside)
        counts.append((item.key, len(rows) - before))
    con.register("_read", pa.Table.from_pylist(rows, _schema(TARGET)))
    con.register("_aside", pa.Table.from_pylist(aside, _schema("raw.quarantine")))
    try:
        with transaction(con):
            for statement in _UPSERT:
                con.execute(statement)
            inserted = con.execute("insert into raw.conversations by name from _chats").fetchone()
            con.execute("drop table _chats")
            con.execute("insert into raw.quarantine by name from _aside")
            ledger.record(con, TARGET, counts)
    finally:
        con.unregister("_read")
        con.unregister("_aside")
    return (int(inserted[0]) if inserted else 0), len(aside)


def _read(lake: Lake, key: str, rows: list[dict[str, Any]], aside: list[dict[str, Any]]) -> None:
    """Append one file's conversations to `rows`, and what is none to `aside`."""
    source = key.split("/")[1]
    kept = {"source": source, "received_at": datetime.now(UTC).replace(tzinfo=None), "lake_object": key}
    for number, line in enumerate(_lines(lake.get(key)), 1):
        if isinstance(line, Exception):
            detail = f"{_name(key)} ends in the middle, after line {number - 1}: {line}"
            aside.append({"reason": "truncated file", "payload": "", "detail": detail, **kept})
        elif line.strip():
            try:
                rows.append(_row(_DECODER.decode(line), source, key))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                payload = line[:_SHOWN].decode("utf-8", "replace")
                detail = f"{_name(key)}, line {number}: {error}"
                aside.append({"reason": "broken conversation", "payload": payload, "detail": detail, **kept})


def _name(key: str) -> str:
    """The file's name as it lay in the inbox: landing put a digest between stem and ending."""
    stem, dot, ending = key.rpartition("/")[2].partition(".")
    return f"{stem.rpartition('-')[0] or stem}{dot}{ending}"


def _schema(table: str) -> Any:
    import pyarrow as pa

    types = {"timestamp": pa.timestamp("us"), "bigint": pa.int64()}
    return pa.schema([(column, types.get(kind, pa.string())) for column, kind in declared_tables()[table].items()])


def _row(chat: Conversation, source: str, key: str) -> dict[str, Any]:
    said = [turn.text for turn in chat.turns if turn.role == "customer"]
    spoken = [moment for turn in chat.turns if (moment := _utc(turn.timestamp))]
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
