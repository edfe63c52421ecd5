"""Which lake objects were loaded into what: the ledger that makes loading repeatable.

Belongs here: `raw.loaded_objects`, what the Parquet footers say, and cutting the waiting objects into bounded groups.
Does not belong here: the rows themselves. A loader writes the ledger in the transaction of its rows, so that a kill
at any point leaves an object either loaded and listed, or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import duckdb
from duckdb import DuckDBPyConnection

from headwater.errors import DataError, HeadwaterError, UnavailableError
from headwater.storage.lake import Lake, landing_order
from headwater.storage.warehouse import connection, transaction
from headwater.storage.warehouse.connection import outside

T = TypeVar("T")

GROUP_ROWS = 200_000
GROUP_BYTES = 192 << 20
MEMORY_LIMIT = "384MB"  # DuckDB keeps what it has read until its limit: a lower one costs no time here
_NARROW = 200  # columns that this is enough for


@dataclass(frozen=True)
class Measured:
    """An object with its rows and its size in memory (bytes, uncompressed)."""

    key: str
    rows: int
    bytes: int


def loaded(con: DuckDBPyConnection, target: str) -> set[str]:
    """Keys of the objects that `target` already holds."""
    rows = con.execute("select lake_object from raw.loaded_objects where target = ?", [target]).fetchall()
    return {row[0] for row in rows}


def waiting(con: DuckDBPyConnection, lake: Lake, prefix: str, target: str) -> list[str]:
    """Keys of the Parquet objects under `prefix` that `target` does not hold yet, in landing order."""
    done = loaded(con, target)
    found = [item.key for item in lake.list(prefix) if item.key.endswith(".parquet") and item.key not in done]
    return sorted(found, key=landing_order)


def loaded_but_not(con: DuckDBPyConnection, target: str, next_target: str) -> list[str]:
    """Keys that `target` holds and `next_target` does not, in landing order."""
    return sorted(loaded(con, target) - loaded(con, next_target), key=landing_order)


def record(con: DuckDBPyConnection, target: str, rows: Iterable[tuple[str, int]]) -> None:
    """Note (key, row count) pairs as loaded. Call it inside the transaction of the rows."""
    now = datetime.now(UTC).replace(tzinfo=None)
    values = [(key, target, count, now) for key, count in rows]
    if values:
        con.executemany(
            "insert into raw.loaded_objects (lake_object, target, rows, loaded_at) values (?, ?, ?, ?)", values
        )


def groups(measured: Iterable[Measured]) -> Iterator[list[Measured]]:
    """Cut objects, in their order, into groups that one transaction can take without much memory."""
    group: list[Measured] = []
    for item in measured:
        too_many_rows = item.rows + sum(other.rows for other in group) > GROUP_ROWS
        too_many_bytes = item.bytes + sum(other.bytes for other in group) > GROUP_BYTES
        if group and (too_many_rows or too_many_bytes):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def one_group(con: DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Do `work` in a transaction of its own and in little memory, so that ten times the events take no more of it.

    Where that is too little it is rolled back and done again with the warehouse's limit.
    """
    try:
        con.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        before = _limit(con)
        with transaction(con):
            done = work()
        if _limit(con) != before:
            con.execute("checkpoint")  # here is room for it, elsewhere perhaps not
        return done
    except (duckdb.OutOfMemoryException, UnavailableError) as error:
        if not isinstance(error.__cause__ or error, duckdb.OutOfMemoryException):
            raise
        con.execute(f"set memory_limit = '{connection.MEMORY_LIMIT}'")
        with transaction(con):
            return work()
    finally:
        con.execute(f"set memory_limit = '{connection.MEMORY_LIMIT}'")


def make_room(con: DuckDBPyConnection, columns: int) -> None:
    """Inside the work of `one_group`: a table of so many columns is about to be written."""
    if columns > _NARROW:
        con.execute(f"set memory_limit = '{384 + columns * 3 // 2}MB'")


def _limit(con: DuckDBPyConnection) -> str:
    return str(con.execute("select current_setting('memory_limit')").fetchall()[0][0])


def measure(con: DuckDBPyConnection, lake: Lake, keys: list[str]) -> list[Measured]:
    """Rows and sizes, from the Parquet footers.

    Raises:
        DataError: an object is gone or not Parquet; names it.
    """
    if not keys:
        return []
    uris = [lake.uri(key) for key in keys]
    try:
        rows = con.execute(
            "select files.file_name, any_value(num_rows), coalesce(sum(total_uncompressed_size), 0) "
            "from parquet_file_metadata($uris) as files left join parquet_metadata($uris) as parts "
            "on parts.file_name = files.file_name group by files.file_name",
            {"uris": uris},
        ).fetchall()
    except duckdb.Error as error:
        raise failure("The lake holds an object that cannot be read", error) from error
    found = {uri: (int(count), int(size)) for uri, count, size in rows}
    return [Measured(key, *found[uri]) for key, uri in zip(keys, uris, strict=True)]


def failure(what: str, error: duckdb.Error) -> HeadwaterError:
    """DuckDB's error as ours: its first line, and whether to look at the data or to try again later."""
    said = f"{what}: {str(error).splitlines()[0]}"
    if not outside(error):
        return DataError(said)
    is_network = " HTTP " in said
    return UnavailableError(said, hint="Once the lake answers, run it again: nothing is lost." if is_network else "")


def metadata(con: DuckDBPyConnection, lake: Lake, keys: list[str], name: str) -> dict[str, str]:
    """What the objects' key-value metadata holds under `name`: key → text. Objects without it are left out.

    Raises:
        DataError: an object is gone or not Parquet; names it.
    """
    uris = [lake.uri(key) for key in keys]
    try:
        rows = con.execute(
            "select file_name, decode(value) from parquet_kv_metadata($uris) where decode(key) = $name",
            {"uris": uris, "name": name},
        ).fetchall()
    except duckdb.Error as error:
        raise failure("The lake holds an object that cannot be read", error) from error
    found = dict(rows)
    return {key: found[uri] for key, uri in zip(keys, uris, strict=True) if uri in found}
