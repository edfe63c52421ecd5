"""Which ties are believed, and who is one person: pure functions over integers.

Belongs here: limits, decisions by hand, and components. Does not belong here: tables, SQL, names of identifiers.

Ties are taken in the order in which they landed, so that what was decided stays decided: new data can add to a person
or join two, it never takes an older tie away. What is decided about a tie depends on the ties that are connected with
it, believed or refused, and on no others: so a part of the graph that is closed under ties can be decided by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
_UNLIMITED = 1 << 62


@dataclass(frozen=True)
class Nodes:
    """`types[i]` is the code of node i's id type."""

    types: Ints


def within_limits(
    nodes: Nodes, left: Ints, right: Ints, limits: Mapping[tuple[int, int], int], forced: Flags | None = None
) -> tuple[Flags, dict[int, tuple[int, int]]]:
    """Refuse the ties of a value that is tied to more values of another type than its limit: the earliest stay.

    Args:
        left, right: the two nodes of each tie, distinct pairs, in landing order.
        limits: (type, other type) → how many values of the other type one value may be tied to.
        forced: ties that are kept whatever the limits say; they take a place.

    Returns:
        Which ties are kept, and for each refused one the (node, other type) whose limit it exceeds. A refused tie
        takes no place: the next one of the other node may still be within its limit.
    """
    kept = np.ones(len(left), dtype=bool)
    crowded = np.zeros(len(left), dtype=bool)
    left_types, right_types = nodes.types[left], nodes.types[right]
    for (near_type, far_type), limit in limits.items():
        sides_of = [
            (near, np.flatnonzero((near_types == near_type) & (far_types == far_type)))
            for near, near_types, far_types in ((left, left_types, right_types), (right, right_types, left_types))
        ]
        ties_of = np.zeros(len(nodes.types), dtype=np.int64)
        for near, concerned in sides_of:
            if len(concerned):
                ties_of += np.bincount(near[concerned], minlength=len(nodes.types))
        if ties_of.max(initial=0) > limit:
            for near, concerned in sides_of:
                crowded[concerned] |= ties_of[near[concerned]] > limit
    # only the ties around a crowded value need to be taken one by one
    tied: dict[tuple[int, int], int] = {}
    refused: dict[int, tuple[int, int]] = {}
    for index in np.flatnonzero(crowded).tolist():
        one, other = int(left[index]), int(right[index])
        one_type, other_type = int(left_types[index]), int(right_types[index])
        sides = ((one, other_type), (other, one_type))
        over = [
            side
            for side, pair in zip(sides, ((one_type, other_type), (other_type, one_type)), strict=True)
            if tied.get(side, 0) >= limits.get(pair, _UNLIMITED)
        ]
        if over and (forced is None or not forced[index]):
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

    if count < np.iinfo(np.int32).max:  # scipy counts so itself, where it can
        left, right = left.astype(np.int32), right.astype(np.int32)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def within_caps(
    nodes: Nodes,
    left: Ints,
    right: Ints,
    caps: Mapping[int, int],
    forced: Flags | None = None,
    apart: Sequence[tuple[int, int]] = (),
) -> tuple[Ints, Flags, dict[int, int]]:
    """Refuse the ties that would join more values of one type into one person than its cap, or two that stay apart.

    A chain can join two people although each link is within its limits. Only components over a cap are built again,
    tie by tie in landing order.

    Args:
        caps: type → how many values of it one person may have.
        forced: ties that are kept whatever the caps say.
        apart: pairs of nodes that are never one person's, not even by a forced tie.

    Returns:
        The component of each node, which ties are kept, and for each refused one the type whose cap it would exceed,
        or -1 - i for `apart[i]`.
    """
    kept = np.ones(len(left), dtype=bool)
    refused: dict[int, int] = {}
    member = components(len(nodes.types), left, right)
    crowded = np.zeros(len(nodes.types), dtype=bool)
    for id_type, cap in caps.items():
        crowded |= np.bincount(member[nodes.types == id_type], minlength=len(nodes.types)) > cap
    marks: dict[int, dict[int, int]] = {}
    for number, (one, other) in enumerate(apart):
        if member[one] == member[other]:
            crowded[member[one]] = True
        for node in (one, other):
            marks.setdefault(node, {})[-1 - number] = 1
    if not crowded.any():
        return member, kept, refused
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
            held[node] = {int(nodes.types[node]): 1, **marks.get(node, {})}
        return node

    for index in np.flatnonzero(crowded[member[left]]).tolist():
        one, other = root(int(left[index])), root(int(right[index]))
        if one == other:
            continue
        if len(held[one]) < len(held[other]):
            one, other = other, one
        more, fewer = held[one], held[other]
        # what only one of the two holds is not joined here, however much it is: a forced tie may have brought it
        over = [t for t, n in fewer.items() if t in more and more[t] + n > (caps.get(t, _UNLIMITED) if t >= 0 else 1)]
        if forced is not None and forced[index]:
            over = [t for t in over if t < 0]
        if over:
            kept[index] = False
            refused[index] = min(over)
            continue
        parent[other] = one
        for id_type, count in fewer.items():
            more[id_type] = more.get(id_type, 0) + count
        del held[other]
    return components(len(nodes.types), left[kept], right[kept]) if refused else member, kept, refused


def first_of_each(component: Ints) -> Ints:
    """For each component the lowest node; with nodes numbered by age that is its anchor."""
    # filled from the last node to the first, so that the first one stays
    anchors = np.empty(int(component.max()) + 1 if len(component) else 0, dtype=np.int64)
    anchors[component[::-1]] = np.arange(len(component) - 1, -1, -1, dtype=np.int64)
    return anchors
