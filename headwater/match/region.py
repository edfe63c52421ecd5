"""The part of the graph that has to be decided: what was read, and everything that is connected with it.

Belongs here: finding it, and laying it out as arrays: identifiers numbered by age, ties in order of theirs. Does not
belong here: reading tables (`mentions`, `stored`), deciding (`deciding`), writing what came of it (`writing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from headwater.configuration import Identity
from headwater.configuration.identity_checks import split_id
from headwater.match.graph import Flags, Ints
from headwater.match.landing import first_alike
from headwater.match.mentions import ROWS, Said, type_codes
from headwater.match.news import News
from headwater.match.numbering import Numbered, number
from headwater.match.stored import StoredIds, hashed, stored_ids, stored_ties
from headwater.policy.identifiers import normal

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Region:
    """Attributes:
    codes, values, places: of each node; a node with a lower number is older, so a person's anchor is its lowest.
    left, right: the nodes of each tie, no pair twice, the oldest first.
    sources: which table told of each tie first, below 0 for a decision by hand.
    tie_places: where each tie was told first.
    stored: identifiers as they were; `stored_at` is the place of each node in it, -1 for a new one.
    tie_rows: rowid in `identity.edges` of a tie that is stored with this place and source, else -1.
    touched: the clusters that end here; `None` when everything is decided anew.
    old_tie_rows: all rowids of `identity.edges` in those clusters.
    """

    codes: Ints
    values: pa.Array
    places: Ints
    left: Ints
    right: Ints
    sources: Ints
    tie_places: Ints
    stored: StoredIds
    stored_at: Ints
    tie_rows: Ints
    touched: Ints | None
    old_tie_rows: Ints


@dataclass(frozen=True)
class _Ties:
    left: Ints
    right: Ints
    sources: Ints
    places: Ints
    rows: Ints

    def only(self, which: Flags | Ints) -> _Ties:
        if which.dtype == np.bool_ and which.all():
            return self
        return _Ties(*(column[which] for column in (self.left, self.right, self.sources, self.places, self.rows)))


def lay_out(con: DuckDBPyConnection, identity: Identity, news: News, said: list[Said], moments: list[str]) -> Region:
    """Find what has to do with what was read; call it in the transaction that writes what comes of it."""
    is_whole = news.reason is not None
    mentioned = [column.texts for each in said for column in each.columns]
    pairs = _included(identity)
    by_hand = hashed(con, [end for pair in pairs for end in pair])
    ids = stored_ids(con, identity, moments, None if is_whole else [*mentioned, by_hand])
    ties = None if is_whole else stored_ties(con, identity, news, moments)
    ends = [] if ties is None else [ties.left, ties.right]
    parts = [*mentioned, by_hand, ids.texts, *ends]
    numbered = number(parts)
    numbers = np.split(numbered.number_of, np.cumsum([part.count for part in parts])[:-1])
    landed = numbered.lowest(
        np.concatenate(
            [
                *(each.places[column.at] for each in said for column in each.columns),
                np.full(by_hand.count, _NEVER),
                np.full(ids.texts.count, _NEVER) if is_whole else ids.places,
                *(np.full(end.count, _NEVER) for end in ends),
            ]
        )
    )
    of_rows, of_hand, of_ids, of_ends = (
        numbers[: len(mentioned)],
        numbers[len(mentioned)],
        numbers[len(mentioned) + 1],
        numbers[len(mentioned) + 2 :],
    )
    stored_at = np.full(len(landed), -1, dtype=np.int64)
    stored_at[of_ids] = np.arange(len(of_ids))
    fresh = _joined(_told(said, of_rows))
    included = _by_hand(of_hand)
    if ties is None:
        touched, old = None, _joined([])
        is_here = landed < _NEVER
    else:
        old = _Ties(of_ends[0], of_ends[1], ties.sources, ties.places, ties.rows)
        touched = _touched(ids, stored_at, landed, fresh, old, included)
        clusters = np.append(ids.clusters, -1)[stored_at]
        is_here = (landed < _NEVER) & ((stored_at < 0) | np.isin(clusters, touched))
        old = old.only(is_here[old.left])
    alike = np.array(first_alike(moments), dtype=np.int64)
    order = _by_age(numbered, _ages(landed, alike), np.flatnonzero(is_here))
    age = np.full(len(landed), -1, dtype=np.int64)
    age[order] = np.arange(len(order))
    one_of = numbered.one_of[order]
    codes = numbered.codes[one_of]
    # what was decided by hand is decided again
    here = _joined([old.only(old.sources >= 0), fresh, included])
    here = here.only(is_here[here.left] & is_here[here.right] & (here.left != here.right))
    here = _in_order(_Ties(age[here.left], age[here.right], here.sources, here.places, here.rows), codes, alike)
    return Region(
        codes=codes,
        values=numbered.values.take(pa.array(one_of)),
        places=landed[order],
        left=here.left,
        right=here.right,
        sources=here.sources,
        tie_places=here.places,
        stored=ids,
        stored_at=stored_at[order],
        tie_rows=here.rows,
        touched=touched,
        old_tie_rows=old.rows[old.rows >= 0],
    )


def normal_ids(identity: Identity, ids: list[str]) -> list[tuple[str, str]]:
    """An override's ids as (id type, value as it is compared); those that are junk are left out."""
    split = [split_id(text) for text in ids]
    return [
        (id_type, value)
        for id_type, written in split
        if (value := normal(identity.id_types[id_type], written, identity.default_region)) is not None
    ]


