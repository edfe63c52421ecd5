"""Limits, caps and components, against the plain rule taken tie by tie."""

from __future__ import annotations

import random

import numpy as np

from headwater.match.graph import Nodes, components, first_of_each, joined_weakly, within_caps, within_limits


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


def test_weak_ties_agree_with_taking_each_in_order_and_asking_what_both_sides_hold() -> None:
    caps, weak = {0: 2}, {2: {0: 1, 1: 2}}
    several = 0
    for seed in range(60):
        nodes, left, right = _random_ties(seed)
        is_weak = (nodes.types[left] == 2) | (nodes.types[right] == 2)
        member, _, _ = within_caps(nodes, left[~is_weak], right[~is_weak], caps)
        apart = [(int(left[0]), int(right[-1]))] if member[left[0]] != member[right[-1]] else []
        people = [set(np.flatnonzero(member == number).tolist()) for number in range(member.max() + 1)]
        expected = {}
        for index, (a, b) in enumerate(zip(left[is_weak].tolist(), right[is_weak].tolist(), strict=True)):
            one, other = (next(person for person in people if node in person) for node in (a, b))
            both = [[sum(int(nodes.types[n]) == t for n in side) for t in (0, 1)] for side in (one, other)]
            too_many = {
                (t, False) for t, cap in caps.items() if min(b[t] for b in both) and sum(b[t] for b in both) > cap
            }
            weakly = {
                (t, True) for t, cap in weak[2].items() if min(b[t] for b in both) and sum(b[t] for b in both) > cap
            }
            parted = {(-1, False) for x, y in apart if one != other and {x, y} <= one | other}
            if one == other:
                continue
            if found := parted | too_many or weakly:
                expected[index] = min(found)
            else:
                people = [person for person in people if person not in (one, other)] + [one | other]
        joined, refused = joined_weakly(nodes, member, left[is_weak], right[is_weak], caps, weak, apart)
        assert refused == expected
        assert {frozenset(np.flatnonzero(joined == n).tolist()) for n in set(joined.tolist())} == set(
            map(frozenset, people)
        )
        several += len({what for what, _ in expected.values()}) == 3
    assert several


def test_nothing_at_all_is_joined_weakly() -> None:
    none = np.array([], dtype=np.int64)
    member, refused = joined_weakly(Nodes(none), none, none, none, {0: 1}, {1: {0: 1}})
    assert (member.tolist(), refused) == ([], {})


def test_components_and_their_first_members() -> None:
    member = components(6, np.array([1, 4]), np.array([3, 5]))
    assert member[1] == member[3] and member[4] == member[5] and len(set(member.tolist())) == 4
    assert sorted(first_of_each(member).tolist()) == [0, 1, 2, 4]
    assert first_of_each(components(0, np.array([]), np.array([]))).tolist() == []
