"""Sends requests to one tool: at its pace, waiting when told, trying again what may pass.

Belongs here: retrying, and the meaning of statuses for a whole request. Does not belong here: how long to wait
(`pace`), what a request says, or what is done with its outcomes.
"""

from __future__ import annotations

import email.utils
import math
import ssl
import time
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Protocol, TypeVar

import httpx
import msgspec

from headwater.errors import ConfigError, HeadwaterError, UnavailableError
from headwater.push.deadline import Connections, content_of, limit
from headwater.push.destinations.base import ANSWER_BYTES, TRANSIENT_STATUS, Answer, BatchRefusedError, Request
from headwater.push.pace import ATTEMPTS, LONGEST_ASKED, LONGEST_WAIT, AskedToWaitError, Pace

DEADLINE = 60.0
LARGEST_ANSWER = 50_000_000
Read = TypeVar("Read")

_DIRECT = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}


class RequestRefusedError(Exception):
    """The tool refused a request as a whole, for what is in it (4xx); splitting it may find the record at fault."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}: {answer.text}")
        self.answer = answer


class Reading(Protocol):
    """How one tool's answers are to be taken; every `EventDestination` is one."""

    @property
    def answer_bytes(self) -> int:
        """How many bytes of an answer are read at most, beside four times what was sent."""

    def is_readable(self, answer: Answer) -> bool:
        """Whether the answer tells the outcome of each record."""

    def wait_seconds(self, answer: Answer) -> float | None:
        """How long the tool asks to wait in its own way."""


class Sender:
    """One tool's connection. Use as a context manager.

    Args:
        name: how the tool is called in messages.
        rate: requests a second.
        attempts: how often a request is tried before the tool counts as down.
        timeout: how long the tool may be silent.
        deadline: how long one request may take until the whole answer is there.
        auth: for a tool whose access tokens expire, `oauth.authenticator(name, destination)`.
        clock, sleep: replaced in tests.
    """

    def __init__(
        self,
        name: str,
        rate: float,
        *,
        attempts: int = ATTEMPTS,
        timeout: float = 30.0,
        deadline: float = DEADLINE,
        auth: httpx.Auth | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.pace = Pace(rate, attempts=attempts, clock=clock, sleep=sleep)
        self._deadline = deadline
        self._connections = Connections(deadline)
        hooks = {"response": [lambda response: limit(response, LARGEST_ANSWER)]}  # logins too
        self._client = httpx.Client(
            timeout=timeout, mounts=_DIRECT, verify=_tls(), follow_redirects=False, auth=auth, event_hooks=hooks
        )

    @property
    def requests(self) -> int:
        """How many requests went out so far, repeated ones too."""
        return self.pace.requests

    def send(self, request: Request, reading: Reading | None = None) -> Answer:
        """The tool's answer: with a 2xx status, or one that `reading` can read.

        Raises:
            RequestRefusedError: it refused what the request holds (4xx).
            ConfigError: it does not accept our token, or there is nothing at that address.
            AskedToWaitError: it asks for a longer wait than `LONGEST_WAIT` in all.
            UnavailableError: it is down, or stays busy.
        """
        waited, attempt = 0.0, 0
        while True:
            self.pace.take()
            told = None
            # an answer may repeat what was sent, with words about it
            most = (reading.answer_bytes if reading else ANSWER_BYTES) + 4 * len(request.body)
            answer = self._exchange(request, most)
            if isinstance(answer, str):
                failure = answer
            else:
                told = self._told(answer, reading)
                if told is None:
                    if 200 <= answer.status < 300 or (reading and self._is_readable(answer, reading)):
                        return answer
                    if answer.status not in TRANSIENT_STATUS:
                        raise _refusal(self.name, request, answer)
                    told = retry_after(answer.headers.get("retry-after"))
                failure = f"{answer.status} {answer.text}".strip()
            if told:
                waited += max(told, 0.1)
                if waited > LONGEST_WAIT:
                    raise AskedToWaitError(f"{self.name} asks to wait {told:.0f} s: {failure}", told)
                self.pace.sleep(told)
                continue
            attempt += 1
            if attempt >= self.pace.attempts:
                raise UnavailableError(f"{self.name} did not take the request after {attempt} attempts: {failure}")
            self.pace.pause(attempt)

    def _exchange(self, request: Request, most: int) -> Answer | str:
        """The tool's answer, or why there is none."""
        extensions = {"trace": self._connections.trace}
        with self._connections.exchange() as is_over:
            try:
                with self._client.stream(
                    request.method, request.url, headers=request.headers, content=request.body, extensions=extensions
                ) as response:
                    return answer_of(response, content_of(response, most))
            except (httpx.InvalidURL, UnicodeError) as error:
                raise ConfigError(f"{self.name}: {request.url} is not an address: {error}.") from error
            except (httpx.HTTPError, OSError) as error:
                if is_over():
                    return f"no whole answer within {self._deadline:g} s"
                return f"{error or type(error).__name__}"

    def _told(self, answer: Answer, reading: Reading | None) -> float | None:
        """How long the tool asks to wait in its own way, within bounds."""
        if reading is None or answer.status < 400:
            return None
        told = guarded(self.name, answer, lambda: reading.wait_seconds(answer))
        return None if told is None or not math.isfinite(told) else min(max(0.0, told), LONGEST_ASKED)

    def _is_readable(self, answer: Answer, reading: Reading) -> bool:
        return guarded(self.name, answer, lambda: reading.is_readable(answer))

    def close(self) -> None:
        """Close the connection."""
        self._connections.close()
        self._client.close()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@cache
def _tls() -> ssl.SSLContext:
    """The system's certificates, read once: that costs a tenth of a second."""
    return ssl.create_default_context()


def retry_after(value: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for (whole seconds or an HTTP date), at most `LONGEST_ASKED`: then the
    tool is asked again. `None` without one, or where it is neither."""
    given = (value or "").strip()
    try:
        seconds = float(given)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(given).timestamp()
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
        return min(max(0.0, at - time.time()), LONGEST_ASKED)
    return min(seconds, LONGEST_ASKED) if seconds >= 0 and math.isfinite(seconds) else None


def guarded(name: str, answer: Answer, read: Callable[[], Read]) -> Read:
    """What a class reads in an answer. Whatever it stumbles over is the tool's state, so that it is shown, waited for
    and given up like any other.

    Raises:
        UnavailableError: the class stumbles.
    """
    try:
        return read()
    except (HeadwaterError, BatchRefusedError):
        raise
    except Exception as error:
        raise UnavailableError(
            f"{name} answered {answer.status} with something that cannot be read ({error!r}): {answer.text}"
        ) from error


def answer_of(response: httpx.Response, content: bytes) -> Answer:
    """What a destination's class is given of a response and its content: JSON where it is any, and the beginning of
    its text."""
    try:
        decoded = msgspec.json.decode(content) if content else None
    except (msgspec.DecodeError, RecursionError):
        decoded = None
    text = " ".join(content[:1000].decode(errors="replace")[:300].split())
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, decoded, text, headers)


def _refusal(name: str, request: Request, answer: Answer) -> Exception:
    status, text = answer.status, answer.text
    if status in (401, 403):
        return ConfigError(f"{name} does not accept our token ({status} {text}).", hint="See destinations/*.yaml.")
    if status in (404, 405) or 300 <= status < 400:
        where = request.url.partition("?")[0]  # a query may hold credentials
        return ConfigError(f"{name}: {request.method} {where} is not there ({status}).", hint="Check base_url.")
    return RequestRefusedError(answer)
