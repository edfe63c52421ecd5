"""The Dagster instance under the home: its file, and runs whose process has died.

Belongs here: `dagster.yaml`, and failing dead runs so that they free their pool slots. Does not belong here: what a
run does.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import yaml

from headwater.settings import Settings

PID_TAG = "headwater/pid"
UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

CONTENT = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},  # no sign-up window over the first page
    # one writer: every step that opens the warehouse is in pool «warehouse», limit 1, counted by step
    "concurrency": {"pools": {"granularity": "op", "default_limit": 1}, "runs": {"max_concurrent_runs": 2}},
    "run_monitoring": {"enabled": True, "free_slots_after_run_end_seconds": 30},
    "retention": {"schedule": {"purge_after_days": 7}, "sensor": {"purge_after_days": 3}},
}


def prepare_instance(settings: Settings) -> Path:
    """Write `dagster.yaml` under the home and return its folder, which is DAGSTER_HOME for every process."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    path = settings.dagster_home / "dagster.yaml"
    where = {"base_dir": str(settings.dagster_home)}
    storage = {"custom": {"module": "orchestration.storage", "class": "Storage", "config": where}}
    text = yaml.safe_dump({**CONTENT, "storage": storage}, sort_keys=False)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return settings.dagster_home


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of this home, prepared."""
    return dg.DagsterInstance.from_config(str(prepare_instance(settings)))


def end_dead_runs(instance: dg.DagsterInstance, *, all_are_dead: bool = False) -> list[str]:
    """Fail unfinished runs whose process is gone and free their pool slots; returns their ids.

    A run killed inside a pooled step keeps its slot, and every later run would wait for it for ever.

    Args:
        all_are_dead: the caller holds the home, so no other process can be running one.
    """
    ended = []
    # a run that was only made yet has no process to look for; nobody else can be about to start it
    statuses = [dg.DagsterRunStatus.NOT_STARTED, *UNFINISHED] if all_are_dead else UNFINISHED
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=statuses)):
        if all_are_dead or not _alive(instance, run):
            instance.report_run_failed(run, "Its process has died; the next run takes up from what it committed.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def _alive(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run's process still exists; a run that has not told its process yet counts as alive."""
    told = run.tags.get(PID_TAG)
    pid, since = (int(told), None) if told else (None, None)
    if pid is None:
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            found = event.engine_event_data.metadata.get("pid") if event else None
            if found is not None:
                pid, since = int(str(found.value)), entry.timestamp
    if pid is None:
        return True
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and (since is None or process.create_time() <= since + 1)
    return False
