"""Events of more keys than DuckDB's usual limit of memory has room for: a megabyte a column while it appends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwater.load.event_tables import load_event_tables
from headwater.load.events import load_events
from headwater.settings import Settings
from headwater.storage.lake import open_lake
from headwater.storage.warehouse import connect, ensure_schemas
from tests.load.landed import identify, land, track

KEYS = 1_200
VALUES = {f"key_{number}": number if number % 3 else f"text {number}" for number in range(KEYS)}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["track", "identify"])
def test_events_of_a_thousand_keys_are_appended_again_and_again(settings: Settings, kind: str) -> None:
    lake = open_lake(settings)
    for number in range(2):
        ids = [f"m{number}-{index}" for index in range(20)]
        land(lake, number, [track(i, "Wide", VALUES) if kind == "track" else identify(i, "u1", VALUES) for i in ids])
        with connect(settings, purpose="test") as con:
            ensure_schemas(con)
            load_events(con, lake)
            load_event_tables(con, lake)
            limit = con.execute("select current_setting('memory_limit')").fetchone()
    with connect(settings, purpose="test") as con:
        assert con.execute("select current_setting('memory_limit')").fetchone() == limit
        table = "wide" if kind == "track" else "identifies"
        found = con.execute(f"select count(*), sum(key_1), min(key_{KEYS - 1}) from events.{table}").fetchone()
        assert found == (40, 40, f"text {KEYS - 1}" if (KEYS - 1) % 3 == 0 else KEYS - 1)


def test_a_kill_before_their_checkpoint_leaves_a_warehouse_that_opens(settings: Settings, tmp_path: Path) -> None:
    columns = ", ".join(f"key_{number} varchar" for number in range(KEYS))
    with connect(settings, purpose="test") as con:
        con.execute(f"create table main.wide ({columns})")
        con.execute(f"insert into main.wide values ({', '.join(['1'] * KEYS)})")
    killed = (
        "import os, sys, duckdb\n"
        "con = duckdb.connect(sys.argv[1], config={'checkpoint_threshold': '1TB'})\n"
        f"con.execute('''insert into main.wide values ({', '.join(['2'] * KEYS)})''')\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", killed, str(settings.warehouse)], check=False).returncode == 9
    assert settings.warehouse.with_name(f"{settings.warehouse.name}.wal").stat().st_size
    for number in range(2):
        with connect(settings, purpose="test") as con:
            con.execute("create table if not exists main.other as select range as i from range(100000)")
            assert con.execute("select count(*) from main.wide").fetchone() == (2,), number
