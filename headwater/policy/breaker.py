"""When a chain of transformations that hangs is not asked any more, so that it does not delay everybody else's events.

Belongs here: counting, and whether it may be asked. Does not belong here: the process that hangs (`transform`), what
becomes of the events that it is not asked for: they have failed, as those that it hung at.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from time import monotonic

HANGS = 3
PAUSE_SECONDS = 60.0
log = logging.getLogger(__name__)


class Breaker:
    """Suspends after `hangs` in a row (to hang is to take longer than allowed, or to end the process). After
    `pause_seconds` one event is tried: where it hangs too, the pause begins anew.

    Readers of the log that must agree on what becomes of each event give no pause, and `reset` at each segment: what is
    suspended then follows from the segment alone, and not from when, or how often, it is read.

    Attributes:
        suspended: why, in words; empty while it may be asked.
    """

    def __init__(
        self, hangs: int = HANGS, pause_seconds: float = PAUSE_SECONDS, clock: Callable[[], float] = monotonic
    ) -> None:
        self.suspended = self.name = ""
        self._most, self._pause, self._clock = hangs, pause_seconds, clock
        self._hangs, self._until = 0, 0.0

    @classmethod
    def by_segment(cls) -> Breaker:
        """One that is only ever reset."""
        return cls(pause_seconds=math.inf)

    def most(self) -> int | None:
        """How many events may be asked about at a time: any number (None), one as a trial, none (0)."""
        if not self.suspended:
            return None
        return 1 if self._clock() >= self._until else 0

    def passed(self) -> None:
        """An event came back, whatever was done to it."""
        if self.suspended:
            log.warning("transformation %s answers again", self.name)
        self.reset()

    def hung(self, name: str, detail: str) -> None:
        """An event did not, because of the transformation `name`."""
        self._hangs += 1
        if self._hangs < self._most:
            return
        self._until = self._clock() + self._pause
        self.suspended, was, self.name = f"suspended after {self._hangs} hangs in a row: {detail}", self.suspended, name
        if not was:
            log.warning("transformation %s is %s", name, self.suspended)

    def reset(self) -> None:
        """Forget what was."""
        self._hangs, self.suspended = 0, ""
