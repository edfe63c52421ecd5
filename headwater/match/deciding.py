"""Who is one person in a region: its links held against `identity.yaml`.

Belongs here: the company's rules as numbers, and the words for what was refused. Does not belong here: the algorithms
(`graph`), reading and writing tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from headwater.configuration import Identity
from headwater.match.graph import (
    Flags,
    Ints,
    Nodes,
    components,
    first_of_each,
    joined_weakly,
    within_caps,
    within_limits,
)
from headwater.match.mentions import type_codes
from headwater.match.region import Region, normal_ids


@dataclass(frozen=True)
class Decided:
    """Attributes:
    anchors: the first node of each person.
    person_of: node → its person, counting through `anchors`.
    cluster_of: node → the person of the first node of all that ties connect with it, believed or refused.
    refused: tie → why it is not believed.
    """

    anchors: Ints
    person_of: Ints
    cluster_of: Ints
    refused: dict[int, str]


def decide(identity: Identity, region: Region) -> Decided:
    """Decide about every tie of a region."""
    codes = type_codes(identity)
    types = list(codes)
    nodes, left, right, by_hand = Nodes(region.codes), region.left, region.right, region.sources < 0
    kept = np.ones(len(left), dtype=bool)
    refused: dict[int, str] = {}
    apart, alone = _exclusions(identity, region)
    for index, reason in _excluded(left, right, apart, alone).items():
        kept[index] = False
        refused[index] = f"excluded: {reason}"
    limits = {
        (codes[name], codes[other]): limit
        for name, id_type in identity.id_types.items()
        for other, limit in id_type.limits.items()
        if other != name and other in codes
    }
    at = np.flatnonzero(kept)
    within, over_limit = within_limits(nodes, left[at], right[at], limits, by_hand[at])
    for index, (node, other) in over_limit.items():
        name = types[int(nodes.types[node])]
        limit = limits[int(nodes.types[node]), other]
        refused[int(at[index])] = f"{name} is tied to {limit} {types[other]} already"
    at = at[within]
    caps = {codes[name]: t.limits[name] for name, t in identity.id_types.items() if name in t.limits}
    weak = {codes[n]: {codes[o]: cap for o, cap in t.weak.items()} for n, t in identity.id_types.items() if t.weak}
    at, last = _weak_last(nodes, left, right, at, by_hand, list(weak))
    pairs = [pair for pair, _ in apart]
    person, _, over_cap = within_caps(nodes, left[at], right[at], caps, by_hand[at], pairs)
    words = {-1 - number: f"it would join two that are excluded: {reason}" for number, (_, reason) in enumerate(apart)}
    words |= {code: f"a person has at most {cap} {types[code]}" for code, cap in caps.items()}
    for index, what in over_cap.items():
        refused[int(at[index])] = words[what]
    if len(last):
        person, contradicted = joined_weakly(nodes, person, left[last], right[last], caps, weak, pairs)
        for index, (what, is_of_weak) in contradicted.items():
            refused[int(last[index])] = (
                f"it is weak, and both have their own {types[what]}" if is_of_weak else words[what]
            )
    anchors = first_of_each(person)
    if not refused:
        return Decided(anchors, person, person, refused)
    # believed or not, ties connect people
    at = np.fromiter(refused, dtype=np.int64)
    cluster = components(len(anchors), person[left[at]], person[right[at]])
    by_age = np.argsort(anchors)
    first_person = by_age[first_of_each(cluster[by_age])]
    return Decided(anchors, person, first_person[cluster][person], refused)


def _weak_last(nodes: Nodes, left: Ints, right: Ints, at: Ints, by_hand: Flags, weak: list[int]) -> tuple[Ints, Ints]:
    """These ties without those of a weak identifier, and the latter: by the priority of its type, then by age."""
    if not weak:
        return at, at[:0]
    of_weak = np.full(int(nodes.types.max(initial=0)) + 1, -1, dtype=np.int64)
    present = [code for code in weak if code < len(of_weak)]
    of_weak[present] = present
    weakest = np.maximum(of_weak[nodes.types[left[at]]], of_weak[nodes.types[right[at]]])
    weakest[by_hand[at]] = -1
    last = np.flatnonzero(weakest >= 0)
    return at[weakest < 0], at[last[np.argsort(weakest[last], kind="stable")]]


def _exclusions(identity: Identity, region: Region) -> tuple[list[tuple[tuple[int, int], str]], Mapping[int, str]]:
    """Pairs of nodes that stay apart, and nodes that tie nobody, each with the reason; those that are in the region."""
    codes = type_codes(identity)
    apart: list[tuple[tuple[int, int], str]] = []
    alone: dict[int, str] = {}
    for override in identity.exclude:
        found = [_node(region, codes[id_type], value) for id_type, value in normal_ids(identity, override.ids)]
        present = [node for node in found if node is not None]
        if len(present) < len(override.ids):
            continue
        if len(present) == 1:
            alone[present[0]] = override.reason
        else:
            apart.append(((present[0], present[1]), override.reason))
    return apart, alone


def _node(region: Region, code: int, value: str) -> int | None:
    named = np.flatnonzero(pc.equal(region.values, value).to_numpy(zero_copy_only=False) & (region.codes == code))
    return int(named[0]) if len(named) else None


def _excluded(
    left: Ints, right: Ints, apart: list[tuple[tuple[int, int], str]], alone: Mapping[int, str]
) -> dict[int, str]:
    """Links that an exclusion names itself."""

    def where(mask: Flags) -> list[int]:
        return [int(index) for index in np.flatnonzero(mask)]

    found = {index: reason for node, reason in alone.items() for index in where((left == node) | (right == node))}
    for (one, other), reason in apart:
        both = ((left == one) & (right == other)) | ((left == other) & (right == one))
        found |= dict.fromkeys(where(both), reason)
    return found
