"""Texts as numbers: identifiers that are the same get the same number.

Belongs here: columns of DuckDB as arrays, and numbering their texts. Does not belong here: what the texts say.

DuckDB hashes each text once, while it reads it; from there on only numbers are sorted and compared. Equal hashes are
not believed: the texts are compared, so that no two identifiers ever become one by chance, or because somebody made
them so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headwater.match.graph import Flags, Ints

Hashes = NDArray[np.uint64]
BATCH = 1 << 17
"""Rows in a batch from DuckDB: with texts of ten thousand characters it still fits Arrow's short offsets."""
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Texts:
    """Identifiers as they occur, again and again: `values` has no nulls, `codes` are their types."""

    codes: Ints
    values: pa.ChunkedArray
    hashes: Hashes

    @property
    def count(self) -> int:
        """How many."""
        return len(self.codes)


@dataclass(frozen=True)
class Numbered:
    """Attributes:
    values, codes: of each occurrence.
    number_of: occurrence → number, from 0 without a gap, in no order.
    order: occurrences by their number.
    starts: number → where its occurrences begin in `order`.
    """

    values: pa.LargeStringArray
    codes: Ints
    number_of: Ints
    order: Ints
    starts: Ints

    def lowest(self, of_occurrences: Ints) -> Ints:
        """For each number the lowest of its occurrences."""
        if not len(self.starts):
            return np.empty(0, dtype=np.int64)
        return np.minimum.reduceat(of_occurrences[self.order], self.starts)

    @property
    def one_of(self) -> Ints:
        """For each number one of its occurrences."""
        return self.order[self.starts]


def number(parts: Sequence[Texts]) -> Numbered:
    """Number the texts of all parts, counting through them; texts of different types are different."""
    chunks = [chunk.cast(pa.large_string()) for part in parts for chunk in part.values.chunks]
    values = pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())
    codes = np.concatenate([np.empty(0, dtype=np.int64), *(part.codes for part in parts)])
    hashes = np.concatenate([np.empty(0, dtype=np.uint64), *(part.hashes for part in parts)])
    hashes ^= codes.astype(np.uint64) * _SPREAD
    order = np.argsort(hashes)
    ranked = hashes[order]
    again = np.flatnonzero(ranked[1:] == ranked[:-1]) + 1
    same = _same(values, codes, order, again)
    if not same.all():
        mixed = np.flatnonzero(np.isin(ranked, ranked[again[~same]]))
        named = [(int(hashes[i]), int(codes[i]), values[int(i)].as_py(), int(i)) for i in order[mixed]]
        order[mixed] = [each[3] for each in sorted(named)]
        same = _same(values, codes, order, again)
    is_first = np.ones(len(order), dtype=bool)
    is_first[again[same]] = False
    number_of = np.empty(len(order), dtype=np.int64)
    number_of[order] = np.cumsum(is_first) - 1
    return Numbered(values, codes, number_of, order, np.flatnonzero(is_first))


def _same(values: pa.Array, codes: Ints, order: Ints, at: Ints) -> Flags:
    """Which places of `order` hold the same as the place before."""
    this, before = order[at], order[at - 1]
    texts = pc.equal(values.take(pa.array(this)), values.take(pa.array(before)))
    same: Flags = texts.to_numpy(zero_copy_only=False) & (codes[this] == codes[before])
    return same


def ints(table: pa.Table, column: str, *, missing: int = 0) -> Ints:
    """A column of whole numbers; a home from before that column has none in it."""
    return np.asarray(pc.fill_null(table[column], missing).to_numpy(), dtype=np.int64)


def hashes(table: pa.Table, column: str) -> Hashes:
    """A column of DuckDB's `hash`."""
    return np.asarray(table[column].to_numpy(), dtype=np.uint64)


def coded(table: pa.Table, column: str, codes: dict[str, int], *, default: int = -1) -> Ints:
    """A column of few different texts as numbers; one that `codes` does not know is `default`."""
    numbers = np.full(table.num_rows, default, dtype=np.int64)
    at = 0
    for chunk in pc.fill_null(table[column], "").chunks:
        found = chunk.dictionary_encode()
        known = [codes.get(text, default) for text in found.dictionary.to_pylist()]
        numbers[at : at + len(chunk)] = np.array(known, dtype=np.int64)[np.asarray(found.indices)]
        at += len(chunk)
    return numbers
