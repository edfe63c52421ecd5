"""Which ties are believed, and who is one person: pure functions over integers.

Belongs here: limits and components. Does not belong here: tables, SQL, names of identifiers.

Ties are taken in the order in which they landed, so that what was decided stays decided: new data can add to a person
or join two, it never takes an older tie away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Nodes:
    """`types[i]` is the code of node i's id type."""

    types: Ints


def within_limits(
    nodes: Nodes, left: Ints, right: Ints, limits: Mapping[tuple[int, int], int]
) -> tuple[NDArray[np.bool_], dict[int, tuple[int, int]]]:
    """Refuse the ties of a value that is tied to more values of another type than its limit: the earliest stay.

    Args:
        left, right: the two nodes of each tie, distinct pairs, in landing order.
        limits: (type, other type) → how many values of the other type one value may be tied to.

    Returns:
        Which ties are kept, and for each refused one the (node, other type) whose limit it exceeds. A refused tie
        takes no place: the next one of the other node may still be within its limit.
    """
    kept = np.ones(len(left), dtype=bool)
    crowded = np.zeros(len(left), dtype=bool)
    for (near_type, far_type), limit in limits.items():
        sides_of = [
            (near, (nodes.types[near] == near_type) & (nodes.types[far] == far_type))
            for near, far in ((left, right), (right, left))
        ]
        ties_of = np.zeros(len(nodes.types), dtype=np.int64)
        for near, concerned in sides_of:
            np.add.at(ties_of, near[concerned], 1)
        for near, concerned in sides_of:
            crowded[concerned] |= ties_of[near[concerned]] > limit
    # only the ties around a crowded value need to be taken one by one
    tied: dict[tuple[int, int], int] = {}
    refused: dict[int, tuple[int, int]] = {}
    for index in np.flatnonzero(crowded).tolist():
        pair = (int(left[index]), int(right[index]))
        sides = [(near, int(nodes.types[far])) for near, far in (pair, pair[::-1])]
        over = [
            side
            for side in sides
            if tied.get(side, 0) >= limits.get((int(nodes.types[side[0]]), side[1]), len(left) + 1)
        ]
        if over:
            kept[index] = False
            refused[index] = over[0]
        else:
            for side in sides:
                tied[side] = tied.get(side, 0) + 1
    return kept, refused


def components(count: int, left: Ints, right: Ints) -> Ints:
    """The component of each of `count` nodes, numbered from 0."""
    if not len(left):
        return np.arange(count, dtype=np.int64)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def within_caps(
    nodes: Nodes, left: Ints, right: Ints, caps: Mapping[int, int]
) -> tuple[NDArray[np.bool_], dict[int, int]]:
    """Refuse the ties that would join more values of one type into one person than its cap.

    A chain can join two people although each link is within its limits. Only components over a cap are built again,
    tie by tie in landing order.

    Args:
        caps: type → how many values of it one person may have.

    Returns:
        Which ties are kept, and for each refused one the type whose cap it would exceed.
    """
    kept = np.ones(len(left), dtype=bool)
    refused: dict[int, int] = {}
    member = components(len(nodes.types), left, right)
    crowded = np.zeros(len(nodes.types), dtype=bool)
    for id_type, cap in caps.items():
        sizes = np.bincount(member[nodes.types == id_type], minlength=len(nodes.types))
        crowded |= sizes > cap
    if not crowded.any():
        return kept, refused
    parent: dict[int, int] = {}
    held: dict[int, dict[int, int]] = {}

    def root(node: int) -> int:
        path = []
        while (above := parent.setdefault(node, node)) != node:
            path.append(node)
            node = above
        for below in path:
            parent[below] = node
        if node not in held:
            held[node] = {int(nodes.types[node]): 1}
        return node

    for index in np.flatnonzero(crowded[member[left]]).tolist():
        one, other = root(int(left[index])), root(int(right[index]))
        if one == other:
            continue
        joined = {t: held[one].get(t, 0) + held[other].get(t, 0) for t in {*held[one], *held[other]}}
        over: Sequence[int] = sorted(t for t, count in joined.items() if count > caps.get(t, count))
        if over:
            kept[index] = False
            refused[index] = over[0]
            continue
        if sum(held[one].values()) < sum(held[other].values()):
            one, other = other, one
        parent[other] = one
        held[one] = joined
        del held[other]
    return kept, refused


def first_of_each(component: Ints) -> Ints:
    """For each component the lowest node; with nodes numbered by age that is its anchor."""
    anchors = np.full(int(component.max()) + 1 if len(component) else 0, len(component), dtype=np.int64)
    np.minimum.at(anchors, component, np.arange(len(component), dtype=np.int64))
    return anchors
