"""How versions of a row meet: the latest is the row, and what it once said is kept.

Belongs here: the tables of one extract and the SQL that brings objects into them. Does not belong here: the ledger
and transactions (`extracts`).

Of two versions of a row the one that landed later wins: whatever its clock says, a tool tells how the row is now. Of
two in one object, and of two out of files, the one with the greater cursor wins. A row that is gone from its tool
stays, with `_is_deleted`. The tables of a tool, and every table that identity reads, also have
`raw.<source>__<table>__versions`: each content of a row once, with the object that first brought it. A row carries the
origin of its content, not of its last touch. So what is derived from landing order (who a person is) stays as it is
when a tool touches or changes a row, and one load of everything ends in the same tables as a load a day.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
from duckdb import DuckDBPyConnection

from headwater.configuration import ColumnType, CsvTable, FileTable, PulledTable
from headwater.load import ledger
from headwater.load.columns import DUCKDB, name
from headwater.storage.lake import Lake

DELETED = {"_is_deleted": "BOOLEAN"}
ORIGIN = {"_extracted_at": "TIMESTAMP", "_lake_object": "VARCHAR", "_row_number": "BIGINT"}


class Extract:
    """The names and expressions of one extract's tables.

    Args:
        learned: columns beyond the declared ones, and declared ones whose type has evolved.
        is_tied: identity reads the table, so that its versions must be kept.
    """

    def __init__(
        self,
        table_name: str,
        table: PulledTable | CsvTable,
        learned: Mapping[str, ColumnType] | None = None,
        *,
        is_tied: bool = False,
    ) -> None:
        is_pulled = isinstance(table, PulledTable)
        declared = table.all_columns if isinstance(table, PulledTable) else table.columns
        self.columns = {column: DUCKDB[kind] for column, kind in {**declared, **(learned or {})}.items()}
        self.key = table.key
        self.cursor = table.cursor if isinstance(table, PulledTable) else None
        self.goes_by_cursor = isinstance(table, FileTable) and self.cursor is not None
        self.has_versions = is_pulled or is_tied
        self.kept_beside = ({**DELETED} if is_pulled else {}) | ORIGIN
        self.target = f"raw.{name(table_name)}"
        self.versions = f"raw.{name(table_name + '__versions')}"
        self.all_columns = ", ".join(name(column) for column in [*self.columns, *self.kept_beside])
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
        wanted = self.columns | self.kept_beside
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
        UnavailableError: the lake does not answer.
    """
    try:
        _stage(con, lake, extract, keys)
    except duckdb.Error as error:
        names = keys[0] if len(keys) == 1 else f"{keys[0]} … {keys[-1]}"
        raise ledger.failure(f"{names} cannot be loaded", error) from error
    has_twins = _has_twins(con, extract)
    if extract.has_versions:
        _keep_versions(con, extract, has_twins=has_twins)
    _keep_latest(con, extract, has_twins=has_twins)
    _give_origin(con, extract)
    if _is_empty(con, extract.target):
        replaced = con.execute(
            f"insert into {extract.target} ({extract.all_columns}) select {extract.all_columns} from _latest"
        ).fetchone()
    else:
        replaced = _replace(con, extract)
    con.execute("drop table _latest")
    return (int(replaced[0]) if replaced else 0) + _mark_deleted(con, extract)


