"""NDJSON files in blocks, whole or damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from headwater.collect import reading
from headwater.collect.reading import Block, read_blocks

ROWS = [f'{{"row":{n},"text":"{"x" * (n % 50)}"}}\n'.encode() for n in range(5000)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 10_000)
    monkeypatch.setattr(reading, "BLOCK_LINES", 100)
    monkeypatch.setattr(reading, "LONGEST_LINE", 20_000)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def lines(blocks: list[Block]) -> list[bytes]:
    return [line for block in blocks for line in block.data.splitlines(keepends=True)]


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_every_line_comes_once_and_in_order(tmp_path: Path, name: str) -> None:
    blocks = list(read_blocks(write(tmp_path / name, b"".join(ROWS))))
    assert lines(blocks) == ROWS
    assert sum(block.lines for block in blocks) == len(ROWS)
    assert sum(block.size for block in blocks) == sum(map(len, ROWS))
    assert max(block.lines for block in blocks) <= 100


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
@pytest.mark.parametrize("row", [0, 1, 777, 4999])
def test_reading_goes_on_from_any_line(tmp_path: Path, name: str, row: int) -> None:
    path = write(tmp_path / name, b"".join(ROWS))
    assert lines(list(read_blocks(path, sum(map(len, ROWS[:row]))))) == ROWS[row:]


def test_a_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b"".join(ROWS[:10])) + gzip.compress(b"".join(ROWS[10:20])))
    assert lines(list(read_blocks(path))) == ROWS[:20]


def test_a_last_line_without_its_end_is_a_block_of_its_own(tmp_path: Path) -> None:
    blocks = list(read_blocks(write(tmp_path / "a.ndjson", b"".join(ROWS[:3]) + b'{"row"')))
    assert (blocks[-1].data, blocks[-1].lines, blocks[-1].reason) == (b'{"row"', 1, "")


def test_a_truncated_gzip_gives_its_lines_and_then_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b"".join(ROWS))[:-2000])
    blocks = list(read_blocks(path))
    assert (blocks[-1].reason, blocks[-1].size) == ("truncated gzip", 0)
    whole = lines(blocks[:-1])
    assert 0 < len(whole) < len(ROWS)
    assert whole == ROWS[: len(whole)]


def test_a_gzip_that_is_none_gives_only_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(b"this is not gzip")
    assert [block.reason for block in read_blocks(path)] == ["broken gzip"]


def test_a_line_too_long_to_be_an_event_is_passed_over(tmp_path: Path) -> None:
    long = b"[" + b"1," * 30_000 + b"1]\n"
    blocks = list(read_blocks(write(tmp_path / "a.ndjson", ROWS[0] + long + ROWS[1])))
    aside = [block for block in blocks if block.reason]
    assert [(block.lines, block.reason) for block in aside] == [(1, "event larger than the limit")]
    assert lines([block for block in blocks if not block.reason]) == ROWS[:2]
    assert sum(block.size for block in blocks) == len(ROWS[0] + long + ROWS[1])


def test_an_empty_file_has_no_blocks(tmp_path: Path) -> None:
    assert list(read_blocks(write(tmp_path / "a.ndjson", b""))) == []
