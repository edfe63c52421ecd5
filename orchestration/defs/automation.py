"""What starts a run: the outside world (sensors), the clock (schedules), the graph itself (automation conditions)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg

from headwater.configuration import ConversationSource, RestSource
from headwater.land.events import pending_segments
from headwater.land.files import pending_files
from headwater.storage.lake import open_lake
from orchestration.instance import end_dead_runs
from orchestration.platform import config, settings

INGEST = dg.AssetSelection.keys(["lake", "events"], ["raw", "events"], ["raw", "quarantine"]) | (
    dg.AssetSelection.key_prefixes("events") | dg.AssetSelection.groups("match")
)
TRANSCRIPTS = dg.AssetSelection.keys(["lake", "conversations"], ["raw", "conversations"])
ACTIVATION = dg.AssetSelection.groups("model", "push", "serve")
TRAINING = dg.AssetSelection.groups("predict")

everything = dg.define_asset_job(
    "everything", selection=dg.AssetSelection.all(), description="The whole graph once: what `make run` executes."
)
ingest = dg.define_asset_job("ingest", selection=INGEST, description="The log to the warehouse and to people.")
activation = dg.define_asset_job(
    "activation", selection=ACTIVATION, description="Models, audiences, syncs and the online store."
)
training = dg.define_asset_job("training", selection=TRAINING, description="Training set, model and scores.")


@dg.sensor(job=ingest, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def new_events(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Sealed log segments that have not landed, or event objects in the lake that this sensor has not seen."""
    segments = pending_segments(settings())
    objects = [found.key for found in open_lake(settings()).list("events/")]
    newest = max(objects, key=lambda key: key.rsplit("/", 1)[-1], default="")
    state = json.dumps({"segments": segments[-1:], "object": newest, "objects": len(objects)})
    if not segments and state == context.cursor:
        return dg.SkipReason("No sealed segment waits and the lake holds no new event object.")
    if context.cursor is None and not segments and not objects:
        return dg.SkipReason("The log and the lake are empty.")
    context.update_cursor(state)
    return dg.RunRequest(run_key=f"events:{state}")


def _transcripts() -> tuple[list[dg.SensorDefinition], list[Any]]:
    job = dg.define_asset_job("transcripts", selection=TRANSCRIPTS, description="The inbox to the warehouse.")

    @dg.sensor(job=job, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
    def new_transcripts(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Transcript files in the inbox that are not in the lake."""
        waiting = pending_files(settings(), config())
        if not waiting:
            return dg.SkipReason("Every file of the inbox is in the lake.")
        return dg.RunRequest(run_key=f"transcripts:{len(waiting)}:{waiting[-1]}")

    return [new_transcripts], [job]


def _sources() -> tuple[list[dg.ScheduleDefinition], list[Any]]:
    pulled = [name for name, source in config().sources.items() if isinstance(source, RestSource)]
    if not pulled:
        return [], []
    keys = [
        [layer, f"{name}__{table}"] for name in pulled for table in config().sources[name].tables for layer in LAYERS
    ]
    job = dg.define_asset_job(
        "sources", selection=dg.AssetSelection.keys(*keys), description="Every tool's tables, incrementally."
    )
    schedule = dg.ScheduleDefinition(
        job=job, cron_schedule="0 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING, name="sources_daily"
    )
    return [schedule], [job]


LAYERS = ("lake", "raw")


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Fails runs whose process has died, so that none blocks the next."""
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


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.SUCCESS, default_status=dg.DefaultSensorStatus.RUNNING)
def read_copy_after_success() -> None:
    """Renews the read copy after each run that wrote."""
    _renew_read_copy()


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.FAILURE, default_status=dg.DefaultSensorStatus.RUNNING)
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
                "automation", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.RUNNING
            ),
        ],
        schedules=[
            *schedules,
            dg.ScheduleDefinition(
                job=activation,
                cron_schedule="*/15 * * * *",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                name="activation_every_15_minutes",
            ),
            dg.ScheduleDefinition(
                job=training,
                cron_schedule="0 4 * * 1",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                name="training_weekly",
            ),
        ],
    )