def _stage(con: DuckDBPyConnection, lake: Lake, extract: Extract, keys: list[str]) -> None:
    """Rows into `_staged`, tombstones into `_gone`."""
    uris = [lake.uri(key) for key in keys]
    read = "read_parquet($uris, union_by_name = true, filename = true, file_row_number = true)"
    given = {row[0] for row in con.execute(f"describe from {read}", {"uris": uris}).fetchall()}
    selected = ", ".join(
        f"{f'try_cast({name(c)} as {kind})' if c in given else f'null::{kind}'} as {name(c)}"
        for c, kind in extract.columns.items()
    )
    deleted = "coalesce(_is_deleted, false)" if "_is_deleted" in given else "false"
    is_tombstone = f"{deleted} and _scanned_at is not null" if "_scanned_at" in given else "false"
    con.execute(
        f"""create or replace temp table _staged as
        select {selected}, {deleted} as _is_deleted, {is_tombstone} as _is_tombstone,
            try_strptime(left(parse_filename($keys[_position]), 21), '%Y%m%dT%H%M%S%f') as _extracted_at,
            $keys[_position] as _lake_object, file_row_number as _row_number, _position
        from (select *, list_position($uris, filename) as _position from {read})""",
        {"uris": uris, "keys": keys},
    )
    con.execute("create or replace temp table _gone as from _staged where _is_tombstone")
    if "_scanned_at" in given:
        con.execute("delete from _staged where _is_tombstone")
        con.execute(
            f"delete from _gone using _staged later "
            f"where {extract.same_key('_gone', 'later')} and later._position > _gone._position"
        )


def _has_twins(con: DuckDBPyConnection, extract: Extract) -> bool:
    """Whether a key is staged more than once: sorting wide rows is dear, and most extracts hold each key once."""
    key = ", ".join(name(column) for column in extract.key)
    return con.execute(f"select 1 from _staged group by {key} having count(*) > 1 limit 1").fetchone() is not None


def _mark_deleted(con: DuckDBPyConnection, extract: Extract) -> int:
    if "_is_deleted" not in extract.kept_beside or _is_empty(con, "_gone"):
        return 0
    marked = con.execute(
        f"update {extract.target} held set _is_deleted = true from _gone "
        f"where {extract.same_key('held', '_gone')} and not coalesce(held._is_deleted, false)"
    ).fetchone()
    return int(marked[0]) if marked else 0


def _keep_versions(con: DuckDBPyConnection, extract: Extract, *, has_twins: bool) -> None:
    content = ", ".join(name(column) for column in extract.columns if column != extract.cursor)
    once = f"qualify row_number() over (partition by {content} order by _position, _row_number) = 1"
    first = once if has_twins else ""
    con.execute(
        f"""insert into {extract.versions} ({extract.all_columns})
        select {extract.all_columns}
        from (from _staged {first}) as fresh
        where not exists (
            select 1 from {extract.versions} held
            where {extract.same_key("held", "fresh")} and {extract.same_content("held", "fresh")}
        )"""
    )


def _keep_latest(con: DuckDBPyConnection, extract: Extract, *, has_twins: bool) -> None:
    """`_staged` becomes `_latest`: one row a key."""
    if has_twins:
        key = ", ".join(name(column) for column in extract.key)
        newest = [f"{name(extract.cursor)} desc nulls last"] if extract.cursor else []
        order = [*newest, "_position desc"] if extract.goes_by_cursor else ["_position desc", *newest]
        con.execute(
            f"create or replace temp table _one_each as from _staged qualify row_number() over "
            f"(partition by {key} order by {', '.join(order)}, _row_number desc) = 1"
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
    if "_is_deleted" in extract.kept_beside:
        kept += " and coalesce(held._is_deleted, false) = _latest._is_deleted"
    if extract.cursor:
        cursor = name(extract.cursor)
        kept = f"(held.{cursor} is not distinct from _latest.{cursor} and {kept})"
        if extract.goes_by_cursor:
            kept = f"held.{cursor} > _latest.{cursor} or {kept}"
    con.execute(f"delete from _latest using {extract.target} held where {same_key} and ({kept})")
    con.execute(f"delete from {extract.target} held using _latest where {same_key}")
    return con.execute(
        f"insert into {extract.target} ({extract.all_columns}) select {extract.all_columns} from _latest"
    ).fetchone()


def _is_empty(con: DuckDBPyConnection, table: str) -> bool:
    return con.execute(f"select 1 from {table} limit 1").fetchone() is None
