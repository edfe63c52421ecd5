"""Transcripts into their index: one row a conversation, broken lines aside, nothing twice."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from headwater.load.conversations import ConversationsLoaded, load_conversations
from headwater.storage.lake import Lake


def chat(conversation_id: object = "c1", turns: int = 3, **fields: Any) -> dict[str, Any]:
    said = [
        {"role": "agent" if n % 2 else "customer", "text": f"turn {n}", "timestamp": f"2026-01-01T10:{n:02d}:00+02:00"}
        for n in range(turns)
    ]
    return {"conversation_id": conversation_id, "channel": "chat", "language": "en", "turns": said, **fields}


def put(lake: Lake, name: str, *lines: object, packed: bool = False) -> str:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
    key = f"files/centre/{name}-0123456789ab.jsonl{'.gz' if packed else ''}"
    lake.put(key, gzip.compress(text) if packed else text)
    return key


def test_a_conversation_becomes_one_row_with_what_the_customer_said(con: DuckDBPyConnection, lake: Lake) -> None:
    key = put(lake, "a", chat(7, customer_id=42, email="a@example.com", agent_id="ann", happy=True), packed=True)
    assert load_conversations(con, lake) == ConversationsLoaded(objects=1, rows=1, quarantined=0)
    row = con.execute("select * from raw.conversations").fetchone()
    start, end = datetime(2026, 1, 1, 8, 0), datetime(2026, 1, 1, 8, 2)
    said = "turn 0\nturn 2"
    expected = ("7", "centre", "chat", "42", "a@example.com", "ann", start, end, 3, 2, said, "en", end, key)
    assert row == expected


def test_broken_lines_are_kept_aside_with_their_place_and_the_rest_goes_on(con: DuckDBPyConnection, lake: Lake) -> None:
    put(lake, "a", chat("c1"), '{"conversation_id": "c2"', {"turns": []}, "", chat("c3", customer_id=None), [1])
    assert load_conversations(con, lake) == ConversationsLoaded(objects=1, rows=2, quarantined=3)
    aside = con.execute("select reason, source, detail from raw.quarantine order by detail").fetchall()
    assert {(reason, source) for reason, source, _ in aside} == {("broken conversation", "centre")}
    places = [f"a.jsonl, line {number}" for number in (2, 3, 6)]
    assert [detail.partition(":")[0] for *_, detail in aside] == places


def test_a_cut_file_gives_what_is_before_the_cut(con: DuckDBPyConnection, lake: Lake) -> None:
    whole = gzip.compress("\n".join(json.dumps(chat(f"c{n}", pad="x" * (n * 37 % 900))) for n in range(500)).encode())
    lake.put("files/centre/cut-2026-01-0123456789ab.jsonl.gz", whole[: len(whole) // 2])
    report = load_conversations(con, lake)
    assert 0 < report.rows < 500
    [(reason, detail)] = con.execute("select reason, detail from raw.quarantine").fetchall()
    assert reason == "truncated file"
    assert detail.startswith("cut-2026-01.jsonl.gz ends in the middle, after line ")


def test_loading_again_changes_nothing(con: DuckDBPyConnection, lake: Lake) -> None:
    put(lake, "a", chat("c1"), "broken")
    load_conversations(con, lake)
    assert load_conversations(con, lake) == ConversationsLoaded()
    assert con.execute("select count(*) from raw.quarantine").fetchone() == (1,)


def test_of_a_conversation_in_several_files_the_longest_counts_in_whatever_order_they_come(
    con: DuckDBPyConnection, lake: Lake
) -> None:
    put(lake, "b", chat("c1", turns=5), chat("c2", turns=1))
    load_conversations(con, lake)
    put(lake, "a", chat("c1", turns=2), chat("c2", turns=4))
    assert load_conversations(con, lake).rows == 1
    found = con.execute("select conversation_id, count_turns from raw.conversations order by 1").fetchall()
    assert found == [("c1", 5), ("c2", 4)]


def test_other_files_and_an_empty_lake_are_no_error(con: DuckDBPyConnection, lake: Lake) -> None:
    assert load_conversations(con, lake) == ConversationsLoaded()
    lake.put("files/centre/call-0123456789ab.wav", b"RIFF")
    assert load_conversations(con, lake) == ConversationsLoaded()
