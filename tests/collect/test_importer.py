"""`headwater import` against a real collector: everything once, broken lines aside, on from where it was."""

from __future__ import annotations

import gzip
import json
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from headwater.collect import reading
from headwater.collect.command import import_
from headwater.collect.importer import import_events
from headwater.errors import ConfigError, UnavailableError, UsageError
from tests.collect.conftest import CollectorProcess, options


@pytest.fixture
def running(shared_collector: CollectorProcess, tmp_path: Path) -> CollectorProcess:
    """The module's collector, seen by a client with a home of its own."""
    return shared_collector.fresh(tmp_path / "home")


def rows(first: int, last: int, **extra: Any) -> list[str]:
    return [
        json.dumps(
            {
                "type": "track",
                "event": "Order Completed",
                "messageId": f"m{n}",
                "userId": f"u{n}",
                "timestamp": f"2011-12-{1 + n % 9:02d}T12:50:00.000Z",
                **extra,
            }
        )
        for n in range(first, last)
    ]


def write(folder: Path, name: str, lines: list[str], end: str = "\n") -> Path:
    path = folder / "events" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = ("\n".join(lines) + end).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def ids(collector: CollectorProcess) -> list[str]:
    return [record.message_id for record in collector.events()]


def test_files_go_day_by_day_each_with_its_sources_key(running: CollectorProcess, tmp_path: Path) -> None:
    write(tmp_path, "web-2026-01-02.ndjson.gz", rows(20, 30))
    write(tmp_path, "mobile-2026-01-02.ndjson", rows(10, 20))
    write(tmp_path, "web-2026-01-01.ndjson.gz", rows(0, 10))
    write(tmp_path, "shop-2026-01-03.ndjson.gz", rows(30, 40))
    report = import_events(running.settings, running.config, tmp_path)
    assert (report.sent, report.skipped, report.quarantined) == (40, 0, 0)
    assert report.last_event_at == datetime(2011, 12, 9, 12, 50)
    assert ids(running) == [f"m{n}" for n in range(40)]
    sources = [record.envelope.source for record in running.events()]
    assert sources == ["web"] * 10 + ["mobile"] * 10 + ["web"] * 10 + [running.config.import_source] * 10


def test_a_second_import_sends_nothing_and_still_knows_the_last_event(
    running: CollectorProcess, tmp_path: Path
) -> None:
    write(tmp_path, "a.ndjson.gz", rows(0, 100))
    first = import_events(running.settings, running.config, tmp_path)
    second = import_events(running.settings, running.config, tmp_path)
    assert (first.sent, second.sent, second.skipped) == (100, 0, 1)
    assert second.last_event_at == first.last_event_at
    assert len(ids(running)) == 100


def test_rows_of_the_future_do_not_move_now(running: CollectorProcess, tmp_path: Path) -> None:
    far = {"timestamp": "9999-06-01T00:00:00Z", "receivedAt": "9999-06-01T00:00:00Z"}
    write(tmp_path, "a.ndjson", [*rows(0, 9), *rows(9, 10, **far)])
    assert import_events(running.settings, running.config, tmp_path).last_event_at == datetime(2011, 12, 9, 12, 50)
    soon = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    write(tmp_path, "b.ndjson", rows(10, 11, timestamp=soon, receivedAt=soon))
    found = import_events(running.settings, running.config, tmp_path).last_event_at
    assert found is not None and before <= found <= datetime.now(UTC).replace(tzinfo=None)


def test_what_older_versions_kept_of_the_future_is_now_and_stays_that(
    running: CollectorProcess, tmp_path: Path
) -> None:
    write(tmp_path, "a.ndjson", rows(0, 3))
    import_events(running.settings, running.config, tmp_path)
    [kept] = running.settings.imports_dir.glob("*.json")
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"last_event_at": "9999-06-01T00:00:00"}))
    found = import_events(running.settings, running.config, tmp_path).last_event_at
    assert found is not None and found <= datetime.now(UTC).replace(tzinfo=None)
    assert import_events(running.settings, running.config, tmp_path).last_event_at == found


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_a_file_that_has_grown_is_continued(running: CollectorProcess, tmp_path: Path, name: str) -> None:
    write(tmp_path, name, rows(0, 10))
    import_events(running.settings, running.config, tmp_path)
    write(tmp_path, name, rows(0, 15))
    assert import_events(running.settings, running.config, tmp_path).sent == 5
    assert ids(running) == [f"m{n}" for n in range(15)]


def test_a_line_written_in_two_halves_arrives_once_it_is_whole(running: CollectorProcess, tmp_path: Path) -> None:
    whole = rows(0, 3)
    write(tmp_path, "a.ndjson", [*whole[:2], whole[2][:20]], end="")
    assert import_events(running.settings, running.config, tmp_path).sent == 2
    write(tmp_path, "a.ndjson", whole)
    assert import_events(running.settings, running.config, tmp_path).sent == 1
    assert ids(running) == ["m0", "m1", "m2"]


def test_a_last_line_without_line_end_is_sent(running: CollectorProcess, tmp_path: Path) -> None:
    write(tmp_path, "a.ndjson", rows(0, 3), end="")
    assert import_events(running.settings, running.config, tmp_path).sent == 3