def _included(identity: Identity) -> list[list[tuple[int, str]]]:
    codes = type_codes(identity)
    pairs = (sorted((codes[t], value) for t, value in normal_ids(identity, each.ids)) for each in identity.include)
    return [pair for pair in pairs if len(pair) == 2]


def _told(said: list[Said], numbers: Sequence[Ints]) -> Iterator[_Ties]:
    at = 0
    for each in said:
        for left, right, places in each.pairs(list(numbers[at : at + len(each.columns)])):
            yield _Ties(left, right, np.full(len(left), each.source), places, np.full(len(left), -1))
        at += len(each.columns)


def _by_hand(ends: Ints) -> _Ties:
    """Before everything that ever landed, in the order of the file."""
    left, right = ends[::2], ends[1::2]
    return _Ties(left, right, np.full(len(left), -1), np.arange(-len(left), 0), np.full(len(left), -1))


def _joined(ties: Sequence[_Ties] | Iterator[_Ties]) -> _Ties:
    given = list(ties)
    return _Ties(
        *(
            np.concatenate([np.empty(0, dtype=np.int64), *(getattr(each, name) for each in given)])
            for name in ("left", "right", "sources", "places", "rows")
        )
    )


def _touched(ids: StoredIds, stored_at: Ints, landed: Ints, fresh: _Ties, old: _Ties, included: _Ties) -> Ints:
    """The clusters that what was read has to do with. What is known already touches nothing."""
    count = len(landed)
    is_earlier = landed[stored_at >= 0] < ids.places[stored_at[stored_at >= 0]]
    keys = old.left * count + old.right
    by_key = np.argsort(keys)
    asked = fresh.left * count + fresh.right
    at = np.searchsorted(keys, asked, sorter=by_key)
    found = by_key[np.minimum(at, len(by_key) - 1)] if len(by_key) else at
    is_known = np.zeros(len(asked), dtype=bool)
    if len(by_key):
        is_known = (keys[found] == asked) & (old.places[found] <= fresh.places)
    is_new = ~is_known & (fresh.left != fresh.right)
    # what was included by hand long ago holds from the day on which both are known
    is_first = (landed[included.left] < _NEVER) & (landed[included.right] < _NEVER)
    is_first &= (stored_at[included.left] < 0) | (stored_at[included.right] < 0)
    nodes = np.concatenate(
        [
            np.flatnonzero(stored_at >= 0)[is_earlier],
            *(end[is_new] for end in (fresh.left, fresh.right)),
            *(end[is_first] for end in (included.left, included.right)),
        ]
    )
    nodes = nodes[stored_at[nodes] >= 0]
    return np.unique(ids.clusters[stored_at[nodes]])


def _ages(places: Ints, alike: Ints) -> Ints:
    """Numbers that sort by age: what was read at once from a pulled table has one.

    Args:
        alike: of each rank `landing.first_alike`.
    """
    if not (alike >= 0).any():
        return places
    first = alike[np.clip(places // ROWS, 0, len(alike) - 1)]
    ages: Ints = np.where((places >= 0) & (places < _NEVER) & (first >= 0), first * ROWS, places)
    return ages


def _by_age(numbered: Numbered, ages: Ints, nodes: Ints) -> Ints:
    """These numbers, the oldest first; of one age the type of higher priority, then the lesser text."""
    ages = _one_key(ages[nodes], numbered.codes[numbered.one_of[nodes]])
    order = np.argsort(ages)
    same = _shared(ages[order])
    if same.any():
        alike = order[same]
        texts = numbered.values.take(pa.array(numbered.one_of[nodes[alike]]))
        keys = pa.table({"age": ages[alike], "text": texts})
        by = [(name, "ascending") for name in keys.column_names]
        order[same] = alike[np.asarray(pc.sort_indices(keys, sort_keys=by), dtype=np.int64)]
    return nodes[order]


def _in_order(ties: _Ties, codes: Ints, alike: Ints) -> _Ties:
    """The oldest first; of a pair that is there twice, the one that was told first."""
    ages = _ages(ties.places, alike)
    order = np.argsort(ages)
    # a row with several identifiers ties several pairs at one place; what is stored already comes before its repeat
    same = _shared(ages[order])
    if same.any():
        at = order[same]
        left, right = ties.left[at], ties.right[at]
        types = _one_key(codes[left], codes[right])
        by = (-ties.rows[at], ties.sources[at], ties.places[at], _one_key(left, right), types, ages[at])
        order[same] = at[np.lexsort(by)]
    pairs = ties.left[order] * len(codes) + ties.right[order]
    ranked = np.sort(pairs)
    if (ranked[1:] == ranked[:-1]).any():
        order = order[np.sort(np.unique(pairs, return_index=True)[1])]
    return ties.only(order)


def _one_key(first: Ints, then: Ints) -> Ints:
    """Numbers that sort as these pairs do; `then` is never negative."""
    span = int(then.max(initial=0)) + 1
    if len(first) and int(np.abs(first).max()) >= _NEVER // span:
        order = np.lexsort((then, first))
        is_more = (np.diff(first[order]) != 0) | (np.diff(then[order]) != 0)
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.concatenate([[0], np.cumsum(is_more)])
        return ranks
    return first * span + then


def _shared(ranked: Ints) -> Flags:
    """Which of these are equal to the one before or after."""
    equal = ranked[1:] == ranked[:-1]
    return np.concatenate([[False], equal]) | np.concatenate([equal, [False]]) if len(ranked) else equal
