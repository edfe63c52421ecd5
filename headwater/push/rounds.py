"""Batches in which nothing appears twice: several tools refuse a request that names one record or order twice.

Belongs here: that one rule. Does not belong here: what the key is (`destinations/`). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable


def rounds(keyed: Iterable[tuple[str, int]]) -> list[tuple[int, ...]]:
    """Indexes in as few groups as no key allows twice in one; what shares a key keeps its order, group after group.

    Args:
        keyed: (key, index) pairs in the order of the events.
    """
    groups: list[list[int]] = []
    seen: dict[str, int] = {}
    for key, index in keyed:
        place = seen[key] = seen.get(key, -1) + 1
        if place == len(groups):
            groups.append([])
        groups[place].append(index)
    return [tuple(group) for group in groups]
