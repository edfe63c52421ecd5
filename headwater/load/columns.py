"""How a config's column types are called in the warehouse, and exact money.

Belongs here: names and pure SQL fragments for extracts. Does not belong here: running any SQL.
"""

from __future__ import annotations

from headwater.configuration import ColumnRule, ColumnType

DUCKDB: dict[ColumnType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(18,6)",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "json": "JSON",
}


def name(column: str) -> str:
    """A column name as an SQL identifier."""
    return f'"{column.replace(chr(34), chr(34) * 2)}"'


def text(value: str) -> str:
    """A text as an SQL literal."""
    return f"'{value.replace(chr(39), chr(39) * 2)}'"


def filled(rule: str | ColumnRule, kind: str) -> str:
    """The SQL expression that fills one canonical column of DuckDB type `kind` by the config's mapping."""
    if isinstance(rule, str):
        return f"try_cast({name(rule)} as {kind})"
    if rule.from_ is None:
        literal = text(str(rule.value)) if rule.value is not None else "null"
        return f"try_cast({literal} as {kind})"
    if rule.times is None:
        return f"try_cast({name(rule.from_)} as {kind})"
    return f"try_cast({half_even(f'try_cast({name(rule.from_)} as decimal(18, 6)) * {int(rule.times)}')} as {kind})"


def half_even(amount: str) -> str:
    """A decimal expression as a whole number, halves to the even neighbour, never by way of a double."""
    whole = f"floor({amount})"
    rest = f"(({amount}) - {whole})"
    up = f"{rest} > 0.5 or ({rest} = 0.5 and {whole} % 2 <> 0)"
    return f"({whole} + case when {up} then 1 else 0 end)"
