"""The event log that keeps its files open: nobody else sees it otherwise than Dagster's own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from headwater.settings import CHECKOUT, Settings, load_settings
from orchestration.instance import open_instance
from orchestration.storage import _OPEN, EventLog

pytestmark = pytest.mark.slow

TELLS_AND_IS_KILLED = """
import os, signal, sys
import dagster as dg
from headwater.settings import load_settings
from orchestration.instance import open_instance

with open_instance(load_settings()) as instance:
    instance.report_engine_event("the last words", dg.DagsterRun(job_name="j", run_id=sys.argv[1]))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", config=CHECKOUT / "config")


def tell(instance: dg.DagsterInstance, run_id: str, words: str) -> None:
    instance.report_engine_event(words, dg.DagsterRun(job_name="j", run_id=run_id))


def told(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [entry.message for entry in instance.all_logs(run_id)]


def test_what_was_told_before_a_kill_is_there_for_the_next_process(settings: Settings) -> None:
    with open_instance(settings) as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        tell(instance, "one", "the first words")
        command = [sys.executable, "-c", TELLS_AND_IS_KILLED, "one"]
        killed = subprocess.run(command, cwd=CHECKOUT, env=settings.environment(), check=False)
        assert killed.returncode == -9
        assert told(instance, "one") == ["the first words", "the last words"]
    with open_instance(settings) as again:
        assert told(again, "one") == ["the first words", "the last words"]


def test_the_history_that_dagsters_own_storage_wrote_is_gone_on_with(settings: Settings) -> None:
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as before:
        assert not isinstance(before.event_log_storage, EventLog)
        tell(before, "old", "from before")
    with open_instance(settings) as instance:
        tell(instance, "old", "from now")
        assert told(instance, "old") == ["from before", "from now"]


def test_whoever_follows_a_run_hears_each_event_while_the_file_is_open_and_reading_tells_nobody(
    settings: Settings,
) -> None:
    heard: list[str] = []
    with open_instance(settings) as instance, open_instance(settings) as page:
        tell(instance, "followed", "one")
        page.watch_event_logs("followed", None, lambda entry, _cursor: heard.append(entry.message))
        for number, words in enumerate(("two", "three"), start=2):
            tell(instance, "followed", words)
            end = time.monotonic() + 60
            while len(heard) < number:
                assert time.monotonic() < end, heard
                time.sleep(0.01)
        assert heard == ["one", "two", "three"]
        file = Path(instance.event_log_storage.path_for_shard("followed"))
        changed = file.stat().st_mtime_ns
        assert len(told(page, "followed")) == 3
        assert file.stat().st_mtime_ns == changed


def test_any_number_of_runs_is_read_and_written_with_few_files_open(settings: Settings) -> None:
    runs = [f"run{number}" for number in range(2 * _OPEN)]
    with open_instance(settings) as instance:
        for words in ("one", "two"):
            for run in runs:
                tell(instance, run, words)
        assert [told(instance, run) for run in runs] == [["one", "two"]] * len(runs)
        assert len(instance.event_log_storage._engines) <= _OPEN


def test_wiping_leaves_nothing_and_the_log_goes_on(settings: Settings) -> None:
    with open_instance(settings) as instance:
        tell(instance, "one", "before")
        instance.wipe()
        assert told(instance, "one") == []
        tell(instance, "one", "after")
        assert told(instance, "one") == ["after"]
