"""Tables that grow with what arrives: new columns are added, conflicting types widened, nothing is lost.

Belongs here: deciding the type of each column from values that were seen, altering a table to hold them, and the SQL
that casts a text into a column. Does not belong here: names and flattening (`names`, `columns`).

Types: BIGINT, DOUBLE, BOOLEAN, TIMESTAMP (UTC), VARCHAR. Whole numbers widen to DOUBLE; any other conflict makes the
column VARCHAR, with what it held as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from duckdb import DuckDBPyConnection

from headwater.load.event_shape.columns import Column
from headwater.storage.warehouse.schema import quoted, quoted_column

ISO = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([zZ]|[+-]\d{2}(:?\d{2})?)?)?"
_ISO = re.compile(ISO)
_EXACT_IN_DOUBLE = 2**53
_AT_A_TIME = 300


def narrowest(kinds: set[str]) -> str:
    """The type that values of these kinds should fit; a string may turn out to be a time."""
    if kinds == {"int"}:
        return "BIGINT"
    if kinds and kinds <= {"int", "float"}:
        return "DOUBLE"
    if kinds == {"boolean"}:
        return "BOOLEAN"
    if kinds and kinds <= {"datetime", "string"}:
        return "TIMESTAMP"
    return "VARCHAR"


def fits(text: str, kind: str) -> str:
    """SQL: whether the text expression can be stored as `kind` without loss."""
    if kind == "BIGINT":
        return f"try_cast({text} as bigint) = try_cast({text} as double)"
    if kind == "BOOLEAN":
        return f"{text} in ('true', 'false')"
    if kind == "TIMESTAMP":
        return f"(regexp_full_match({text}, '{ISO}') and try_cast({text} as timestamptz) is not null)"
    if kind == "DOUBLE":  # what is beyond it casts to infinity
        return f"isfinite(try_cast({text} as double))"
    return f"try_cast({text} as {kind}) is not null"


def cast(text: str, kind: str) -> str:
    """SQL: the text expression as a value of a column of type `kind`."""
    if kind == "VARCHAR":
        return text
    if kind == "TIMESTAMP":
        return f"({text}::timestamptz at time zone 'UTC')"
    if kind == "JSON":
        return f"to_json({text})"
    return f"{text}::{kind}"


def kinds_of_values(con: DuckDBPyConnection, rows: str, texts: Mapping[str, tuple[Column, str]]) -> dict[str, str]:
    """The type of each column of which `rows` holds any value.

    Args:
        rows: a table.
        texts: column name → (column, SQL text expression over `rows`).
    """
    seen = _aggregate(con, rows, [f"count({text}), min({text}), max({text})" for _, text in texts.values()])
    found: dict[str, str] = {}
    to_check: list[tuple[str, str]] = []
    for index, (name, (column, _)) in enumerate(texts.items()):
        count, low, high = seen[3 * index : 3 * index + 3]
        if not count:
            continue
        found[name] = "VARCHAR"
        kind = narrowest(column.kinds)
        looks_like_time = bool(_ISO.fullmatch(low) and _ISO.fullmatch(high))
        if kind != "VARCHAR" and (kind != "TIMESTAMP" or looks_like_time):
            to_check.append((name, kind))
    return found | dict(that_fit(con, rows, [(name, texts[name][1], kind) for name, kind in to_check]))


def evolve(
    con: DuckDBPyConnection,
    table: str,
    existing: dict[str, str],
    wanted: Mapping[str, str],
    rows: str = "",
    texts: Mapping[str, str] | None = None,
) -> None:
    """Alter `table` so that it can hold `wanted` (column → type); `existing` is brought up to date.

    Args:
        rows, texts: where the values are, to try a column of a foreign type (a DATE, say) before it is made VARCHAR.
    """
    for name, kind in wanted.items():
        old = existing.get(name)
        if old is None:
            con.execute(f"alter table {quoted(table)} add column {quoted_column(name)} {kind}")
            existing[name] = kind
            continue
        new = _wider(con, table, name, old, kind, rows, (texts or {}).get(name))
        if new != old:
            con.execute(
                f"alter table {quoted(table)} alter {quoted_column(name)} type {new} using {_widened(name, old, new)}"
            )
            existing[name] = new


def _wider(con: DuckDBPyConnection, table: str, name: str, old: str, new: str, rows: str, text: str | None) -> str:
    if old in (new, "VARCHAR"):
        return old
    if old == "DOUBLE" and new == "BIGINT":
        return old
    if old == "BIGINT" and new == "DOUBLE":
        largest = _aggregate(con, quoted(table), [f"max(abs({quoted_column(name)}::hugeint))"])[0]
        return "DOUBLE" if largest is None or largest <= _EXACT_IN_DOUBLE else "VARCHAR"
    if old not in ("BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP") and text:
        return old if list(that_fit(con, rows, [(name, text, old)])) else "VARCHAR"
    return "VARCHAR"


def _widened(name: str, old: str, new: str) -> str:
    column = quoted_column(name)
    if new == "VARCHAR" and old == "TIMESTAMP":
        return f"replace({column}::varchar, ' ', 'T') || 'Z'"
    return f"{column}::{new}"


def that_fit(con: DuckDBPyConnection, rows: str, checks: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Of (name, SQL text, type) those whose every value in `rows` fits the type, as (name, type)."""
    if not checks:
        return []
    parts = [f"count({text}) = count(*) filter ({fits(text, kind)})" for _, text, kind in checks]
    verdicts = _aggregate(con, rows, parts)
    return [(name, kind) for (name, _, kind), verdict in zip(checks, verdicts, strict=True) if verdict]


def _aggregate(con: DuckDBPyConnection, rows: str, expressions: list[str]) -> list[Any]:
    """Some at a time: each costs a vector of text in memory."""
    found: list[Any] = []
    for start in range(0, len(expressions), _AT_A_TIME):
        chosen = ", ".join(expressions[start : start + _AT_A_TIME])
        found += con.execute(f"select {chosen} from {rows}").fetchall()[0]
    return found
