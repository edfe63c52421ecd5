"""Pulls and loads that are killed at random moments, again and again, end as if they never had been."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater.settings import CHECKOUT, Settings
from headwater.storage.warehouse import connect

ROWS, KILLS = 3_000, 4
_CHILD = """
import os, signal, sys
from pathlib import Path
count, end = 0, int(sys.argv[4])
def watch(event, arguments):
    # what a process leaves behind it leaves by these; the moment is counted, so that it is no matter of speed
    global count
    if event in ("os.rename", "os.mkdir", "socket.sendto", "os.remove", "fcntl.flock") or (
        event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    ):
        count += 1
        if count == end:
            os.kill(os.getpid(), signal.SIGKILL)
sys.dont_write_bytecode = True
from headwater.configuration import Config, Identity, Platform, SqlSource, SqlTable
from headwater.land import extracts, listings, postgres
from headwater.load.extracts import load_extracts
from headwater.settings import Settings
from headwater.storage.lake import open_lake
from headwater.storage.warehouse import connect, ensure_schemas
import dlt
listings.PACKAGE_ROWS, postgres.BLOCK_BYTES = 500, 20_000
url, home, lake = sys.argv[1:4]
columns = {"id": "text", "total": "integer", "updated_at": "timestamp"}
config = Config(platform=Platform(company="", currency="EUR", stacks=[]), import_source="",
                sources={"shop": SqlSource(url=url, tables={"orders": SqlTable(columns=columns)})},
                identity=Identity(id_types={}, edges=[]))
settings = Settings(home=Path(home), config_dir=Path(home), lake_url=lake)
sys.addaudithook(watch)
extracts.pull(settings, config, "shop")
with connect(settings, purpose="test") as con:
    ensure_schemas(con)
    load_extracts(con, open_lake(settings), config, "shop")
print(count)
"""


def run(url: str, settings: Settings, home: Path, end: int) -> subprocess.CompletedProcess[str]:
    lake = settings.lake_url if home == settings.home else str(home / "lake")
    arguments = [url, str(home), lake, str(end)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        [sys.executable, "-c", _CHILD, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_random_moments_lose_nothing_and_double_nothing(
    seed: int, settings: Settings, postgres: Any, postgres_server: str, tmp_path: Path
) -> None:
    postgres.execute("create table orders (id text, total bigint, updated_at timestamptz)")
    postgres.execute(
        "insert into orders select 'o' || i, i, timestamptz '2026-01-01 00:00Z' + i * interval '1 minute' "
        f"from generate_series(1, {ROWS}) i"
    )
    undisturbed = run(postgres_server, settings, tmp_path / "undisturbed", 0)
    assert undisturbed.returncode == 0
    moments, dice = int(undisturbed.stdout.split()[-1]), random.Random(seed)
    killed = 0
    for number in range(KILLS):
        killed += run(postgres_server, settings, settings.home, dice.randint(1, moments)).returncode == -signal.SIGKILL
        # the tool goes on meanwhile
        postgres.execute(
            "update orders set total = total + 10000, updated_at = timestamptz '2026-02-01 00:00Z' "
            f"+ interval '{number} hour' where id in ('o1', 'o{dice.randint(2, ROWS)}')"
        )
    assert killed >= 1  # a pull that finds nothing new has fewer moments to be killed at
    assert run(postgres_server, settings, settings.home, 0).returncode == 0
    truth = postgres.execute('select id, total from orders order by id collate "C"').fetchall()
    with connect(settings, purpose="test") as con:
        assert con.execute("select id, total from raw.shop__orders order by id").fetchall() == truth
        versions = con.execute("select count(*), count(distinct (id, total)) from raw.shop__orders__versions")
        rows, distinct = versions.fetchall()[0]
        assert rows == distinct
