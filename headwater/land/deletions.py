"""Rows that are gone from a tool, and rows that were never seen: a look at all keys from time to time.

Belongs here: comparing the tool's keys with the lake's, and what is landed for the difference. Does not belong here:
flags that tools set themselves (`rows`), what becomes of the row in the warehouse (`load.merge`).

A row that is gone lands as a tombstone: its key, `_is_deleted` and the time of the scan. A row that is there and was
never landed, or was taken for deleted, lands as it is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.configuration import RestTable, SqlSource, SqlTable
from headwater.errors import HeadwaterError
from headwater.land.casting import quoted
from headwater.land.contracts import Learned
from headwater.land.databases import reader
from headwater.land.held import REMEMBERED, Window, names_of, note_window
from headwater.land.listings import TablePulled, Work, between, counted
from headwater.land.objects import put_once
from headwater.land.rows import ARROW, DELETED, Typed

SCANNED = "_scanned_at"


def scan_when_due(work: Work, name: str, counts: TablePulled) -> None:
    """Scan the table's keys when its config asks for it and the last scan is old enough.

    A scan that fails says so in `counts.error`; what it finds is in `counts.deleted` and `counts.rows`.
    """
    table = work.source.tables[name]
    if table.deletes != "scan" or counts.error is not None:
        return
    last, now = _last_scan(work, name), datetime.now(UTC)
    if last is not None and now - last < timedelta(hours=table.scan_hours):
        return
    try:
        _scan(work, name, counts, now.replace(tzinfo=None))
    except HeadwaterError as error:
        counts.error = error
        return
    _remember(work, name, now)


def _scan(work: Work, name: str, counts: TablePulled, now: datetime) -> None:
    table = work.source.tables[name]
    learned = Learned({}, table, work.where(name))
    folder = work.settings.dlt_dir / "scans"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch, duckdb.connect() as con:
        con.execute("set memory_limit = '512MB'; set threads = 1")
        con.execute(f"set temp_directory = '{scratch}'")
        key = ", ".join(quoted(column) for column in table.key)
        schema = pa.schema([(column, ARROW[table.columns[column]]) for column in table.key])
        _ingest(con, "there", (keys.select(table.key) for keys in _keys(work, name, learned)), schema)
        _held(con, work, name, key)
        gone = con.execute(f"select {key} from held anti join there using ({key}) where is_alive").to_arrow_table()
        unseen = con.execute(
            f"select distinct {key} from there anti join (from held where is_alive) using ({key})"
        ).to_arrow_table()
        alive = con.execute("select count(*) from held where is_alive").fetchall()[0][0]
    if gone.num_rows > max(1, alive * table.scan_limit_percent / 100):
        counts.notes.append(
            f"a scan of the keys misses {gone.num_rows} of {alive} rows, more than scan_limit_percent "
            f"({table.scan_limit_percent:g}): nothing was marked as deleted"
        )
    elif gone.num_rows:
        marks = gone.append_column(DELETED, pa.array([True] * gone.num_rows, pa.bool_()))
        counts.objects += _put(work, name, marks, now)
        counts.deleted += gone.num_rows
    if unseen.num_rows:
        right: list[str] = []
        for typed in _rows_of(work, name, learned, unseen):
            if typed.rows.num_rows:
                counts.objects += _put(work, name, typed.rows, now)
                counts.rows += typed.rows.num_rows
                right += names_of(typed.rows, table)
        note_window(work.settings, work.name, name, Window(now.isoformat(), right=right[:REMEMBERED]))
        counts.notes.append(f"a scan of the keys found {counted(unseen.num_rows)} that no pull had brought")


def _keys(work: Work, name: str, learned: Learned) -> Iterator[pa.Table]:
    table = work.source.tables[name]
    if isinstance(table, RestTable):
        for typed in between(work, name, learned, None, None):
            yield (
                typed.rows.filter(pa.compute.invert(typed.rows[DELETED]))
                if DELETED in typed.rows.column_names
                else (typed.rows)
            )
        return
    assert isinstance(table, SqlTable) and isinstance(work.source, SqlSource)
    found = reader(work.source.url, name, table, work.where(name))
    try:
        yield from found.keys()
    finally:
        found.close()


def _rows_of(work: Work, name: str, learned: Learned, keys: pa.Table) -> Iterator[Typed]:
    table = work.source.tables[name]
    if isinstance(table, SqlTable):
        assert isinstance(work.source, SqlSource)
        found = reader(work.source.url, name, table, work.where(name))
        try:
            yield from found.rows_of(learned, keys)
        finally:
            found.close()
        return
    wanted = {tuple(row.values()) for row in keys.to_pylist()}
    for typed in between(work, name, learned, None, None):
        each = zip(*(typed.rows[column].to_pylist() for column in table.key), strict=True)
        is_wanted = pa.array([row in wanted for row in each], pa.bool_())
        yield Typed(typed.rows.filter(is_wanted), typed.rejected, typed.aside)


def _held(con: duckdb.DuckDBPyConnection, work: Work, name: str, key: str) -> None:
    """Which keys the lake has, and whether the last thing it says of one is that it is deleted."""
    objects = [item.key for item in work.lake.list(f"extracts/{work.name}/{name}/") if item.key.endswith(".parquet")]
    if not objects:
        con.execute("create temp table held as select *, true as is_alive from there limit 0")
        return
    work.lake.configure(con)
    uris = [work.lake.uri(item) for item in objects]
    read = "read_parquet($uris, union_by_name = true, filename = true)"
    given = {row[0] for row in con.execute(f"describe from {read}", {"uris": uris}).fetchall()}
    gone = f"coalesce({DELETED}, false)" if DELETED in given else "false"
    con.execute(
        f"create temp table held as select {key}, not arg_max({gone}, parse_filename(filename)) as is_alive "
        f"from {read} group by {key}",
        {"uris": uris},
    )


def _ingest(con: duckdb.DuckDBPyConnection, name: str, tables: Iterator[pa.Table], schema: pa.Schema) -> None:
    con.register("_empty", schema.empty_table())
    con.execute(f"create temp table {name} as from _empty")
    for table in tables:
        con.register("_some", table)
        con.execute(f"insert into {name} from _some")
        con.unregister("_some")


def _put(work: Work, name: str, rows: pa.Table, now: datetime) -> int:
    # the same rows may be found missing, or unseen, more than once: the time makes each scan's object another
    rows = rows.append_column(SCANNED, pa.array([now] * rows.num_rows, pa.timestamp("us")))
    out = pa.BufferOutputStream()
    pq.write_table(rows, out, compression="zstd")
    _, is_new = put_once(work.lake, f"extracts/{work.name}/{name}", out.getvalue().to_pybytes())
    return int(is_new)


def _memory(work: Work) -> Path:
    return work.settings.dlt_dir / "scans" / f"{work.name}.json"


def _scans(work: Work) -> dict[str, Any]:
    try:
        found = json.loads(_memory(work).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("lake") == work.settings.lake_url else {}


def _last_scan(work: Work, name: str) -> datetime | None:
    told = _scans(work).get("tables", {}).get(name)
    return datetime.fromisoformat(told) if told else None


def _remember(work: Work, name: str, now: datetime) -> None:
    tables = {**_scans(work).get("tables", {}), name: now.isoformat()}
    part = _memory(work).with_suffix(".part")
    part.write_text(json.dumps({"lake": work.settings.lake_url, "tables": tables}), encoding="utf-8")
    part.replace(_memory(work))
