"""From a record of the log to what one destination is told of it, event by event.

Belongs here: the order of the steps: source transformations and settings, duplicates, the message's `integrations`,
consent, the destination's transformations, privacy, what the tool cannot take. Does not belong here: the rules
themselves (`headwater.policy`), sending (`carrying`), storing (`stream`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from headwater.configuration import Config
from headwater.event import Event
from headwater.policy.consent import allows, integrations_allows
from headwater.policy.pipeline import Pipeline, Taken
from headwater.policy.privacy import Redactor
from headwater.policy.transform import Result, Transformer
from headwater.push.carrying import NOT_DELIVERABLE
from headwater.push.destinations.base import Outcome, Streamed, StreamEvent
from headwater.push.filters import PLAN, QUARANTINED, Counted, Filter, Selected
from headwater.settings import Settings
from headwater.storage.deliveries import DeadLetter, Delivered
from headwater.storage.deliveries.rows import Status
from headwater.storage.failures import Failures

Known = Callable[[Sequence[tuple[str, str]]], set[tuple[str, str]]]
_encode = msgspec.json.Encoder().encode


@dataclass
class Item:
    """One record on its way: either decided (`status`), only counted (`counted`), or to be sent (`event`).

    `payload` is the event before the destination's own steps: what a dead letter keeps, so that it can be put through
    them again. `end` is where the record ends in the log; `passed` what was counted between the one before and it.
    """

    source: str
    message_id: str
    type: str
    name: str | None
    received_at: datetime
    payload: dict[str, Any]
    end: int = 0
    passed: Counter[Counted] = field(default_factory=Counter)
    counted: Counted | None = None
    status: Status | None = None
    reason: str = ""
    code: str = ""
    answer: str = ""
    tool_event: str = ""
    steps: list[Result] = field(default_factory=list)
    event: StreamEvent | None = None
    attempts: int = 0

    def decide(self, status: Status, reason: str, answer: str = "") -> None:
        """It is not sent."""
        self.status, self.reason, self.answer = status, reason, answer

    def count(self, reason: str) -> None:
        """It is counted and leaves no row."""
        self.event, self.status = None, None
        self.counted = (self.source, self.received_at.date(), self.type, self.name or "", reason)

    def settle(self, outcome: Outcome, reason: str) -> None:
        """What the tool said."""
        self.status = "delivered" if outcome.is_accepted else "rejected"
        self.reason = "" if outcome.is_accepted else reason
        self.code, self.answer = outcome.code, outcome.message

    def row(self, at: datetime) -> Delivered:
        """The row that tells what became of it."""
        assert self.status is not None
        steps = [
            {"name": name, "status": status, "detail": step.detail if name == step.name else ""}
            for step in self.steps
            for name, status in step.steps or ((step.name, step.status),)
        ]
        return Delivered(
            *(self.source, self.message_id, self.type, self.name, self.received_at, self.status, at),
            *(self.reason, self.code, self.answer, self.attempts, self.tool_event, _encode(steps).decode()),
        )

    def letter(self, at: datetime) -> DeadLetter:
        """The dead letter of one that was given up."""
        return DeadLetter(
            *(0, self.source, self.message_id, self.type, self.name, self.received_at, self.reason, self.code),
            *(self.answer, at, None, _encode(self.payload)),
        )


class Chooser:
    """The steps of one destination. Close it.

    Args:
        settings, config: the installation and the company's decisions.
        name: the destination, which has a `stream:` part.
        destination: its class.
    """

    def __init__(self, settings: Settings, config: Config, name: str, destination: Streamed) -> None:
        decided = destination.config
        assert decided.stream is not None
        self._destination, self._config = destination, decided
        self._names = (decided.integrations_name or destination.integrations_name, destination.type, name)
        self._failures = Failures(settings.log_dir)
        self._pipeline = Pipeline.of(settings, config, self._failures)
        self._transformer = Transformer.of(settings, config, decided.transformations)
        self._redactor = Redactor(decided.privacy, config.tracking_plan)
        sources = [name for name, source in config.sources.items() if getattr(source, "transformations", None)]
        self.filter = Filter(decided.stream, sources)

    def start(self) -> None:
        """Start the transformations' processes now.

        Raises:
            ConfigError: a file of theirs cannot be loaded.
        """
        self._pipeline.start()
        self._transformer.start()

    def close(self) -> None:
        """End the transformations' processes."""
        self._pipeline.close()
        self._transformer.close()
        self._failures.close()

    def begin(self, segment: str) -> None:
        """What follows is of this segment of the log."""
        self._pipeline.begin(segment)

    def suspended(self) -> str:
        """Which transformations hang and are not asked any more, in words; empty when none is."""
        own = self._transformer.breaker
        hanging = [f"transformation {own.name} is {own.suspended}"] if own and own.suspended else []
        return "; ".join(self._pipeline.suspended() + hanging)

    def choose(self, selected: Sequence[Selected], known: Known, withheld: str) -> list[Item]:
        """What becomes of records, in their order; those of `known` were here before. `withheld`: as for `Filter`."""
        taken = self._pipeline.run([chosen.record for chosen in selected])
        items = [self._item(chosen, one, withheld) for chosen, one in zip(selected, taken, strict=True)]
        fresh = [item for item in items if item.counted is None and item.status is None]
        seen = known([(item.source, item.message_id) for item in fresh])
        for item in fresh:
            key = (item.source, item.message_id)
            if key in seen:
                item.decide("duplicate", "")
            seen.add(key)
        self.prepare(fresh)
        return items

    def prepare(self, items: Iterable[Item]) -> None:
        """The destination's own steps, for those that are not decided yet."""
        wanted: list[Item] = []
        for item in items:
            if item.status is not None:
                continue
            if not integrations_allows(self._names, item.payload):
                item.decide("filtered", "integrations")
            elif not allows(self._config.consent, item.payload):
                item.decide("filtered", "consent")
            else:
                wanted.append(item)
        for item, result in zip(wanted, self._transformer.run([item.payload for item in wanted]), strict=True):
            if self._config.transformations:
                item.steps.append(result)
            if result.payload is not None:
                self._finish(item, result.payload)
            elif result.status == "dropped":
                item.decide("filtered", "transformation", result.name)
            elif self._config.on_transformation_error == "skip":
                item.decide("filtered", "transformation", f"{result.name}: {result.detail}")
            else:
                item.decide("rejected", f"transformation {result.name}", result.detail)

    def _finish(self, item: Item, payload: dict[str, Any]) -> None:
        """Privacy, what the tool cannot take, and the event as it goes out."""
        try:
            seen = self._redactor.apply(payload)
            why = self._destination.unsupported(seen)
            if why:
                item.decide("filtered", "unsupported", why)
                return
            item.tool_event = str(self._destination.tool_event(seen))
            item.event = StreamEvent(item.message_id, item.source, seen, msgspec.Raw(_encode(seen)))
        except Exception as error:  # noqa: BLE001 - whatever a payload does to a class harms this event only
            item.decide("rejected", NOT_DELIVERABLE, f"{type(error).__name__}: {error}")

    def _item(self, chosen: Selected, taken: Taken, withheld: str) -> Item:
        record, event = chosen.record, taken.event
        item = _item_of(event, record.message_id) if event else Item(
            record.envelope.source, record.message_id, record.envelope.type or "", None,
            record.envelope.received_at, {},
        )  # fmt: skip
        item.end, item.passed, item.steps = record.end, chosen.passed, list(taken.steps)
        if event is None or taken.status in ("failed", "unreadable"):
            item.count(QUARANTINED)
        elif taken.status == "dropped":
            if record.envelope.verdict == "drop":
                item.count(PLAN)
            else:
                item.decide("filtered", "transformation", taken.reason)
        else:
            is_judged = item.source not in self.filter.transformed
            reason = "" if is_judged else self.filter.reason(item.source, event.route, item.type, item.name)
            if reason or withheld:
                item.count(reason or withheld)
        return item


def _item_of(event: Event, message_id: str) -> Item:
    return Item(event.source, message_id, event.type, event.event, event.received_at, event.payload)


def item_of_letter(letter: DeadLetter) -> Item:
    """A dead letter, to be put through the destination's steps again."""
    payload = msgspec.json.decode(letter.body, type=dict[str, Any])
    return Item(letter.source, letter.message_id, letter.type, letter.event, letter.received_at, payload)
