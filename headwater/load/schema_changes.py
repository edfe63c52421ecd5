"""What tools had that was not declared: `raw.schema_changes`, and what of it a table's columns became.

Belongs here: loading the lander's notes, and the columns that a contract let evolve. Does not belong here: noticing a
change (the lander), altering a table (`merge`).
"""

from __future__ import annotations

from typing import cast, get_args

import duckdb
from duckdb import DuckDBPyConnection

from headwater.configuration import ColumnType, CsvTable, PulledTable
from headwater.load import ledger
from headwater.storage.lake import Lake
from headwater.storage.warehouse import declared_tables, transaction

TARGET = "raw.schema_changes"


def load_schema_changes(con: DuckDBPyConnection, lake: Lake) -> int:
    """Load every note that is not loaded yet; how many rows are new.

    Raises:
        DataError: an object cannot be read.
    """
    lake.configure(con)
    rows, columns = 0, ", ".join(declared_tables()[TARGET])
    for key in ledger.waiting(con, lake, "schema_changes/", TARGET):
        try:
            with transaction(con):
                added = con.execute(
                    f"insert into {TARGET} ({columns}) select {columns} from read_parquet(?)", [lake.uri(key)]
                ).fetchall()
                ledger.record(con, TARGET, [(key, added[0][0])])
        except duckdb.Error as error:
            raise ledger.failure(f"{key} cannot be loaded", error) from error
        rows += int(added[0][0])
    return rows


def evolved(con: DuckDBPyConnection, source: str, name: str, table: PulledTable | CsvTable) -> dict[str, ColumnType]:
    """Columns that the table has beyond its declaration as it is now, or with another type."""
    if not isinstance(table, PulledTable):
        return {}
    found = con.execute(
        f"select column_name, new_type from {TARGET} where source = ? and table_name = ? and declared = ? "
        "and action = 'evolve' order by seen_at",
        [source, name, table.declaration],
    ).fetchall()
    return {column: cast("ColumnType", kind) for column, kind in found if kind in get_args(ColumnType)}
