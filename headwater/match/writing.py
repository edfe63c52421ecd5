"""What was decided, as rows: `identity.identifiers`, `identity.edges`, `identity.refused_edges`.

Belongs here: the ids of people, and replacing the rows of a region that are not as they were. Does not belong here:
transactions (`resolve`), what became of people (`history`).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from headwater.configuration import Identity
from headwater.match.deciding import Decided
from headwater.match.graph import Flags, Ints
from headwater.match.mentions import ROWS, type_codes
from headwater.match.news import News
from headwater.match.region import Region
from headwater.match.stored import BY_HAND

# Never change it: every customer id that was ever given out is made from it.
NAMESPACE = uuid.UUID("8b1f6c1e-7d0c-5b60-9a51-3f2b8e4d7a90")
# hexadecimal digits as bytes → their values, and where each stands in a UUID
_DIGITS = np.zeros(256, dtype=np.int64)
_DIGITS[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = range(16)
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_SHOWN = [at for at in range(36) if at not in (8, 13, 18, 23)]


@dataclass(frozen=True)
class Written:
    """Attributes:
    people: the ids of all people of the region.
    moved: identifiers that have another person than before (from_id, to_id, id_type, id_value, code, first_landed,
        first_row), the last two as they were stored.
    touched: how many people of before were looked at again.
    """

    people: pa.Array
    moved: pa.Table
    touched: int


def customer_id(id_type: str, id_value: str) -> str:
    """The id of the person whose anchor this identifier is."""
    return str(uuid.uuid5(NAMESPACE, f"{id_type}:{id_value}"))


def write_people(
    con: DuckDBPyConnection, identity: Identity, news: News, region: Region, decided: Decided, moments: list[str]
) -> Written:
    """Replace the rows of the region.

    Args:
        moments: the texts of landings by their rank.
    """
    types = pa.array(type_codes(identity), pa.string())
    # before everything that landed comes what was decided by hand
    landings = pa.array(["", *moments], pa.string())
    ids, numbers = _people(con, types, region, decided.anchors)
    clusters = numbers[decided.cluster_of]
    people = ids.take(pa.array(decided.person_of))
    known = np.flatnonzero(region.stored_at >= 0)
    at = region.stored_at[known]
    stored = region.stored
    before = stored.people.take(pa.array(at)).combine_chunks().cast(pa.large_string())
    has_moved = pc.not_equal(before, people.take(pa.array(known))).to_numpy(zero_copy_only=False)
    stays = np.zeros(len(region.codes), dtype=bool)
    if region.touched is None:
        for table in ("identifiers", "edges", "refused_edges"):
            con.execute(f"delete from identity.{table}")
        touched, tie_stays = len(stored.own_rows), np.zeros(len(region.left), dtype=bool)
    else:
        in_place = (stored.clusters[at] == clusters[known]) & (stored.places[at] == region.places[known])
        stays[known] = in_place & ~has_moved
        is_old = np.isin(stored.own_clusters, region.touched)
        touched = int(is_old.sum())
        named = ids.filter(pa.array(stays[decided.anchors]))
        is_gone = is_old & ~pc.is_in(stored.own_ids, named).to_numpy().astype(bool)
        _delete(con, "identifiers", np.concatenate([stored.rows[at[~stays[known]]], stored.own_rows[is_gone]]))
        tie_stays = (region.tie_rows >= 0) & stays[region.left]
        tie_stays[np.fromiter(decided.refused, dtype=np.int64)] = False
        _delete(con, "edges", np.setdiff1d(region.old_tie_rows, region.tie_rows[tie_stays]))
        con.register("_given", pa.table({"cluster": region.touched}))
        con.execute("delete from identity.refused_edges where cluster in (from _given)")
        con.unregister("_given")
    given = {
        "id_type": _coded(types, region.codes),
        "id_value": region.values,
        "customer_id": people,
        **_landed(landings, region.places),
        "cluster": clusters,
    }
    own = {
        "id_type": _coded(pa.array(["customer_id"]), np.zeros(len(ids), dtype=np.int64)),
        "id_value": ids,
        "customer_id": ids,
        **_landed(landings, region.places[decided.anchors]),
        "cluster": clusters[decided.anchors],
    }
    _insert(con, "identifiers", given, ~stays)
    _insert(con, "identifiers", own, ~stays[decided.anchors])
    _write_ties(con, news, region, decided, types, landings, clusters, tie_stays)
    gone = known[has_moved]
    old = region.stored_at[gone]
    moved = pa.table(
        {
            "from_id": before.filter(pa.array(has_moved)),
            "to_id": people.take(pa.array(gone)),
            "id_type": types.take(pa.array(region.codes[gone])),
            "id_value": region.values.take(pa.array(gone)),
            "code": region.codes[gone],
            "first_landed": stored.moments.take(pa.array(old)),
            "first_row": stored.landing_rows[old],
        }
    )
    return Written(ids, moved, touched)


def _write_ties(
    con: DuckDBPyConnection,
    news: News,
    region: Region,
    decided: Decided,
    types: pa.Array,
    landings: pa.Array,
    clusters: Ints,
    stays: Flags,
) -> None:
    refused = np.array(sorted(decided.refused), dtype=np.int64)
    is_new = ~stays
    is_new[refused] = False
    sources = pa.array([BY_HAND, *news.tables])

    def ties(at: Ints) -> dict[str, Any]:
        left, right = region.left[at], region.right[at]
        return {
            "left_type": _coded(types, region.codes[left]),
            "left_value": region.values.take(pa.array(left)),
            "right_type": _coded(types, region.codes[right]),
            "right_value": region.values.take(pa.array(right)),
            "source_table": _coded(sources, region.sources[at] + 1),
            **_landed(landings, region.tie_places[at]),
            "cluster": clusters[left],
        }

    _insert(con, "edges", ties(np.flatnonzero(is_new)))
    reasons = pa.array([decided.refused[tie] for tie in refused.tolist()], pa.string())
    _insert(con, "refused_edges", {**ties(refused), "reason": reasons})


def _people(con: DuckDBPyConnection, types: pa.Array, region: Region, anchors: Ints) -> tuple[pa.Array, Ints]:
    """Each person's id, and the number that its cluster gets if it is the cluster's oldest."""
    named = {"id_type": _coded(types, region.codes[anchors]), "id_value": region.values.take(pa.array(anchors))}
    con.register("_given", pa.table(named))
    try:
        hashed = con.execute(
            f"select sha1(unhex('{NAMESPACE.hex}') || encode(id_type || ':' || id_value)) as h from _given"
        ).to_arrow_table()
    finally:
        con.unregister("_given")
    return uuids(np.frombuffer(b"".join(map(_bytes, hashed["h"].chunks)), dtype=np.uint8).reshape(-1, 40))


def uuids(digests: NDArray[np.uint8]) -> tuple[pa.LargeStringArray, Ints]:
    """The UUIDs (version 5) of SHA-1 digests, and their first fifteen digits as numbers.

    Args:
        digests: one row each, forty hexadecimal digits.
    """
    found = np.full((len(digests), 36), ord("-"), dtype=np.uint8)
    found[:, _SHOWN] = digests[:, :32]
    found[:, 14] = ord("5")
    found[:, 19] = _HEX[_DIGITS[digests[:, 16]] % 4 + 8]
    offsets = np.arange(len(digests) + 1, dtype=np.int64) * 36
    texts = pa.LargeStringArray.from_buffers(len(digests), pa.py_buffer(offsets), pa.py_buffer(found))
    numbers: Ints = _DIGITS[digests[:, :15]] @ (16 ** np.arange(14, -1, -1, dtype=np.int64))
    return texts, numbers


def _bytes(texts: pa.Array) -> bytes:
    """The texts of an array of DuckDB's, one after the other."""
    _, offsets, data = texts.buffers()
    if data is None:
        return b""
    bounds = np.frombuffer(offsets, dtype=np.int64 if texts.type == pa.large_string() else np.int32)
    part: bytes = data[int(bounds[texts.offset]) : int(bounds[texts.offset + len(texts)])].to_pybytes()
    return part


def _landed(landings: pa.Array, places: Ints) -> dict[str, Any]:
    return {
        "first_landed": _coded(landings, places // ROWS + 1),
        "first_row": np.where(places < 0, 0, places % ROWS),
    }


def _coded(names: pa.Array, codes: Ints) -> pa.DictionaryArray:
    """Few different texts over many rows."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)


def _delete(con: DuckDBPyConnection, table: str, rows: Ints) -> None:
    if not len(rows):
        return
    con.register("_given", pa.table({"row": rows}))
    try:
        con.execute(f"delete from identity.{table} where rowid in (from _given)")
    finally:
        con.unregister("_given")


def _insert(con: DuckDBPyConnection, table: str, columns: dict[str, Any], which: Flags | None = None) -> None:
    rows = pa.table(columns)
    if which is not None and not which.all():
        rows = rows.filter(pa.array(which))
    if not rows.num_rows:
        return
    con.register("_given", rows)
    try:
        con.execute(f"insert into identity.{table} by name from _given")
    finally:
        con.unregister("_given")
