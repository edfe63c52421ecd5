"""Requests that list things, of which one event may have none, one or several.

Belongs here: remembering which event each listed thing came from, so that an error by place finds its event. Does not
belong here: what any tool's list holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headwater.push import mapping
from headwater.push.destinations.base import Call, Outcome, Request

MOST_OF_ONE_EVENT = 1000
"""Things that one event may become: an order of a million products must not become a million requests."""
MOST_BYTES = 32_000_000
"""JSON that one batch may become; above it the batch is split, and an event alone is refused."""


@dataclass(frozen=True)
class PackedCall(Call):
    """A call with lists: `owners` tells, by the list's name, which event (by index in the batch) each thing is of."""

    owners: Mapping[str, tuple[int, ...]]

    def owner(self, listed: str, place: object) -> int | None:
        """The event (by index in the batch) of the thing at a place of a list, or None where there is none."""
        of = self.owners.get(listed, ())
        return of[place] if isinstance(place, int) and 0 <= place < len(of) else None

    def told(self, refused: Mapping[int, Outcome], otherwise: Outcome) -> list[Outcome]:
        """The outcome of each event: what is said of it, by index in the batch, or `otherwise`."""
        return [refused.get(event, otherwise) for event in self.events]


@dataclass
class Listed:
    """Things on their way into requests, each with the event (by index in the batch) that it is of."""

    items: list[Any] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)
    _bytes: int = 0
    _counts: Counter[int] = field(default_factory=Counter)

    def add(self, event: int, item: Any) -> None:
        """One more thing.

        Raises:
            ValueError: the event becomes too many things, or the batch too many bytes (then a smaller one may do).
        """
        size = mapping.encoded_size(item)
        self._counts[event] += 1
        self._bytes += size
        if self._counts[event] > MOST_OF_ONE_EVENT:
            raise ValueError(f"it would become more than {MOST_OF_ONE_EVENT:,} things at the tool")
        if self._bytes > MOST_BYTES:
            raise ValueError(f"it would become more than {MOST_BYTES:,} bytes of the tool's JSON")
        self.items.append(item)
        self.owners.append(event)
        self._sizes.append(size)

    def parts(self, most: int, most_bytes: int, largest: int | None = None) -> Iterator[tuple[list[Any], list[int]]]:
        """Parts of at most `most` things and `most_bytes` of JSON, each with its owners.

        Raises:
            ValueError: one thing alone is larger than `largest` (by default `most_bytes`).
        """
        sizes = self._sizes
        largest = largest or most_bytes
        if sizes and max(sizes) > largest:
            raise ValueError(f"it is {max(sizes):,} bytes as the tool's JSON; the tool takes {largest:,}")
        for part in mapping.chunks(self.items, most, most_bytes, sizes):
            yield self.items[part], self.owners[part]


def packed(request: Request, owners: Mapping[str, Sequence[int]]) -> PackedCall:
    """A call that carries every event that owns something in it."""
    events = sorted(set(_all(owners.values())))
    return PackedCall(request, tuple(events), {name: tuple(of) for name, of in owners.items()})


def _all(lists: Iterable[Sequence[int]]) -> Iterable[int]:
    return (event for of in lists for event in of)
