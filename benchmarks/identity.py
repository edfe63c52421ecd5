"""Identity: a million ties become people, and ten thousand more are added, beside scipy's bare components; and a tenth
of it, which shows how it grows.

Belongs here: a company of made-up ties, and the clocks around `resolve`. Imports are made before it runs. Does not
belong here: whether people are right; `tests/truth` holds that.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from duckdb import DuckDBPyConnection
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.rows import row
from headwater.configuration import EdgeSource, Identity, IdType
from headwater.match.resolve import Resolved, resolve
from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas

MILLION, MORE, TIMES = 1_000_000, 10_000, 3
OBJECT = "events/received_date=2026-01-01/{number:010d}-176722560{number}000.parquet"
RULES = Identity(
    id_types={
        "user_id": IdType(priority=1, junk=["undefined"], limits={"user_id": 1, "email": 3}),
        "payment_id": IdType(priority=2, limits={"user_id": 1}),
        "email": IdType(priority=3, normalise="email", junk=["test@example.com"], limits={"user_id": 1}),
        "anonymous_id": IdType(priority=4, junk=["undefined"], limits={"user_id": 1}),
    },
    edges=[
        EdgeSource(table="raw.logins", ids={"user_id": "user_id", "anonymous_id": "anonymous_id"}),
        EdgeSource(table="raw.payers", ids={"payment_id": "id", "user_id": "user_id", "email": "email"}),
    ],
)


@dataclass(frozen=True)
class Took:
    """Seconds on the clock and of the processor, and what `resolve` counted."""

    seconds: float
    cpu: float
    done: Resolved


def measures() -> list[dict[str, Any]]:
    """Seconds for everything, for what is added, and for scipy alone on the same ties in the same process: the best of
    three times, since other programs only ever add to it."""
    rows: list[dict[str, Any]] = []
    for ties, name in ((MILLION // 10, "100k"), (MILLION, "1m")):
        runs = [_run(ties) for _ in range(TIMES)]
        numbering, graph, bare_cpu = (min(run[0][at] for run in runs) for at in range(3))
        full, part, idle = (min((run[at] for run in runs), key=lambda took: took.seconds) for at in (1, 2, 3))
        rows.append(
            row(
                f"identity_{name}_ties",
                "s",
                "lower",
                full.seconds,
                numbering + graph,
                f"{full.cpu:.2f} CPU s beside {bare_cpu:.2f} of the limit; {full.done.people:,} people, "
                f"{full.done.identifiers:,} identifiers, "
                f"{full.done.refused_edges:,} ties refused; best of {TIMES}; limit: the peer and numbering the texts",
            )
            | {"peer": "scipy's components alone", "peer_value": round(graph, 2)}
        )
    more = f"{part.cpu:.2f} CPU s; {part.done.touched:,} people were looked at again"
    return [
        *rows,
        row("identity_10k_ties_more", "s", "lower", part.seconds, None, f"to a million: {more}"),
        row("identity_nothing_new", "s", "lower", idle.seconds, None, "what was read is compared with what is there"),
    ]


def _run(ties: int) -> tuple[tuple[float, float, float], Took, Took, Took]:
    """What the limit took (`_bare`), then what everything, more, and nothing new took."""
    with tempfile.TemporaryDirectory() as folder, connect(load_settings(Path(folder)), purpose="benchmark") as con:
        ensure_schemas(con)
        _company(con, ties)
        limit = _bare(con)
        whole = _timed(lambda: resolve(con, RULES))
        _log_in(con, 2, MORE, ties)
        part = _timed(lambda: resolve(con, RULES))
        nothing = _timed(lambda: resolve(con, RULES))
    found = [took.done.edges + took.done.refused_edges for took in (whole, part, nothing)]
    if found != [ties, ties + MORE, ties + MORE] or part.done.reason:
        raise RuntimeError(f"What was measured is not what was meant: {whole}, {part}, {nothing}.")
    return limit, whole, part, nothing


def _company(con: DuckDBPyConnection, ties: int) -> None:
    """Of ten ties seven are logins; three people in twenty also pay, with an address of their own."""
    con.execute("create table raw.logins (user_id text, anonymous_id text, lake_object text, row_number bigint)")
    con.execute("create table raw.payers (id text, user_id text, email text, lake_object text, row_number bigint)")
    _log_in(con, 1, ties * 7 // 10, ties)
    con.execute(
        f"insert into raw.payers select 'cus_' || i, 'usr_' || (i * 2), 'Person.' || i || '@Example.com', ?, i "
        f"from range({ties * 3 // 20}) as numbers(i)",
        [OBJECT.format(number=1)],
    )


def _log_in(con: DuckDBPyConnection, number: int, count: int, ties: int) -> None:
    """One login a row, each on a device of its own; one device in 200 was somebody else's before."""
    con.execute(
        f"insert into raw.logins select 'usr_' || (hash(i + {number}) % {ties * 3 // 10}), "
        f"md5('{number}/' || (i - (i % 200 = 0)::int)), ?, i from range({count}) as numbers(i)",
        [OBJECT.format(number=number)],
    )


def _bare(con: DuckDBPyConnection) -> tuple[float, float, float]:
    """Seconds to number the texts of the ties, and to find their components; the processor's seconds for both."""
    ties = con.execute(
        "select user_id, anonymous_id from raw.logins union all select user_id, id from raw.payers "
        "union all select user_id, email from raw.payers"
    ).to_arrow_table()
    begun, cpu = time.perf_counter(), time.process_time()
    texts = pa.concat_arrays([chunk for column in ties.columns for chunk in column.chunks]).dictionary_encode()
    codes, count = np.asarray(texts.indices), len(texts.dictionary)
    numbered = time.perf_counter()
    left, right = codes[: ties.num_rows], codes[ties.num_rows :]
    connected_components(coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count)), directed=False)
    return numbered - begun, time.perf_counter() - numbered, time.process_time() - cpu


def _timed(work: Callable[[], Resolved]) -> Took:
    begun, cpu = time.perf_counter(), time.process_time()
    done = work()
    return Took(time.perf_counter() - begun, time.process_time() - cpu, done)
