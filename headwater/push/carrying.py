"""Carrying one batch of events to a tool until each has its outcome.

Belongs here: several requests for one batch, splitting what was refused as a whole, repeating what may pass, resuming
after a failure. Does not belong here: one request's patience (`sender`, `pace`), which events (`choosing`), storing
outcomes (`stream`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from headwater.errors import HeadwaterError, UnavailableError
from headwater.push.destinations.base import (
    BatchRefusedError,
    Call,
    Direct,
    EventDestination,
    Outcome,
    StreamEvent,
)
from headwater.push.oauth import authenticator
from headwater.push.pace import Pace
from headwater.push.sender import RequestRefusedError, Sender, guarded

NOT_DELIVERABLE = "not deliverable"
TIMEOUT = 30.0
_MOST_FOLLOW_UPS = 5
_Part = tuple[int, str, str, int]
_DEFECTS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError)
"""What one event may do to a class that writes; anything else is the connection's."""


class Batch:
    """Events on their way together, and what is known of each.

    It outlives a failure: carried again, what was settled is not sent a second time.
    """

    def __init__(self, events: Sequence[StreamEvent]) -> None:
        self.events = events
        self.outcomes: list[Outcome | None] = [None] * len(events)
        self.attempts = [0] * len(events)
        # (event, method, url, how often before) of requests that the tool has answered for good
        self._answered: dict[_Part, Outcome] = {}

    def open(self) -> list[int]:
        """The events that have no outcome yet."""
        return [index for index, outcome in enumerate(self.outcomes) if outcome is None]

    def settle(self, index: int, outcome: Outcome) -> None:
        """The outcome of an event; the first stands."""
        if self.outcomes[index] is None:
            self.outcomes[index] = outcome


class Carrier(Protocol):
    """Carries batches to one destination."""

    @property
    def requests(self) -> int:
        """Requests so far."""

    def carry(self, batch: Batch, passed: Callable[[], None] = lambda: None) -> None:
        """Until every event has its outcome. `passed` is called whenever some more have.

        Raises:
            UnavailableError, ConfigError: the tool does not take what is left.
        """

    def close(self) -> None:
        """Give the connection back."""


class HttpCarrier:
    """By HTTP requests."""

    def __init__(self, destination: EventDestination, sender: Sender) -> None:
        self._destination, self._sender = destination, sender

    @property
    def requests(self) -> int:
        return self._sender.requests

    def close(self) -> None:
        self._sender.close()

    def carry(self, batch: Batch, passed: Callable[[], None] = lambda: None) -> None:
        words = ""
        for attempt in range(1, self._sender.pace.attempts + 1):
            words = self._pass(batch, batch.open(), passed) or words
            left = len(batch.open())
            if not left:
                return
            self._sender.pace.pause(attempt)
        raise UnavailableError(f"{self._sender.name} does not take {left} of {len(batch.events)} events yet: {words}")

    def _pass(self, batch: Batch, indexes: Sequence[int], passed: Callable[[], None]) -> str:
        """Send what has no answer yet, once; answers what a tool said of those that may pass later."""
        try:
            calls = self._destination.calls([batch.events[index] for index in indexes])
        except HeadwaterError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an event does to a class harms this event only
            if len(indexes) > 1:
                return self._halves(batch, indexes, passed)
            batch.settle(indexes[0], Outcome(False, NOT_DELIVERABLE, _words(error)))
            return ""
        left = Counter(indexes[place] for call in calls for place in call.events)
        for index in indexes:
            if not left[index]:
                batch.settle(
                    index, Outcome(False, NOT_DELIVERABLE, "no request of this destination's class carries it")
                )
        said: dict[int, list[Outcome]] = {}
        seen: Counter[tuple[int, str, str]] = Counter()
        words = ""
        for call in calls:
            method, url = call.request.method, call.request.url
            own = [indexes[place] for place in call.events]
            parts: list[_Part] = []
            for index in own:
                parts.append((index, method, url, seen[index, method, url]))
                seen[index, method, url] += 1
            known = [batch._answered.get(part) for part in parts]
            is_open = any(batch.outcomes[index] is None for index in own)
            if is_open and any(outcome is None for outcome in known):
                found = self._send(batch, call, own, passed)
                if isinstance(found, str):  # refused as a whole and split: each of its events was settled by itself
                    words = found or words
                    known = [None] * len(own)
                else:
                    known = list(found)
                    batch._answered.update(
                        (part, outcome) for part, outcome in zip(parts, found, strict=True) if not outcome.is_transient
                    )
            for index, outcome in zip(own, known, strict=True):
                if outcome is not None:
                    said.setdefault(index, []).append(outcome)
                    words = outcome.message if outcome.is_transient else words
                left[index] -= 1
                if not left[index]:
                    _judge(batch, index, said.get(index, []))
            passed()
        return words

    def _halves(self, batch: Batch, indexes: Sequence[int], passed: Callable[[], None]) -> str:
        middle = len(indexes) // 2
        first = self._pass(batch, indexes[:middle], passed)
        return self._pass(batch, indexes[middle:], passed) or first

    def _send(
        self, batch: Batch, call: Call, own: Sequence[int], passed: Callable[[], None]
    ) -> Sequence[Outcome] | str:
        """The outcome of each event; where the call was refused as a whole and split, the words of its parts."""
        try:
            return self._answer(batch, call, own)
        except (RequestRefusedError, BatchRefusedError) as refused:
            if len(own) == 1:
                return [_refusal(refused)]
        return self._halves(batch, own, passed)

    def _answer(self, batch: Batch, call: Call, own: Sequence[int]) -> Sequence[Outcome]:
        before = self._sender.requests
        try:
            answer = self._sender.send(call.request, self._destination)
            for _ in range(_MOST_FOLLOW_UPS):
                following = guarded(self._sender.name, answer, partial(self._destination.follow_up, call, answer))
                if following is None:
                    break
                call = following
                answer = self._sender.send(call.request, self._destination)
        finally:
            for index in own:
                batch.attempts[index] += self._sender.requests - before
        is_page = answer.text and answer.headers.get("content-type", "").lower().startswith("text/html")
        if is_page and not self._destination.takes_pages:
            raise UnavailableError(f"{self._sender.name} answered {answer.status} with a page: {answer.text}")
        outcomes = guarded(self._sender.name, answer, lambda: self._destination.call_outcomes(call, answer))
        if len(outcomes) != len(own):
            raise UnavailableError(f"{self._sender.name}: {len(outcomes)} outcomes for {len(own)} events.")
        return outcomes


