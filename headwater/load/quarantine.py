"""Records that were kept aside, from the lake into `raw.quarantine`, where a person finds them with their reason.

Belongs here: loading them, each once, however often it was met: the same line sent again, the same row in tomorrow's
file. Does not belong here: deciding what is kept aside; whoever reads the input does that.
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
    "quarantine_id": "text",
}
# rows of tables have no id of their own: what they say is what they are
_ID = "md5(concat_ws(chr(31), coalesce(source, ''), reason, coalesce(detail, ''), payload))"


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
                    f"""insert into raw.quarantine by name
                    with landed as (
                        select {selected}, file_row_number as place from read_parquet(?, file_row_number = true)
                    ),
                    met as (from landed select * replace (coalesce(quarantine_id, {_ID}) as quarantine_id))
                    select * exclude (place), ? as lake_object from met
                    where not exists (from raw.quarantine as held where held.quarantine_id = met.quarantine_id)
                    qualify row_number() over (partition by quarantine_id order by place) = 1
                    order by place
                    returning reason""",
                    [uri, key],
                ).fetchall()
                ledger.record(con, TARGET, [(key, len(rows))])
        except duckdb.Error as error:
            raise ledger.failure(f"{key} cannot be loaded", error) from error
        for (reason,) in rows:
            by_reason[str(reason)] = by_reason.get(str(reason), 0) + 1
    return QuarantineLoaded(len(keys), sum(by_reason.values()), by_reason)
