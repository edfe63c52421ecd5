"""Extracts of the lake into `raw.<source>__<table>`: the latest version of every row, and every version of a tool's.

Belongs here: typing, latest-wins, the ledger, and the canonical `raw.files__*` tables that a CSV table feeds. Does not
belong here: how the extract came to the lake.

Of two versions of a row the one with the greater cursor wins, then the one that landed later. A row whose content did
not change keeps the object that first brought it, so that what is derived from landing order stays as it is. Rows of a
tool are also kept in `raw.<source>__<table>__versions`, each content once: identity needs what a row once said, and
one rebuild from the lake must find what many daily loads found.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import duckdb
import msgspec
from duckdb import DuckDBPyConnection

from headwater.configuration import Config, CsvSource, CsvTable, RestSource, RestTable
from headwater.errors import DataError, UsageError
from headwater.load import ledger
from headwater.load.columns import DUCKDB, filled, name, text
from headwater.storage.lake import Lake
from headwater.storage.warehouse import declared_tables, transaction

_OURS = {"_extracted_at": "TIMESTAMP", "_lake_object": "VARCHAR", "_row_number": "BIGINT"}


@dataclass
class TableLoaded:
    """Objects read and rows written: new ones and changed ones."""

    objects: int = 0
    rows: int = 0


@dataclass(frozen=True)
class ExtractsLoaded:
    """Counts by table."""

    tables: dict[str, TableLoaded]


def load_extracts(
    con: DuckDBPyConnection, lake: Lake, config: Config, source: str, tables: list[str] | None = None
) -> ExtractsLoaded:
    """Load every extract of one source that is not loaded yet.

    Args:
        source: a source of kind rest or csv.
        tables: which of its tables; default all.

    Raises:
        UsageError: there is no such source or table.
        DataError: an object cannot be read; tables before it are loaded.
    """
    found = config.sources.get(source)
    if not isinstance(found, RestSource | CsvSource):
        raise UsageError(f"«{source}» is not a source of kind rest or csv.")
    known: dict[str, RestTable | CsvTable] = {**found.tables}
    chosen = list(known) if tables is None else tables
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise UsageError(f"{source} has no table {', '.join(unknown)}; it has {', '.join(known)}.")
    lake.configure(con)
    return ExtractsLoaded({table: _load(con, lake, source, table, known[table]) for table in chosen})


def _load(
    con: DuckDBPyConnection, lake: Lake, source: str, table_name: str, table: RestTable | CsvTable
) -> TableLoaded:
    target = f"raw.{source}__{table_name}"
    sql = _Table(f"{source}__{table_name}", table)
    counts = TableLoaded()
    with transaction(con):
        for statement in sql.prepare(con):
            con.execute(statement)
    waiting = ledger.measure(con, lake, ledger.waiting(con, lake, f"extracts/{source}/{table_name}/", target))
    for group in ledger.groups(waiting):
        with transaction(con):
            counts.rows += _merge(con, lake, sql, [item.key for item in group])
            counts.objects += len(group)
            ledger.record(con, target, ((item.key, item.rows) for item in group))
    if isinstance(table, CsvTable) and table.feeds:
        _feed(con, source, sql, table, changed=counts.rows > 0)
    return counts


class _Table:
    """The SQL names and expressions of one extract table."""

    def __init__(self, table_name: str, table: RestTable | CsvTable) -> None:
        self.columns = {column: DUCKDB[kind] for column, kind in table.columns.items()}
        self.target = f"raw.{name(table_name)}"
        self.has_versions = isinstance(table, RestTable)
        self.versions = f"raw.{name(table_name + '__versions')}"
        self.key = [table.primary_key] if isinstance(table, RestTable) else table.primary_key
        self.cursor = table.cursor if isinstance(table, RestTable) else None
        self._table_name = table_name

    def prepare(self, con: DuckDBPyConnection) -> list[str]:
        """DDL that makes the tables hold the config's columns, whatever they held before."""
        statements = []
        tables = [(self.target, self._table_name)]
        if self.has_versions:
            tables.append((self.versions, f"{self._table_name}__versions"))
        for quoted, plain in tables:
            present = dict(
                con.execute(
                    "select column_name, data_type from duckdb_columns() where database_name = current_database() "
                    "and schema_name = 'raw' and table_name = ?",
                    [plain],
                ).fetchall()
            )
            wanted = self.columns | _OURS
            if not present:
                body = ", ".join(f"{name(column)} {kind}" for column, kind in wanted.items())
                statements.append(f"create table {quoted} ({body})")
                continue
            for column, kind in wanted.items():
                if column not in present:
                    statements.append(f"alter table {quoted} add column {name(column)} {kind}")
                elif present[column] != kind:
                    cast = f"try_cast({name(column)} as {kind})"
                    statements.append(f"alter table {quoted} alter {name(column)} type {kind} using {cast}")
        return statements

    def same(self, left: str, right: str) -> str:
        """Two rows say the same, their cursor apart: a tool may touch a row without changing what we read of it."""
        compared = [column for column in self.columns if column != self.cursor] or self.key
        return " and ".join(f"{left}.{name(c)} is not distinct from {right}.{name(c)}" for c in compared)


