"""Event objects of the lake into `raw.events`, each event once for ever.

Belongs here: reading, deduplication and the ledger entry, in one transaction per group of objects. Does not belong
here: the RudderStack-shaped tables (`event_tables`), anything that looks inside a payload.

Of two events with the same (source, message_id) the one that landed first stays: order of file name, then row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import duckdb
from duckdb import DuckDBPyConnection

from headwater.load import ledger
from headwater.storage.lake import Lake

TARGET = "raw.events"

_COLUMNS = (
    "source, message_id, type, event, user_id, anonymous_id, timestamp, original_timestamp, sent_at, received_at, "
    "known_at, route, payload, row_number"
)
_NEWER = ("original", "violations", "replays", "request_ip")  # columns that objects of an older version lack

# First the winners, from the key columns alone; only then the wide rows, streamed past the winners without a sort.
# The group's keys are few and the existing ones many: DuckDB hashes the few and streams the many past them, so that
# memory is bounded by the group. A unique index would keep every key of all time in memory.
_WINNERS = """
create or replace temp table _winners as
with landed as (
    select source, message_id, filename, file_row_number, list_position($uris, filename) as position, row_number
    from read_parquet($uris, filename = true, file_row_number = true)
),
first_landed as (
    select source, message_id, unnest(min({
        'position': position, 'row_number': row_number, 'filename': filename, 'file_row_number': file_row_number
    }))
    from landed
    group by source, message_id
)
select filename, file_row_number, position
from first_landed
anti join raw.events as existing
    on existing.message_id = first_landed.message_id and existing.source = first_landed.source
"""

_INSERT = f"""
insert into raw.events by name
select {_COLUMNS.replace("payload", "payload::json as payload")}, {{newer}}, $keys[position] as lake_object
from read_parquet($uris, filename = true, file_row_number = true, union_by_name = true)
join _winners using (filename, file_row_number)
"""
_DESCRIBE = "describe from read_parquet($uris, union_by_name = true)"


@dataclass(frozen=True)
class EventsLoaded:
    """`rows_read` = `rows_new` + `duplicates`."""

    objects: int = 0
    rows_read: int = 0
    rows_new: int = 0
    duplicates: int = 0


def load_events(con: DuckDBPyConnection, lake: Lake) -> EventsLoaded:
    """Load every event object that is not loaded yet, in landing order.

    Raises:
        DataError: an object cannot be read; groups before it are loaded.
        UnavailableError: the lake cannot be reached, or the disk is full.
    """
    lake.configure(con)
    waiting = ledger.measure(con, lake, ledger.waiting(con, lake, "events/", TARGET))
    total = EventsLoaded()
    for group in ledger.groups(waiting):
        new = ledger.one_group(con, partial(_load_group, con, lake, group))
        read = sum(item.rows for item in group)
        total = EventsLoaded(
            total.objects + len(group), total.rows_read + read, total.rows_new + new, total.duplicates + read - new
        )
    return total


def _load_group(con: DuckDBPyConnection, lake: Lake, group: list[ledger.Measured]) -> int:
    keys = [item.key for item in group]
    try:
        uris = [lake.uri(key) for key in keys]
        con.execute(_WINNERS, {"uris": uris})
        given = {row[0] for row in con.execute(_DESCRIBE, {"uris": uris}).fetchall()}
        newer = ", ".join(name if name in given else f"null::text as {name}" for name in _NEWER)
        inserted = con.execute(_INSERT.format(newer=newer), {"uris": uris, "keys": keys}).fetchone()
    except duckdb.Error as error:
        names = keys[0] if len(keys) == 1 else f"{keys[0]} … {keys[-1]}"
        raise ledger.failure(f"Events of {names} cannot be loaded", error) from error
    ledger.record(con, TARGET, ((item.key, item.rows) for item in group))
    return int(inserted[0]) if inserted else 0
