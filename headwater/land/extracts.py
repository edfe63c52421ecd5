"""Tables of tools and databases, pulled incrementally with dlt, into `extracts/<source>/<table>/` of the lake.

Belongs here: one dlt pipeline a source, whose destination is the lake, and its rounds. Does not belong here: asking
(`listings`), how far a table is (`places`), what a pulled row means (`load.extracts`).

dlt keeps the places. It saves them with the package of the rows they stand for, so that after a kill the next pull
either finds the package and finishes it (the lake takes the same content once) or starts from the older place. Where
rows come by ascending cursor, a long pull is several packages, and the next pull goes on after the last of them. A
table that fails keeps its place and lets the others land.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from headwater.configuration import Config, PulledTable, RestSource, SqlSource
from headwater.errors import BusyError, HeadwaterError, UnavailableError, UsageError
from headwater.land.deletions import scan_when_due
from headwater.land.listings import Listing, TablePulled, Work, listing_of
from headwater.land.objects import put_once
from headwater.settings import Settings
from headwater.storage.lake import open_lake

WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Pulled:
    """The counts of one pull, by table."""

    source: str
    tables: dict[str, TablePulled]

    def check(self) -> None:
        """Nothing, when every table was pulled to its end.

        Raises:
            UnavailableError, DataError, ConfigError: one was not; the first error, with the names of all such tables.
        """
        failed = {name: table.error for name, table in self.tables.items() if table.error is not None}
        first = next(iter(failed.values()), None)
        if first is None:
            return
        others = ", ".join(list(failed)[1:])
        raise type(first)(f"{first.message}{f' As well: {others}.' if others else ''}", hint=first.hint) from first


def pull(settings: Settings, config: Config, source_name: str, tables: list[str] | None = None) -> Pulled:
    """Pull what changed since the last pull.

    Raises:
        UnavailableError, DataError, ConfigError: as `Pulled.check`; the other tables have landed.
        UsageError, BusyError: as `try_pull`.
    """
    report = try_pull(settings, config, source_name, tables)
    report.check()
    return report


def try_pull(settings: Settings, config: Config, source_name: str, tables: list[str] | None = None) -> Pulled:
    """Pull what changed since the last pull, and say what became of each table.

    Args:
        source_name: a source of kind rest or sql.
        tables: which of its tables; default all.

    Returns:
        What landed; a table that failed has its `error`, keeps its place, and is asked for again by the next pull.

    Raises:
        UsageError: there is no such source or table.
        UnavailableError: the lake cannot be written; nothing of this pull counts, the next one repeats it.
        BusyError: another pull of the same source runs, and did not end within a minute.
    """
    source, chosen = pulled_source(config, source_name, tables)
    lake = open_lake(settings)
    report = Pulled(source_name, {table: TablePulled() for table in chosen})
    with only_one(settings.dlt_dir, source_name):
        _run(Work(settings, config, lake, source_name, source), report)
    return report


def pulled_source(
    config: Config, source_name: str, tables: list[str] | None = None
) -> tuple[RestSource | SqlSource, list[str]]:
    """The source of that name, and which of its tables are meant.

    Raises:
        UsageError: there is no such source or table.
    """
    source = config.sources.get(source_name)
    if not isinstance(source, RestSource | SqlSource):
        raise UsageError(f"«{source_name}» is not a source of kind rest or sql.")
    chosen = list(source.tables) if tables is None else tables
    unknown = sorted(set(chosen) - set(source.tables))
    if unknown:
        raise UsageError(f"{source_name} has no table {', '.join(unknown)}; it has {', '.join(source.tables)}.")
    return source, chosen


def _run(work: Work, report: Pulled) -> None:
    import dlt

    from headwater.land import dlt_context

    folder = work.settings.dlt_dir
    dlt_context.enter(folder)
    # the places say what a lake holds: another lake has others
    pipeline_name = f"{work.name}_{_short(work.settings.lake_url)}"
    if not work.lake.list(f"extracts/{work.name}/"):
        shutil.rmtree(folder / pipeline_name, ignore_errors=True)
    pipeline = dlt.pipeline(
        pipeline_name, pipelines_dir=str(folder), destination=_destination(work, report), dataset_name=work.name
    )
    listings: dict[str, Listing] = {}
    try:
        while pipeline.has_pending_data:
            pipeline.run()
        waiting = list(report.tables)
        while waiting:
            pipeline.run([_resource(work, listings, table, report) for table in waiting])
            waiting = list(listings)
    except Exception as error:
        ours = _ours(error)
        if ours is None:
            raise
        raise ours from error
    finally:
        for listing in listings.values():
            listing.close()
    _forget_packages(Path(pipeline.working_dir))
    for name in report.tables:
        scan_when_due(work, name, report.tables[name])


def _resource(work: Work, listings: dict[str, Listing], name: str, report: Pulled) -> Any:
    """One package's part of a table: the listing begins with it, or goes on where the package before it ended."""
    import dlt

    table = work.source.tables[name]

    def rows() -> Iterator[Any]:
        counts = report.tables[name]
        state = dlt.current.resource_state()
        try:
            if name not in listings:
                listings[name] = listing_of(work, name, state)
            for package in listings[name].package(state):
                yield _hinted(name, package)
        except HeadwaterError as error:
            counts.error = error
        listing = listings.get(name)
        if listing is not None:
            counts.quarantined = listing.quarantined
            counts.aside, counts.kept_aside = listing.held.count, listing.held.sentence()
            counts.changes, counts.notes = listing.changes(), listing.notes()
            if listing.is_over or counts.error is not None:
                listings.pop(name).close()

    # other columns are another table to dlt: it then starts from the first row, as it must
    return dlt.resource(rows, name=f"{name}__{_shape(table)}", write_disposition="append")


