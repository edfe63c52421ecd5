"""How many events a source may send in a time, and how many requests of one client may be on their way at a time.

Belongs here: the token bucket, the count by address. Does not belong here: what a refusal looks like (`app`), sizes
(`request`, `judge`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Bucket:
    """A token bucket on events: `rate` a second on average, `burst` at once.

    A request is let in while anything is left and its events are taken afterwards, so a batch larger than the burst
    passes too and is paid for by the wait that follows. Times come in as arguments.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = max(burst or rate, 1.0)
        self._left = self.burst
        self._at = now

    def wait(self, now: float) -> int:
        """0 when a request may pass now, else the whole seconds after which it may."""
        self._fill(now)
        return 0 if self._left > 0 else max(1, math.ceil(-self._left / self.rate + 1e-9))

    def take(self, events: int, now: float) -> None:
        """Count events that were let in."""
        self._fill(now)
        self._left -= events

    def _fill(self, now: float) -> None:
        self._left = min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now


class Crowd:
    """The requests that are on their way, by the client's address."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def one_more(self, address: str | None, most: int) -> Iterator[bool]:
        """Count one request while it lasts; yields whether it is within `most` (0: any number)."""
        key = address or ""
        self._under_way[key] += 1
        try:
            yield not most or self._under_way[key] <= most
        finally:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]
