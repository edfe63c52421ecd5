"""Sealed segments stay until every reader has passed them and the retention is over."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from headwater.configuration import Config, Destination, Stream, load_config
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.log import (
    LANDER,
    SESSIONS,
    Envelope,
    LogReader,
    LogWriter,
    Position,
    destination_reader,
    encode_envelope,
    frame,
    remove_passed,
    segments,
)

ENVELOPE = encode_envelope(Envelope("web", "live", datetime(2026, 5, 4, 12)))
NOW = datetime(2026, 5, 4, 12)
WEEK = timedelta(days=7)


def config(*streaming: str, days: float = 7) -> Config:
    minimal = load_config(load_settings(None, CHECKOUT / "config" / "examples" / "minimal"))
    collector = replace(minimal.platform.collector, retention_days=days)
    return replace(
        minimal,
        platform=replace(minimal.platform, collector=collector),
        destinations={name: Destination(type="webhook", stream=Stream()) for name in streaming},
    )


def write(directory: Path, *keys: str) -> None:
    """One sealed segment a key."""

    async def run() -> None:
        log = LogWriter(directory, segment_bytes=1)
        log.open()
        for key in keys:
            await log.append([frame(ENVELOPE, key, b"x" * 50)])
        await log.close()

    asyncio.run(run())


def pass_all(directory: Path, name: str) -> None:
    reader = LogReader(directory, name)
    while reader.read():
        pass
    reader.commit()


def left(directory: Path) -> int:
    return len(segments(directory))


def test_a_segment_goes_once_all_have_passed_it_and_the_retention_is_over(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    for name in (LANDER, SESSIONS, destination_reader("crm")):
        pass_all(tmp_path, name)
    names = [segment.name for segment in segments(tmp_path)]
    assert remove_passed(tmp_path, config("crm"), NOW) == []
    assert remove_passed(tmp_path, config("crm"), NOW + WEEK - timedelta(seconds=1)) == []
    assert remove_passed(tmp_path, config("crm"), NOW + WEEK) == names
    assert left(tmp_path) == 0


def test_the_retention_counts_from_when_the_slowest_reader_passed(tmp_path: Path) -> None:
    write(tmp_path, "a")
    pass_all(tmp_path, LANDER)
    remove_passed(tmp_path, config("crm"), NOW)
    pass_all(tmp_path, destination_reader("crm"))
    remove_passed(tmp_path, config("crm"), NOW + 3 * WEEK)
    assert left(tmp_path) == 1
    remove_passed(tmp_path, config("crm"), NOW + 4 * WEEK)
    assert left(tmp_path) == 0


@pytest.mark.parametrize("lacking", [LANDER, SESSIONS, destination_reader("crm")])
def test_one_reader_that_stands_before_it_holds_a_segment(tmp_path: Path, lacking: str) -> None:
    write(tmp_path, "a", "b")
    first = segments(tmp_path)[0]
    for name in (LANDER, SESSIONS, destination_reader("crm")):
        if name == lacking:
            LogReader(tmp_path, name).commit(Position(first.name, first.path.stat().st_size - 1))
        else:
            pass_all(tmp_path, name)
    for after in (NOW, NOW + WEEK, NOW + 9 * WEEK):
        remove_passed(tmp_path, config("crm", days=0), after)
    assert left(tmp_path) == 2


def test_nothing_goes_before_it_has_landed_even_when_nobody_else_reads(tmp_path: Path) -> None:
    write(tmp_path, "a")
    remove_passed(tmp_path, config(days=0), NOW)
    assert left(tmp_path) == 1


def test_a_destination_that_never_started_holds_what_it_has_to_deliver(tmp_path: Path) -> None:
    write(tmp_path, "a")
    pass_all(tmp_path, LANDER)
    remove_passed(tmp_path, config("crm", days=0), NOW)
    assert left(tmp_path) == 1


def test_a_destination_that_is_no_longer_configured_holds_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a")
    pass_all(tmp_path, LANDER)
    LogReader(tmp_path, destination_reader("old")).commit(Position())
    remove_passed(tmp_path, config(days=0), NOW)
    assert left(tmp_path) == 0


def test_a_destination_without_a_stream_part_reads_no_log(tmp_path: Path) -> None:
    write(tmp_path, "a")
    pass_all(tmp_path, LANDER)
    made = config(days=0)
    made.destinations["crm"] = Destination(type="crm")
    remove_passed(tmp_path, made, NOW)
    assert left(tmp_path) == 0


def test_what_the_collector_still_writes_stays(tmp_path: Path) -> None:
    async def run() -> None:
        log = LogWriter(tmp_path)
        log.open()
        await log.append([frame(ENVELOPE, "a", b"x")])
        pass_all(tmp_path, LANDER)
        remove_passed(tmp_path, config(days=0), NOW)
        assert left(tmp_path) == 1
        await log.append([frame(ENVELOPE, "b", b"x")])
        await log.close()

    asyncio.run(run())
    assert [record.message_id for record in LogReader(tmp_path, "new").read()] == ["a", "b"]


def test_a_name_does_not_come_back_and_readers_go_on_after_everything_was_removed(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    last = segments(tmp_path)[-1].name
    pass_all(tmp_path, LANDER)
    remove_passed(tmp_path, config(days=0), NOW)
    write(tmp_path, "c")
    assert segments(tmp_path)[0].name > last
    assert [record.message_id for record in LogReader(tmp_path, LANDER).read()] == ["c"]


def test_a_lost_ledger_only_makes_segments_stay_longer(tmp_path: Path) -> None:
    write(tmp_path, "a")
    pass_all(tmp_path, LANDER)
    remove_passed(tmp_path, config(), NOW)
    (tmp_path / "passed.json").write_text("{")
    remove_passed(tmp_path, config(), NOW + WEEK)
    assert left(tmp_path) == 1
    remove_passed(tmp_path, config(), NOW + 2 * WEEK)
    assert left(tmp_path) == 0


def test_a_destination_whose_file_cannot_be_read_holds_what_it_has_not_passed(tmp_path: Path) -> None:
    write(tmp_path, "a")
    for name in (LANDER, destination_reader("odd")):
        pass_all(tmp_path, name)
    broken = replace(config(days=0), unusable={"odd": "not YAML", "new": "not YAML"})
    assert remove_passed(tmp_path, broken, NOW) == []
    pass_all(tmp_path, destination_reader("new"))
    assert len(remove_passed(tmp_path, broken, NOW)) == 1
