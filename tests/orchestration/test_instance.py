"""Runs whose process has died, on a real instance."""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg
import pytest

from headwater.storage.warehouse import connect_read, publish
from headwater.storage.warehouse.lock import WarehouseLock
from orchestration.instance import PID_TAG, end_dead_runs, open_instance
from orchestration.platform import POOL
from tests.orchestration.running import EVENTS, batch, settings_of, start_run

pytestmark = pytest.mark.slow


def test_a_run_killed_inside_a_pooled_step_does_not_block_the_next(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    batch(settings, 1)
    writer = WarehouseLock(settings.warehouse, "another writer")
    writer.acquire()
    killed = start_run(settings, "ingest")
    try:
        with open_instance(settings) as instance:
            while not _claimed(
                instance
            ):  # its first step that opens the warehouse has the slot, and waits for the file
                assert killed.poll() is None, killed.communicate()[0]
                time.sleep(0.1)
            killed.kill()
            killed.wait()
            assert _claimed(instance) == 1
    finally:
        killed.kill()
        writer.release()

    following = start_run(settings, "ingest")
    said, _ = following.communicate(timeout=120)

    assert following.returncode == 0, said
    with open_instance(settings) as instance:
        last, first = instance.get_runs(dg.RunsFilter(job_name="ingest"))
        assert (first.status, last.status) == (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS)
        assert _claimed(instance) == 0
    publish(settings)
    with connect_read(settings) as con:
        assert con.execute("select count(*) from raw.events").fetchone() == (EVENTS,)


def test_a_run_whose_process_lives_is_left_alone(tmp_path: Path) -> None:
    with open_instance(settings_of(tmp_path / "home")) as instance:
        alive = _started(instance, pid=_PID_OF_INIT)
        dead = _started(instance, pid=_NO_PID)
        assert end_dead_runs(instance) == [dead]
        assert instance.get_run_by_id(alive).status == dg.DagsterRunStatus.STARTED  # type: ignore[union-attr]
        assert end_dead_runs(instance, all_are_dead=True) == [alive]


def test_a_run_killed_before_its_first_step_is_ended_by_whoever_holds_the_home(tmp_path: Path) -> None:
    with open_instance(settings_of(tmp_path / "home")) as instance:
        made = instance.add_run(dg.DagsterRun(job_name="ingest")).run_id
        assert end_dead_runs(instance) == []
        assert end_dead_runs(instance, all_are_dead=True) == [made]
        assert instance.get_run_by_id(made).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]


_PID_OF_INIT, _NO_PID = 1, 2**22 + 1  # Linux gives no process a number above 2**22


def _started(instance: dg.DagsterInstance, pid: int) -> str:
    run = dg.DagsterRun(job_name="ingest", status=dg.DagsterRunStatus.STARTED, tags={PID_TAG: str(pid)})
    return instance.add_run(run).run_id


def _claimed(instance: dg.DagsterInstance) -> int:
    return instance.event_log_storage.get_concurrency_info(POOL).active_slot_count
