"""Sends requests to one tool: at its pace, waiting when told, trying again what may pass.

Belongs here: rate, waiting, retrying, and the meaning of statuses for a whole request. Does not belong here: what a
request says, or what is done with its outcomes.
"""

from __future__ import annotations

import email.utils
import random
import ssl
import time
from collections.abc import Callable
from functools import cache
from types import TracebackType

import httpx
import msgspec

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import TRANSIENT_STATUS, Answer, Request

ATTEMPTS = 5
LONGEST_WAIT = 300.0
_DIRECT = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}


class RequestRefusedError(Exception):
    """The tool refused a request as a whole, for what is in it (4xx); splitting it may find the record at fault."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}: {answer.text}")
        self.answer = answer


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


class Sender:
    """One tool's connection. Use as a context manager.

    Args:
        name: how the tool is called in messages.
        rate: requests a second.
        attempts: how often a request is tried before the tool counts as down.
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
        auth: httpx.Auth | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.requests = 0
        self._attempts = attempts
        self._clock, self._sleep = clock, sleep
        self._bucket = TokenBucket(rate, clock, sleep)
        self._client = httpx.Client(timeout=timeout, mounts=_DIRECT, verify=_tls(), follow_redirects=False, auth=auth)

    def send(self, request: Request) -> Answer:
        """The tool's answer, always with a 2xx status.

        Raises:
            RequestRefusedError: it refused what the request holds (4xx).
            ConfigError: it does not accept our token, or there is nothing at that address.
            UnavailableError: it is down, or stays busy.
        """
        waited, failure = 0.0, ""
        attempt = 0
        while attempt < self._attempts:
            self._bucket.take()
            self.requests += 1
            try:
                response = self._client.request(
                    request.method, request.url, headers=request.headers, content=request.body
                )
            except httpx.InvalidURL as error:
                raise ConfigError(f"{self.name}: {request.url} is not an address: {error}.") from error
            except httpx.HTTPError as error:
                attempt, failure = attempt + 1, f"{error or type(error).__name__}"
                self._pause(attempt)
                continue
            if 200 <= response.status_code < 300:
                return _answer(response)
            failure = f"{response.status_code} {_excerpt(response)}".strip()
            if response.status_code not in TRANSIENT_STATUS:
                raise _refusal(self.name, request, response)
            told = retry_after(response.headers.get("Retry-After"))
            if told and waited + told <= LONGEST_WAIT:
                waited += told
                self._sleep(told)
            else:
                attempt += 1
                self._pause(attempt)
        raise UnavailableError(f"{self.name} did not take the request after {self._attempts} attempts: {failure}")

    def _pause(self, attempt: int) -> None:
        """Exponential backoff from 0.2 s, with jitter, so that many clients do not come back at once."""
        if attempt < self._attempts:
            self._sleep(min(10.0, 0.2 * 2 ** (attempt - 1)) * random.uniform(0.5, 1.5))

    def close(self) -> None:
        """Close the connection."""
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
    """Seconds that a `Retry-After` header asks for (a number or an HTTP date), or `None`."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _answer(response: httpx.Response) -> Answer:
    try:
        decoded = msgspec.json.decode(response.content) if response.content else None
    except msgspec.DecodeError:
        decoded = None
    return Answer(response.status_code, decoded, _excerpt(response))


def _refusal(name: str, request: Request, response: httpx.Response) -> Exception:
    status, text = response.status_code, _excerpt(response)
    if status in (401, 403):
        return ConfigError(f"{name} does not accept our token ({status} {text}).", hint="See destinations/*.yaml.")
    if status in (404, 405) or 300 <= status < 400:
        return ConfigError(f"{name}: {request.method} {request.url} is not there ({status}).", hint="Check base_url.")
    return RequestRefusedError(_answer(response))


def _excerpt(response: httpx.Response) -> str:
    return " ".join(response.text[:300].split())
