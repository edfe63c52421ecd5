"""Rows of the warehouse as JSON, made inside DuckDB.

Belongs here: how a column of each type is written in JSON that goes out. Does not belong here: which rows go where.

Times are ISO 8601 in UTC with a `Z`, dates are `YYYY-MM-DD`, a number that is not finite is `null`. The JSON is made
by the database, not by Python: a hundred thousand rows cost as much as a query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb
import pyarrow as pa

from headwater.errors import ConfigError, DataError

FETCH_ROWS = 10_000


def quote(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def relation(name: str) -> str:
    """`schema.table` as quoted SQL.

    Raises:
        ConfigError: it is not of that form.
    """
    schema, dot, table = name.partition(".")
    if not dot or not schema or not table or "." in table:
        raise ConfigError(f"«{name}» does not name a table as schema.table.")
    return f"{quote(schema)}.{quote(table)}"


def columns_of(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """Column → DuckDB type of a table or view.

    Raises:
        DataError: it is not in the warehouse.
    """
    try:
        described = con.sql(f"describe {relation(name)}").fetchall()
    except duckdb.CatalogException as error:
        raise DataError(f"{name} is not in the warehouse.", hint="Build the models first.") from error
    return {row[0]: row[1] for row in described}


def json_object(fields: Mapping[str, str], types: Mapping[str, str]) -> str:
    """SQL for a JSON object: field name → column, written by the column's type."""
    members = (f"{literal(field)}: {_expression(column, types[column])}" for field, column in fields.items())
    return f"cast(to_json({{{', '.join(members)}}}) as varchar)" if fields else "'{}'"


def fetch(con: duckdb.DuckDBPyConnection, sql: str, size: int = FETCH_ROWS) -> Iterator[tuple[str, ...]]:
    """The rows of a query of text columns, read in Arrow batches."""
    reader: pa.RecordBatchReader = con.sql(sql).to_arrow_reader(size)
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _expression(column: str, type_: str) -> str:
    name = quote(column)
    if type_.startswith("TIMESTAMP"):
        return f"strftime(cast({name} as timestamp), '%Y-%m-%dT%H:%M:%S.%gZ')"
    if type_ in ("DOUBLE", "FLOAT"):
        return f"case when isfinite({name}) then {name} end"
    if type_.startswith("DECIMAL"):
        return f"cast({name} as double)"
    if type_ in ("BLOB", "INTERVAL") or type_.startswith("BIT"):
        return f"cast({name} as varchar)"
    return name
