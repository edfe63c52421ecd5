"""Extracts of the lake into `raw.<source>__<table>`, the latest version of every row, with the ledger.

Belongs here: which objects are loaded, in which transaction. Does not belong here: how versions of a row meet
(`merge`), how canonical tables are filled (`feeds`), how the extract came to the lake.
"""

from __future__ import annotations

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from headwater.configuration import Config, CsvSource, CsvTable, FilesSource, PulledTable, RestSource, SqlSource
from headwater.errors import UsageError
from headwater.load import feeds, ledger, merge
from headwater.load.schema_changes import evolved, load_schema_changes
from headwater.storage.lake import Lake
from headwater.storage.warehouse import transaction


@dataclass
class TableLoaded:
    """Objects read and rows written: new ones and changed ones."""

    objects: int = 0
    rows: int = 0


@dataclass(frozen=True)
class ExtractsLoaded:
    """Counts by table."""

    tables: dict[str, TableLoaded]


def load_extracts(
    con: DuckDBPyConnection, lake: Lake, config: Config, source: str, tables: list[str] | None = None
) -> ExtractsLoaded:
    """Load every extract of one source that is not loaded yet.

    Args:
        source: a source of kind rest, sql, files or csv.
        tables: which of its tables; default all.

    Raises:
        UsageError: there is no such source or table.
        DataError: an object cannot be read; tables before it are loaded.
    """
    found = config.sources.get(source)
    if not isinstance(found, RestSource | SqlSource | FilesSource | CsvSource):
        raise UsageError(f"«{source}» is not a source of kind rest, sql, files or csv.")
    known: dict[str, PulledTable | CsvTable] = {**found.tables}
    chosen = list(known) if tables is None else tables
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise UsageError(f"{source} has no table {', '.join(unknown)}; it has {', '.join(known)}.")
    lake.configure(con)
    load_schema_changes(con, lake)
    tied = {edge.table for edge in config.identity.edges}
    counts = {}
    for table in chosen:
        learned = evolved(con, source, table, known[table])
        is_tied = f"raw.{source}__{table}" in tied
        extract = merge.Extract(f"{source}__{table}", known[table], learned, is_tied=is_tied)
        counts[table] = _load(con, lake, source, table, known[table], extract)
    return ExtractsLoaded(counts)


def _load(
    con: DuckDBPyConnection,
    lake: Lake,
    source: str,
    table_name: str,
    table: PulledTable | CsvTable,
    extract: merge.Extract,
) -> TableLoaded:
    target = f"raw.{source}__{table_name}"
    counts = TableLoaded()
    with transaction(con):
        extract.prepare(con)
    waiting = ledger.measure(con, lake, ledger.waiting(con, lake, f"extracts/{source}/{table_name}/", target))
    # without versions, where a row came from depends on what was loaded before: one object at a time, as they landed
    groups = ledger.groups(waiting) if extract.has_versions else ([item] for item in waiting)
    for group in groups:
        with transaction(con):
            rows = merge.merge(con, lake, extract, [item.key for item in group])
            ledger.record(con, target, ((item.key, item.rows) for item in group))
            if rows and isinstance(table, CsvTable):
                feeds.invalidate(con, source, table)
        counts.rows += rows
        counts.objects += len(group)
    if isinstance(table, CsvTable):
        feeds.feed(con, source, table, extract.target)
    return counts
