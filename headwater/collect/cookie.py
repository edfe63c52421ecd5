"""The anonymous id as a first-party cookie that the server sets, for events that bring neither id.

Belongs here: reading and writing that cookie. Does not belong here: deciding which event needs it (`judge`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from headwater.configuration import Cookie

_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class AnonymousId:
    """The id of one request's browser: the one that it sent, else a new one. Set (or renewed) only when it was used."""

    def __init__(self, cookie: Cookie, headers: Mapping[bytes, bytes]) -> None:
        self._cookie = cookie
        self._headers = headers
        self._value: str | None = None

    def value(self) -> str:
        """The id; the same for all events of the request."""
        if self._value is None:
            self._value = self._sent() or str(uuid.uuid4())
        return self._value

    def headers(self) -> dict[str, str]:
        """`Set-Cookie`, when the id was used."""
        if self._value is None:
            return {}
        own = self._cookie
        parts = [f"{own.name}={self._value}", "Path=/", f"Max-Age={own.max_age_days * 86_400}", "HttpOnly"]
        parts += [f"Domain={own.domain}"] if own.domain else []
        # a shop on another domain than its collector needs SameSite=None, which browsers take only with Secure
        parts += [f"SameSite={own.same_site}"] + (["Secure"] if own.is_secure else [])
        return {"Set-Cookie": "; ".join(parts)}

    def _sent(self) -> str | None:
        sent = self._headers.get(b"cookie", b"").decode("latin-1")
        for pair in sent.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie.name and _ID.fullmatch(value):
                return value
        return None
