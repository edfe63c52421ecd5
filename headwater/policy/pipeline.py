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
from headwater.event import NOT_JSON, OUT_OF_RANGE, Event, Received, complete, identifier, moment
from headwater.policy.breaker import Breaker
from headwater.policy.transform import Result, Transformer
from headwater.settings import Settings

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
Failure = tuple[str, str, bool]
"""Transformation, why, whether it was not asked (suspended)."""


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
    @property
    def end(self) -> int: ...


class Agreed(Protocol):
    """What all readers of a log hold to where a chain failed: see `headwater.storage.failures`."""

    def known(self, source: str, segment: str, first: int, last: int) -> tuple[int, dict[int, Failure]]:
        """Up to where events are decided, and which of them have failed."""

    def decide(self, source: str, segment: str, until: int, failed: Mapping[int, Failure]) -> int:
        """Keep what was found; answers up to where others had decided before."""


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
        agreed: what readers of one log hold to; None for who reads alone.
    """

    def __init__(self, transformers: Mapping[str, Transformer] | None = None, agreed: Agreed | None = None) -> None:
        self._transformers = dict(transformers or {})
        self._agreed = agreed
        self._others = {source: Breaker() for source in self._transformers}
        self._suspended: dict[str, str] = {}
        self._segment = ""
        self._envelope: Any = None
        self._how: Received | None = None

    @classmethod
    def of(cls, settings: Settings, config: Config, agreed: Agreed | None = None) -> Pipeline:
        """The rules that the sources of this config name."""
        chains = {name: getattr(source, "transformations", []) for name, source in config.sources.items()}
        return cls({name: Transformer.of(settings, config, chain) for name, chain in chains.items() if chain}, agreed)

    def begin(self, segment: str) -> None:
        """The records that follow are of this segment of the log."""
        self._segment = segment

    def suspended(self) -> list[str]:
        """The sources' transformations that were not asked about the last event, each in words."""
        return list(self._suspended.values())

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
            mine = [
                (record.end, item)
                for record, item in zip(records, taken, strict=True)
                if item.status == "ok" and item.event and item.event.source == source
            ]
            if mine:
                self._transform(source, transformer, mine)
        return taken

    def close(self) -> None:
        """End the transformations' processes."""
        for transformer in self._transformers.values():
            transformer.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _transform(self, source: str, chain: Transformer, mine: list[tuple[int, Taken]]) -> None:
        if self._agreed is None:
            results = chain.run([item.event.payload for _, item in mine if item.event])
        else:
            results = self._agree(self._agreed, source, chain, mine)
        for (_, item), result in zip(mine, results, strict=True):
            _take(item, result)
        last = results[-1]
        self._suspended.pop(source, None)
        if last.is_suspended:
            self._suspended[source] = f"transformation {last.name} of source {source} is {last.detail}"

    def _agree(self, agreed: Agreed, source: str, chain: Transformer, mine: list[tuple[int, Taken]]) -> list[Result]:
        """What becomes of a source's events: of those that another reader had before, what it found."""
        first, last = mine[0][0], mine[-1][0]
        until, failed = agreed.known(source, self._segment, first, last)
        results = self._follow(source, chain, [one for one in mine if one[0] <= until], failed)
        fresh = [one for one in mine if one[0] > until]
        if fresh:
            found = _ask(chain, fresh)
            lost = {n: (r.name, r.detail, r.is_suspended) for n, r in found.items() if r.status == "failed"}
            before = agreed.decide(source, self._segment, last, lost)
            if before > until:  # another reader was here at the same time, and decided first
                _, failed = agreed.known(source, self._segment, first, last)
                doubtful = [one for one in fresh if one[0] <= before and (one[0] in failed or one[0] in lost)]
                found |= self._follow(source, chain, doubtful, failed)
            results |= found
        return [results[end] for end, _ in mine]

    def _follow(
        self, source: str, chain: Transformer, items: list[tuple[int, Taken]], failed: Mapping[int, Failure]
    ) -> dict[int, Result]:
        """Events that were decided before: those that failed have failed; the others have passed the chain, so it is
        asked although it is suspended for later ones."""
        results = {end: _noted(failed[end]) for end, _ in items if end in failed}
        asked = [one for one in items if one[0] not in failed]
        if asked:
            own, chain.breaker = chain.breaker, self._others[source]
            try:
                results |= _ask(chain, asked)
            finally:
                chain.breaker = own
        return results

    def _complete(self, record: Record) -> Taken:
        envelope = record.envelope
        if envelope is not self._envelope or self._how is None:  # the records of one request share theirs
            self._envelope, self._how = envelope, envelope.received()
        try:
            event = complete(_decode(record.payload), record.message_id, self._how)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            reason = OUT_OF_RANGE if "out of range" in str(error) else NOT_JSON
            return Taken("unreadable", None, reason, str(error)[:200])
        if envelope.replayed_at:  # until then it was kept aside, and nobody could use it
            event.known_at = max(event.known_at, envelope.replayed_at)
        if envelope.violations:
            _write_violations(event.payload, envelope.violations)
        if envelope.verdict == "drop":
            kinds = ", ".join(sorted({kind for kind, _, _ in envelope.violations or ()}))
            return Taken("dropped", event, f"plan: {kinds}")
        return Taken("ok", event)


def _ask(chain: Transformer, items: list[tuple[int, Taken]]) -> dict[int, Result]:
    results = chain.run([item.event.payload for _, item in items if item.event])
    return {end: result for (end, _), result in zip(items, results, strict=True)}


def _noted(failure: Failure) -> Result:
    name, detail, is_suspended = failure
    return Result("failed", None, name, detail, 0.0, ((name, "failed"),), is_suspended)


def _take(item: Taken, result: Result) -> None:
    """What the source's chain made of one event."""
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
