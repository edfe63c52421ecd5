"""How long dbt takes for the whole project, beside the same SQL by hand, and for one more day.

Belongs here: building and testing the project on a made-up company (`benchmarks.dbt_company`), its statements once more
in one DuckDB session, a day of 1 % more events, growth. Does not belong here: unit tests, which a run leaves out too.
Run by itself: `python -m benchmarks.dbt [EVENTS …]`, by default 300,000 and 1,000,000.

Models and tests are two commands here and one in a run. A day is what a scheduled run finds after loading and identity
resolution: 1 % more events and orders, new people, and two people who turned out to be a third. What does not grow with
the events is told apart: dbt's start is the time of a command less what dbt says it took once it had started, and the
fixed cost is what a home without a single row takes after that. Beside the seconds stand those of the processor, which
other programs on the machine disturb less.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.dbt_company import add_day, fill
from benchmarks.rows import line, row
from headwater.settings import CHECKOUT
from headwater.storage.warehouse.connection import configuration

EVENTS = 1_000_000
_EVENTS_A_PERSON = 20


@dataclass(frozen=True)
class Build:
    """The project's models built, then its tests run: seconds once dbt had started, of both starts, and of the
    processor for all of it."""

    models: float
    tests: float
    starts: float
    processor: float

    @property
    def elapsed(self) -> float:
        return self.models + self.tests


def dbt_build(home: Path, now: datetime) -> Build:
    """Build the project's seeds, snapshots and models in `home`, as of `now`, and test them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    models_wall, models = _dbt(home, now, "build", "--exclude-resource-type", "test", "unit_test")
    shutil.copy(_results_file(home), home / "models.json")
    tests_wall, tests = _dbt(home, now, "test", "--exclude-resource-type", "unit_test")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Build(models, tests, models_wall + tests_wall - models - tests, processor)


def _dbt(home: Path, now: datetime, *arguments: str) -> tuple[float, float]:
    """Seconds of the whole command, and of dbt once it had started."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HEADWATER", "DBT"))}
    config = CHECKOUT / "config" / "examples" / "minimal"
    begun = time.perf_counter()
    result = subprocess.run(
        [Path(sys.executable).parent / "dbt", "--quiet", *arguments],
        cwd=CHECKOUT / "dbt_project",
        env={
            **environment,
            **{"HEADWATER_HOME": str(home), "HEADWATER_CONFIG": str(config), "HEADWATER_AS_OF": f"{now:%F %T}"},
        },
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - begun
    if result.returncode:
        raise RuntimeError(result.stdout + result.stderr)
    return wall, float(json.loads(_results_file(home).read_text())["elapsed_time"])


def by_hand(home: Path, built: Path) -> float:
    """Seconds for the statements of `built`'s models in one session on `home`, which dbt has never touched.

    Seeds, snapshots and models in Python are no SQL: they are taken over from `built`, outside of the time.
    """
    nodes = json.loads((built / "dbt" / "target" / "manifest.json").read_text())["nodes"]
    kinds = {"model", "seed", "snapshot"}
    results = json.loads((built / "models.json").read_text())["results"]
    order = [each["unique_id"] for each in results]
    order = [each for each in order if each in nodes and nodes[each]["resource_type"] in kinds]
    compiled = {each["unique_id"]: each.get("compiled_code") for each in results}
    seconds = 0.0
    with duckdb.connect(home / "warehouse.duckdb", config=configuration(home / "warehouse.duckdb")) as con:
        con.execute(f"attach '{built / 'warehouse.duckdb'}' as built (read_only)")
        con.execute("set global TimeZone = 'UTC'")
        for schema in sorted({nodes[each]["schema"] for each in order}):
            con.execute(f"create schema if not exists {schema}")
        for name in _made_by_hooks(con, {f"{nodes[each]['schema']}.{nodes[each]['alias']}" for each in order}):
            con.execute(f"create table if not exists {name} as from built.{name}")
        for each in order:
            node = nodes[each]
            name = f"{node['schema']}.{node['alias']}"
            is_sql = node["resource_type"] == "model" and node["language"] == "sql"
            kind = "view" if is_sql and node["config"]["materialized"] == "view" else "table"
            begun = time.perf_counter()
            con.execute(f"create or replace {kind} {name} as {compiled[each] if is_sql else f'from built.{name}'}")
            if is_sql:
                seconds += time.perf_counter() - begun
    return seconds


def _made_by_hooks(con: duckdb.DuckDBPyConnection, nodes: set[str]) -> list[str]:
    """Tables of the attached warehouse that lie beside the models' and are none."""
    schemas = sorted({name.partition(".")[0] for name in nodes})
    found = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'built' "
        "and list_contains($schemas, schema_name)",
        {"schemas": schemas},
    ).fetchall()
    return [name for (name,) in found if name not in nodes]


def _results_file(home: Path) -> Path:
    return home / "dbt" / "target" / "run_results.json"


def measures(events: int = EVENTS) -> list[dict[str, Any]]:
    """The whole project on so many events, by dbt and by hand, and a day more."""
    people = events // _EVENTS_A_PERSON
    note = f"{events:,} events, {people:,} people"
    with tempfile.TemporaryDirectory(prefix="hw-dbt-") as folder:
        home, bare, empty = Path(folder) / "home", Path(folder) / "bare", Path(folder) / "empty"
        now = fill(home, events, people)
        for other in (bare, empty):
            other.mkdir()
        shutil.copy(home / "warehouse.duckdb", bare / "warehouse.duckdb")
        fixed = dbt_build(empty, now)
        full = dbt_build(home, now)
        hand = by_hand(bare, home)
        tomorrow = add_day(home, events, people)
        day = dbt_build(home, tomorrow)
    split = "models {0.models:.1f}, tests {0.tests:.1f}, two starts {0.starts:.1f}, processor {0.processor:.1f}"
    return [
        row("dbt_full_build_seconds", "seconds", "lower", full.elapsed, None, f"{note}: {split.format(full)}"),
        row("dbt_fixed_seconds", "seconds", "lower", fixed.elapsed, None, f"no rows at all: {split.format(fixed)}"),
        row("dbt_by_hand_seconds", "seconds", "lower", hand, None, "the models' SQL in one DuckDB session"),
        row("dbt_full_over_hand", "times", "lower", full.models / hand, 2, note),
        row("dbt_day_seconds", "seconds", "lower", day.elapsed, None, f"1 % more events: {split.format(day)}"),
        row("dbt_day_over_full", "%", "lower", 100 * day.elapsed / full.elapsed, 20, note),
        row("dbt_day_over_full_models", "%", "lower", 100 * day.models / full.models, None, "without tests"),
        row("dbt_fixed_over_full", "%", "lower", 100 * fixed.elapsed / full.elapsed, None, "of the day's share"),
        row("dbt_events_per_second", "events/s", "higher", events / full.models, None, note),
        row(
            "dbt_events_per_processor_second",
            "events/s",
            "higher",
            events / (full.processor - fixed.processor),
            None,
            "beyond the fixed cost: the same at every size when growth is linear",
        ),
    ]


if __name__ == "__main__":
    for size in [int(each) for each in sys.argv[1:]] or [300_000, EVENTS]:
        for result in measures(size):
            print(line(result), flush=True)
