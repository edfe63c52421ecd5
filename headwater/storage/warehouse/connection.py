"""The one way to open the warehouse.

Belongs here: waiting for the file, the one DuckDB configuration, the read copy's connection. Does not belong here:
SQL. No connection, cursor or relation may leave the `with` block: DuckDB keeps the file open as long as one lives.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from headwater.errors import BusyError, DataError, UnavailableError
from headwater.settings import Settings
from headwater.storage.warehouse.lock import WAIT_SECONDS, WarehouseLock

MEMORY_LIMIT = "1GB"
WIDE_MEMORY_LIMIT = "3GB"
"""For a table of 1,600 columns: DuckDB holds about a megabyte a column while it appends to one and checkpoints it
(measured with 1.5), and a process killed before that leaves it to the next one that opens the file."""
DBT_SHARE_OF_MEMORY = 0.25
"""Profiles of a quarter of a million people, joined as one row of 86 columns each, need more than `MEMORY_LIMIT`."""
THREADS = 2
FORMAT = "v1.2.0"  # the oldest DuckDB that can read the file, and the first with zstd columns
UTC = "set global TimeZone = 'UTC'"  # global: cursors are sessions of their own
_RETRY_SECONDS = 0.2


def configuration(warehouse: Path) -> dict[str, Any]:
    """DuckDB's settings for this warehouse file, wherever it is opened, dbt included.

    Extensions come from wheels: DuckDB must not try to download any.
    """
    return {
        "memory_limit": MEMORY_LIMIT,
        "threads": THREADS,
        "temp_directory": str(warehouse.with_name("warehouse.tmp")),
        "storage_compatibility_version": FORMAT,
        "checkpoint_threshold": "256MB",
        "autoinstall_known_extensions": "false",
    }


def dbt_memory_limit() -> str:
    """DuckDB's `memory_limit` for dbt: a quarter of the memory of the machine, or of the container, at least
    `MEMORY_LIMIT`. What is beyond it goes to disk, but for what joins and insertions need all at once."""
    with duckdb.connect() as con:  # by itself DuckDB takes 80 % of what is there, and heeds a container's limit
        ((told,),) = con.execute("select current_setting('memory_limit')").fetchall()
    number, unit = str(told).split()
    return max(f"{float(number) / 0.8 * DBT_SHARE_OF_MEMORY:.3f} {unit}", MEMORY_LIMIT, key=_bytes)


def _bytes(size: str) -> float:
    """Of DuckDB's sizes: `1GB`, `18.8 GiB`."""
    number, letter, binary = re.fullmatch(r"([0-9.]+) ?([KMGT])(i?)B", size).groups()  # type: ignore[union-attr]
    return float(number) * (1024 if binary else 1000) ** (" KMGT".index(letter))


@contextmanager
def connect(
    settings: Settings, *, purpose: str, wait_seconds: float = WAIT_SECONDS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, to write. One process at a time; others wait.

    Args:
        purpose: what the caller does, shown to whoever waits.
        wait_seconds: how long to wait for another holder.

    Raises:
        BusyError: another process held it all that time; names it.
        DataError: the file is not a DuckDB database, or damaged.
        UnavailableError: the folder cannot be written.
    """
    lock = WarehouseLock(settings.warehouse, purpose)
    deadline = time.monotonic() + wait_seconds
    lock.acquire(wait_seconds)
    try:
        con = open_file(settings.warehouse, deadline, wait_seconds)
        try:
            con.execute(UTC)
            lock.mark_dirty()
            yield con
        finally:
            con.close()
    finally:
        lock.release()


def open_file(path: Path, deadline: float, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    """Open the file itself, waiting until `deadline` (monotonic) for programs that know nothing of our lock.

    Raises:
        BusyError, DataError, UnavailableError: as `connect`.
    """
    wal = path.with_name(f"{path.name}.wal")
    while True:
        try:
            if not wal.is_file() or not wal.stat().st_size:
                return duckdb.connect(path, config=configuration(path))
            con = duckdb.connect(path, config=configuration(path) | {"memory_limit": WIDE_MEMORY_LIMIT})
            con.execute("checkpoint")
            con.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
            return con
        except duckdb.IOException as error:
            text = str(error)
            if "Could not set lock" not in text:
                kind = UnavailableError if outside(error) else DataError
                raise kind(f"The warehouse {path} cannot be opened: {_first_line(text)}") from error
            if time.monotonic() >= deadline:
                raise BusyError(
                    f"The warehouse is open in {foreign_holder(text)}; waited {wait_seconds:g} s.",
                    hint=f"Programs that only read should open {path.with_name('warehouse.read.duckdb').name}.",
                ) from error
            time.sleep(_RETRY_SECONDS)


def outside(error: duckdb.Error) -> bool:
    """Whether DuckDB failed for what is outside of it (disk, memory, network) and not in the data."""
    if isinstance(error, duckdb.HTTPException):
        return "HTTP 404" not in str(error)  # the server is there, and says that the object is not
    causes = ("No space left", "Permission denied", "Read-only file system", "error for HTTP ")
    return isinstance(error, duckdb.OutOfMemoryException) or any(cause in str(error) for cause in causes)


def foreign_holder(text: str) -> str:
    """The program that DuckDB's own lock error names, in words."""
    found = re.search(r"held in (.+?) \(PID (\d+)\)", text)
    return f"another program, {found.group(1)} (process {found.group(2)})" if found else "another program"


@contextmanager
def connect_read(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The read copy, as it is now: any number of processes at once, while the warehouse is being written.

    The copy is attached rather than opened, because DuckDB would hand a process that still has an older copy open
    the older one again.

    Raises:
        UnavailableError: there is no read copy yet.
    """
    path = settings.warehouse_read
    if not path.is_file():
        raise UnavailableError(
            f"There is no read copy of the warehouse at {path}.", hint="Make one with `headwater publish`."
        )
    con = duckdb.connect(config=configuration(settings.warehouse))
    try:
        con.execute(UTC)
        con.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as warehouse (read_only)")
        con.execute("use warehouse")
        yield con
    finally:
        con.close()


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]
