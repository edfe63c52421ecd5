"""Dead letters: events that a destination was not given, put through again after whatever was wrong is mended.

Belongs here: one replay of one destination. Does not belong here: what made them dead (`stream`), other replays
(quarantine, warehouse).

A dead letter holds the event as it was before the destination's own steps, so that a mended transformation, mapping or
privacy rule applies. It is put through once: its mark and its new outcome are one transaction. One that fails again is
dead again, with the new reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from headwater.configuration import Config
from headwater.errors import BusyError
from headwater.policy.choice import Choice
from headwater.push.batching import batches, settle
from headwater.push.carrying import Batch, Carrier, open_carrier
from headwater.push.checking import check
from headwater.push.choosing import Chooser, Item, item_of_letter
from headwater.push.progress import exclusive
from headwater.push.times import utc_now
from headwater.settings import Settings
from headwater.storage.deliveries import DeadLetter, Deliveries, delivery_path

EVERY = Choice()
_PAGE = 500


@dataclass(frozen=True)
class ReplayReport:
    """What one replay did: of `replayed` dead letters so many were delivered, filtered, and refused again."""

    destination: str
    replayed: int
    delivered: int
    filtered: int
    rejected: int


def replay(
    settings: Settings,
    config: Config,
    name: str,
    choice: Choice = EVERY,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = utc_now,
) -> ReplayReport:
    """Put a destination's dead letters through again; `headwater stream` may run meanwhile.

    Args:
        choice: only those. Why one is dead is its reason, the tool's code and the tool's answer.

    Raises:
        ConfigError: the destination cannot take events.
        BusyError: another replay of it is going on.
        UnavailableError: the tool is down; those not yet put through stay dead.
    """
    destination = check(config, name)
    with exclusive(settings, f"{name}.replay") as is_ours:
        if not is_ours:
            raise BusyError(f"Dead letters of {name} are being replayed already.", hint="Wait until that is done.")
        store = Deliveries(delivery_path(settings, name))
        chooser = Chooser(settings, config, name, destination)
        carrier = open_carrier(name, destination, sleep=sleep)
        limits = destination.streaming
        totals = [0, 0, 0]
        try:
            for letters in _pages(store, choice):
                items = [item_of_letter(letter) for letter in letters]
                chooser.prepare(items)
                seqs = {id(item): letter.seq for item, letter in zip(items, letters, strict=True)}
                start = 0
                for batched, end in batches(items, limits.batch_size, limits.batch_bytes, destination.type):
                    try:
                        _carry(carrier, batched)
                    finally:
                        done = [item for item in items[start:end] if item.status is not None]
                        _store(store, done, [seqs[id(item)] for item in done], now())
                    start = end
                    for item in done:
                        totals[("delivered", "filtered", "rejected").index(str(item.status))] += 1
        finally:
            carrier.close()
            chooser.close()
            store.close()
    return ReplayReport(name, sum(totals), *totals)


def _carry(carrier: Carrier, items: list[Item]) -> None:
    if not items:
        return
    batch = Batch([item.event for item in items if item.event])
    try:
        carrier.carry(batch)
    finally:
        settle(items, batch)


def _store(store: Deliveries, items: list[Item], seqs: list[int], now: datetime) -> None:
    if items:
        dead = [item.letter(now) for item in items if item.status == "rejected"]
        store.commit(None, [item.row(now) for item in items], None, dead, seqs)


def _pages(store: Deliveries, choice: Choice) -> Iterator[list[DeadLetter]]:
    """Those that are dead now, each once: what dies again keeps its number, which is passed."""
    after = 0
    while letters := store.dead_letters(after=after, limit=_PAGE):
        after = letters[-1].seq
        chosen = [
            letter
            for letter in letters
            if choice.takes(
                (letter.reason, letter.code, letter.answer),
                *(letter.source, letter.type, letter.event, letter.received_at, letter.message_id),
            )
        ]
        if chosen:
            yield chosen
