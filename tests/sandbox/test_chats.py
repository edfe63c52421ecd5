"""The contact centre's chats: many, varied, and dropped as whole files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sandbox.company.files import drop_chats


@pytest.fixture(scope="module")
def chats(large: Path) -> list[dict[str, Any]]:
    files = sorted((large / "company" / "chats").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def test_a_chat_has_the_contract_s_fields_and_turns_in_order(chats: list[dict[str, Any]]) -> None:
    assert len({chat["conversation_id"] for chat in chats}) == len(chats)
    for chat in chats:
        assert set(chat) - {"email"} == {
            "conversation_id", "channel", "language", "customer_id", "agent_id", "started_at", "ended_at", "turns",
        }  # fmt: skip
        times = [turn["timestamp"] for turn in chat["turns"]]
        assert times == sorted(times)
        assert chat["started_at"] == times[0] and chat["ended_at"] >= times[-1]
        assert {turn["role"] for turn in chat["turns"]} == {"customer", "agent"}
        assert not any("{" in turn["text"] for turn in chat["turns"])


def test_many_people_chat_and_few_chats_name_nobody(chats: list[dict[str, Any]]) -> None:
    people = {chat["customer_id"] or chat.get("email") for chat in chats} - {None}
    assert len(people) > 400  # of 3,000 people; 5,000 give over 600
    nameless = sum(not chat["customer_id"] and not chat.get("email") for chat in chats)
    assert 0 < nameless < 0.06 * len(chats)


def test_chats_rarely_read_the_same(chats: list[dict[str, Any]]) -> None:
    texts = Counter(tuple(turn["text"] for turn in chat["turns"]) for chat in chats)
    assert len(texts) > 0.99 * len(chats)
    openings = Counter(chat["turns"][0]["text"] for chat in chats)
    assert openings.most_common(1)[0][1] < 0.02 * len(chats)


def test_files_are_dropped_once_and_whole(large: Path, tmp_path: Path) -> None:
    written = len(list((large / "company" / "chats").glob("*.jsonl")))
    assert drop_chats(large / "company", tmp_path) == written
    assert drop_chats(large / "company", tmp_path) == 0
    folder = tmp_path / "contact_centre"
    assert len(list(folder.iterdir())) == written
    for file in folder.iterdir():
        assert file.read_bytes() == (large / "company" / "chats" / file.name).read_bytes()
