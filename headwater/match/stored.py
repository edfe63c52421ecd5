"""What the tables of identity hold around that which was read now.

Belongs here: reading it as arrays. Does not belong here: which of it is decided again (`region`), replacing it
(`writing`).

Every identifier and every tie carries a `cluster`: the same number for all that ties connect, believed or refused.
Nothing outside of a cluster has a say in it (`graph`), so the clusters of what was read are all that can matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.configuration import Identity
from headwater.match.graph import Ints
from headwater.match.mentions import ROWS, type_codes
from headwater.match.news import News
from headwater.match.numbering import BATCH, Texts, coded, hashes, ints

BY_HAND = "identity.yaml"


@dataclass(frozen=True)
class StoredIds:
    """Rows of `identity.identifiers`; `rows` are their rowids, `moments` and `landing_rows` say where they landed,
    `places` the same where it is still known. People's own ids are not among them but in `own_rows`, `own_ids`,
    `own_clusters`."""

    rows: Ints
    texts: Texts
    people: pa.ChunkedArray
    moments: pa.ChunkedArray
    landing_rows: Ints
    places: Ints
    clusters: Ints
    own_rows: Ints
    own_ids: pa.ChunkedArray
    own_clusters: Ints


@dataclass(frozen=True)
class StoredTies:
    """Rows of `identity.edges` and `identity.refused_edges`; `rows` are rowids of the first, -1 for a refused tie."""

    rows: Ints
    left: Texts
    right: Texts
    sources: Ints
    places: Ints
    clusters: Ints


def stored_ids(
    con: DuckDBPyConnection, identity: Identity, moments: list[str], near: Sequence[Texts] | None
) -> StoredIds:
    """The identifiers of all clusters in which one of these is, or of all that there are.

    Args:
        near: what to look around, or `None` for everything.
    """
    codes = type_codes(identity)
    where = ""
    if near is not None:
        _register_clusters(con, identity, near)
        where = "where cluster in (from _near)"
    found = con.execute(
        f"""select rowid, id_type, id_value, hash(id_value) as h, customer_id, first_landed, first_row, cluster
        from identity.identifiers {where}"""
    ).to_arrow_table(BATCH)
    is_own = coded(found, "id_type", {"customer_id": 1}, default=0) == 1
    own, given = found.filter(pa.array(is_own)), found.filter(pa.array(~is_own))
    return StoredIds(
        rows=ints(given, "rowid"),
        texts=Texts(coded(given, "id_type", codes), given["id_value"], hashes(given, "h")),
        people=given["customer_id"],
        moments=given["first_landed"],
        landing_rows=ints(given, "first_row"),
        places=_places(given, moments),
        clusters=ints(given, "cluster", missing=-1),
        own_rows=ints(own, "rowid"),
        own_ids=own["customer_id"],
        own_clusters=ints(own, "cluster", missing=-1),
    )


def stored_ties(con: DuckDBPyConnection, identity: Identity, news: News, moments: list[str]) -> StoredTies:
    """The ties of the clusters that `stored_ids` found."""
    columns = """left_type, left_value, hash(left_value) as h_left, right_type, right_value,
        hash(right_value) as h_right, source_table, first_landed, first_row, cluster"""
    found = con.execute(
        f"""select rowid, {columns} from identity.edges where cluster in (from _near)
        union all
        select -1, {columns} from identity.refused_edges where cluster in (from _near)"""
    ).to_arrow_table(BATCH)
    codes = type_codes(identity)
    left, right = (
        Texts(coded(found, f"{side}_type", codes), found[f"{side}_value"], hashes(found, f"h_{side}"))
        for side in ("left", "right")
    )
    sources = {name: number for number, name in enumerate(news.tables)}
    return StoredTies(
        ints(found, "rowid"),
        left,
        right,
        coded(found, "source_table", sources),
        _places(found, moments),
        ints(found, "cluster"),
    )


def hashed(con: DuckDBPyConnection, pairs: Sequence[tuple[int, str]]) -> Texts:
    """Identifiers that no table holds, as (code, value)."""
    given = pa.table(
        {
            "place": pa.array(range(len(pairs)), pa.int64()),
            "id_value": pa.array([value for _, value in pairs], pa.string()),
        }
    )
    con.register("_given", given)
    found = con.execute("select id_value, hash(id_value) as h from _given order by place").to_arrow_table()
    con.unregister("_given")
    return Texts(np.array([code for code, _ in pairs], dtype=np.int64), found["id_value"], hashes(found, "h"))


def drop(con: DuckDBPyConnection) -> None:
    """Remove what reading left."""
    for table in ("_near", "_ranks"):
        con.execute(f"drop table if exists {table}")


def _register_clusters(con: DuckDBPyConnection, identity: Identity, near: Sequence[Texts]) -> None:
    types = pa.array(type_codes(identity), pa.string())
    given = pa.table(
        {
            "id_type": pa.concat_arrays([types.take(pa.array(texts.codes)) for texts in near]),
            "id_value": pa.chunked_array(
                [chunk.cast(pa.large_string()) for texts in near for chunk in texts.values.chunks], pa.large_string()
            ),
        }
    )
    con.register("_given", given)
    con.execute(
        """create or replace temp table _near as
        select distinct cluster from identity.identifiers semi join _given using (id_type, id_value)"""
    )
    con.unregister("_given")


def _places(found: pa.Table, moments: list[str]) -> Ints:
    """Where rows landed; -1 for a decision by hand, and for what landed with an object that is not there any more."""
    ranks = coded(found, "first_landed", {moment: rank for rank, moment in enumerate(moments)})
    places: Ints = np.where(ranks < 0, -1, ranks * ROWS + ints(found, "first_row"))
    return places
