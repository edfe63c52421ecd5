"""How versions of a row meet: the latest is the row, and what it once said is kept.

Belongs here: the tables of one extract and the SQL that brings objects into them. Does not belong here: the ledger
and transactions (`extracts`).

Of two versions of a row the one with the greater cursor wins, then the one that landed later. The tables of a tool,
and every table that identity reads, also have `raw.<source>__<table>__versions`: each content of a row once, with the
object that first brought it. A row carries the origin of its content, not of its last touch. So what is derived from
landing order (who a person is) stays as it is when a tool touches or changes a row, and one load of everything ends
in the same tables as a load a day.
"""

from __future__ import annotations

import duckdb
from duckdb import DuckDBPyConnection

from headwater.configuration import CsvTable, RestTable
from headwater.errors import DataError
from headwater.load.columns import DUCKDB, name
from headwater.storage.lake import Lake

ORIGIN = {"_extracted_at": "TIMESTAMP", "_lake_object": "VARCHAR", "_row_number": "BIGINT"}


class Extract:
    """The names and expressions of one extract's tables.

    Args:
        is_tied: identity reads the table, so that its versions must be kept.
    """

    def __init__(self, table_name: str, table: RestTable | CsvTable, *, is_tied: bool = False) -> None:
        self.columns = {column: DUCKDB[kind] for column, kind in table.columns.items()}
        self.key = [table.primary_key] if isinstance(table, RestTable) else table.primary_key
        self.cursor = table.cursor if isinstance(table, RestTable) else None
        self.has_versions = isinstance(table, RestTable) or is_tied
        self.target = f"raw.{name(table_name)}"
        self.versions = f"raw.{name(table_name + '__versions')}"
        self.all_columns = ", ".join(name(column) for column in [*self.columns, *ORIGIN])
        self._name = table_name

    def prepare(self, con: DuckDBPyConnection) -> None:
        """Make the tables hold the config's columns, whatever they held before."""
        self._ensure(con, self._name)
        if self.has_versions and self._ensure(con, f"{self._name}__versions"):
            # what was loaded before versions were kept is loaded once more
            con.execute("delete from raw.loaded_objects where target = ?", [f"raw.{self._name}"])

    def same_content(self, left: str, right: str) -> str:
        """Two rows have the same key and say the same. The cursor is no content: tools touch rows."""
        compared = [column for column in self.columns if column != self.cursor] or self.key
        return " and ".join(f"{left}.{name(c)} is not distinct from {right}.{name(c)}" for c in compared)

    def same_key(self, left: str, right: str) -> str:
        """Two rows are versions of one."""
        return " and ".join(f"{left}.{name(c)} = {right}.{name(c)}" for c in self.key)

    def _ensure(self, con: DuckDBPyConnection, table_name: str) -> bool:
        present = dict(
            con.execute(
                "select column_name, data_type from duckdb_columns() where database_name = current_database() "
                "and schema_name = 'raw' and table_name = ?",
                [table_name],
            ).fetchall()
        )
        wanted = self.columns | ORIGIN
        if not present:
            body = ", ".join(f"{name(column)} {kind}" for column, kind in wanted.items())
            con.execute(f"create table raw.{name(table_name)} ({body})")
            return True
        for column, kind in wanted.items():
            if column not in present:
                con.execute(f"alter table raw.{name(table_name)} add column {name(column)} {kind}")
            elif present[column] != kind:
                cast = f"try_cast({name(column)} as {kind})"
                con.execute(f"alter table raw.{name(table_name)} alter {name(column)} type {kind} using {cast}")
        return False


def merge(con: DuckDBPyConnection, lake: Lake, extract: Extract, keys: list[str]) -> int:
    """Bring objects, given in landing order, into the tables. Call it inside a transaction.

    Returns:
        How many rows are new or changed.

    Raises:
        DataError: an object cannot be read.
    """
    try:
        _stage(con, lake, extract, keys)
    except duckdb.Error as error:
        names = keys[0] if len(keys) == 1 else f"{keys[0]} … {keys[-1]}"
        raise DataError(f"{names} cannot be loaded: {str(error).splitlines()[0]}") from error
    if extract.has_versions:
        _keep_versions(con, extract)
    _keep_latest(con, extract)
    _give_origin(con, extract)
    if _is_empty(con, extract.target):
        replaced = con.execute(
            f"insert into {extract.target} ({extract.all_columns}) select {extract.all_columns} from _latest"
        ).fetchone()
    else:
        replaced = _replace(con, extract)
    con.execute("drop table _latest")
    return int(replaced[0]) if replaced else 0


