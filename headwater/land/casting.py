"""Texts as typed columns, row by row: what fits goes on, the rest is kept aside with its reason.

Belongs here: the casts of each type, for sources that hand out text. Does not belong here: reading any source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from headwater.configuration import ColumnType, PulledTable
from headwater.land.objects import Rejected

CAST: dict[ColumnType, str] = {
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


def from_text(
    rows: pa.Table, columns: Mapping[str, ColumnType], table: PulledTable
) -> tuple[pa.Table, list[Rejected], list[Any]]:
    """Cast the text columns of `rows` to `columns`; other columns are taken as they are.

    Returns:
        Rows that fit, the others with their reasons, and the cursors of the others.
    """
    texts = {f.name for f in rows.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)}
    cast = {name: CAST[kind].format(quoted(name)) if name in texts else quoted(name) for name, kind in columns.items()}
    checks = [
        f"case when {quoted(name)} is not null and {cast[name]} is null "
        f"then {literal(f'{name}: «')} || {quoted(name)} || {literal(f'» is not of type {kind}')} end"
        for name, kind in columns.items()
        if name in texts and kind != "text"
    ]
    checks += [
        f"case when {quoted(name)} is null then {literal(f'{name} is empty, and part of the key')} end"
        for name in table.key
    ]
    selected = ", ".join(f"{expression} as {quoted(name)}" for name, expression in cast.items())
    cursor = cast[table.cursor] if table.cursor else "null"
    record = ", ".join(f"{literal(name)}: {quoted(name)}" for name in columns)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'; set threads = 1")
        con.register("given", rows)
        con.execute(
            f"create temp table typed as select {selected}, coalesce({', '.join(checks)}) as _wrong, "
            f"{cursor} as _at, to_json({{{record}}})::varchar as _record from given"
        )
        names = ", ".join(quoted(name) for name in columns)
        fitting = con.execute(f"select {names} from typed where _wrong is null").to_arrow_table()
        wrong = con.execute("select _wrong, _record, _at from typed where _wrong is not null").fetchall()
    rejected = [Rejected("wrong type", detail, record) for detail, record, _ in wrong]
    return fitting, rejected, [at for _, _, at in wrong]


def quoted(name: str) -> str:
    """A column name as an SQL identifier."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"'


def literal(value: str) -> str:
    """A text as an SQL literal."""
    return f"'{value.replace(chr(39), chr(39) * 2)}'"


def as_json(record: Mapping[str, Any]) -> str:
    """A record as JSON text, whatever its values are."""
    return msgspec.json.encode(dict(record), enc_hook=str).decode()
