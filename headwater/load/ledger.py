"""Which lake objects were loaded into what: the ledger that makes loading repeatable.

Belongs here: `raw.loaded_objects` and cutting the waiting objects into bounded groups. Does not belong here: the rows
themselves. A loader writes the ledger in the transaction of its rows, so that a kill at any point leaves an object
either loaded and listed, or neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import duckdb
from duckdb import DuckDBPyConnection

from headwater.errors import DataError
from headwater.storage.lake import Lake, Object, landing_order

GROUP_ROWS = 200_000
GROUP_BYTES = 128 << 20


def loaded(con: DuckDBPyConnection, target: str) -> set[str]:
    """Keys of the objects that `target` already holds."""
    rows = con.execute("select lake_object from raw.loaded_objects where target = ?", [target]).fetchall()
    return {row[0] for row in rows}


def waiting(con: DuckDBPyConnection, lake: Lake, prefix: str, target: str) -> list[Object]:
    """Parquet objects under `prefix` that `target` does not hold yet, in landing order."""
    done = loaded(con, target)
    found = [item for item in lake.list(prefix) if item.key.endswith(".parquet") and item.key not in done]
    return sorted(found, key=lambda item: landing_order(item.key))


def record(con: DuckDBPyConnection, target: str, rows: Iterable[tuple[str, int]]) -> None:
    """Note (key, row count) pairs as loaded. Call it inside the transaction of the rows."""
    now = datetime.now(UTC).replace(tzinfo=None)
    values = [(key, target, count, now) for key, count in rows]
    if values:
        con.executemany("insert into raw.loaded_objects (lake_object, target, rows, loaded_at) values (?, ?, ?, ?)", values)


def groups(sized: Iterable[tuple[Object, int]]) -> Iterator[list[tuple[Object, int]]]:
    """Cut (object, rows) pairs, in their order, into groups that one transaction can take without much memory."""
    group: list[tuple[Object, int]] = []
    for item, rows in sized:
        total_rows = rows + sum(count for _, count in group)
        total_bytes = item.size + sum(other.size for other, _ in group)
        if group and (total_rows > GROUP_ROWS or total_bytes > GROUP_BYTES):
            yield group
            group = []
        group.append((item, rows))
    if group:
        yield group


def count_rows(con: DuckDBPyConnection, lake: Lake, objects: list[Object]) -> list[tuple[Object, int]]:
    """Row counts, from the Parquet footers.

    Raises:
        DataError: an object is not Parquet; names it.
    """
    if not objects:
        return []
    uris = [lake.uri(item.key) for item in objects]
    try:
        rows = con.execute("select file_name, num_rows from parquet_file_metadata(?)", [uris]).fetchall()
    except duckdb.Error as error:
        raise DataError(f"The lake holds an object that cannot be read: {str(error).splitlines()[0]}") from error
    counts = dict(rows)
    return [(item, int(counts[uri])) for item, uri in zip(objects, uris, strict=True)]
