"""Identity: a million ties become people, and ten thousand more are added, beside scipy's bare components.

Belongs here: one company of made-up ties, and the clock around `resolve`. Imports are made before it runs. Does not
belong here: whether people are right; `tests/truth` holds that.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
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

PEOPLE, LOGINS, PAYERS, MORE = 300_000, 700_000, 150_000, 10_000
TIES = LOGINS + 2 * PAYERS
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


def measures() -> list[dict[str, Any]]:
    """Seconds for everything, for what is added, and for scipy alone on the same ties in the same process."""
    with tempfile.TemporaryDirectory() as folder, connect(load_settings(Path(folder)), purpose="benchmark") as con:
        ensure_schemas(con)
        _company(con)
        numbering, graph = _bare(con)
        full, whole = _timed(lambda: resolve(con, RULES))
        _log_in(con, 2, MORE)
        added, part = _timed(lambda: resolve(con, RULES))
        idle, nothing = _timed(lambda: resolve(con, RULES))
    ties = [found.edges + found.refused_edges for found in (whole, part, nothing)]
    if ties != [TIES, TIES + MORE, TIES + MORE] or part.reason:
        raise RuntimeError(f"What was measured is not what was meant: {whole}, {part}, {nothing}.")
    note = (
        f"{whole.people:,} people, {whole.identifiers:,} identifiers, {whole.refused_edges:,} ties refused; limit: "
        f"scipy's components of the same ties, {graph:.2f} s, and numbering their texts, {numbering:.2f} s"
    )
    return [
        row("identity_1m_ties", "s", "lower", full, numbering + graph, note),
        row("identity_10k_ties_more", "s", "lower", added, None, f"{part.touched:,} people were looked at again"),
        row("identity_nothing_new", "s", "lower", idle, None, "what was read is compared with what is there"),
    ]


def _company(con: DuckDBPyConnection) -> None:
    con.execute("create table raw.logins (user_id text, anonymous_id text, lake_object text, row_number bigint)")
    con.execute("create table raw.payers (id text, user_id text, email text, lake_object text, row_number bigint)")
    _log_in(con, 1, LOGINS)
    con.execute(
        f"insert into raw.payers select 'cus_' || i, 'usr_' || (i * 2), 'Person.' || i || '@Example.com', ?, i "
        f"from range({PAYERS}) as numbers(i)",
        [OBJECT.format(number=1)],
    )


def _log_in(con: DuckDBPyConnection, number: int, count: int) -> None:
    """One login a row, each on a device of its own; one device in 200 was somebody else's before."""
    con.execute(
        f"insert into raw.logins select 'usr_' || (hash(i + {number}) % {PEOPLE}), "
        f"md5('{number}/' || (i - (i % 200 = 0)::int)), ?, i from range({count}) as numbers(i)",
        [OBJECT.format(number=number)],
    )


def _bare(con: DuckDBPyConnection) -> tuple[float, float]:
    """Seconds to number the texts of the ties, and to find their components."""
    ties = con.execute(
        "select user_id, anonymous_id from raw.logins union all select user_id, id from raw.payers "
        "union all select user_id, email from raw.payers"
    ).to_arrow_table()
    begun = time.perf_counter()
    texts = pa.concat_arrays([chunk for column in ties.columns for chunk in column.chunks]).dictionary_encode()
    codes, count = np.asarray(texts.indices), len(texts.dictionary)
    numbered = time.perf_counter()
    left, right = codes[: ties.num_rows], codes[ties.num_rows :]
    connected_components(coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count)), directed=False)
    return numbered - begun, time.perf_counter() - numbered


def _timed(work: Callable[[], Resolved]) -> tuple[float, Resolved]:
    begun = time.perf_counter()
    done = work()
    return time.perf_counter() - begun, done
