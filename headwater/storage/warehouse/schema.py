"""What exists in a warehouse before anything is loaded, and writing one whole table at a time.

Belongs here: the schemas, the typed source tables, whole-table replacement. The tables are declared once, in dbt's
`_sources*.yml`, so that models, loaders and documentation cannot drift apart. Does not belong here: anything that
knows what a table means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import yaml
from duckdb import DuckDBPyConnection

from headwater.errors import ConfigError
from headwater.settings import CHECKOUT

SCHEMAS = ("raw", "events", "identity", "staging", "intermediate", "snapshots", "marts", "audiences", "ml", "push")
# Long texts that are written once and read whole: a third of the size, and faster to write than what DuckDB picks.
# Identity writes millions of short texts, all different, beside texts that are nearly all the same: trying every way of
# storing them takes longer than writing them, and ends with these.
COMPRESSION = {
    ("raw.events", "payload"): "zstd",
    ("raw.events", "original"): "zstd",
    **{("identity.identifiers", column): "fsst" for column in ("id_value", "customer_id")},
    **{("identity.identifiers", column): "dictionary" for column in ("id_type", "first_landed")},
    **{("identity.edges", column): "fsst" for column in ("left_value", "right_value")},
    **{
        ("identity.edges", column): "dictionary"
        for column in ("left_type", "right_type", "source_table", "first_landed")
    },
}
SOURCES = CHECKOUT / "dbt_project" / "models" / "staging"


def quoted(name: str) -> str:
    """A name as an SQL identifier; `schema.table` becomes two."""
    return ".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' for part in name.split(".", 1))


@lru_cache(maxsize=4)
def declared_tables(path: Path = SOURCES) -> Mapping[str, Mapping[str, str]]:
    """`schema.table` → {column: DuckDB type}, in the order of the declaration.

    Args:
        path: a file, or a folder whose `_sources*.yml` are read.

    Raises:
        ConfigError: a file is missing, is not YAML, or a column has no `data_type`.
    """
    files = sorted(path.glob("_sources*.yml")) if path.is_dir() else [path]
    return {table: columns for file in files for table, columns in _declared(file)}


def _declared(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for source in yaml.load(path.read_text(encoding="utf-8"), Loader=loader)["sources"]:  # noqa: S506
            for table in source["tables"]:
                columns = {column["name"]: column["data_type"] for column in table.get("columns", [])}
                yield f"{source.get('schema', source['name'])}.{table['name']}", columns
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} does not declare every source column with its data_type: {error}.") from error


def ensure_schemas(con: DuckDBPyConnection) -> None:
    """Create what is missing: schemas, declared tables, and declared columns of tables that exist."""
    for schema in SCHEMAS:
        con.execute(f"create schema if not exists {schema}")
    there = columns_by_table(con)
    for table in {name for name, _ in COMPRESSION} & there.keys():
        _drop_if_empty(con, table)  # dbt may have created it, and does not know how to store it
    existing = columns_by_table(con)
    for table, columns in declared_tables().items():
        if table not in existing:
            con.execute(create_table(table, columns))
            continue
        for column, kind in columns.items():
            if column.lower() not in existing[table]:
                con.execute(f"alter table {quoted(table)} add column {quoted_column(column)} {kind}")


def _drop_if_empty(con: DuckDBPyConnection, table: str) -> None:
    if con.execute(f"select count(*) from {quoted(table)}").fetchone() == (0,):
        con.execute(f"drop table {quoted(table)}")


def columns_by_table(con: DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """`schema.table` → {column in lower case: DuckDB's type} of every table in the database."""
    found: dict[str, dict[str, str]] = {}
    rows = con.execute(
        "select schema_name || '.' || table_name, lower(column_name), data_type from duckdb_columns() "
        "where database_name = current_database() and not internal order by 1, column_index"
    ).fetchall()
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def create_table(table: str, columns: Mapping[str, str]) -> str:
    """The DDL of one table."""
    body = ", ".join(
        f"{quoted_column(name)} {kind}"
        + (f" using compression {COMPRESSION[table, name]}" if (table, name) in COMPRESSION else "")
        for name, kind in columns.items()
    )
    return f"create table if not exists {quoted(table)} ({body})"


def quoted_column(name: str) -> str:
    """A column name as an SQL identifier."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"'


@contextmanager
def transaction(con: DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    con.execute("begin transaction")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a commit that failed has nothing left to roll back
            con.execute("rollback")
        raise
    con.execute("commit")


def replace_table(con: DuckDBPyConnection, table: str, rows: Any, *, columns: Mapping[str, str] | None = None) -> int:
    """Make `rows` the whole content of `table`, in one transaction; readers of the old content never see a mixture.

    Args:
        table: `schema.table`; created when missing.
        rows: a pandas DataFrame, pyarrow Table, or anything else that DuckDB scans.
        columns: column → DuckDB type. Default: the declared types of a declared source table. Columns of `rows` that
            are named in neither keep their own type; named columns that `rows` lacks are null.

    Returns:
        The number of rows.
    """
    con.register("_headwater_rows", rows)
    try:
        given = {row[0]: row[1] for row in con.execute("describe _headwater_rows").fetchall()}
        wanted = dict(declared_tables().get(table, {}) if columns is None else columns)
        selected = [
            f"{f'{quoted_column(name)}' if name in given else 'null'}::{kind} as {quoted_column(name)}"
            for name, kind in (wanted | {name: kind for name, kind in given.items() if name not in wanted}).items()
        ]
        with transaction(con):
            con.execute(f"create schema if not exists {quoted_column(table.split('.', 1)[0])}")
            con.execute(f"create or replace table {quoted(table)} as select {', '.join(selected)} from _headwater_rows")
            row = con.execute(f"select count(*) from {quoted(table)}").fetchone()
    finally:
        con.unregister("_headwater_rows")
    return int(row[0]) if row else 0
