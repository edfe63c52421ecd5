"""Readers with their own places in one log."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from headwater.errors import DataError
from headwater.storage.log import Envelope, LogReader, Position, encode_envelope, frame
from headwater.storage.log.record import MAGIC

ENVELOPE = encode_envelope(Envelope("web", "live", datetime(2026, 5, 4, 12)))
FIRST, SECOND = "000000000001-0000000000001", "000000000002-0000000000002"


def write(directory: Path, name: str, *keys: str, suffix: str = ".seg", size: int = 50) -> Path:
    path = directory / (name + suffix)
    path.write_bytes(MAGIC + b"".join(frame(ENVELOPE, key, b"x" * size) for key in keys))
    return path


def read(reader: LogReader, max_bytes: int = 1 << 20) -> list[str]:
    return [record.message_id for record in reader.read(max_bytes)]


def test_each_reader_goes_on_from_its_own_saved_place(tmp_path: Path) -> None:
    write(tmp_path, FIRST, "a", "b")
    write(tmp_path, SECOND, "c")
    one = LogReader(tmp_path, "one")
    assert read(one) == ["a", "b"]
    one.commit()
    assert read(LogReader(tmp_path, "one")) == ["c"]
    assert read(LogReader(tmp_path, "two")) == ["a", "b"]


def test_what_was_not_committed_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, FIRST, "a", "b")
    reader = LogReader(tmp_path, "one")
    assert read(reader) == ["a", "b"]
    reader.rewind()
    assert read(reader) == ["a", "b"]


def test_an_open_segment_is_read_up_to_its_torn_end_and_on_when_it_grows(tmp_path: Path) -> None:
    path = write(tmp_path, FIRST, "a", suffix=".open")
    whole = frame(ENVELOPE, "b", b"y")
    with path.open("ab") as file:
        file.write(whole[:10])
    reader = LogReader(tmp_path, "one")
    assert read(reader) == ["a"]
    assert read(reader) == []
    with path.open("ab") as file:
        file.write(whole[10:])
    path.rename(path.with_suffix(".seg"))
    assert read(reader) == ["b"]


def test_a_record_larger_than_the_window_is_still_read(tmp_path: Path) -> None:
    write(tmp_path, FIRST, "big", "next", size=10_000)
    reader = LogReader(tmp_path, "one")
    assert read(reader, 100) + read(reader, 100) == ["big", "next"]


def test_damage_in_a_sealed_segment_is_reported_and_does_not_stop_the_reader(tmp_path: Path) -> None:
    path = write(tmp_path, FIRST, "a", "b")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    write(tmp_path, SECOND, "c")
    reader = LogReader(tmp_path, "one")
    assert read(reader) + read(reader) == ["a", "c"]
    assert [name for name, _ in reader.damaged] == [FIRST]


def test_a_reader_whose_segment_was_deleted_goes_on_with_the_next(tmp_path: Path) -> None:
    write(tmp_path, SECOND, "c")
    reader = LogReader(tmp_path, "one")
    reader.commit(Position(FIRST, 100))
    assert read(LogReader(tmp_path, "one")) == ["c"]


def test_a_reader_can_start_with_what_comes(tmp_path: Path) -> None:
    path = write(tmp_path, FIRST, "a", suffix=".open")
    torn = frame(ENVELOPE, "b", b"y")
    with path.open("ab") as file:
        file.write(torn[:10])
    reader = LogReader(tmp_path, "one")
    reader.seek_end()
    with path.open("ab") as file:
        file.write(torn[10:])
    assert read(reader) == ["b"]


def test_sealed_segments_end_before_the_first_open_one(tmp_path: Path) -> None:
    write(tmp_path, FIRST, "a", suffix=".open")
    write(tmp_path, SECOND, "b")
    assert LogReader(tmp_path, "lander").sealed() == []


def test_a_place_that_cannot_be_read_is_an_error_and_not_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "readers").mkdir()
    (tmp_path / "readers" / "one.json").write_text("{")
    with pytest.raises(DataError, match=r"one\.json"):
        LogReader(tmp_path, "one")
