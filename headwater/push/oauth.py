"""Access tokens that expire: fetched when needed, put on every request, fetched anew when the tool refuses them.

Belongs here: when to log in, and what a failed login means. Does not belong here: what a tool's login request says
(`destinations/<tool>.py`, `login`), or the meaning of any other answer (`sender`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

import httpx
import msgspec

from headwater.errors import ConfigError
from headwater.push.destinations.base import Answer, Destination, EventDestination, Request
from headwater.push.sender import answer_of, guarded

ASSUMED_SECONDS = 1800.0
"""How long a token is used whose lifetime the answer does not tell (Salesforce: the session timeout of the org)."""
_MARGIN_SECONDS = 60.0


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class AccessToken(httpx.Auth):
    """Logs one destination in; given to its HTTP client.

    Args:
        name: how the destination is called in messages.
        login: the request that fetches a token.
        is_busy: whether the tool's answer, of any status, asks to come back later.
        clock: replaced in tests.

    A login that the tool refuses (4xx) is a `ConfigError`; one that it cannot answer now counts as a failed connection
    and is tried again as any.
    """

    requires_response_body = True

    def __init__(
        self,
        name: str,
        login: Callable[[], Request | None],
        *,
        is_busy: Callable[[Answer], bool] = lambda answer: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._login, self._is_busy, self._clock = name, login, is_busy, clock
        self._token, self._until = "", 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx's own hook: the requests to send, in order; the last one's answer is the caller's."""
        is_fresh = not self._token or self._clock() >= self._until
        if is_fresh:
            self._keep((yield self._request(request)))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and not is_fresh:
            self._keep((yield self._request(request)))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _request(self, first: httpx.Request) -> httpx.Request:
        made = self._login()
        assert made is not None
        self._token = ""
        return httpx.Request(made.method, made.url, headers=made.headers, content=made.body,
                             extensions=dict(first.extensions))  # the time limits are among them  # fmt: skip

    def _keep(self, response: httpx.Response) -> None:
        answer = answer_of(response, response.content)
        status, text = answer.status, answer.text
        if 400 <= status < 500 and status not in (408, 425, 429) and not self._is_busy(answer):
            raise ConfigError(
                f"{self._name} does not let us log in ({status} {text}).",
                hint="See the client id, secret and refresh token in destinations/*.yaml.",
            )
        try:
            if status != 200:
                raise ValueError
            found = msgspec.json.decode(response.content, type=_Token)
        except ValueError:
            raise httpx.TransportError(f"login failed: {status} {text}") from None
        lifetime = ASSUMED_SECONDS if found.expires_in is None else found.expires_in
        self._token, self._until = found.access_token, self._clock() + max(0.0, lifetime - _MARGIN_SECONDS)


def authenticator(name: str, destination: Destination) -> AccessToken | None:
    """What the client of a destination logs in with; `None` when it has no login."""
    if destination.login() is None:
        return None
    if not isinstance(destination, EventDestination):
        return AccessToken(name, destination.login)

    def is_busy(answer: Answer) -> bool:
        return guarded(name, answer, lambda: destination.wait_seconds(answer)) is not None

    return AccessToken(name, destination.login, is_busy=is_busy)
