"""What starts a run: the outside world (sensors), the clock (schedules), the graph itself (automation conditions)."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg

from headwater.configuration import ConversationSource, FilesSource, RestSource, SqlSource
from headwater.land.events import pending_segments
from headwater.land.files import pending_files
from headwater.storage.lake import open_lake
from orchestration.checks import PULLED
from orchestration.defs.deliveries import FILLED, STREAMS
from orchestration.instance import end_dead_runs
from orchestration.platform import config, settings

INGEST = dg.AssetSelection.assets(["lake", "events"], ["raw", "events"], ["raw", "dropped"], ["raw", "quarantine"]) | (
    dg.AssetSelection.key_prefixes("events") | dg.AssetSelection.groups("match")
)
TRANSCRIPTS = dg.AssetSelection.assets(["lake", "conversations"], ["raw", "conversations"])
DELIVERIES = dg.AssetSelection.assets(
    *(["raw", table] for table in FILLED),
    *([["lake", "deliveries"], ["lake", "destination_counts"]] if STREAMS else []),
)
ACTIVATION = dg.AssetSelection.groups("model", "push", "serve") | DELIVERIES
TRAINING = dg.AssetSelection.groups("predict")
RUNNING = dg.DefaultSensorStatus.RUNNING
RETRY_SECONDS = 60

LAYERS = ("lake", "raw")
PULLED_KINDS = RestSource | SqlSource | FilesSource


def _pulled_sources() -> dict[str, RestSource | SqlSource | FilesSource]:
    return {name: source for name, source in config().sources.items() if isinstance(source, PULLED_KINDS)}


def _pulled_checks(names: Iterable[str]) -> dg.AssetSelection:
    """What makes a run fail when a table of these tools does; a tool is no asset of any run, so they are named."""
    return dg.AssetSelection.checks(*(dg.AssetCheckKey(dg.AssetKey(["tool", name]), PULLED) for name in names))


everything = dg.define_asset_job(
    # days of history are asked for again by hand
    "everything",
    selection=dg.AssetSelection.all() - dg.AssetSelection.key_prefixes("backfill") | _pulled_checks(_pulled_sources()),
    description="The whole graph once: what `make run` executes.",
)
ingest = dg.define_asset_job("ingest", selection=INGEST, description="The log to the warehouse and to people.")
activation = dg.define_asset_job(
    "activation", selection=ACTIVATION, description="Models, audiences, syncs and the online store."
)
training = dg.define_asset_job("training", selection=TRAINING, description="Training set, model and scores.")


def _request(context: dg.SensorEvaluationContext, job: str, waiting: str) -> dg.RunRequest | dg.SkipReason:
    """A run of `job` for what waits: not while one is under way; what failed is tried again, though not at once."""
    last = next(iter(context.instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)), None)
    if last and not last.dagster_run.is_finished:
        return dg.SkipReason(f"Run {last.dagster_run.run_id} of {job} is under way.")
    failed = last.dagster_run.run_id if last and not last.dagster_run.is_success else ""
    if last and failed and context.cursor == waiting and time.time() - (last.end_time or 0) < RETRY_SECONDS:
        return dg.SkipReason(f"Run {failed} of {job} failed; it is tried again {RETRY_SECONDS} s after that.")
    context.update_cursor(waiting)
    return dg.RunRequest(run_key=f"{job}:{waiting}:{failed}")


@dg.sensor(
    job=ingest,
    minimum_interval_seconds=15,
    default_status=RUNNING,
    description="Sealed log segments that have not landed, or event objects in the lake that have not been loaded.",
)
def new_events(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """What is loaded is known from the metadata of `raw/events`: sensors never open the warehouse."""
    segments = pending_segments(settings())
    objects = [found.key for found in open_lake(settings()).list("events/") if found.key.endswith(".parquet")]
    if not segments and len(objects) <= _objects_loaded(context.instance):
        return dg.SkipReason("No sealed segment waits, and every event object of the lake is loaded.")
    return _request(context, ingest.name, json.dumps({"segments": segments[-1:], "objects": len(objects)}))


def _objects_loaded(instance: dg.DagsterInstance) -> int:
    event = instance.get_latest_materialization_event(dg.AssetKey(["raw", "events"]))
    found = event.asset_materialization.metadata.get("lake_objects") if event and event.asset_materialization else None
    return int(str(found.value)) if found else 0


def _transcripts() -> tuple[list[dg.SensorDefinition], list[Any]]:
    job = dg.define_asset_job("transcripts", selection=TRANSCRIPTS, description="The inbox to the warehouse.")

    @dg.sensor(
        job=job,
        minimum_interval_seconds=30,
        default_status=RUNNING,
        description="Transcript files in the inbox that are not in the lake.",
    )
    def new_transcripts(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        waiting = pending_files(settings(), config())
        if not waiting:
            return dg.SkipReason("Every file of the inbox is in the lake.")
        return _request(context, job.name, json.dumps({"files": len(waiting), "last": waiting[-1]}))

    return [new_transcripts], [job]


def _sources() -> tuple[list[dg.ScheduleDefinition], list[Any]]:
    pulled = _pulled_sources()
    if not pulled:
        return [], []
    schedules: list[dg.ScheduleDefinition] = []
    jobs: list[Any] = []
    for cron in dict.fromkeys(source.schedule for source in pulled.values()):
        names = [name for name, source in pulled.items() if source.schedule == cron]
        is_all = len(names) == len(pulled)
        keys = [[layer, f"{name}__{table}"] for name in names for table in pulled[name].tables for layer in LAYERS]
        job = dg.define_asset_job(
            "sources" if is_all else f"sources_{'_'.join(names)}",
            selection=dg.AssetSelection.assets(*keys) | _pulled_checks(names),
            description=f"{'Every tool' if is_all else ', '.join(names)}: tables, incrementally.",
        )
        schedules.append(
            dg.ScheduleDefinition(
                job=job,
                cron_schedule=cron,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                name="sources_daily" if is_all else f"{job.name}_scheduled",
                description="Pulls what changed in the tools.",
            )
        )
        jobs.append(job)
    return schedules, jobs


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=RUNNING,
    description="Fails runs whose process has died, so that none blocks the next.",
)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Starts nothing: the work is done in the sensor itself."""
    ended = end_dead_runs(context.instance)
    return dg.SkipReason(f"Failed because their process had died: {', '.join(ended)}." if ended else "No run is dead.")


