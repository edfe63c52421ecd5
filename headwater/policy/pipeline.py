"""What every reader of the log does with a record before anything else: complete it, and apply what the plan said.

Belongs here: the order of those steps, the same for the lander and each destination. Does not belong here: the rules
of a step (`headwater.event`, `headwater.policy.transform`), reading the log, what is done with the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from headwater.event import Event, Received, complete
from headwater.policy.transform import Result, Transformer

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Envelope(Protocol):
    """The part of a log record's envelope that is used here."""

    @property
    def source(self) -> str: ...
    @property
    def verdict(self) -> str | None: ...
    @property
    def violations(self) -> list[tuple[str, str, str]] | None: ...
    def received(self) -> Received:
        """What completes an event."""


class Record(Protocol):
    """A record of the log, as `headwater.storage.log` gives it."""

    @property
    def message_id(self) -> str: ...
    @property
    def envelope(self) -> Any: ...
    @property
    def payload(self) -> bytes: ...


@dataclass
class Taken:
    """One record after the rules.

    Attributes:
        status: `ok`; `dropped` by the plan or a transformation; `failed` when a transformation failed; `unreadable`
            when the bytes are no event. `reason` and `detail` say why.
        event: the event, unless it is unreadable.
        original: the payload's JSON before source transformations, when they changed it.
        steps: the source transformations it went through.
    """

    status: Literal["ok", "dropped", "failed", "unreadable"]
    event: Event | None
    reason: str = ""
    detail: str = ""
    original: bytes | None = None
    steps: list[Result] = field(default_factory=list)


class Pipeline:
    """The rules of one company.

    Args:
        transformers: by source, for those that have transformations.
    """

    def __init__(self, transformers: Mapping[str, Transformer] | None = None) -> None:
        self._transformers = dict(transformers or {})

    def run(self, records: Sequence[Record]) -> list[Taken]:
        """What becomes of each record, in order. Records of route `quarantine` are not to be given."""
        taken = [self._complete(record) for record in records]
        for source, transformer in self._transformers.items():
            mine = [item for item in taken if item.status == "ok" and item.event and item.event.source == source]
            if mine:
                self._transform(transformer, mine)
        return taken

    def close(self) -> None:
        """End the transformations' processes."""
        for transformer in self._transformers.values():
            transformer.close()

    def _complete(self, record: Record) -> Taken:
        envelope = record.envelope
        try:
            event = complete(_decode(record.payload), record.message_id, envelope.received())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            return Taken("unreadable", None, "not JSON", str(error)[:200])
        if envelope.violations:
            _write_violations(event.payload, envelope.violations)
        if envelope.verdict == "drop":
            kinds = ", ".join(sorted({kind for kind, _, _ in envelope.violations or ()}))
            return Taken("dropped", event, f"plan: {kinds}")
        return Taken("ok", event)

    def _transform(self, transformer: Transformer, taken: list[Taken]) -> None:
        raise NotImplementedError


def _write_violations(payload: dict[str, Any], violations: list[tuple[str, str, str]]) -> None:
    """RudderStack's place and shape for them: `context.violationErrors`."""
    context = payload.get("context")
    if not isinstance(context, dict):
        context = payload["context"] = {}
    context["violationErrors"] = [
        {"type": kind, "property": path, "message": message} for kind, path, message in violations
    ]
