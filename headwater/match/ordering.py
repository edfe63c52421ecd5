"""A region as arrays: its identifiers numbered by age, its ties in landing order.

Belongs here: fetching and ordering. Does not belong here: which part of the graph it is (`region`), deciding (`graph`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.match.graph import Flags, Ints


@dataclass(frozen=True)
class Region:
    """Attributes:
    codes, values, places: of each node; a node with a lower number is older, so a person's anchor is its lowest.
    left, right: the nodes of each tie, no pair twice, in the order in which they landed.
    sources: which table told of each tie first, below 0 for a decision by hand.
    tie_places: where each tie landed first.
    """

    codes: Ints
    values: pa.Array
    places: Ints
    left: Ints
    right: Ints
    sources: Ints
    tie_places: Ints


def fetch(con: DuckDBPyConnection, *, has_repeats: bool) -> Region:
    """Read the temp tables `_nodes` and `_links`, and remove them: what they hold is in memory from then on.

    Args:
        has_repeats: a pair may be there twice: as it was stored, and as it landed earlier.
    """
    nodes = con.execute("select code::bigint as code, id_value, place from _nodes order by rowid").to_arrow_table()
    codes, places = _ints(nodes, "code"), _ints(nodes, "place")
    values = nodes["id_value"].cast(pa.large_string()).combine_chunks()
    order = _by_age(places, codes, values)
    age = np.empty(len(order), dtype=np.int64)
    age[order] = np.arange(len(order))
    codes, places, values = codes[order], places[order], values.take(pa.array(order))
    links = con.execute("select left_row, right_row, source::bigint as source, place from _links").to_arrow_table()
    for table in ("_nodes", "_links", "_ties"):
        con.execute(f"drop table {table}")
    left, right = age[_ints(links, "left_row")], age[_ints(links, "right_row")]
    sources, tie_places = _ints(links, "source"), _ints(links, "place")
    landed = _by_landing(tie_places, codes[left], codes[right], left, right)
    if has_repeats or (sources < 0).any():
        pairs = left[landed] * len(order) + right[landed]
        landed = landed[np.sort(np.unique(pairs, return_index=True)[1])]
    return Region(codes, values, places, left[landed], right[landed], sources[landed], tie_places[landed])


def _by_age(places: Ints, codes: Ints, values: pa.Array) -> Ints:
    order = np.lexsort((codes, places))
    # where rows have no number, whole objects are one place
    same = _shared(places[order]) & _shared(codes[order])
    if same.any():
        at = order[same]
        texts = values.take(pa.array(at)).to_pylist()
        ranked = sorted(range(len(at)), key=lambda i: (places[at[i]], codes[at[i]], texts[i]))
        order[same] = at[ranked]
    return order


def _by_landing(places: Ints, *finer: Ints) -> Ints:
    order = np.argsort(places, kind="stable")
    # a row with several identifiers ties several pairs at one place
    same = _shared(places[order])
    if same.any():
        at = order[same]
        order[same] = at[np.lexsort((*(keys[at] for keys in reversed(finer)), places[at]))]
    return order


def _shared(ranked: Ints) -> Flags:
    """Which of these are equal to the one before or after."""
    equal = ranked[1:] == ranked[:-1]
    return np.concatenate([[False], equal]) | np.concatenate([equal, [False]])


def _ints(table: pa.Table, column: str) -> Ints:
    return np.asarray(table[column].to_numpy(), dtype=np.int64)
