"""What was decided, as rows: `identity.identifiers`, `identity.edges`, `identity.refused_edges`.

Belongs here: the ids of people, and replacing the rows of a region. Does not belong here: transactions (`resolve`).
"""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.configuration import Identity
from headwater.match.deciding import Decided
from headwater.match.graph import Flags, Ints
from headwater.match.mentions import ROWS, type_codes
from headwater.match.news import News
from headwater.match.ordering import Region
from headwater.match.region import BY_HAND

# Never change it: every customer id that was ever given out is made from it.
NAMESPACE = uuid.UUID("8b1f6c1e-7d0c-5b60-9a51-3f2b8e4d7a90")
# `customer_id` in SQL, over `name`: «type:value»
_CUSTOMER_ID = f"""
select h, substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5' || substr(h, 14, 3) || '-'
    || translate(substr(h, 17, 1), '0123456789abcdef', '89ab89ab89ab89ab') || substr(h, 18, 3) || '-'
    || substr(h, 21, 12) as customer_id
from (select sha1(unhex('{NAMESPACE.hex}') || encode(id_type || ':' || id_value)) as h from _anchors)"""


def customer_id(id_type: str, id_value: str) -> str:
    """The id of the person whose anchor this identifier is."""
    return str(uuid.uuid5(NAMESPACE, f"{id_type}:{id_value}"))


def write_people(con: DuckDBPyConnection, identity: Identity, news: News, region: Region, decided: Decided) -> None:
    """Replace the rows of the region, and fill the temp table `_people(customer_id)` with the people who are in it."""
    types = pa.array(type_codes(identity), pa.string())
    ids, clusters = _people(con, types, region, decided.anchors)
    # before everything that landed comes what was decided by hand
    moments = ["", *(row[0] for row in con.execute("select landed from _moments order by rank").fetchall())]
    old = "cluster in (from _touched)" if news.reason is None else "true"
    for table in ("identifiers", "edges", "refused_edges"):
        con.execute(f"delete from identity.{table} where {old}")
    cluster_of = clusters[decided.cluster_of]
    everybody = pa.table(
        {
            "id_type": _coded(types, region.codes),
            "id_value": region.values,
            "customer_id": ids.take(pa.array(decided.person_of)),
            **_landed(moments, region.places),
            "cluster": cluster_of,
        }
    )
    own = pa.table(
        {
            "id_type": _coded(pa.array(["customer_id"]), np.zeros(len(ids), dtype=np.int64)),
            "id_value": ids,
            "customer_id": ids,
            **_landed(moments, region.places[decided.anchors]),
            "cluster": cluster_of[decided.anchors],
        }
    )
    _insert(con, "identity.identifiers", everybody)
    _insert(con, "identity.identifiers", own)
    refused = np.array(sorted(decided.refused), dtype=np.int64)
    kept = np.ones(len(region.left), dtype=bool)
    kept[refused] = False
    sources = pa.array([BY_HAND, *news.tables])

    def ties(at: Ints | Flags) -> dict[str, Any]:
        left, right = region.left[at], region.right[at]
        return {
            "left_type": _coded(types, region.codes[left]),
            "left_value": region.values.take(pa.array(left)),
            "right_type": _coded(types, region.codes[right]),
            "right_value": region.values.take(pa.array(right)),
            "source_table": _coded(sources, region.sources[at] + 1),
            **_landed(moments, region.tie_places[at]),
            "cluster": cluster_of[left],
        }

    _insert(con, "identity.edges", pa.table(ties(kept)))
    reasons = pa.array([decided.refused[tie] for tie in refused.tolist()], pa.string())
    _insert(con, "identity.refused_edges", pa.table({**ties(refused), "reason": reasons}))


def _people(con: DuckDBPyConnection, types: pa.Array, region: Region, anchors: Ints) -> tuple[pa.Array, Ints]:
    """Each person's id, and the number that its cluster gets if it is the cluster's oldest."""
    given = pa.table(
        {"id_type": _coded(types, region.codes[anchors]), "id_value": region.values.take(pa.array(anchors))}
    )
    con.register("_anchors", given)
    try:
        found = con.execute(
            f"select customer_id, ('0x' || left(h, 15))::bigint as cluster from ({_CUSTOMER_ID})"
        ).to_arrow_table()
        con.register("_ids", found)
        con.execute("create or replace temp table _people as select customer_id from _ids")
        con.unregister("_ids")
    finally:
        con.unregister("_anchors")
    return found["customer_id"].combine_chunks(), np.asarray(found["cluster"].to_numpy(), dtype=np.int64)


def _landed(moments: list[str], places: Ints) -> dict[str, Any]:
    return {
        "first_landed": _coded(pa.array(moments, pa.string()), places // ROWS + 1),
        "first_row": np.where(places < 0, 0, places % ROWS),
    }


def _coded(names: pa.Array, codes: Ints) -> pa.DictionaryArray:
    """Few different texts over many rows."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)


def _insert(con: DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    con.register("_given_rows", rows)
    try:
        con.execute(f"insert into {table} by name from _given_rows")
    finally:
        con.unregister("_given_rows")
