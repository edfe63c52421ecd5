"""Rows that the lander put beside the events, from the lake into a table, each once, however often it was met.

Belongs here: what loading of `raw.quarantine` and `raw.dropped` has in common. Does not belong here: their columns.
"""

from __future__ import annotations

from collections import Counter

import duckdb
from duckdb import DuckDBPyConnection

from headwater.load import ledger
from headwater.storage.lake import Lake
from headwater.storage.warehouse import declared_tables, transaction


def load_aside(con: DuckDBPyConnection, lake: Lake, prefix: str, table: str, id_sql: str) -> tuple[int, Counter[str]]:
    """Load every object under `prefix` that is not loaded yet; columns that an object lacks are null.

    Args:
        id_sql: what a row is known by, over the table's columns; of two with the same the first stays.

    Returns:
        Objects, and new rows by reason.

    Raises:
        DataError: an object cannot be read; those before it are loaded.
    """
    lake.configure(con)
    keys = ledger.waiting(con, lake, prefix, table)
    columns = {name: kind for name, kind in declared_tables()[table].items() if name != "lake_object"}
    by_reason: Counter[str] = Counter()
    for key in keys:
        uri = lake.uri(key)
        try:
            given = {row[0] for row in con.execute("describe from read_parquet(?)", [uri]).fetchall()}
            known = {name: name if name in given else "null" for name in columns}
            selected = ", ".join(f"{known[name]}::{kind} as {name}" for name, kind in columns.items())
            with transaction(con):
                rows = con.execute(
                    f"""insert into {table} by name
                    with landed as (
                        select {selected}, file_row_number as _place from read_parquet(?, file_row_number = true)
                    ),
                    met as (select *, {id_sql} as _id from landed)
                    select * exclude (_place, _id), ? as lake_object from met
                    anti join (select {id_sql} as _id from {table}) as held using (_id)
                    qualify row_number() over (partition by _id order by _place) = 1
                    order by _place
                    returning reason""",
                    [uri, key],
                ).fetchall()
                ledger.record(con, table, [(key, len(rows))])
        except duckdb.Error as error:
            raise ledger.failure(f"{key} cannot be loaded", error) from error
        by_reason.update(str(reason) for (reason,) in rows)
    return len(keys), by_reason