def _stage(con: DuckDBPyConnection, lake: Lake, extract: Extract, keys: list[str]) -> None:
    uris = [lake.uri(key) for key in keys]
    read = "read_parquet($uris, union_by_name = true, filename = true, file_row_number = true)"
    given = {row[0] for row in con.execute(f"describe from {read}", {"uris": uris}).fetchall()}
    selected = ", ".join(
        f"{f'try_cast({name(c)} as {kind})' if c in given else f'null::{kind}'} as {name(c)}"
        for c, kind in extract.columns.items()
    )
    con.execute(
        f"""create or replace temp table _staged as
        select {selected}, try_strptime(left(parse_filename($keys[_position]), 21), '%Y%m%dT%H%M%S%f') as _extracted_at,
            $keys[_position] as _lake_object, file_row_number as _row_number, _position
        from (select *, list_position($uris, filename) as _position from {read})""",
        {"uris": uris, "keys": keys},
    )


def _keep_versions(con: DuckDBPyConnection, extract: Extract) -> None:
    content = ", ".join(name(column) for column in extract.columns if column != extract.cursor)
    con.execute(
        f"""insert into {extract.versions} ({extract.all_columns})
        select {extract.all_columns}
        from (
            from _staged
            qualify row_number() over (partition by {content} order by _position, _row_number) = 1
        ) as fresh
        where not exists (
            select 1 from {extract.versions} held
            where {extract.same_key("held", "fresh")} and {extract.same_content("held", "fresh")}
        )"""
    )


def _keep_latest(con: DuckDBPyConnection, extract: Extract) -> None:
    """`_staged` becomes `_latest`: one row a key."""
    key = ", ".join(name(column) for column in extract.key)
    # sorting wide rows is dear; most extracts hold each key once
    if con.execute(f"select 1 from _staged group by {key} having count(*) > 1 limit 1").fetchone():
        newest = f"{name(extract.cursor)} desc nulls last, " if extract.cursor else ""
        con.execute(
            f"create or replace temp table _one_each as from _staged qualify row_number() over "
            f"(partition by {key} order by {newest}_position desc, _row_number desc) = 1"
        )
        con.execute("drop table _staged")
        con.execute("alter table _one_each rename to _staged")
    con.execute("alter table _staged rename to _latest")


def _give_origin(con: DuckDBPyConnection, extract: Extract) -> None:
    """Let rows whose content was there before name the object that first brought it."""
    origin = extract.versions if extract.has_versions else extract.target
    if not _is_empty(con, origin):
        con.execute(
            f"update _latest set {', '.join(f'{column} = held.{column}' for column in ORIGIN)} from {origin} held "
            f"where {extract.same_key('held', '_latest')} and {extract.same_content('held', '_latest')}"
        )


def _replace(con: DuckDBPyConnection, extract: Extract) -> tuple[int, ...] | None:
    same_key = extract.same_key("held", "_latest")
    kept = extract.same_content("held", "_latest")
    if extract.cursor:
        cursor = name(extract.cursor)
        kept = f"held.{cursor} > _latest.{cursor} or (held.{cursor} is not distinct from _latest.{cursor} and {kept})"
    con.execute(f"delete from _latest using {extract.target} held where {same_key} and ({kept})")
    con.execute(f"delete from {extract.target} held using _latest where {same_key}")
    return con.execute(
        f"insert into {extract.target} ({extract.all_columns}) select {extract.all_columns} from _latest"
    ).fetchone()


def _is_empty(con: DuckDBPyConnection, table: str) -> bool:
    return con.execute(f"select 1 from {table} limit 1").fetchone() is None
