"""How fast and how often a tool is asked: its rate, the waits it asks for, backing off.

Belongs here: waiting, on a clock that tests can turn. Does not belong here: what is sent (`sender`, `carrying`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from headwater.errors import UnavailableError

ATTEMPTS = 5
LONGEST_WAIT = 300.0
LONGEST_ASKED = 3600.0
"""A tool that asks for longer is asked again after this."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0


class AskedToWaitError(UnavailableError):
    """A tool asks for a longer wait than one delivery should sit through: try again after `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class TokenBucket:
    """Lets through `rate` requests a second, in bursts of at most one second's worth."""

    def __init__(self, rate: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._capacity = max(1.0, rate)
        self._tokens, self._at = self._capacity, clock()

    def take(self) -> None:
        """Wait until one more request is within the rate."""
        while True:
            now = self._clock()
            self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
            self._at = now
            if self._tokens >= 1:
                self._tokens -= 1
                return
            # never less than a millisecond: a shorter sleep may not move the clock at all, and this would not end
            self._sleep(max(0.001, (1 - self._tokens) / self._rate))


class Pace:
    """One tool's patience and ours.

    Args:
        rate: requests a second.
        attempts: how often a request is tried before the tool counts as down.
        clock, sleep: replaced in tests; `sleep` may raise to end a wait.
    """

    def __init__(
        self,
        rate: float,
        *,
        attempts: int = ATTEMPTS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.attempts = attempts
        self.sleep = sleep
        self.requests = 0
        self._bucket = TokenBucket(rate, clock, sleep)

    def take(self) -> None:
        """Wait for the next request's turn, and count it."""
        self._bucket.take()
        self.requests += 1

    def pause(self, attempt: int) -> None:
        """Wait after the failed attempt number `attempt` (from 1); nothing after the last.

        Exponential backoff with full jitter: anything from nothing to the whole pause, so that many clients of a tool
        that comes back do not come at once.
        """
        if attempt < self.attempts:
            self.sleep(backoff(attempt))


def backoff(attempt: int, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> float:
    """Seconds to wait after failed attempt number `attempt`, by full jitter."""
    return random.uniform(0, min(longest, first * 2 ** min(attempt - 1, 30)))
