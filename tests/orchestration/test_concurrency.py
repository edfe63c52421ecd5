"""One writer at a time and any number of readers, with the real programs: a run, `dbt build`, readers."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headwater.storage.warehouse import connect_read, publish
from tests.orchestration.running import (
    EVENTS,
    PATIENCE,
    PEOPLE,
    batch,
    load_without_a_run,
    settings_of,
    start_dbt_build,
    start_reader,
    start_run,
)

pytestmark = pytest.mark.slow


def test_a_sensors_run_a_dbt_build_and_readers_at_once_get_on_with_each_other(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    batch(settings, 1)
    load_without_a_run(settings)
    publish(settings)
    batch(settings, 2)

    readers = [start_reader(settings) for _ in range(3)]
    writers = {"run": start_run(settings, "ingest"), "dbt": start_dbt_build(settings)}
    listening = ThreadPoolExecutor(len(writers))
    try:
        # read as they speak: a program whose pipe is full stands still, and holds its lock
        ends = {name: listening.submit(writer.communicate) for name, writer in writers.items()}
        while not all(end.done() for end in ends.values()):
            publish(settings, wait_seconds=PATIENCE)
            time.sleep(0.5)
        said = {name: end.result()[0] for name, end in ends.items()}
        publish(settings)
        seen = [reader.communicate("end\n", timeout=30)[0] for reader in readers]
    finally:
        for process in (*writers.values(), *readers):
            process.kill()
        listening.shutdown()

    for name, writer in writers.items():
        assert writer.returncode == 0, f"{name}: {said[name]}"
        assert "lock" not in said[name].lower(), f"{name}: {said[name]}"
    for reader, output in zip(readers, seen, strict=True):
        assert reader.returncode == 0, output
        assert json.loads(output)["copies"] >= 2, output
    with connect_read(settings) as con:
        assert con.execute("select count(*) from raw.events").fetchone() == (2 * EVENTS,)
        assert con.execute("select count(*) from marts.customer_360").fetchone() == (PEOPLE,)
