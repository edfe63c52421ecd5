"""Canonical tables of a company's own files: `raw.files__orders`, `order_lines`, `products`, `customers`.

Belongs here: filling them from a CSV table by the mapping of its config. Does not belong here: the CSV table itself.

What was filled, and by which mapping, is noted in the ledger as `config/<source>/<digest>`; a new row or another
mapping fills the source's part anew.
"""

from __future__ import annotations

import hashlib

import msgspec
from duckdb import DuckDBPyConnection

from headwater.configuration import CsvTable
from headwater.errors import UsageError
from headwater.load import ledger
from headwater.load.columns import filled, text
from headwater.storage.warehouse import declared_tables, transaction


def invalidate(con: DuckDBPyConnection, source: str, table: CsvTable) -> None:
    """Note that the source's part is behind its table. Call it in the transaction that changes the table."""
    if table.feeds:
        con.execute(
            "delete from raw.loaded_objects where target = ? and starts_with(lake_object, ?)",
            [_target(table), f"config/{source}/"],
        )


def feed(con: DuckDBPyConnection, source: str, table: CsvTable, rows_of: str) -> None:
    """Fill the source's part of the canonical table from `rows_of`, unless it is up to date.

    Raises:
        UsageError: the mapping names a column that the canonical table does not have.
    """
    if not table.feeds:
        return
    target = _target(table)
    declared = declared_tables()[target]
    unknown = sorted(set(table.mapping) - set(declared))
    if unknown:
        raise UsageError(
            f"{source} maps to {', '.join(unknown)}, which {target} does not have; it has {', '.join(declared)}."
        )
    digest = hashlib.sha256(msgspec.json.encode([table.file, list(table.mapping.items())])).hexdigest()[:12]
    note = f"config/{source}/{digest}"
    if note in ledger.loaded(con, target):
        return
    filling = {"source": text(source)} | {c: filled(rule, declared[c]) for c, rule in table.mapping.items()}
    with transaction(con):
        con.execute(f"delete from {target} where source = ?", [source])
        rows = con.execute(
            f"insert into {target} ({', '.join(filling)}) select {', '.join(filling.values())} from {rows_of}"
        ).fetchone()
        invalidate(con, source, table)
        ledger.record(con, target, [(note, int(rows[0]) if rows else 0)])


def _target(table: CsvTable) -> str:
    return f"raw.files__{table.feeds}"