def _merge(con: DuckDBPyConnection, lake: Lake, sql: _Table, keys: list[str]) -> int:
    uris = [lake.uri(key) for key in keys]
    read = "read_parquet($uris, union_by_name = true, filename = true, file_row_number = true)"
    try:
        given = {row[0] for row in con.execute(f"describe from {read}", {"uris": uris}).fetchall()}
        selected = ", ".join(
            f"{f'try_cast({name(c)} as {kind})' if c in given else f'null::{kind}'} as {name(c)}"
            for c, kind in sql.columns.items()
        )
        stamp = "try_strptime(left(parse_filename($keys[_position]), 21), '%Y%m%dT%H%M%S%f')"
        con.execute(
            f"""create or replace temp table _staged as
            select {selected}, {stamp} as _extracted_at, $keys[_position] as _lake_object,
                file_row_number as _row_number, _position
            from (select *, list_position($uris, filename) as _position from {read})""",
            {"uris": uris, "keys": keys},
        )
    except duckdb.Error as error:
        raise DataError(f"{keys[0]} … {keys[-1]} cannot be loaded: {str(error).splitlines()[0]}") from error
    columns = ", ".join(name(column) for column in [*sql.columns, *_OURS])
    if sql.has_versions:
        _keep_versions(con, sql, columns)
    by = ", ".join(name(column) for column in sql.key)
    newest = f"{name(sql.cursor)} desc nulls last, " if sql.cursor else ""
    con.execute(
        f"create or replace temp table _latest as select * exclude (_position) from _staged "
        f"qualify row_number() over (partition by {by} order by {newest}_position desc, _row_number desc) = 1"
    )
    matched = " and ".join(f"held.{name(c)} is not distinct from _latest.{name(c)}" for c in sql.key)
    if sql.cursor:
        older = f"_latest.{name(sql.cursor)} < held.{name(sql.cursor)}"
        con.execute(f"delete from _latest using {sql.target} held where {matched} and {older}")
    con.execute(
        f"update _latest set _extracted_at = held._extracted_at, _lake_object = held._lake_object, "
        f"_row_number = held._row_number from {sql.target} held where {matched} and {sql.same('held', '_latest')}"
    )
    unchanged = f"{sql.same('held', '_latest')}" + (
        f" and held.{name(sql.cursor)} is not distinct from _latest.{name(sql.cursor)}" if sql.cursor else ""
    )
    con.execute(f"delete from _latest using {sql.target} held where {matched} and {unchanged}")
    con.execute(f"delete from {sql.target} held using _latest where {matched}")
    inserted = con.execute(f"insert into {sql.target} ({columns}) select {columns} from _latest").fetchone()
    con.execute("drop table _latest")
    con.execute("drop table _staged")
    return int(inserted[0]) if inserted else 0


def _keep_versions(con: DuckDBPyConnection, sql: _Table, columns: str) -> None:
    content = ", ".join(name(column) for column in sql.columns if column != sql.cursor)
    matched = f"held.{name(sql.key[0])} = fresh.{name(sql.key[0])} and {sql.same('held', 'fresh')}"
    con.execute(
        f"""insert into {sql.versions} ({columns})
        select {columns}
        from (
            from _staged
            qualify row_number() over (partition by {content} order by _position, _row_number) = 1
        ) as fresh
        where not exists (select 1 from {sql.versions} held where {matched})"""
    )


def _feed(con: DuckDBPyConnection, source: str, sql: _Table, table: CsvTable, *, changed: bool) -> None:
    """Fill the source's part of a canonical table anew, when its rows or its mapping changed."""
    target = f"raw.files__{table.feeds}"
    mapping = hashlib.sha256(msgspec.json.encode([source, table.file, sorted(table.mapping)])).hexdigest()[:12]
    mapping = hashlib.sha256(msgspec.json.encode([mapping, table.mapping])).hexdigest()[:12]
    note = f"config/{source}/{mapping}"
    last = con.execute(
        "select lake_object from raw.loaded_objects where target = ? and starts_with(lake_object, ?)",
        [target, f"config/{source}/"],
    ).fetchall()
    if not changed and last == [(note,)]:
        return
    declared = declared_tables()[target]
    unknown = sorted(set(table.mapping) - set(declared))
    if unknown:
        raise UsageError(
            f"{source} maps to {', '.join(unknown)}, which {target} does not have; it has {', '.join(declared)}."
        )
    filling = {"source": f"{text(source)}"} | {c: filled(rule, declared[c]) for c, rule in table.mapping.items()}
    with transaction(con):
        con.execute(f"delete from {target} where source = ?", [source])
        rows = con.execute(
            f"insert into {target} ({', '.join(filling)}) select {', '.join(filling.values())} from {sql.target}"
        ).fetchone()
        con.execute(
            "delete from raw.loaded_objects where target = ? and starts_with(lake_object, ?)",
            [target, f"config/{source}/"],
        )
        ledger.record(con, target, [(note, int(rows[0]) if rows else 0)])