def _renew_read_copy() -> None:
    """In a process of its own: sensors never open the warehouse."""
    subprocess.run(
        [Path(sys.executable).parent / "headwater", "publish"],
        env=settings().environment(),
        check=True,
        capture_output=True,
        text=True,
    )


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.SUCCESS, minimum_interval_seconds=5, default_status=RUNNING)
def read_copy_after_success() -> None:
    """Renews the read copy after each run that wrote."""
    _renew_read_copy()


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.FAILURE, minimum_interval_seconds=5, default_status=RUNNING)
def read_copy_after_failure() -> None:
    """A failed run may have written too."""
    _renew_read_copy()


@dg.definitions
def automation() -> dg.Definitions:
    """Jobs, sensors and schedules; the automation sensor is declared here because its default is to be off."""
    has_chats = any(isinstance(source, ConversationSource) for source in config().sources.values())
    sensors, jobs = _transcripts() if has_chats else ([], [])
    schedules, source_jobs = _sources()
    return dg.Definitions(
        jobs=[everything, ingest, activation, training, *jobs, *source_jobs],
        sensors=[
            new_events,
            *sensors,
            dead_runs,
            read_copy_after_success,
            read_copy_after_failure,
            dg.AutomationConditionSensorDefinition(
                "automation",
                target=dg.AssetSelection.all(),
                default_status=RUNNING,
                description="Starts what an asset's own condition asks for: what goes out follows new scores.",
            ),
        ],
        schedules=[
            *schedules,
            dg.ScheduleDefinition(
                job=activation,
                cron_schedule="*/15 * * * *",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                name="activation_every_15_minutes",
                description="Brings models, tools and the online store up to what was loaded.",
            ),
            dg.ScheduleDefinition(
                job=training,
                cron_schedule="0 4 * * 1",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                name="training_weekly",
                description="Trains anew and scores; what goes out follows by itself.",
            ),
        ],
    )
