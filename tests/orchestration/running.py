"""A small company's home, and the programs that work on it: for the tests of runs.

Belongs here: making the home, starting a run, dbt or a reader as a user's machine starts them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from headwater.configuration import load_config
from headwater.land.events import land_events
from headwater.load.event_tables import load_event_tables
from headwater.load.events import load_events
from headwater.match.resolve import resolve
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.lake import open_lake
from headwater.storage.warehouse import connect, ensure_schemas
from tests.push.log_events import write_events

PEOPLE = 40
EVENTS = 3 * PEOPLE  # of one batch
PATIENCE = 300  # seconds for the warehouse: the machine of the tests may be slow


def settings_of(home: Path) -> Settings:
    return load_settings(home=home, config=CHECKOUT / "config" / "examples" / "minimal")


def batch(settings: Settings, number: int) -> None:
    """Everybody looks, says who they are and buys, in one segment of the log."""
    write_events(settings.log_dir, *(event for person in range(PEOPLE) for event in _visit(person, number)))


def _visit(person: int, number: int) -> list[dict[str, Any]]:
    who = {"userId": f"u{person}", "anonymousId": f"a{person}_{number}"}
    order = {"order_id": f"o{person}_{number}", "total": 10 + person, "currency": "USD"}
    return [
        {"messageId": f"p{person}_{number}", "type": "page", "name": "Home", "anonymousId": who["anonymousId"]},
        {"messageId": f"i{person}_{number}", "type": "identify", "traits": {"email": f"u{person}@example.com"}, **who},
        {"messageId": f"o{person}_{number}", "type": "track", "event": "Order Completed", "properties": order, **who},
    ]


def load_without_a_run(settings: Settings) -> None:
    """What an ingest run does, in this process: a start for tests that are about the next run."""
    config, lake = load_config(settings), open_lake(settings)
    land_events(settings, config)
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        load_events(con, lake)
        load_event_tables(con, lake)
        resolve(con, config.identity, lake=lake)


def start_run(settings: Settings, job: str) -> subprocess.Popen[str]:
    """A Dagster run of `job` in a process of its own, on the home's instance."""
    return _start(settings, [sys.executable, "-m", "orchestration.launch", "--job", job], CHECKOUT)


def start_dbt_build(settings: Settings) -> subprocess.Popen[str]:
    """`dbt build` as a user does it, in `dbt_project/`."""
    command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "build"]
    return _start(settings, command, CHECKOUT / "dbt_project", HEADWATER_WAIT_SECONDS=str(PATIENCE))


def start_reader(settings: Settings) -> subprocess.Popen[str]:
    return _start(
        settings, [sys.executable, "-m", "tests.orchestration.reader", str(settings.warehouse_read)], CHECKOUT
    )


def _start(settings: Settings, command: list[str], folder: Path, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=folder, env=settings.environment() | variables, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
