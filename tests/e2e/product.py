"""The product as its user has it: commands in processes of their own, a home, ports, and what ends up in it.

Belongs here: starting, killing, asking the read copy, comparing two warehouses. Does not belong here: any expectation.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx
import psutil

from headwater.settings import CHECKOUT

HEADWATER = str(Path(sys.executable).with_name("headwater"))
PORTS = ("COLLECTOR", "API", "SANDBOX", "DAGSTER")
# What each attempt writes anew by its nature: its own times, its own run's id, the name of the object that it made.
# Names of columns in any table, or of one table's.
OF_ATTEMPT = frozenset(
    {"loaded_at", "uuid_ts", "run_id", "lake_object", "_lake_object", "_extracted_at", "first_landed"}
    | {"identity.read_objects.reading"}
    | {"push.sync_rows.updated_at", "push.rejected_rows.first_at", "push.rejected_rows.last_at"}
    | {"push.rejected_rows.next_attempt_at", "raw.destination_counts.read_at"}
    | {f"raw.deliveries.{column}" for column in ("seq", "at", "attempts", "answer", "steps")}
    # a tool that knows no repeat counts the request that was in flight twice
    | {"raw.destination_counts.events", "intermediate.int_deliveries_reported.tool_count"}
    | {"intermediate.int_deliveries_reported.tool_difference", "marts.reconciliation.tool_count"}
    | {"marts.reconciliation.tool_difference", "raw.destination_reports.read_at"}
    | {"intermediate.int_deliveries_reported.delivered_before_report"}
)
# what a run adds about itself: its own row a sync, and the words about the model that it kept
OF_RUN = frozenset({"push.sync_runs", "ml.models"})
# a table's rows, and a hash of them
Content = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Ended:
    """A command that has ended; `text` is all it said on both streams."""

    code: int
    text: str


@dataclass
class Product:
    """One installation. `environment` holds nothing of the surroundings' Headwater settings.

    Args:
        ports_of: another installation whose ports this one has too, as a copy of it would.
        ports: those of COLLECTOR, API, SANDBOX and DAGSTER; found where neither is given.
    """

    home: Path
    ports_of: Product | None = None
    ports: Sequence[int] = ()
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("HEADWATER", "DBT", "DAGSTER", "REDIS"))}
        if not self.ports:
            self.ports = self.ports_of.ports if self.ports_of else free_ports(len(PORTS))
        ports = {f"HEADWATER_{name}_PORT": str(port) for name, port in zip(PORTS, self.ports, strict=True)}
        own = {"HEADWATER_HOME": str(self.home), "SANDBOX_URL": f"http://127.0.0.1:{ports['HEADWATER_SANDBOX_PORT']}"}
        self.environment = outside | ports | own

    def port(self, name: str) -> int:
        """The port given to COLLECTOR, API, SANDBOX or DAGSTER."""
        return int(self.environment[f"HEADWATER_{name}_PORT"])

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port(name)}"

    def run(self, *arguments: str, **environment: str) -> Ended:
        """`headwater ARGUMENTS`, to its end."""
        done = subprocess.run(
            [HEADWATER, *arguments],
            cwd=CHECKOUT,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Ended(done.returncode, done.stdout)

    def start(self, *arguments: str) -> Running:
        """`headwater ARGUMENTS` in a process group of its own, its output in a file beside the home."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        log = self.home.with_suffix(".log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [HEADWATER, *arguments],
                cwd=CHECKOUT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Running(process, log)

    @contextmanager
    def service(self, command: str, port: str) -> Iterator[httpx.Client]:
        """`headwater COMMAND` while the block runs, with a client for it once it answers."""
        running = self.start(command)
        try:
            with httpx.Client(base_url=self.url(port), timeout=120) as client:
                running.wait_until(lambda: _answers(client), f"{command} to answer")
                yield client
        finally:
            running.process.terminate()
            running.process.wait(60)

    def await_rest(self, seconds: float = 120) -> None:
        """Return once no process of this home is left, as some take a moment to end after their parent's death."""
        deadline = time.monotonic() + seconds
        while left := [process for process in psutil.process_iter() if self._is_its_home(process)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)

    def _is_its_home(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("HEADWATER_HOME") == str(self.home)
        except psutil.Error:
            return False

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The read copy's answer."""
        with duckdb.connect(str(self.home / "warehouse.read.duckdb"), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            return con.execute(query, list(parameters)).fetchall()

    def content(self, *, leave_out: frozenset[str] = frozenset()) -> Content:
        """Each table and view of the read copy: its rows and a hash of them that no order changes.

        Args:
            leave_out: columns that are not compared: `column`, in whichever table, or `schema.table.column`.
        """
        found: Content = {}
        with duckdb.connect(str(self.home / "warehouse.read.duckdb"), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            columns: dict[str, list[str]] = {}
            for table, column in con.execute(
                "select schema_name || '.' || table_name, column_name from duckdb_columns() "
                "where database_name = current_database() and not internal order by 1, column_index"
            ).fetchall():
                columns.setdefault(table, []).append(column)
            for table, names in columns.items():
                schema, name = table.split(".", 1)
                compared = [c for c in names if c not in leave_out and f"{table}.{c}" not in leave_out]
                kept = ", ".join(f'"{column}"::varchar' for column in compared)
                counted = con.execute(
                    f'select count(*), coalesce(sum(hash(row({kept}))::hugeint), 0) from "{schema}"."{name}"'
                ).fetchone()
                assert counted
                found[table] = (int(counted[0]), int(counted[1]))
        return found


@dataclass
class Running:
    """A started command and what it has said so far."""

    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until(self, happened: Callable[[], bool], what: str, seconds: float = 900) -> None:
        """Return once `happened`; fails when the process ends before, or never gets there and is killed."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert self.process.poll() is None, f"ended with {self.process.returncode} before {what}:\n{self.text()}"
            if time.monotonic() >= deadline:
                self.kill()
                raise AssertionError(f"no sign of {what} in {seconds:g} s:\n{self.text()}")
            time.sleep(0.005)

    def kill(self) -> None:
        """SIGKILL to the whole process group, as `kill -9 -- -PGID` does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def warehouse_is_held_by(home: Path, program: str) -> bool:
    """Whether a process whose command names `program` holds the home's warehouse at this moment."""
    try:
        holder = psutil.Process(json.loads((home / "warehouse.lock").read_text())["pid"])
        return any(program in word for word in holder.cmdline())
    except (OSError, ValueError, KeyError, psutil.Error):
        return False


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, and none of those that the system gives to whoever asks for any: they
    are still free when a run comes to them minutes later, whatever else runs beside."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(10_240, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


def differences(left: dict[str, Any], right: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What two contents do not agree on."""
    return {k: (left.get(k), right.get(k)) for k in sorted(left.keys() | right.keys()) if left.get(k) != right.get(k)}


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False
