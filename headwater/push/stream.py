"""Streaming destinations: events from the log to a tool, in order, each destination at its own pace.

Belongs here: one delivery loop per destination, what is filtered, when an event is given up. Does not belong here:
a tool's JSON (`destinations/`), waiting and retrying of one request (`sender`), running many loops (`worker`).

The place in the log is saved after each request that the tool has answered: killed at any point, at most one request
is repeated, and tools know an event again by its `messageId`. An event that the tool refuses for what it holds goes to
the dead letters with the reason; when the tool is down everything waits, at most `GIVE_UP_AFTER` for one request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from headwater.configuration import Config, Stream
from headwater.errors import ConfigError, UnavailableError
from headwater.event import complete, identifier
from headwater.push.destinations import open_destination
from headwater.push.destinations.base import BatchDestination, Destination, Outcome
from headwater.push.progress import Progress, bury, exclusive, folder, load_progress, save_progress
from headwater.push.sender import RequestRefusedError, Sender
from headwater.push.times import utc_now
from headwater.settings import Settings
from headwater.storage.home import unwritable
from headwater.storage.log import LogReader, Position, Record

GIVE_UP_AFTER = timedelta(hours=72)
_READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class StreamReport:
    """What one drain did. `is_elsewhere`: a stream worker has this destination, so nothing was done here; the counts
    are then those since the home began."""

    destination: str
    delivered: int
    failed: int
    filtered: int
    requests: int
    is_elsewhere: bool = False


@dataclass(frozen=True)
class Chosen:
    """An event to be delivered: completed by the clock rule, as JSON, where it ends in the log, and how many records
    before it were filtered out. `fault` says why it cannot be delivered at all."""

    message_id: str
    body: msgspec.Raw
    position: Position
    skipped: int
    fault: str = ""


class _Peek(msgspec.Struct):
    """The fields that filters look at."""

    type: object = None
    event: object = None


class Delivery:
    """The delivery loop of one destination.

    Args:
        settings: this installation.
        config: the company's decisions.
        name: a destination with a `stream:` part.
        make_sender, now: replaced in tests.

    Raises:
        ConfigError: it has no `stream:`, or its type cannot take events.
    """

    def __init__(
        self,
        settings: Settings,
        config: Config,
        name: str,
        *,
        make_sender: Callable[[Destination], Sender] | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings, self.name, self.now = settings, name, now
        destination = open_destination(config, name)
        stream = destination.config.stream
        if stream is None or not isinstance(destination, BatchDestination):
            lacks = "no `stream:` part" if stream is None else f"type {destination.type}, which takes no events"
            raise ConfigError(f"destinations/{name}.yaml has {lacks}, so events cannot be delivered to it.")
        self.destination, self.filter = destination, stream
        limits = self.destination.streaming
        self.batch_size = min(limits.batch_size, stream.batch_size or limits.batch_size)
        self.batch_bytes = limits.batch_bytes
        self.sender = make_sender(self.destination) if make_sender else Sender(name, self.destination.rate)
        self.reader = LogReader(settings.log_dir, f"push-{name}")
        self.progress = load_progress(settings, name)

    def step(self) -> int:
        """Deliver the next stretch of the log; answers how many records were passed, 0 when there is nothing new.

        Raises:
            UnavailableError, ConfigError: the tool did not take it; the place in the log stays where it was accepted.
        """
        self.reader.rewind()
        records = self.reader.read(_READ_BYTES)
        if not records:
            return 0
        end = self.reader.position
        chosen: list[Chosen] = []
        skipped = 0
        for record in records:
            if wants(self.filter, record):
                chosen.append(prepare(record, end.segment, skipped))
                skipped = 0
            else:
                skipped += 1
        for batch in split(chosen, self.batch_size, self.batch_bytes):
            self._deliver(batch)
            self._passed(batch[-1].position, sum(event.skipped for event in batch))
        if skipped:
            self._passed(end, skipped)
        return len(records)

    def close(self) -> None:
        """Close the connection."""
        self.sender.close()

    def _deliver(self, batch: Sequence[Chosen]) -> None:
        requests = self.sender.requests
        try:
            outcomes = self._attempt(batch)
        except (UnavailableError, ConfigError) as error:
            now = self.now()
            self.progress.failing_since = self.progress.failing_since or now
            self.progress.last_error = str(error)
            if now - self.progress.failing_since < GIVE_UP_AFTER:
                raise
            outcomes = [Outcome(False, "gave up", str(error))] * len(batch)
        finally:
            self.progress.requests += self.sender.requests - requests
            self._save()
        self.progress.failing_since, self.progress.last_error = None, ""
        pairs = [(event.message_id, event.body) for event in batch]
        failed = bury(self.settings, self.name, pairs, outcomes, self.now())
        self.progress.failed += failed
        self.progress.delivered += len(batch) - failed
        self.progress.delivered_until = self.now()

    def _attempt(self, batch: Sequence[Chosen]) -> list[Outcome]:
        """The outcome of each event; a request refused as a whole is halved until the event at fault is alone."""
        if any(event.fault for event in batch):
            good = iter(self._attempt([event for event in batch if not event.fault]) if not all_faulty(batch) else [])
            return [Outcome(False, "not deliverable", e.fault) if e.fault else next(good) for e in batch]
        try:
            answer = self.sender.send(self.destination.stream_request([event.body for event in batch]))
        except RequestRefusedError as refused:
            if len(batch) == 1:
                return [Outcome(False, str(refused.answer.status), refused.answer.text)]
            middle = len(batch) // 2
            return [*self._attempt(batch[:middle]), *self._attempt(batch[middle:])]
        return self.destination.outcomes(answer, len(batch))

    def _passed(self, position: Position, filtered: int) -> None:
        self.reader.commit(position)
        self.progress.filtered += filtered
        self._save()

    def _save(self) -> None:
        self.progress.updated_at = self.now()
        save_progress(self.settings, self.name, self.progress)


def drain(settings: Settings, config: Config, name: str) -> StreamReport:
    """Deliver what is in the log now, then return.

    While `headwater stream` has the destination, nothing is done here: it delivers.

    Raises:
        ConfigError: the destination cannot take events, or its token is refused.
        UnavailableError: the tool is down, or the disk full; what was accepted before stays delivered.
    """
    try:
        return _drain(settings, config, name)
    except OSError as error:
        raise unwritable(folder(settings), error) from error


def _drain(settings: Settings, config: Config, name: str) -> StreamReport:
    with exclusive(settings, name) as is_ours:
        if not is_ours:
            there = load_progress(settings, name)
            return StreamReport(name, there.delivered, there.failed, there.filtered, there.requests, True)
        delivery = Delivery(settings, config, name)
        before = msgspec.structs.replace(delivery.progress)
        try:
            while delivery.step():
                pass
        finally:
            delivery.close()
        return _difference(name, before, delivery.progress)


def wants(stream: Stream, record: Record) -> bool:
    """Whether a record passes a destination's filter. `events` limits tracks by name and leaves other types alone."""
    routes: Sequence[str] = stream.routes or ("live", "import")
    if record.envelope.route not in routes:
        return False
    if not stream.types and not stream.events:
        return True
    try:
        peek = msgspec.json.decode(record.payload, type=_Peek)
    except msgspec.DecodeError:
        return False
    kind = record.envelope.type or peek.type
    if stream.types and kind not in stream.types:
        return False
    return kind != "track" or not stream.events or identifier(peek.event) in stream.events


