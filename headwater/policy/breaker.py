"""When a chain of transformations that hangs is not asked any more, so that it does not delay everybody else's events.

Belongs here: counting, and whether it may be asked. Does not belong here: the process that hangs (`transform`), what
becomes of the events that it is not asked for: they have failed, as those that it hung at.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from time import monotonic

HANGS = 3
PAUSE_SECONDS = 60.0
WINDOW_SECONDS = 60.0
SHARE = 0.1
"""Of the window, that a chain may hang, be it at each tenth event only: so long does everybody else wait for it."""
log = logging.getLogger(__name__)


class Breaker:
    """Suspends after `hangs` in a row (to hang is to take longer than allowed, or to end the process), and when as
    many took more than a tenth of the last minute, whatever passed in between. After `pause_seconds` one event is
    tried: where it hangs too, the pause begins anew.

    Attributes:
        suspended: why, in words; empty while it may be asked.
    """

    def __init__(
        self,
        hangs: int = HANGS,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = monotonic,
        *,
        share: float = SHARE,
    ) -> None:
        self.suspended = self.name = ""
        self._most, self._pause, self._clock, self._share = hangs, pause_seconds, clock, share
        self._hangs, self._until = 0, 0.0
        self._lost: deque[tuple[float, float]] = deque()  # when, and seconds

    def most(self) -> int | None:
        """How many events may be asked about at a time: any number (None), one as a trial, none (0)."""
        if not self.suspended:
            return None
        return 1 if self._clock() >= self._until else 0

    def passed(self) -> None:
        """An event came back, whatever was done to it."""
        self._hangs = 0
        if self.suspended:
            log.warning("transformation %s answers again", self.name)
            self.suspended = ""
            self._lost.clear()

    def hung(self, name: str, detail: str, seconds: float = 0.0) -> None:
        """An event did not, because of the transformation `name`, and that cost `seconds`."""
        now = self._clock()
        self._hangs += 1
        self._lost.append((now, seconds))
        while now - self._lost[0][0] > WINDOW_SECONDS:
            self._lost.popleft()
        lost = sum(each for _, each in self._lost)
        if self._hangs >= self._most:
            why = f"after {self._hangs} hangs in a row"
        elif self.suspended or (len(self._lost) >= self._most and lost > self._share * WINDOW_SECONDS):
            why = f"as it hung for {lost:.0f} of the last {WINDOW_SECONDS:.0f} seconds"
        else:
            return
        self._until = now + self._pause
        self.suspended, was, self.name = f"suspended {why}: {detail}", self.suspended, name
        if not was:
            log.warning("transformation %s is %s", name, self.suspended)
