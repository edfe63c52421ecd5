"""SaaS tools that call us: what each one's calls look like, translated to events of the spec.

Belongs here: one module a tool, with its signature scheme and its translation, and their list. Does not belong here:
the route (`headwater.collect.webhook`), the judgement of the events that come of it (`headwater.collect.judge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class Unreadable:
    """One item of a call that is no event that we know how to tell; kept aside under its reason."""

    payload: bytes
    reason: str


class Translator(Protocol):
    """What a tool's module gives. Both methods are pure; `translate` is called in a thread and may take its time."""

    def verify(
        self, secret: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
    ) -> bool:
        """Whether the call is the tool's own. Header names are lower-case, `now` is UTC; compare in constant time."""

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """The events of a call, each with the messageId that a second delivery of the same call would give it.

        Raises:
            ValueError: the body cannot be read at all; it is kept aside whole.
        """