def _hinted(name: str, rows: Any) -> Any:
    """Rows of other columns or types are another table to dlt, which would cast them. Times are UTC without an offset
    everywhere in the lake; dlt would add one."""
    import dlt

    naive = {f.name: {"name": f.name, "timezone": False} for f in rows.schema if str(f.type).startswith("timestamp")}
    table_name = f"{name}__{_short(str(rows.schema))}"
    hints = dlt.mark.make_hints(table_name=table_name, columns=naive, write_disposition="append")
    return dlt.mark.with_hints(rows, hints, create_table_variant=True)


def _destination(work: Work, report: Pulled) -> Any:
    import dlt

    def put(file_path: str, table: dict[str, Any]) -> None:
        table_name = table["name"].rpartition("__")[0]
        _, is_new = put_once(work.lake, f"extracts/{work.name}/{table_name}", Path(file_path))
        counts = report.tables.setdefault(table_name, TablePulled())
        if is_new:
            counts.objects += 1
            counts.rows += pq.read_metadata(file_path).num_rows

    return dlt.destination(put, name="lake", loader_file_format="parquet", batch_size=0, naming_convention="direct")


def _ours(error: BaseException | None) -> HeadwaterError | None:
    """The error of this platform inside dlt's wrappers, or the disk's own."""
    while error is not None:
        if isinstance(error, HeadwaterError):
            return error
        if isinstance(error, OSError) and error.errno is not None:
            return UnavailableError(f"The pull cannot write {error.filename or 'its state'}: {error.strerror}.")
        error = error.__cause__ or error.__context__
    return None


def _forget_packages(folder: Path) -> None:
    """dlt keeps the description of every package it ever loaded; the lake knows better."""
    for loaded in (folder / "load" / "loaded").glob("*"):
        shutil.rmtree(loaded, ignore_errors=True)


def _shape(table: PulledTable) -> str:
    declared = {"columns": list(table.columns.items()), "key": table.key, "cursor": table.cursor}
    where = [getattr(table, name, "") for name in ("path", "table", "query")]
    learning = [table.contract, table.deletes == "flag", table.transform]
    return _short(msgspec.json.encode([declared, where, learning]).decode())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@contextmanager
def only_one(folder: Path, name: str) -> Iterator[None]:
    """Hold the pulls of one source.

    Raises:
        BusyError: another process pulls it, and did not end within a minute.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / f"{name}.lock").open("w")
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be written: {error.strerror}.") from error
    with handle:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise BusyError(f"Another pull of {name} runs; waited {WAIT_SECONDS:.0f} s.") from error
                time.sleep(0.2)
        yield
