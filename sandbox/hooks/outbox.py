"""Calls on their way: sent when they are due, again when they were not taken.

Belongs here: time, HTTP, retries. Does not belong here: what is sent.
"""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
from collections.abc import Mapping

import httpx

from sandbox.hooks.calls import Call
from sandbox.hooks.signing import SECRETS, headers

ATTEMPTS = 12
LONGEST_PAUSE = 60.0
MOST_WAITING = 10_000
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class Outbox:
    """Sends calls in a thread of its own. What waits is lost with the process, as a demo's may be.

    Args:
        collector: base URL; a call goes to `/v1/webhook/<source>`.
        secrets: by source, where they differ from the shipped example's.
        pause: seconds before the second attempt; doubled for each further one.
    """

    def __init__(self, collector: str, secrets: Mapping[str, str] | None = None, pause: float = 1.0) -> None:
        self.collector = collector.rstrip("/")
        self.secrets = SECRETS | dict(secrets or {})
        self.sent: dict[str, int] = {}
        self.refused: list[str] = []
        self._pause = pause
        self._waiting: list[tuple[float, int, int, Call]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, call: Call, after: float = 0.0) -> None:
        """Send a call in so many seconds; beyond `MOST_WAITING` it is left out."""
        self._put(call, after, 1)

    def wait_empty(self, seconds: float) -> bool:
        """Whether everything was taken or given up within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def close(self) -> None:
        """Stop; what waits is not sent."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(15)

    def _put(self, call: Call, after: float, attempt: int) -> None:
        with self._changed:
            if len(self._waiting) < MOST_WAITING:
                heapq.heappush(self._waiting, (time.monotonic() + after, next(self._numbers), attempt, call))
                self._changed.notify_all()

    def _run(self) -> None:
        with httpx.Client(timeout=10, trust_env=False, verify=self.collector.startswith("https")) as client:
            while True:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
                    while not self._stopped and (not self._waiting or self._waiting[0][0] > time.monotonic()):
                        self._changed.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
                    if self._stopped:
                        return
                    _, _, attempt, call = heapq.heappop(self._waiting)
                    self._busy = True
                self._send(client, call, attempt)

    def _send(self, client: httpx.Client, call: Call, attempt: int) -> None:
        pause = min(self._pause * 2 ** (attempt - 1), LONGEST_PAUSE)
        try:
            signed = headers(call, time.time_ns() // 1_000_000, self.secrets)
            answer = client.post(f"{self.collector}/v1/webhook/{call.source}", content=call.body, headers=signed)
            if answer.status_code == 200:
                self.sent[call.source] = self.sent.get(call.source, 0) + 1
                return
            problem = f"{answer.status_code} {answer.text[:200]}"
            if answer.status_code not in _AGAIN:
                attempt = ATTEMPTS
            after = answer.headers.get("retry-after", "")
            pause = max(pause, float(after)) if after.isdigit() else pause
        except httpx.TransportError as error:
            problem = str(error) or type(error).__name__
        if attempt < ATTEMPTS:
            self._put(call, pause, attempt + 1)
            return
        self.refused.append(f"{call.source}: {problem}")
        del self.refused[:-100]
        print(f"{self.collector} did not take a call of {call.source}: {problem}", file=sys.stderr, flush=True)
