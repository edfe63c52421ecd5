"""Records that were kept aside, from the lake into `raw.quarantine`, where a person finds them with their reason.

Belongs here: loading them. Does not belong here: deciding what is kept aside; whoever reads the input does that.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
from duckdb import DuckDBPyConnection

from headwater.load import ledger
from headwater.storage.lake import Lake
from headwater.storage.warehouse import transaction

TARGET = "raw.quarantine"
_COLUMNS = {
    "reason": "text",
    "payload": "text",
    "source": "text",
    "received_at": "timestamp",
    "detail": "text",
}


@dataclass(frozen=True)
class QuarantineLoaded:
    """Counts of what was new; `by_reason` holds rows per reason."""

    objects: int
    rows: int
    by_reason: dict[str, int]


def load_quarantine(con: DuckDBPyConnection, lake: Lake) -> QuarantineLoaded:
    """Load every quarantine object that is not loaded yet.

    Raises:
        DataError: an object cannot be read.
    """
    lake.configure(con)
    keys = ledger.waiting(con, lake, "quarantine/", TARGET)
    by_reason: dict[str, int] = {}
    for key in keys:
        uri = lake.uri(key)
        try:
            given = {row[0] for row in con.execute("describe from read_parquet(?)", [uri]).fetchall()}
            selected = ", ".join(
                f"{name if name in given else 'null'}::{kind} as {name}" for name, kind in _COLUMNS.items()
            )
            with transaction(con):
                rows = con.execute(
                    f"insert into raw.quarantine by name select {selected}, ? as lake_object from read_parquet(?) "
                    "returning reason",
                    [key, uri],
                ).fetchall()
                ledger.record(con, TARGET, [(key, len(rows))])
        except duckdb.Error as error:
            raise ledger.failure(f"{key} cannot be loaded", error) from error
        for (reason,) in rows:
            by_reason[str(reason)] = by_reason.get(str(reason), 0) + 1
    return QuarantineLoaded(len(keys), sum(by_reason.values()), by_reason)
