"""Texts as numbers: the same text the same number, whatever its hash."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headwater.match.numbering import Texts, number

WORDS = ["ann", "bob", "ann", "", "Ann", "bob", "ann", "e\u0301", "\u00e9"]
CODES = [0, 0, 1, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("hashes", [0, 1, 3, 100], ids=lambda count: f"hashes below {count}")
def test_what_is_the_same_gets_one_number_however_hashes_collide(hashes: int) -> None:
    collide = np.array([sum(word.encode()) % hashes if hashes else 7 for word in WORDS], dtype=np.uint64)
    parts = [
        Texts(np.array(CODES[part]), pa.chunked_array([WORDS[part]], pa.string()), collide[part])
        for part in (slice(0, 4), slice(4, 4), slice(4, None))
    ]
    numbered = number(parts)
    named: dict[int, set[tuple[int, str]]] = {}
    for at, (code, word) in enumerate(zip(CODES, WORDS, strict=True)):
        named.setdefault(int(numbered.number_of[at]), set()).add((code, word))
    assert sorted(named) == list(range(7))
    assert all(len(same) == 1 for same in named.values())
    assert [numbered.number_of[at] for at in numbered.one_of] == list(range(7))
    places = np.arange(len(WORDS))[::-1].astype(np.int64)
    lowest = [min(int(places[at]) for at in range(len(WORDS)) if numbered.number_of[at] == n) for n in range(7)]
    assert numbered.lowest(places).tolist() == lowest


def test_nothing_has_no_numbers() -> None:
    numbered = number([])
    assert len(numbered.number_of) == len(numbered.one_of) == len(numbered.lowest(np.empty(0, dtype=np.int64))) == 0
