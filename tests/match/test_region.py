"""Two numbers as one that sorts as they do."""

from __future__ import annotations

import random

import numpy as np
import pytest

from headwater.match.region import _one_key


@pytest.mark.parametrize("most", [5, 1 << 40, (1 << 62) + 1], ids=["small", "places", "too large to multiply"])
def test_one_key_sorts_as_its_pairs(most: int) -> None:
    generator = random.Random(3)
    pairs = [(generator.choice([-2, 0, 1, most - 1, most]), generator.randrange(4)) for _ in range(200)]
    first, then = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    keys = _one_key(first, then).tolist()
    for one, other in zip(range(199), range(1, 200), strict=True):
        assert (keys[one] < keys[other]) == (pairs[one] < pairs[other])
        assert (keys[one] == keys[other]) == (pairs[one] == pairs[other])
