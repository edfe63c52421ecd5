"""Files of the inbox become objects of the lake, whole, unchanged and once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.configuration import Config, ConversationSource
from headwater.land.files import FilesLanded, land_files, pending_files
from headwater.settings import Settings
from headwater.storage.lake import LocalLake


@pytest.fixture
def config(config_of: Callable[..., Config]) -> Config:
    return config_of(chats=ConversationSource())


@pytest.fixture
def inbox(settings: Settings) -> Path:
    folder = settings.inbox / "chats"
    folder.mkdir(parents=True)
    return folder


def test_a_file_lands_as_it_came_and_stays_in_the_inbox(
    settings: Settings, config: Config, inbox: Path, lake: LocalLake
) -> None:
    (inbox / "2026-01-01.jsonl.gz").write_bytes(b"\x1f\x8bwhatever it is")
    assert pending_files(settings, config) == ["chats/2026-01-01.jsonl.gz"]
    assert land_files(settings, config) == FilesLanded(files=1, bytes=16)
    (found,) = lake.list("files/")
    assert found.key.startswith("files/chats/2026-01-01-") and found.key.endswith(".jsonl.gz")
    assert lake.get(found.key) == b"\x1f\x8bwhatever it is"
    assert (inbox / "2026-01-01.jsonl.gz").exists()
    assert pending_files(settings, config) == []


def test_landing_again_changes_nothing_even_when_the_memory_of_it_is_lost(
    settings: Settings, config: Config, inbox: Path, lake: LocalLake
) -> None:
    (inbox / "a.jsonl").write_text("{}")
    land_files(settings, config)
    assert land_files(settings, config) == FilesLanded()
    shutil.rmtree(settings.home / "landed")
    assert pending_files(settings, config) == ["chats/a.jsonl"]
    assert land_files(settings, config) == FilesLanded()
    assert len(lake.list("files/")) == 1


def test_a_file_that_grew_lands_again_and_one_that_left_the_lake_too(
    settings: Settings, config: Config, inbox: Path, lake: LocalLake
) -> None:
    (inbox / "a.jsonl").write_text("{}\n")
    land_files(settings, config)
    (inbox / "a.jsonl").write_text("{}\n{}\n")
    assert land_files(settings, config).files == 1
    for found in lake.list("files/"):
        Path(lake.uri(found.key)).unlink()
    assert land_files(settings, config).files == 1


def test_files_that_are_still_being_written_and_files_of_nobody_are_left_alone(
    settings: Settings, config: Config, inbox: Path
) -> None:
    for name in ("a.jsonl.part", "b.jsonl.tmp", ".c.jsonl", "notes.txt"):
        (inbox / name).write_text("{}")
    (inbox / "folder.jsonl").mkdir()
    (settings.inbox / "unknown").mkdir()
    (settings.inbox / "unknown" / "a.jsonl").write_text("{}")
    assert pending_files(settings, config) == []
    assert land_files(settings, config) == FilesLanded()


def test_no_inbox_is_no_error(settings: Settings, config: Config) -> None:
    assert land_files(settings, config) == FilesLanded()
