"""The payment tool's records in Postgres: as the last simulation left them.

Belongs here: types, COPY, and whether it is due. Does not belong here: the server (`server`), what the rows say.

All tables are replaced in one transaction: whoever reads sees the records of one simulation, before or after. Rows
that are gone from the simulation are really gone, as in any database that deletes. What somebody changes in the tables
by hand stays until the next simulation.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from sandbox.company.tools_file import COLUMNS

PREFIX = "payments_"
TABLES = {name.removeprefix(PREFIX): columns for name, columns in COLUMNS.items() if name.startswith(PREFIX)}
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NUMBERS = {"quantity": "integer", "percent_off": "integer"}


def column_type(column: str) -> str:
    """The Postgres type of a column, by its name."""
    if column.endswith("_cents"):
        return "bigint"
    if column.endswith("_at") or column.startswith("valid_"):
        return "timestamptz"
    return _NUMBERS.get(column, "text")


def stamp(folder: Path) -> str | None:
    """What stands for the company's present simulation; None if there is none."""
    try:
        told = (folder / "company" / "company.json").read_bytes()
    except FileNotFoundError:
        return None
    return hashlib.sha256(told).hexdigest() if (folder / "tools.sqlite").exists() else None


def fill(folder: Path, url: str) -> int | None:
    """Bring the database to the company's present simulation.

    Returns:
        How many rows were written; None if there was nothing to do.
    """
    now = stamp(folder)
    with psycopg.connect(url) as target:
        _declare(target)
        held = target.execute("select stamp from sandbox.filled for update").fetchone()
        if now is None or (held and held[0] == now):
            return None
        written = 0
        with closing(sqlite3.connect(folder / "tools.sqlite", timeout=60)) as source:
            source.execute("begin")  # all tables as of one moment
            for table, columns in TABLES.items():
                written += _replace(source, target, table, columns)
        target.execute("delete from sandbox.filled")
        target.execute("insert into sandbox.filled values (%s)", (now,))
    with psycopg.connect(url, autocommit=True) as target:
        target.execute("analyze")
    return written


def _declare(target: psycopg.Connection) -> None:
    """The tables, empty where they are new; one whose columns are not today's is made anew."""
    target.execute("create schema if not exists sandbox")
    target.execute("create table if not exists sandbox.filled (stamp text)")
    for table, columns in TABLES.items():
        names = columns.split(", ")
        sql = (
            "select array_agg(column_name::text order by ordinal_position) from information_schema.columns "
            "where table_schema = 'public' and table_name = %s"
        )
        held = target.execute(sql, (table,)).fetchone()
        if held and held[0] == names:
            continue
        told = ", ".join(f"{name} {column_type(name)}" for name in names)
        target.execute(f"drop table if exists public.{table}")
        target.execute(f"create table public.{table} ({told}, primary key (id))")
        target.execute(f"create index on public.{table} (updated_at, id)")
        target.execute("delete from sandbox.filled")


def _replace(source: sqlite3.Connection, target: psycopg.Connection, table: str, columns: str) -> int:
    target.execute(f"delete from public.{table}")
    rows = 0
    found = source.execute(f"select {columns} from {PREFIX}{table}")
    with target.cursor().copy(f"copy public.{table} ({columns}) from stdin") as copy:
        while block := found.fetchmany(5000):
            copy.write("".join("\t".join(map(_text, row)) + "\n" for row in block))
            rows += len(block)
    return rows


def _text(value: object) -> str:
    """One value as COPY's text format has it."""
    if value is None:
        return "\\N"
    text = str(value)
    return text if text.isprintable() and "\\" not in text else text.translate(_ESCAPES)
