"""SaaS tools that call us: what each one's calls look like, translated to events of the spec.

Belongs here: one module a tool, with its signature scheme and its translation, and their list. Does not belong here:
the route (`headwater.collect.webhook`), the judgement of the events that come of it (`headwater.collect.judge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class Unreadable:
    """One item of a call that is no event that we know how to tell; kept aside under its reason."""

    payload: bytes
    reason: str


@dataclass(frozen=True)
class Call:
    """One call as it came: what a signature may cover.

    Attributes:
        headers: by lower-case name.
        at: when it came, UTC without offset.
        method, url: as the sender wrote them.
    """

    headers: Mapping[str, str]
    body: bytes
    at: datetime
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    url: str = ""


class Translator(Protocol):
    """What a tool's module gives. Both methods are pure; `translate` is called in a thread and may take its time."""

    def verify(self, secret: str, call: Call) -> bool:
        """Whether the call is the tool's own; compare in constant time."""

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """The events of a call, each with the messageId that a second delivery of the same call would give it.

        Raises:
            ValueError: the body cannot be read at all; it is kept aside whole.
        """
