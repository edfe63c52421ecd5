"""What every reader of the log does with a record before anything else: complete it, and apply what the plan said.

Belongs here: the order of those steps, the same for the lander and each destination. Does not belong here: the rules
of a step (`headwater.event`, `headwater.policy.transform`), reading the log, what is done with the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct, structs

from headwater.configuration import Config
from headwater.event import NOT_JSON, Event, Received, complete, identifier, moment
from headwater.policy.breaker import Breaker
from headwater.policy.transform import Result, Transformer
from headwater.settings import Settings

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
    @property
    def replayed_at(self) -> datetime | None: ...
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


class Taken(Struct):
    """One record after the rules.

    Attributes:
        status: `ok`; `dropped` by the plan or a transformation; `failed` when a transformation failed; `unreadable`
            when the bytes are no event. `reason` and `detail` say why.
        event: the event, unless it is unreadable; before the transformations where these dropped or failed it.
        original: the payload's JSON before source transformations, when they changed it.
        steps: the source transformations it went through.
    """

    status: Literal["ok", "dropped", "failed", "unreadable"]
    event: Event | None
    reason: str = ""
    detail: str = ""
    original: bytes | None = None
    steps: tuple[Result, ...] = ()


class Pipeline:
    """The rules of one company. Whoever made it closes it.

    Args:
        transformers: by source, for those that have transformations.
    """

    def __init__(self, transformers: Mapping[str, Transformer] | None = None) -> None:
        self._transformers = dict(transformers or {})
        self._segment = ""
        self._envelope: Any = None
        self._how: Received | None = None

    @classmethod
    def of(cls, settings: Settings, config: Config) -> Pipeline:
        """The rules that the sources of this config name."""
        chains = {name: getattr(source, "transformations", []) for name, source in config.sources.items()}
        return cls(
            {
                name: Transformer.of(settings, config, chain, Breaker.by_segment())
                for name, chain in chains.items()
                if chain
            }
        )

    def begin(self, segment: str) -> None:
        """The records that follow are of this segment of the log: chains that hung in another are tried again, so that
        every reader comes to the same outcomes."""
        if segment != self._segment:
            self._segment = segment
            for transformer in self._transformers.values():
                if transformer.breaker:
                    transformer.breaker.reset()

    def suspended(self) -> list[str]:
        """The sources' transformations that are not asked any more in this segment, each in words."""
        breakers = {source: one.breaker for source, one in self._transformers.items()}
        return [
            f"transformation {breaker.name} of source {source} is {breaker.suspended}"
            for source, breaker in breakers.items()
            if breaker and breaker.suspended
        ]

    def start(self) -> None:
        """Start the transformations' processes now.

        Raises:
            ConfigError: a file cannot be loaded; names file and line.
        """
        for transformer in self._transformers.values():
            transformer.start()

    def run(self, records: Sequence[Record]) -> list[Taken]:
        """What becomes of each record, in order. Records of route `quarantine` are not to be given.

        Raises:
            UnavailableError: no process for transformations can be started on this machine.
        """
        taken = [self._complete(record) for record in records]
        for source, transformer in self._transformers.items():
            mine = [item for item in taken if item.status == "ok" and item.event and item.event.source == source]
            if mine:
                _transform(transformer, mine)
        return taken

    def close(self) -> None:
        """End the transformations' processes."""
        for transformer in self._transformers.values():
            transformer.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _complete(self, record: Record) -> Taken:
        envelope = record.envelope
        if envelope is not self._envelope or self._how is None:  # the records of one request share theirs
            self._envelope, self._how = envelope, envelope.received()
        try:
            event = complete(_decode(record.payload), record.message_id, self._how)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            return Taken("unreadable", None, NOT_JSON, str(error)[:200])
        if envelope.replayed_at:  # until then it was kept aside, and nobody could use it
            event.known_at = max(event.known_at, envelope.replayed_at)
        if envelope.violations:
            _write_violations(event.payload, envelope.violations)
        if envelope.verdict == "drop":
            kinds = ", ".join(sorted({kind for kind, _, _ in envelope.violations or ()}))
            return Taken("dropped", event, f"plan: {kinds}")
        return Taken("ok", event)


def _transform(transformer: Transformer, taken: list[Taken]) -> None:
    results = transformer.run([item.event.payload for item in taken if item.event])
    for item, result in zip(taken, results, strict=True):
        assert item.event
        item.steps = (result,)
        if result.payload is None:
            item.status = "dropped" if result.status == "dropped" else "failed"
            item.reason, item.detail = f"transformation: {result.name}", result.detail
            if result.is_suspended:
                item.reason += " suspended"
        elif result.status == "changed":
            item.original = _encode(item.event.payload)
            item.event = _again(item.event, result.payload)


def _again(event: Event, payload: dict[str, Any]) -> Event:
    """The event as a transformation left it: what stands in columns follows the payload.

    When it was received and could be known is no matter of the payload; a time that cannot be read is the old one.
    """
    kind = payload["type"]
    return structs.replace(
        event,
        type=kind,
        event=identifier(payload.get("event")) if kind == "track" else None,
        user_id=identifier(payload.get("userId")),
        anonymous_id=identifier(payload.get("anonymousId")),
        timestamp=moment(payload.get("timestamp")) or event.timestamp,
        original_timestamp=moment(payload.get("originalTimestamp")) or event.original_timestamp,
        payload=payload,
    )


def violation_errors(violations: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """What the plan said, in RudderStack's shape."""
    return [{"type": kind, "property": path, "message": message} for kind, path, message in violations]


def _write_violations(payload: dict[str, Any], violations: list[tuple[str, str, str]]) -> None:
    """RudderStack's place for them: `context.violationErrors`."""
    context = payload.get("context")
    if not isinstance(context, dict):
        context = payload["context"] = {}
    context["violationErrors"] = violation_errors(violations)
