"""A window of a table's history, asked for again, whatever its place.

Belongs here: re-pulling rows by their cursor, for whoever repairs history. Does not belong here: pulling what is new
(`extracts`), which keeps its own place and is not touched by this.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headwater.configuration import Config, PulledTable, RestTable
from headwater.errors import HeadwaterError, UsageError
from headwater.land.contracts import Learned
from headwater.land.extracts import Pulled, only_one, pulled_source
from headwater.land.held import REMEMBERED, Held, Window, note_window
from headwater.land.listings import TablePulled, Work, between
from headwater.land.objects import Rejected, put_once, put_quarantine
from headwater.land.places import Cursor, as_state
from headwater.settings import Settings
from headwater.storage.lake import open_lake

BACKFILLED = "_backfilled_at"
BY_TIME = ("timestamp", "date")


def can_backfill(table: PulledTable) -> bool:
    """Whether windows of time can be asked for: the cursor is a time or a date."""
    return table.cursor is not None and table.columns.get(table.cursor) in BY_TIME


def try_backfill(
    settings: Settings, config: Config, source_name: str, since: datetime, until: datetime, tables: list[str]
) -> Pulled:
    """Land the rows whose cursor is in [since, until) (UTC) once more, as the tool has them now.

    A row that is unchanged stays as it is when it is loaded; a window may be asked for as often as wanted.

    Raises:
        UsageError: there is no such source or table, or a table has no cursor of time.
        UnavailableError: the lake cannot be written.
        BusyError: a pull of the same source runs, and did not end within a minute.
    """
    source, chosen = pulled_source(config, source_name, tables)
    without = [name for name in chosen if not can_backfill(source.tables[name])]
    if without:
        raise UsageError(f"{source_name}'s {', '.join(without)} has no cursor of type timestamp or date.")
    work = Work(settings, config, open_lake(settings), source_name, source)
    report = Pulled(source_name, {name: TablePulled() for name in chosen})
    with only_one(settings.dlt_dir, source_name):
        for name in chosen:
            try:
                _land(work, name, since, until, report.tables[name])
            except HeadwaterError as error:
                report.tables[name].error = error
    return report


def _land(work: Work, name: str, since: datetime, until: datetime, counts: TablePulled) -> None:
    table = work.source.tables[name]
    cursor, is_date = str(table.cursor), table.columns[str(table.cursor)] == "date"
    first: Cursor = since.date() if is_date else since
    last: Cursor = until.date() if is_date else until
    found: list[pa.Table] = []
    rejected: list[Rejected] = []
    learned = Learned({}, table, work.where(name))
    for typed in between(work, name, learned, first, last):
        rejected += typed.rejected
        column = typed.rows[cursor]
        after = pc.greater_equal(column, pa.scalar(first, column.type))
        inside = pc.and_(after, pc.less(column, pa.scalar(last, column.type)))
        found.append(typed.rows.filter(inside))
        # a tool that cannot be told where to stop goes on to its newest row
        if isinstance(table, RestTable) and table.is_ordered and _is_beyond(column, last):
            break
    put_quarantine(work.lake, "extracts", f"{work.name}.{name}", rejected)
    counts.quarantined = len(rejected)
    held = Held({}, table)
    bad = {row: as_state(at) for row, at in map(held.named, rejected[:REMEMBERED])}
    now = datetime.now(UTC).replace(tzinfo=None)
    note_window(work.settings, work.name, name, Window(now.isoformat(), as_state(first), as_state(last), bad))
    rows = pa.concat_tables(found, promote_options="permissive") if found else None
    if rows is None or not rows.num_rows:
        return
    # the time makes it another object, which is loaded even where the same rows were landed before
    stamps = pa.array([now] * rows.num_rows, pa.timestamp("us"))
    out = pa.BufferOutputStream()
    pq.write_table(rows.append_column(BACKFILLED, stamps), out, compression="zstd")
    _, is_new = put_once(work.lake, f"extracts/{work.name}/{name}", out.getvalue().to_pybytes())
    counts.rows, counts.objects = rows.num_rows, int(is_new)


def _is_beyond(column: pa.ChunkedArray, last: Cursor) -> bool:
    oldest = pc.min(column).as_py()
    return oldest is not None and oldest >= last