class DirectCarrier:
    """By a destination's own protocol."""

    def __init__(self, name: str, destination: Direct, pace: Pace) -> None:
        self._name, self._destination, self._pace = name, destination, pace
        self._is_open = False

    @property
    def requests(self) -> int:
        return self._pace.requests

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._destination.close()

    def carry(self, batch: Batch, passed: Callable[[], None] = lambda: None) -> None:
        for attempt in range(1, self._pace.attempts + 1):
            try:
                words = self._write(batch, batch.open(), passed)
            except UnavailableError:
                self.close()
                if attempt == self._pace.attempts:
                    raise
            else:
                if not batch.open():
                    return
            self._pace.pause(attempt)
        raise UnavailableError(f"{self._name} does not take {len(batch.open())} events yet: {words}")

    def _write(self, batch: Batch, indexes: Sequence[int], passed: Callable[[], None]) -> str:
        self._pace.take()
        if not self._is_open:
            self._open()
            self._is_open = True
        for index in indexes:
            batch.attempts[index] += 1
        try:
            outcomes = self._destination.write([batch.events[index] for index in indexes])
        except HeadwaterError:
            raise
        except (BatchRefusedError, *_DEFECTS) as error:
            if len(indexes) > 1:
                middle = len(indexes) // 2
                first = self._write(batch, indexes[:middle], passed)
                return self._write(batch, indexes[middle:], passed) or first
            is_ours = isinstance(error, BatchRefusedError)
            outcomes = [_refusal(error) if is_ours else Outcome(False, NOT_DELIVERABLE, _words(error))]  # type: ignore[arg-type]
        except Exception as error:
            raise UnavailableError(f"{self._name}: {type(error).__name__}: {error}") from error
        words = ""
        for index, outcome in zip(indexes, outcomes, strict=True):
            if outcome.is_transient:
                words = outcome.message
            else:
                batch.settle(index, outcome)
        passed()
        return words

    def _open(self) -> None:
        try:
            self._destination.open()
        except HeadwaterError:
            raise
        except Exception as error:
            raise UnavailableError(f"{self._name}: {type(error).__name__}: {error}") from error


def _words(error: Exception) -> str:
    """Why a class could not take an event: its own words where it chose them."""
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


def _refusal(refused: RequestRefusedError | BatchRefusedError) -> Outcome:
    if isinstance(refused, BatchRefusedError):
        return Outcome(False, refused.code, refused.message)
    return Outcome(False, str(refused.answer.status), refused.answer.text or str(refused.answer.status))


def _judge(batch: Batch, index: int, said: Sequence[Outcome]) -> None:
    """The one outcome of an event of which every request has been answered: refused by one is refused."""
    refused = [outcome for outcome in said if not outcome.is_accepted]
    final = [outcome for outcome in refused if not outcome.is_transient]
    if final:
        batch.settle(index, final[0])
    elif said and not refused:
        batch.settle(index, said[-1])


def open_carrier(
    name: str,
    destination: EventDestination | Direct,
    *,
    timeout: float = TIMEOUT,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Carrier:
    """What brings batches to a destination."""
    if isinstance(destination, Direct):
        return DirectCarrier(name, destination, Pace(destination.rate, clock=clock, sleep=sleep))
    auth = authenticator(name, destination)
    return HttpCarrier(
        destination, Sender(name, destination.rate, timeout=timeout, auth=auth, clock=clock, sleep=sleep)
    )
