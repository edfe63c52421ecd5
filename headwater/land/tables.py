"""CSV tables of a data folder as typed Parquet in `extracts/<source>/<table>/` of the lake.

Belongs here: reading CSV, the check against the config's columns, what is kept aside. Does not belong here: what a
table means to the company (`load.extracts`).

A file that lacks a declared column is refused as a whole; a line that does not fit is kept aside alone.
"""

from __future__ import annotations

import csv
import gzip
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec

from headwater.configuration import ColumnType, Config, CsvSource, CsvTable
from headwater.land.objects import Rejected, put_once, put_quarantine
from headwater.land.seen import Seen
from headwater.settings import Settings
from headwater.storage.lake import Lake, open_lake

_CAST: dict[ColumnType, str] = {
    "text": "{}",
    # a cast alone would round 2.5 to a whole number
    "integer": "case when regexp_full_match(trim({0}), '[+-]?[0-9]+') then try_cast({0} as bigint) end",
    "decimal": "try_cast({} as decimal(18, 6))",
    "double": "try_cast({} as double)",
    "boolean": "try_cast({} as boolean)",
    "date": "try_cast({} as date)",
    "timestamp": "try_cast({} as timestamp)",
    "json": "case when json_valid({0}) then {0} end",
}

_CHUNK = 1 << 20


@dataclass(frozen=True)
class TableLanded:
    """What one CSV file brought: rows and objects new in the lake, lines (or whole files) kept aside."""

    rows: int = 0
    quarantined: int = 0
    objects: int = 0


@dataclass(frozen=True)
class TablesLanded:
    """Counts by `<source>__<table>`."""

    tables: dict[str, TableLanded]


def land_tables(settings: Settings, config: Config, data_dir: Path | None = None) -> TablesLanded:
    """Land every table of the config's CSV sources.

    Args:
        data_dir: the folder that the config's file names are relative to; without one there is nothing to land.

    Raises:
        UnavailableError: the lake or the home cannot be written.
    """
    lake = open_lake(settings)
    seen = Seen(settings, "tables")
    seen.prepare()
    counts = {}
    for source_name, source in config.sources.items():
        if not isinstance(source, CsvSource):
            continue
        held = {item.key for item in lake.list(f"extracts/{source_name}/")}
        for table_name, table in source.tables.items():
            name = f"{source_name}__{table_name}"
            path = data_dir / table.file if data_dir else None
            if path is None:
                counts[name] = TableLanded()
            elif not path.is_file():
                reason = Rejected("missing file", f"{table.file} is not in the data folder", table.file)
                counts[name] = _refuse(lake, name, reason)
            elif seen.object_of(name, path, _shape(table)) in held:
                counts[name] = TableLanded()
            else:
                counts[name], key = _land(lake, seen, source_name, table_name, table, path)
                if key:
                    seen.remember(name, path, key, _shape(table))
    seen.save()
    return TablesLanded(counts)


def _land(
    lake: Lake, seen: Seen, source_name: str, table_name: str, table: CsvTable, path: Path
) -> tuple[TableLanded, str | None]:
    name = f"{source_name}__{table_name}"
    try:
        header, line = _header(path)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        return _refuse(lake, name, Rejected("unreadable file", f"{table.file}: {error}", table.file)), None
    missing = [column for column in table.columns if column not in header]
    if missing:
        detail = f"{table.file} has no column {', '.join(missing)}; it has {', '.join(header)}"
        return _refuse(lake, name, Rejected("missing column", detail, line)), None
    with tempfile.TemporaryDirectory(dir=seen.folder) as folder, duckdb.connect() as con:
        target = Path(folder, "table.parquet")
        try:
            rejected = _convert(con, table, path, header, target)
        except duckdb.Error as error:
            reason = Rejected("unreadable file", f"{table.file}: {str(error).splitlines()[0]}", table.file)
            return _refuse(lake, name, reason), None
        rows = con.execute("select count(*) from typed where _wrong is null").fetchone()
        key, is_new = put_once(lake, f"extracts/{source_name}/{table_name}", target, seen.last_object(name))
    put_quarantine(lake, "tables", name, rejected)
    return TableLanded(int(rows[0]) if is_new and rows else 0, len(rejected), int(is_new)), key


def _convert(
    con: duckdb.DuckDBPyConnection, table: CsvTable, path: Path, header: list[str], target: Path
) -> list[Rejected]:
    """Write the lines that fit to `target` in their order, and return those that do not."""
    con.execute("set threads = 1; set memory_limit = '512MB'; set TimeZone = 'UTC'")
    con.execute(f"set temp_directory = {_text(str(target.parent))}")
    text_columns = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in header)
    con.execute(
        f"create temp table lines as from read_csv({_text(str(path))}, header = true, auto_detect = false, "
        f"delim = ',', quote = '\"', escape = '\"', columns = {{{text_columns}}}, store_rejects = true)"
    )
    typed = ", ".join(f"{_CAST[kind].format(_value(c))} as {_name(c)}" for c, kind in table.columns.items())
    checks = [
        f"case when {_value(c)} is not null and {_CAST[kind].format(_value(c))} is null "
        f"then {_text(f'{c}: «')} || {_name(c)} || {_text(f'» is not of type {kind}')} end"
        for c, kind in table.columns.items()
        if kind != "text"
    ]
    checks += [
        f"case when {_value(c)} is null then {_text(f'{c} is empty, and part of the key')} end"
        for c in table.primary_key
    ]
    record = ", ".join(f"{_text(c)}: {_name(c)}" for c in header)
    con.execute(
        f"create temp view typed as select {typed}, coalesce({', '.join(checks)}) as _wrong, "
        f"to_json({{{record}}})::varchar as _record from lines"
    )
    columns = ", ".join(_name(c) for c in table.columns)
    con.execute(
        f"copy (select {columns} from typed where _wrong is null) "
        f"to {_text(str(target))} (format parquet, compression zstd)"
    )
    broken = con.execute(
        "select any_value(error_message), any_value(csv_line) from reject_errors group by line order by line"
    ).fetchall()
    wrong = con.execute("select _wrong, _record from typed where _wrong is not null").fetchall()
    return [Rejected("broken line", f"{table.file}: {message}", str(text)) for message, text in broken] + [
        Rejected("wrong type", f"{table.file}: {detail}", record) for detail, record in wrong
    ]


def _header(path: Path) -> tuple[list[str], str]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as file:
        line = file.readline().decode("utf-8-sig")
        # DuckDB takes the end of a cut file for the end of the table
        while packed and file.read(_CHUNK):
            pass
    return [name.strip() for name in next(csv.reader([line]), [])], line.rstrip("\r\n")


def _refuse(lake: Lake, name: str, reason: Rejected) -> TableLanded:
    put_quarantine(lake, "tables", name, [reason])
    return TableLanded(quarantined=1)


def _shape(table: CsvTable) -> str:
    return msgspec.json.encode([list(table.columns.items()), table.primary_key]).decode()


def _value(column: str) -> str:
    return f"nullif({_name(column)}, '')"


def _name(column: str) -> str:
    return f'"{column.replace(chr(34), chr(34) * 2)}"'


def _text(value: str) -> str:
    return f"'{value.replace(chr(39), chr(39) * 2)}'"
