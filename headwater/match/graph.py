"""Which ties are believed, and who is one person: pure functions over integers.

Belongs here: limits, decisions by hand, and components. Does not belong here: tables, SQL, names of identifiers.

Ties are taken in the order in which they landed, so that what was decided stays decided: new data can add to a person
or join two, it never takes an older tie away. Those of weak identifiers come after all others, and give way when
something better speaks against them. What is decided about a tie depends on the ties that are connected with
it, believed or refused, and on no others: so a part of the graph that is closed under ties can be decided by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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
    growing = _Growing(lambda node: {int(nodes.types[node]): 1, **marks.get(node, {})})
    for index in np.flatnonzero(crowded[member[left]]).tolist():
        one, other = growing.root(int(left[index])), growing.root(int(right[index]))
        over = growing.over(one, other, caps)
        if forced is not None and forced[index]:
            over = [t for t in over if t < 0]
        if over:
            kept[index] = False
            refused[index] = min(over)
        else:
            growing.join(one, other)
    return components(len(nodes.types), left[kept], right[kept]) if refused else member, kept, refused


class _Growing:
    """Parts that are joined tie by tie, and how many values of each type every one holds; what stays apart counts as a
    type below 0, of which nobody has two.

    Args:
        start: what a part holds that nothing has joined yet.
    """

    def __init__(self, start: Callable[[int], dict[int, int]]) -> None:
        self._start = start
        self._parent: dict[int, int] = {}
        self._held: dict[int, dict[int, int]] = {}

    def root(self, part: int) -> int:
        """The part that stands for all that this one has been joined with."""
        path = []
        while (above := self._parent.setdefault(part, part)) != part:
            path.append(part)
            part = above
        for below in path:
            self._parent[below] = part
        if part not in self._held:
            self._held[part] = self._start(part)
        return part

    def over(self, one: int, other: int, caps: Mapping[int, int]) -> list[int]:
        """The types of which two roots together would hold too many."""
        if one == other:
            return []
        fewer, more = sorted((self._held[one], self._held[other]), key=len)
        # what only one of the two holds is not joined here, however much it is: a forced tie may have brought it
        return [t for t, n in fewer.items() if t in more and more[t] + n > (caps.get(t, _UNLIMITED) if t >= 0 else 1)]

    def join(self, one: int, other: int) -> None:
        """Make one part of two roots."""
        if one == other:
            return
        if len(self._held[one]) < len(self._held[other]):
            one, other = other, one
        self._parent[other] = one
        held = self._held[one]
        for id_type, count in self._held.pop(other).items():
            held[id_type] = held.get(id_type, 0) + count


def joined_weakly(
    nodes: Nodes,
    member: Ints,
    left: Ints,
    right: Ints,
    caps: Mapping[int, int],
    weak: Mapping[int, Mapping[int, int]],
    apart: Sequence[tuple[int, int]] = (),
) -> tuple[Ints, dict[int, tuple[int, bool]]]:
    """Join components by ties of weak identifiers, in landing order, where nothing speaks against it.

    A telephone ties records that have nothing else; between two that have an address each, it tells of a household.

    Args:
        member: the component of each node by all other ties.
        left, right: ties of which one end at least is weak.
        caps: type → how many values of it one person may have.
        weak: weak type → type → how many values of it the two together may have whom one of its ties joins, when both
            have some.
        apart: pairs of nodes that are never one person's.

    Returns:
        The component of each node, and for each refused tie the type of which the two would have too many, or -1 - i
        for `apart[i]`, and whether it is for the weak type that they are too many.
    """
    refused: dict[int, tuple[int, bool]] = {}
    count = int(member.max(initial=-1)) + 1
    one_end, other_end = member[left], member[right]
    joined = components(count, one_end, other_end)
    crowded = np.zeros(count, dtype=bool)
    for id_type in {*caps, *(each for limits in weak.values() for each in limits)}:
        cap = min(limits[id_type] for limits in (caps, *weak.values()) if id_type in limits)
        held = np.bincount(member[nodes.types == id_type], minlength=count)
        several = np.bincount(joined[held > 0], minlength=count) > 1
        crowded |= several & (np.bincount(joined, weights=held, minlength=count) > cap)
    holding: dict[int, dict[int, int]] = defaultdict(dict)
    for number, pair in enumerate(apart):
        one, other = (int(member[node]) for node in pair)
        crowded[joined[one]] |= joined[one] == joined[other]
        for part in (one, other):
            holding[part][-1 - number] = 1
    if not crowded.any():
        return joined[member], refused
    for node in np.flatnonzero(crowded[joined[member]]).tolist():
        counts, id_type = holding[int(member[node])], int(nodes.types[node])
        counts[id_type] = counts.get(id_type, 0) + 1
    growing = _Growing(lambda part: dict(holding[part]))
    kept = np.ones(len(left), dtype=bool)
    for index in np.flatnonzero(crowded[joined[one_end]]).tolist():
        one, other = growing.root(int(one_end[index])), growing.root(int(other_end[index]))
        types = (int(nodes.types[left[index]]), int(nodes.types[right[index]]))
        over = growing.over(one, other, caps)
        if over_weak := [] if over else [t for each in types for t in growing.over(one, other, weak.get(each, {}))]:
            over = over_weak
        if over:
            kept[index] = False
            refused[index] = min(over), bool(over_weak)
        else:
            growing.join(one, other)
    return components(count, one_end[kept], other_end[kept])[member], refused


def first_of_each(component: Ints) -> Ints:
    """For each component the lowest node; with nodes numbered by age that is its anchor."""
    # filled from the last node to the first, so that the first one stays
    anchors = np.empty(int(component.max()) + 1 if len(component) else 0, dtype=np.int64)
    anchors[component[::-1]] = np.arange(len(component) - 1, -1, -1, dtype=np.int64)
    return anchors
