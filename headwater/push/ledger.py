"""What each sync has sent and what came of it, in the warehouse.

Belongs here: the tables `push.sync_runs`, `push.sync_rows`, `push.rejected_rows`, and every write to them. Does not
belong here: comparing (`headwater.push.changes`) or sending.

* `sync_rows.hash` is the hash of the values that the destination has **accepted**, null when it accepted none yet;
  `status` is the outcome of the last attempt.
* `rejected_rows` holds the rows whose last attempt was refused, with the reason. A refused row is due again after
  `next_attempt_at` (a day, then two, four … at most 30 days), at once when its values change or the refusal was
  transient, and whenever somebody asks for it (`headwater sync NAME --rejected`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from headwater.push.destinations.base import Outcome

FIRST_RETRY = timedelta(days=1)
LONGEST_RETRY = timedelta(days=30)

_TABLES = """
create schema if not exists push;
create table if not exists push.sync_runs (
    run_id varchar primary key, sync varchar not null, as_of timestamp, started_at timestamp not null,
    finished_at timestamp, rows_selected bigint, rows_changed bigint, sent bigint, accepted bigint, rejected bigint,
    requests bigint, status varchar not null, message varchar
);
create table if not exists push.sync_rows (
    sync varchar, key varchar, operation varchar not null, status varchar not null, hash varchar,
    attempts bigint not null, response_code varchar, message varchar, run_id varchar not null,
    updated_at timestamp not null, primary key (sync, key)
);
create table if not exists push.rejected_rows (
    sync varchar, key varchar, operation varchar not null, reason varchar not null, code varchar, hash varchar not null,
    attempts bigint not null, first_at timestamp not null, last_at timestamp not null,
    next_attempt_at timestamp not null, run_id varchar not null, primary key (sync, key)
);
"""

_UPSERT_ROWS = """
insert or replace into push.sync_rows
select
    $sync, key, operation, case when is_accepted then 'accepted' else 'rejected' end,
    case when is_accepted then hash else accepted_hash end, attempts, code, message, $run_id, $at
from ledger_batch
"""

_UPSERT_REJECTED = """
insert or replace into push.rejected_rows
select
    $sync, key, operation, message, code, hash, rejections, coalesce(first_rejected_at, $at), $at, next_attempt_at,
    $run_id
from ledger_batch
where not is_accepted
"""

_FORGET_REJECTED = """
delete from push.rejected_rows
where sync = $sync and key in (select key from ledger_batch where is_accepted)
"""


@dataclass(frozen=True)
class Due:
    """One row to be sent, with what the ledger knows of it.

    `attempts` counts all earlier attempts; `rejections` and `first_rejected_at` are about these very values,
    `was_rejected` about any.
    """

    key: str
    fields: str
    hash: str
    operation: str
    accepted_hash: str | None
    attempts: int
    rejections: int
    first_rejected_at: datetime | None
    was_rejected: bool


@dataclass
class Totals:
    """Counts of one run, as `push.sync_runs` shows them."""

    selected: int = 0
    changed: int = 0
    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    requests: int = 0


def ensure_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create the ledger's tables where they are missing."""
    con.execute(_TABLES)


def tables_or_empty(con: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """SQL relations of the rows and of the rejected rows; before the first run, empty ones (a read copy stays as it
    is)."""
    there = con.sql("select count(*) from duckdb_tables() where schema_name = 'push' and table_name = 'sync_rows'")
    if (there.fetchone() or (0,))[0]:
        return "push.sync_rows", "push.rejected_rows"
    return (
        "(select null as sync, null as key, null as hash, null as attempts limit 0)",
        "(select null as sync, null as key, null as hash, null as attempts, null::timestamp as first_at, "
        "null::timestamp as next_attempt_at limit 0)",
    )


def start_run(con: duckdb.DuckDBPyConnection, run_id: str, sync: str, as_of: datetime | None, now: datetime) -> None:
    """Record that a run began. Earlier runs of this sync that never ended were killed: only one process writes."""
    con.execute(
        "update push.sync_runs set status = 'interrupted', message = 'The process was killed.' "
        "where sync = ? and status = 'running'",
        [sync],
    )
    con.execute(
        "insert into push.sync_runs (run_id, sync, as_of, started_at, status) values (?, ?, ?, ?, 'running')",
        [run_id, sync, as_of, now],
    )


def finish_run(
    con: duckdb.DuckDBPyConnection, run_id: str, totals: Totals, now: datetime, status: str, message: str | None
) -> None:
    """Record how a run ended: `succeeded` or `failed`."""
    con.execute(
        """
        update push.sync_runs set
            finished_at = ?, rows_selected = ?, rows_changed = ?, sent = ?, accepted = ?, rejected = ?, requests = ?,
            status = ?, message = ?
        where run_id = ?
        """,
        [
            now, totals.selected, totals.changed, totals.sent, totals.accepted, totals.rejected, totals.requests,
            status, message, run_id,
        ],
    )  # fmt: skip


def record_batch(
    con: duckdb.DuckDBPyConnection,
    sync: str,
    run_id: str,
    rows: Sequence[Due],
    outcomes: Sequence[Outcome],
    now: datetime,
) -> None:
    """Commit the outcomes of one request. After this, and only after this, its rows count as sent."""
    batch = pa.table(
        {
            "key": [row.key for row in rows],
            "hash": [row.hash for row in rows],
            "operation": [row.operation for row in rows],
            "accepted_hash": pa.array([row.accepted_hash for row in rows], pa.string()),
            "attempts": [row.attempts + 1 for row in rows],
            "rejections": [row.rejections + 1 for row in rows],
            "first_rejected_at": pa.array([row.first_rejected_at for row in rows], pa.timestamp("us")),
            "next_attempt_at": pa.array(
                [
                    next_attempt_at(now, row.rejections + 1, outcome)
                    for row, outcome in zip(rows, outcomes, strict=True)
                ],
                pa.timestamp("us"),
            ),
            "is_accepted": [outcome.is_accepted for outcome in outcomes],
            "code": [outcome.code for outcome in outcomes],
            "message": [outcome.message for outcome in outcomes],
        }
    )
    about = {"sync": sync, "run_id": run_id, "at": now}
    con.register("ledger_batch", batch)
    con.begin()
    try:
        con.execute(_UPSERT_ROWS, about)
        if not all(outcome.is_accepted for outcome in outcomes):
            con.execute(_UPSERT_REJECTED, about)
        if any(row.was_rejected for row in rows):
            con.execute(_FORGET_REJECTED, {"sync": sync})
        con.commit()
    except BaseException:
        con.rollback()
        raise
    finally:
        con.unregister("ledger_batch")


def next_attempt_at(now: datetime, rejections: int, outcome: Outcome) -> datetime:
    """When a row that was refused `rejections` times with the same values is due again."""
    if outcome.is_transient:
        return now
    return now + min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(rejections - 1, 10))
