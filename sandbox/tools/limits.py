"""Rate limits as tools have them: a bucket of tokens per tool.

Belongs here: counting. The time is given, so that tests need no clock.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Bucket:
    """`rate` requests per second; up to `burst` (at least 1) at once."""

    rate: float
    burst: float = 0.0
    tokens: float = field(init=False)
    seen_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.burst = max(1.0, self.burst or self.rate)
        self.tokens = self.burst
        self._lock = threading.Lock()

    def take(self, now: float) -> float:
        """Take one token: 0 if there was one, else the seconds until there is."""
        with self._lock:
            self.tokens = min(self.burst, self.tokens + max(0.0, now - self.seen_at) * self.rate)
            self.seen_at = now
            if self.tokens >= 1.0:
                self.tokens -= 1.0
                return 0.0
            return (1.0 - self.tokens) / self.rate
