"""Batches in which nothing appears twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.push.rounds import rounds


def test_what_repeats_goes_into_the_next_group() -> None:
    assert rounds([("a", 0), ("b", 1), ("a", 2), ("c", 3), ("a", 4), ("b", 5)]) == [(0, 1, 3), (2, 5), (4,)]
    assert rounds([]) == []


@given(st.lists(st.sampled_from("abc")))
def test_each_is_in_one_group_none_twice_and_in_its_order(keys: list[str]) -> None:
    groups = rounds((key, index) for index, key in enumerate(keys))
    assert sorted(index for group in groups for index in group) == list(range(len(keys)))
    for group in groups:
        assert len({keys[index] for index in group}) == len(group)
    for key in set(keys):
        order = [index for group in groups for index in group if keys[index] == key]
        assert order == sorted(order)
    assert len(groups) == max([keys.count(key) for key in keys], default=0)
