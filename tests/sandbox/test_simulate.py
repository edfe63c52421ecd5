"""The history is the same every time, and a later day only adds."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.clock import day_number, iso
from sandbox.company.simulate import simulate
from sandbox.company.tools_file import COLUMNS
from sandbox.errors import SandboxError

pytestmark = pytest.mark.slow

DAY = date(2026, 6, 20)


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.suffix not in (".lock", ".sqlite") and "sqlite-" not in path.name
    }


def records(out: Path) -> dict[str, dict[str, tuple[Any, ...]]]:
    with sqlite3.connect(out / "tools.sqlite") as database:
        return {
            table: {row[0]: row for row in database.execute(f"select {columns} from {table}")}
            for table, columns in COLUMNS.items()
        }


@pytest.fixture(scope="module")
def next_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("next_day")
    simulate(out, people=400, seed=7, as_of=DAY + timedelta(days=1))
    return out


def test_the_same_seed_tells_the_same_history_byte_for_byte(small: Path, tmp_path: Path) -> None:
    simulate(tmp_path, people=400, seed=7, as_of=DAY)
    assert contents(tmp_path) == contents(small)
    assert records(tmp_path) == records(small)


def test_another_seed_tells_another_history(
    small: Path, tmp_path: Path, read_lines: Callable[[Path], list[bytes]]
) -> None:
    simulate(tmp_path, people=60, seed=8, as_of=DAY)
    assert not set(read_lines(tmp_path)) & set(read_lines(small))


def test_a_later_day_contains_every_event_of_an_earlier_one(
    small: Path, next_day: Path, read_lines: Callable[[Path], list[bytes]]
) -> None:
    before, after = Counter(read_lines(small)), Counter(read_lines(next_day))
    assert not before - after
    added = after - before
    assert 10 < added.total() < 500
    assert all(
        line.rsplit(b'"sentAt":"', 1)[1][:10] >= b"2026-06-18" for line in added
    )  # skewed clocks are days behind


def test_files_of_days_before_the_live_window_are_byte_identical_the_day_after(small: Path, next_day: Path) -> None:
    earlier = sorted((small / "company" / "events").iterdir())
    last = max(file.name[-20:] for file in earlier)
    closed = [file for file in earlier if file.name[-20:] < last]
    assert len(closed) > 50
    for file in closed:
        assert (next_day / "company" / "events" / file.name).read_bytes() == file.read_bytes()


def test_chat_files_of_earlier_days_never_change(small: Path, next_day: Path) -> None:
    for file in (small / "company" / "chats").iterdir():
        assert (next_day / "company" / "chats" / file.name).read_bytes() == file.read_bytes()


def test_an_early_day_is_contained_in_a_much_later_one_of_the_same_opening(
    small: Path, tmp_path: Path, read_lines: Callable[[Path], list[bytes]]
) -> None:
    simulate(tmp_path, people=400, seed=7, as_of=date(2025, 5, 21), opened=date(2025, 5, 1))
    early = read_lines(tmp_path)
    assert early
    assert not set(early) - set(read_lines(small))


def test_tools_rows_that_differ_the_day_after_were_updated_on_that_day(small: Path, next_day: Path) -> None:
    midnight = iso(day_number(DAY) * 86_400_000)
    before, after = records(small), records(next_day)
    changed = 0
    for table, rows in after.items():
        gone = before[table].keys() - rows.keys()
        assert {key.rsplit("_", 1)[0] for key in gone} <= {"cpn_test"}, table
        for key, row in rows.items():
            if before[table].get(key) != row:
                changed += 1
                assert row[-1] >= midnight, (table, row)
            else:
                assert row[-1] < midnight
    assert changed > 5


def test_a_second_run_on_the_same_day_writes_nothing(tmp_path: Path) -> None:
    assert simulate(tmp_path, people=60, seed=1, as_of=DAY)["is_new"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.suffix != ".lock"}
    assert not simulate(tmp_path, as_of=DAY)["is_new"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.suffix != ".lock"} == before


def test_going_on_in_the_same_folder_equals_a_fresh_run(next_day: Path, tmp_path: Path) -> None:
    simulate(tmp_path, people=400, seed=7, as_of=DAY - timedelta(days=3))
    simulate(tmp_path, as_of=DAY + timedelta(days=1))
    assert contents(tmp_path) == contents(next_day)
    assert records(tmp_path) == records(next_day)


def test_a_folder_keeps_its_company_and_its_time(tmp_path: Path) -> None:
    simulate(tmp_path, people=40, seed=1, as_of=DAY)
    with pytest.raises(SandboxError, match="holds another company"):
        simulate(tmp_path, people=50, as_of=DAY)
    with pytest.raises(SandboxError, match="only grows"):
        simulate(tmp_path, as_of=DAY - timedelta(days=1))


def test_a_company_cannot_open_after_its_history_ends(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="cannot open"):
        simulate(tmp_path, people=40, as_of=DAY, opened=DAY)


def test_a_company_that_sent_one_mailing_s_id_twice_is_told_now(tmp_path: Path) -> None:
    assert simulate(tmp_path, people=5000, seed=7, as_of=date(2026, 11, 10), opened=date(2025, 9, 1))["is_new"]
