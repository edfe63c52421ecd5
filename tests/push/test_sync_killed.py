"""A sync whose process is killed: nothing is lost, nothing counts as sent that was not accepted."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from headwater.configuration import load_config
from headwater.push.sync import run_sync
from headwater.settings import Settings
from headwater.storage.warehouse import connect
from tests.tool_server import TOKEN, ToolServer

ROWS, BATCH = 2_000, 100


@pytest.mark.slow
def test_killed_at_any_moment_every_row_arrives_and_each_kill_repeats_at_most_one_batch(
    settings: Settings, tool: ToolServer
) -> None:
    folder = settings.config_dir
    for name, content in {
        "platform.yaml": {"company": "T", "currency": "EUR", "stacks": ["starter"]},
        "sources.yaml": {"sources": {"server": {"kind": "events", "write_keys": ["k"]}}},
        "identity.yaml": {"id_types": {}, "edges": []},
        "destinations/crm.yaml": {
            "type": "crm", "base_url": f"{tool.url}/crm", "token": TOKEN, "rate_per_second": 1000,
        },
        "syncs/crm.yaml": {
            "model": "marts.people", "key": "crm_id", "destination": "crm", "object": "contacts",
            "mapping": {"id": "crm_id", "first_name": "first_name"},
        },
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    with connect(settings, purpose="a test") as con:
        con.execute("create schema if not exists marts")
        con.execute(
            f"create table marts.people as select 'c' || i as crm_id, 'n' || i as first_name from range({ROWS}) as t(i)"
        )
    tool.delay = 0.02
    tool.refuse = lambda record: ("INVALID", "no") if record["id"].endswith("77") else None
    seed = random.Random(4)
    kills = 0
    for share in (0.15, 0.45, 0.7):
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("headwater")), "sync", "crm"],
            env=settings.environment(),
            stdout=subprocess.DEVNULL,
        )
        while process.poll() is None and sum(len(records) for _, records in tool.received) < ROWS * share:
            time.sleep(0.001)
        time.sleep(seed.uniform(0, 0.03))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        accepted = {record["id"] for record in tool.accepted}
        with connect(settings, purpose="a test") as con:
            recorded = con.sql("select key from push.sync_rows where status = 'accepted'").fetchall()
        assert {key for (key,) in recorded} <= accepted
    assert kills == 3
    tool.delay = 0.0
    with connect(settings, purpose="a test") as con:
        report = run_sync(con, settings, load_config(settings), "crm")
        assert report.requests > 0
        assert run_sync(con, settings, load_config(settings), "crm").requests == 0
        statuses = con.sql("select status, count(*) from push.sync_rows group by all order by all").fetchall()
        assert statuses == [("accepted", 1_980), ("rejected", 20)]
        ends = dict(con.sql("select status, count(*) from push.sync_runs group by all").fetchall())
        assert ends == {"interrupted": 3, "succeeded": 2}
    sent = Counter(record["id"] for _, records in tool.received for record in records)
    assert set(sent) == {f"c{number}" for number in range(ROWS)}
    assert sum(sent.values()) - ROWS <= kills * BATCH
