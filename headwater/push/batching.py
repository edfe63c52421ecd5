"""From chosen events to batches, and from a batch's outcomes back to its events.

Belongs here: sizes, and the words for why an event was given up. Does not belong here: choosing (`choosing`), carrying
(`carrying`), storing (`stream`, `dead`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headwater.push.carrying import NOT_DELIVERABLE, Batch
from headwater.push.choosing import Item
from headwater.push.destinations.base import Outcome

REFUSED, GAVE_UP = "refused", "gave up"


def batches(items: Sequence[Item], size: int, size_bytes: int, kind: str) -> Iterator[tuple[list[Item], int]]:
    """The events to be sent, in batches of at most `size` and `size_bytes` of JSON; with each, the index of the first
    item behind it. One that is larger by itself is refused here. Nothing to send at the end is an empty batch."""
    batched: list[Item] = []
    held = 0
    for index, item in enumerate(items):
        if item.event is None:
            continue
        length = len(bytes(item.event.body)) + 1
        if length > size_bytes:
            words = f"{length} bytes of JSON; {kind} takes {size_bytes}"
            item.event = None
            item.settle(Outcome(False, "too large", words), NOT_DELIVERABLE)
            continue
        if batched and (len(batched) == size or held + length > size_bytes):
            yield batched, index
            batched, held = [], 0
        batched.append(item)
        held += length
    yield batched, len(items)


def settle(items: Sequence[Item], batch: Batch) -> None:
    """Write what is known of a batch's events into their items."""
    for item, outcome, attempts in zip(items, batch.outcomes, batch.attempts, strict=True):
        item.attempts = attempts
        if outcome is not None and item.status is None:
            item.settle(outcome, outcome.code if outcome.code in (GAVE_UP, NOT_DELIVERABLE) else REFUSED)
