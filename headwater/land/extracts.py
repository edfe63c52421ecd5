"""Tables of a tool, pulled incrementally with dlt, into `extracts/<source>/<table>/` of the lake.

Belongs here: one dlt pipeline a source, whose destination is the lake. Does not belong here: HTTP (`pages`), types
(`rows`), what a pulled row means (`load.extracts`).

dlt keeps the cursors. It saves them with the package of the rows they stand for, so that after a kill the next pull
either finds the package and finishes it (the lake takes the same content once) or starts from the older cursor. A row
that shares its cursor with the newest row is asked for again, and left out when it is unchanged.
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
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow.parquet as pq

from headwater.configuration import Config, RestSource, RestTable
from headwater.errors import BusyError, HeadwaterError, UnavailableError, UsageError
from headwater.land.objects import Rejected, put_once, put_quarantine
from headwater.land.pages import client, pages
from headwater.settings import Settings
from headwater.storage.lake import Lake, open_lake

if TYPE_CHECKING:
    import pyarrow as pa

WAIT_SECONDS = 60.0
_REMEMBERED = 10_000


@dataclass
class TablePulled:
    """What one pull landed: rows and objects new in the lake, rows kept aside."""

    rows: int = 0
    quarantined: int = 0
    objects: int = 0


@dataclass(frozen=True)
class Pulled:
    """The counts of one pull, by table."""

    source: str
    tables: dict[str, TablePulled]


def pull(settings: Settings, config: Config, source_name: str, tables: list[str] | None = None) -> Pulled:
    """Pull what changed since the last pull.

    Args:
        source_name: a source of kind rest.
        tables: which of its tables; default all.

    Raises:
        UsageError: there is no such source or table.
        UnavailableError: the tool or the lake does not answer; nothing of this pull counts, the next one repeats it.
        DataError: the tool's answer is no page of rows.
        BusyError: another pull of the same source runs, and did not end within a minute.
    """
    source = config.sources.get(source_name)
    if not isinstance(source, RestSource):
        raise UsageError(f"«{source_name}» is not a source of kind rest.")
    chosen = list(source.tables) if tables is None else tables
    unknown = sorted(set(chosen) - set(source.tables))
    if unknown:
        raise UsageError(f"{source_name} has no table {', '.join(unknown)}; it has {', '.join(source.tables)}.")
    lake = open_lake(settings)
    report = Pulled(source_name, {table: TablePulled() for table in chosen})
    with _only_one(settings.dlt_dir, source_name):
        _run(settings, lake, source_name, source, report)
    return report


def _run(settings: Settings, lake: Lake, name: str, source: RestSource, report: Pulled) -> None:
    import dlt

    from headwater.land import dlt_context

    dlt_context.enter(settings.dlt_dir)
    # the cursors say what a lake holds: another lake has others
    pipeline_name = f"{name}_{_short(settings.lake_url)}"
    held = {item.key.split("/")[2] for item in lake.list(f"extracts/{name}/")}
    if not held:
        shutil.rmtree(settings.dlt_dir / pipeline_name, ignore_errors=True)
    pipeline = dlt.pipeline(
        pipeline_name,
        pipelines_dir=str(settings.dlt_dir),
        destination=_destination(lake, name, report),
        dataset_name=name,
    )
    try:
        while pipeline.has_pending_data:
            pipeline.run()
        http = client(source)
        resources = [_resource(lake, http, name, source, table, report) for table in report.tables]
        pipeline.run(resources)
    except Exception as error:
        ours = _ours(error)
        if ours is None:
            raise
        raise ours from error
    _forget_packages(Path(pipeline.working_dir))


def _resource(lake: Lake, http: Any, name: str, source: RestSource, table_name: str, report: Pulled) -> Any:
    import dlt

    table = source.tables[table_name]

    def rows(cursor: Any = dlt.sources.incremental(table.cursor, primary_key=None)) -> Iterator[pa.Table]:  # noqa: B008
        rejected: list[Rejected] = []
        for page in pages(http, source, f"{name}'s {table_name}", table, cursor.last_value):
            rejected += page.rejected
            if page.rows.num_rows:
                yield page.rows
        # a bad row newer than every good one comes again with each pull, until it is mended
        state = dlt.current.resource_state()
        known, digests = set(state.get("rejected", [])), [_short(item.reason + item.payload) for item in rejected]
        fresh = [item for item, digest in zip(rejected, digests, strict=True) if digest not in known]
        put_quarantine(lake, "extracts", f"{name}.{table_name}", fresh)
        if known != set(digests):
            state["rejected"] = digests[-_REMEMBERED:]
        report.tables[table_name].quarantined = len(fresh)

    # times are UTC without an offset everywhere in the lake; dlt would add one
    naive = {column: {"timezone": False} for column, kind in table.columns.items() if kind == "timestamp"}
    # other columns are another table to dlt: it then starts from the first row, as it must
    return dlt.resource(rows, name=f"{table_name}__{_shape(table)}", columns=naive, write_disposition="append")


def _destination(lake: Lake, name: str, report: Pulled) -> Any:
    import dlt

    def put(file_path: str, table: dict[str, Any]) -> None:
        table_name = table["name"].rpartition("__")[0]
        _, is_new = put_once(lake, f"extracts/{name}/{table_name}", Path(file_path))
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


def _shape(table: RestTable) -> str:
    return _short(
        msgspec.json.encode([table.path, table.cursor, table.primary_key, list(table.columns.items())]).decode()
    )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@contextmanager
def _only_one(folder: Path, name: str) -> Iterator[None]:
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
