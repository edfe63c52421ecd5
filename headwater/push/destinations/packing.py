"""Requests that list things, of which one event may have none, one or several.

Belongs here: remembering which event each listed thing came from, so that an error by place finds its event. Does not
belong here: what any tool's list holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headwater.push.destinations.base import Call, Outcome, Request


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


def packed(request: Request, owners: Mapping[str, Sequence[int]]) -> PackedCall:
    """A call that carries every event that owns something in it."""
    events = sorted(set(_all(owners.values())))
    return PackedCall(request, tuple(events), {name: tuple(of) for name, of in owners.items()})


def _all(lists: Iterable[Sequence[int]]) -> Iterable[int]:
    return (event for of in lists for event in of)
