"""Limits, caps and components, against the plain rule taken tie by tie."""

from __future__ import annotations

import random

import numpy as np

from headwater.match.graph import Nodes, components, first_of_each, within_caps, within_limits


def _random_ties(seed: int) -> tuple[Nodes, np.ndarray, np.ndarray]:
    generator = random.Random(seed)
    types = np.array([generator.randrange(3) for _ in range(60)], dtype=np.int64)
    pairs = {tuple(sorted(generator.sample(range(60), 2))) for _ in range(120)}
    ties = [pair for pair in pairs if types[pair[0]] != types[pair[1]]]
    generator.shuffle(ties)
    left, right = np.array(ties, dtype=np.int64).T
    return Nodes(types), left, right


def test_limits_agree_with_taking_every_tie_in_order() -> None:
    limits = {(0, 1): 1, (1, 0): 2, (2, 0): 1}
    for seed in range(40):
        nodes, left, right = _random_ties(seed)
        tied: dict[tuple[int, int], int] = {}
        expected = []
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            sides = [(a, int(nodes.types[b])), (b, int(nodes.types[a]))]
            fits = all(tied.get(side, 0) < limits.get((int(nodes.types[side[0]]), side[1]), 999) for side in sides)
            expected.append(fits)
            for side in sides if fits else []:
                tied[side] = tied.get(side, 0) + 1
        kept, refused = within_limits(nodes, left, right, limits)
        assert kept.tolist() == expected
        assert sorted(refused) == np.flatnonzero(~kept).tolist()


def test_caps_hold_in_every_component_and_refuse_only_what_would_break_them() -> None:
    for seed in range(40):
        nodes, left, right = _random_ties(seed)
        member, kept, refused = within_caps(nodes, left, right, {0: 1, 1: 3})
        assert member.tolist() == components(60, left[kept], right[kept]).tolist()
        for id_type, cap in ((0, 1), (1, 3)):
            assert np.bincount(member[nodes.types == id_type], minlength=1).max() <= cap
        for index in refused:
            joined = np.flatnonzero((member == member[left[index]]) | (member == member[right[index]]))
            held = np.bincount(nodes.types[joined], minlength=3)
            assert held[0] > 1 or held[1] > 3


def test_components_and_their_first_members() -> None:
    member = components(6, np.array([1, 4]), np.array([3, 5]))
    assert member[1] == member[3] and member[4] == member[5] and len(set(member.tolist())) == 4
    assert sorted(first_of_each(member).tolist()) == [0, 1, 2, 4]
    assert first_of_each(components(0, np.array([]), np.array([]))).tolist() == []
