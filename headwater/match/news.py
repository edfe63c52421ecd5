"""What there is to read since people were last worked out.

Belongs here: which objects of which tables are new, and when everything must be read again. Does not belong here:
reading them (`mentions`).

The tables of identity grow by whole lake objects. `identity.read_objects` holds which were read (`readings` writes it)
and how many rows each had: an object that is new is read; when one has other rows than it had, or is gone, or the rules
have changed, what was read does not hold any more and everything is read again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from duckdb import DuckDBPyConnection

from headwater.configuration import Identity
from headwater.errors import ConfigError
from headwater.match.tidying import text

# Raise it when the same rows and rules give other people than before.
RULES = 4
_VERSIONS = "__versions"
_NO_COLUMN = re.compile(r'Referenced column "([^"]+)" (?:not found|was not found)')


@dataclass(frozen=True)
class Table:
    """A table of `identity.yaml` as it is here. `row` is SQL over it; `object_column` may be missing."""

    name: str
    sql: str
    object_column: str | None
    row: str
    columns: frozenset[str]

    @property
    def lake_object(self) -> str:
        """SQL over the table: the lake object that a row came with, an empty text where none is known."""
        return f"coalesce({self.object_column}, '')" if self.object_column else "''"


@dataclass(frozen=True)
class News:
    """Attributes:
    tables: the tables that exist, by their name in identity.yaml.
    objects: table → lake object → rows, everything that is there now.
    fresh: table → lake objects that were not read before.
    fingerprint: of the rules and the tables' columns.
    reason: why everything must be read again, or `None`.
    """

    tables: dict[str, Table]
    objects: dict[str, dict[str, int]]
    fresh: dict[str, list[str]]
    fingerprint: str
    reason: str | None


def read_news(con: DuckDBPyConnection, identity: Identity, *, is_full: bool = False) -> News:
    """Compare what is loaded with what was read.

    Raises:
        ConfigError: a table of `identity.yaml` cannot be read.
    """
    tables = {
        found.name: found
        for name in dict.fromkeys(edge.table for edge in identity.edges)
        if (found := existing(con, name)) is not None
    }
    objects = {name: _objects(con, table) for name, table in tables.items()}
    read: dict[str, dict[str, int]] = {}
    for name, lake_object, rows in con.execute(
        "select source_table, lake_object, rows from identity.read_objects"
    ).fetchall():
        read.setdefault(name, {})[lake_object] = rows
    fingerprint = _fingerprint(identity, tables)
    last = con.execute(
        "select fingerprint from identity.resolutions order by resolved_at desc, rowid desc limit 1"
    ).fetchone()
    return News(
        tables,
        objects,
        {name: sorted(now.keys() - read.get(name, {}).keys()) for name, now in objects.items()},
        fingerprint,
        "it was asked for" if is_full else _reason(read, objects, fingerprint, last[0] if last else None),
    )


def existing(con: DuckDBPyConnection, name: str, *, with_versions: bool = True) -> Table | None:
    """The table, if there is one; with every version of its rows, where they are kept: what a row once said still
    holds together."""
    schema, _, short = name.rpartition(".")
    columns: dict[str, set[str]] = {}
    for table, column in con.execute(
        "select table_name, lower(column_name) from duckdb_columns() where database_name = current_database() "
        "and schema_name = ? and table_name in (?, ?)",
        [schema or "main", short, short + _VERSIONS],
    ).fetchall():
        columns.setdefault(table, set()).add(column)
    wanted = (short + _VERSIONS, short) if with_versions else (short,)
    found = next((each for each in wanted if each in columns), None)
    if found is None:
        return None
    has = columns[found]
    lake_object = next((column for column in ("lake_object", "_lake_object") if column in has), None)
    row = next((column for column in ("row_number", "_row_number") if column in has), "0")
    return Table(
        name,
        f'"{schema or "main"}"."{found}"',
        lake_object,
        f"coalesce({row}, 0)",
        frozenset(has),
    )


def _objects(con: DuckDBPyConnection, table: Table) -> dict[str, int]:
    return dict(con.execute(f"select {table.lake_object}, count(*) from {table.sql} group by all").fetchall())


def _reason(
    read: dict[str, dict[str, int]], objects: dict[str, dict[str, int]], fingerprint: str, last: str | None
) -> str | None:
    if last is None:
        return "nothing was read before"
    if last != fingerprint:
        return "identity.yaml or the columns of its tables have changed"
    for name, before in read.items():
        now = objects.get(name, {})
        for lake_object, rows in before.items():
            if now.get(lake_object, 0) != rows:
                return f"{name} has other rows of {lake_object or 'no lake object'} than were read"
    return None


def _fingerprint(identity: Identity, tables: dict[str, Table]) -> str:
    columns = {name: [table.sql, *sorted(table.columns)] for name, table in tables.items()}
    said = msgspec.json.encode([RULES, identity, columns], order="sorted")
    return hashlib.sha256(said).hexdigest()[:16]


def only_objects(table: Table, objects: list[str] | None) -> str:
    """A condition that is true for the rows of these lake objects; `None` takes all. The plain list is pushed into the
    scan, so that long rows of other objects are not even read."""
    if objects is None:
        return "true"
    column = table.object_column
    if column is None:
        return "true" if objects else "false"
    unnamed = f" or {column} is null" if "" in objects else ""
    return f"({column} in ({', '.join(text(each) for each in objects)}){unnamed})"


def unreadable(what: str, said: Mapping[str, str], table: Table, error: Exception) -> ConfigError:
    """Something of `identity.yaml` that is not SQL over its table.

    Args:
        what: which of its entries it is.
        said: what the entry names, as it stands there, by its key.
    """
    column = _NO_COLUMN.search(str(error))
    if not column:
        return ConfigError(f"identity.yaml: {what} cannot be read: {str(error).splitlines()[0]}")
    wrong = column.group(1)
    word = re.compile(rf"(?<!\w){re.escape(wrong)}(?!\w)", re.IGNORECASE)
    where = next((f" «{sql}» ({key})" for key, sql in said.items() if word.search(sql)), "")
    there = ", ".join(sorted(name for name in table.columns if not name.startswith("_")))
    return ConfigError(
        f"identity.yaml: {what} cannot be read:{where} names column «{wrong}», which {table.name} does not have; "
        f"it has: {there}."
    )
