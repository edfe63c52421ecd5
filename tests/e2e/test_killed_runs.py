"""The example company's run, killed and started again."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import copied
from tests.e2e.product import OF_ATTEMPT, OF_RUN, differences, warehouse_is_held_by

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def dagster_runs(home: Path) -> list[str]:
    """The status of every run that Dagster remembers, oldest first."""
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as history:
        return [status for (status,) in history.execute("select status from runs order by create_timestamp, id")]


def test_killed_again_and_again_it_ends_in_the_same_warehouse(collected, undisturbed, tmp_path):
    """Each kill comes a moment (seeded) after the run has got to a place; three of them inside a pooled step."""
    twin, seed = copied(collected, tmp_path / "home"), random.Random(20)
    places = {
        "loading events": lambda run: (
            "lake/events" in run.text() and warehouse_is_held_by(twin.home, "orchestration.launch")
        ),
        "dbt": lambda run: warehouse_is_held_by(twin.home, "bin/dbt"),
        "sending to the tools": lambda run: "marts/customer_activation" in run.text(),
    }
    for place, is_there in places.items():
        run = twin.start("run")
        run.wait_until(lambda run=run, is_there=is_there: is_there(run), place)
        time.sleep(seed.uniform(0, 0.4))
        run.kill()
        assert run.process.returncode == -9
    assert dagster_runs(twin.home).count("STARTED") == 1
    ended = twin.run("run")
    assert ended.code == 0, ended.text
    assert dagster_runs(twin.home) == ["FAILURE"] * len(places) + ["SUCCESS"]
    assert set(differences(undisturbed(), twin.content(leave_out=OF_ATTEMPT))) <= OF_RUN | {"push.online_runs"}
