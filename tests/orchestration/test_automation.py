"""When the sensors start a run, and when they do not; on a real log and lake and an instance in memory."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from headwater.configuration import load_config
from headwater.land.events import land_events
from headwater.settings import Settings
from tests.orchestration.running import batch

pytestmark = pytest.mark.slow


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Sensor:
    """One sensor with its cursor, as the daemon keeps it."""

    def __init__(self, sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> None:
        self._sensor, self._instance, self._cursor = sensor, instance, None
        self.job_name = sensor.job_name

    def tick(self) -> dg.RunRequest | str:
        """The run that it asks for, or why it asks for none."""
        context = dg.build_sensor_context(instance=self._instance, cursor=self._cursor)
        data = self._sensor.evaluate_tick(context)
        self._cursor = data.cursor
        return data.run_requests[0] if data.run_requests else str(data.skip_message)


@pytest.fixture
def new_events(settings: Settings, instance: dg.DagsterInstance) -> Sensor:
    from orchestration.defs.automation import new_events

    return Sensor(new_events, instance)


def test_nothing_waits_nothing_starts(new_events: Sensor) -> None:
    assert "every event object of the lake is loaded" in new_events.tick()


def test_a_sealed_segment_starts_a_run_and_no_other_while_that_one_works(
    settings: Settings, instance: dg.DagsterInstance, new_events: Sensor
) -> None:
    batch(settings, 1)
    assert isinstance(new_events.tick(), dg.RunRequest)
    run = _run(instance, "ingest", dg.DagsterRunStatus.STARTED)
    batch(settings, 2)
    assert f"Run {run.run_id} of ingest is under way" in new_events.tick()


def test_what_landed_is_waiting_until_it_is_loaded(
    settings: Settings, instance: dg.DagsterInstance, new_events: Sensor
) -> None:
    batch(settings, 1)
    land_events(settings, load_config(settings))
    assert isinstance(new_events.tick(), dg.RunRequest)
    _loaded(instance, objects=1)
    assert "every event object of the lake is loaded" in new_events.tick()
    batch(settings, 2)
    assert isinstance(new_events.tick(), dg.RunRequest)


def test_what_failed_is_tried_again_though_not_at_once(
    settings: Settings, instance: dg.DagsterInstance, new_events: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(settings, 1)
    first = new_events.tick()
    instance.report_run_failed(_run(instance, "ingest", dg.DagsterRunStatus.STARTED))
    assert "it is tried again" in new_events.tick()

    monkeypatch.setattr("orchestration.defs.automation.RETRY_SECONDS", 0)
    again = new_events.tick()
    assert again.run_key != first.run_key  # Dagster starts no run twice for one key


def test_what_is_new_does_not_wait_for_the_retry(
    settings: Settings, instance: dg.DagsterInstance, new_events: Sensor
) -> None:
    batch(settings, 1)
    new_events.tick()
    instance.report_run_failed(_run(instance, "ingest", dg.DagsterRunStatus.STARTED))
    batch(settings, 2)
    assert isinstance(new_events.tick(), dg.RunRequest)


def test_a_dropped_transcript_starts_a_run(settings: Settings, instance: dg.DagsterInstance) -> None:
    from orchestration.defs.automation import _transcripts

    [definition], _ = _transcripts()
    sensor = Sensor(definition, instance)
    assert "Every file of the inbox is in the lake" in sensor.tick()
    folder = settings.inbox / "contact_centre"
    folder.mkdir(parents=True)
    (folder / "chat.jsonl").write_text("{}\n")
    assert isinstance(sensor.tick(), dg.RunRequest)


def _run(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    return instance.add_run(dg.DagsterRun(job_name=job, status=status))


def _loaded(instance: dg.DagsterInstance, objects: int) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(["raw", "events"], metadata={"lake_objects": objects}))