def prepare(record: Record, segment: str, skipped: int) -> Chosen:
    """The event of a record, completed by the clock rule. One that cannot be read is kept as text, with the fault."""
    position = Position(segment, record.end)
    try:
        payload = msgspec.json.decode(record.payload)
        event = complete(payload, record.message_id, record.envelope.received())
        body = msgspec.json.encode(event.payload)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        text = msgspec.json.encode(record.payload.decode(errors="replace"))
        return Chosen(record.message_id, msgspec.Raw(text), position, skipped, f"cannot be read: {error}")
    return Chosen(record.message_id, msgspec.Raw(body), position, skipped)


def all_faulty(batch: Sequence[Chosen]) -> bool:
    """Whether nothing of the batch can be delivered."""
    return all(event.fault for event in batch)


def split(chosen: Sequence[Chosen], size: int, size_bytes: int) -> Iterator[list[Chosen]]:
    """Batches of at most `size` events and, but for a single event, at most `size_bytes` of JSON."""
    batch: list[Chosen] = []
    held = 0
    for event in chosen:
        length = len(bytes(event.body)) + 1
        if batch and (len(batch) == size or held + length > size_bytes):
            yield batch
            batch, held = [], 0
        batch.append(event)
        held += length
    if batch:
        yield batch


def _difference(name: str, before: Progress, after: Progress) -> StreamReport:
    return StreamReport(
        name,
        after.delivered - before.delivered,
        after.failed - before.failed,
        after.filtered - before.filtered,
        after.requests - before.requests,
    )