def test_a_file_that_changed_is_sent_again_from_its_start(running: CollectorProcess, tmp_path: Path) -> None:
    write(tmp_path, "a.ndjson", rows(0, 3))
    import_events(running.settings, running.config, tmp_path)
    write(tmp_path, "a.ndjson", rows(5, 9))
    assert import_events(running.settings, running.config, tmp_path).sent == 4


def test_rows_without_message_id_get_one_that_stays(running: CollectorProcess, tmp_path: Path) -> None:
    lines = rows(0, 5, messageId=None)
    write(tmp_path, "a.ndjson", [*lines, lines[0]])
    import_events(running.settings, running.config, tmp_path)
    for file in running.settings.imports_dir.iterdir():
        file.unlink()
    import_events(running.settings, running.config, tmp_path)
    found = ids(running)
    assert found[:6] == found[6:]
    assert len(set(found)) == 6


def test_broken_lines_are_kept_aside_counted_and_named(running: CollectorProcess, tmp_path: Path) -> None:
    good = rows(0, 4)
    nobody = json.dumps({"type": "page"})
    write(tmp_path, "a.ndjson", [good[0], '{"broken": ', good[1], nobody, "", '1],"x":[2', good[2], good[3]])
    report = import_events(running.settings, running.config, tmp_path)
    assert (report.sent, report.quarantined) == (4, 3)
    assert report.files[0].reasons == {"not JSON": 2, "no userId or anonymousId": 1}
    assert "kept aside: 2 of a.ndjson: not JSON" in report.text()
    aside = {r.payload: r.envelope.detail for r in running.aside()}
    assert (aside[b'{"broken": '] or "").startswith("a.ndjson, line 2")
    assert (aside[nobody.encode()] or "").startswith("a.ndjson, line 4")


def test_a_truncated_gzip_gives_what_it_holds_and_is_named_once(running: CollectorProcess, tmp_path: Path) -> None:
    path = write(tmp_path, "a.ndjson.gz", [f"{row[:-1]}, {json.dumps({'k': hash(row)})[1:]}" for row in rows(0, 3000)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-3000])
    first = import_events(running.settings, running.config, tmp_path)
    assert 0 < first.sent < 3000
    assert first.files[0].reasons == {"truncated gzip": 1}
    assert import_events(running.settings, running.config, tmp_path).skipped == 1
    path.write_bytes(whole)
    assert import_events(running.settings, running.config, tmp_path).sent == 3000 - first.sent
    assert ids(running) == [f"m{n}" for n in range(3000)]


def test_backfill_is_remembered_with_each_row(running: CollectorProcess, tmp_path: Path) -> None:
    write(tmp_path, "a.ndjson", rows(0, 2))
    import_events(running.settings, running.config, tmp_path, backfill=True)
    assert [record.envelope.backfill for record in running.events()] == [True, True]


@pytest.mark.slow
def test_a_collector_that_dies_and_comes_back_gets_every_row(
    collector: CollectorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_LINES", 50)
    write(tmp_path, "a.ndjson", rows(0, 5000))

    def interrupt() -> None:
        while len(list(collector.settings.imports_dir.glob("*.json"))) == 0:
            time.sleep(0.005)
        collector.stop(signal.SIGKILL)
        collector.start()

    thread = threading.Thread(target=interrupt)
    thread.start()
    report = import_events(collector.settings, collector.config, tmp_path)
    thread.join()
    assert report.sent == 5000
    assert set(ids(collector)) == {f"m{n}" for n in range(5000)}


def test_without_a_collector_it_gives_up_with_a_sentence(new_collector: CollectorProcess, tmp_path: Path) -> None:
    write(tmp_path, "a.ndjson", rows(0, 2))
    with pytest.raises(UnavailableError, match="does not take events"):
        import_events(new_collector.settings, new_collector.config, tmp_path, give_up_seconds=0.2)


def test_an_unknown_write_key_is_said_at_once(running: CollectorProcess, tmp_path: Path) -> None:
    write(tmp_path, "a.ndjson", rows(0, 2))
    with pytest.raises(ConfigError, match="write key"):
        import_events(running.settings, running.config, tmp_path, write_key="wk_of_nobody")


def test_a_file_that_cannot_be_read_is_named(running: CollectorProcess, tmp_path: Path) -> None:
    (tmp_path / "events" / "a.ndjson").mkdir(parents=True)
    with pytest.raises(UnavailableError, match=r"a\.ndjson: Is a directory"):
        import_events(running.settings, running.config, tmp_path)


def test_a_folder_without_events_is_said(new_collector: CollectorProcess, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        import_events(new_collector.settings, new_collector.config, tmp_path / "none")
    with pytest.raises(UsageError, match="ndjson"):
        import_events(new_collector.settings, new_collector.config, tmp_path)


def test_the_command_prints_what_was_sent_and_what_was_not(running: CollectorProcess, tmp_path: Path) -> None:
    write(tmp_path, "a.ndjson", [*rows(0, 2), "{"])
    result = CliRunner().invoke(import_, [str(tmp_path), *options(running.settings)])
    assert result.exit_code == 0, result.output
    assert "2 events of 1 files sent" in result.output
    assert "kept aside: 1 of a.ndjson: not JSON" in result.output
