"""Streaming destinations: events from the log to a tool, in order, each destination at its own pace.

Belongs here: one delivery loop per destination, when outcomes and the place are stored, when an event is given up.
Does not belong here: what an event goes through (`filters`, `choosing`), carrying a batch (`carrying`), a tool's JSON
(`destinations/`), running many loops (`worker`).

Outcomes and the place in the log are one transaction of the destination's delivery store: killed at any point, at most
the request in flight is repeated, and tools know an event again by its `messageId`. The log reader's own file follows
behind and only tells what may be removed. An event that is refused for what it holds goes to the dead letters with the
reason; while the tool is down everything waits, each event at most `give_up_after_hours`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from headwater.configuration import Config
from headwater.errors import ConfigError, HeadwaterError, UnavailableError
from headwater.push.batching import GAVE_UP, batches, settle
from headwater.push.carrying import TIMEOUT, Batch, open_carrier
from headwater.push.checking import check
from headwater.push.choosing import Chooser, Item
from headwater.push.destinations.base import Outcome
from headwater.push.filters import OFF, START, Counted, Selected
from headwater.push.progress import Progress, exclusive, folder, load_progress, save_progress
from headwater.push.times import utc_now
from headwater.settings import Settings
from headwater.storage.deliveries import Deliveries, delivery_path
from headwater.storage.deliveries.switch import is_enabled
from headwater.storage.home import unwritable
from headwater.storage.log import LogReader, Position, destination_reader

_READ_BYTES = 4 * 1024 * 1024
_PIECE = 500
_SWITCH_SECONDS = 0.5
_SAVE_SECONDS = 1.0


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


@dataclass
class _Stretch:
    """A part of the log that was read and is being delivered; kept over a failure, so that nothing is done twice."""

    selected: list[Selected]
    tail: Counter[Counted]
    end: Position
    count: int
    is_early: bool
    chosen: int = 0
    items: list[Item] = field(default_factory=list)
    committed: int = 0
    batch: Batch | None = None
    batched: list[Item] = field(default_factory=list)
    batch_end: int = 0


class _SwitchedOffError(HeadwaterError):
    """It was switched off while it waited for the tool."""


class Delivery:
    """The delivery loop of one destination. Close it.

    Args:
        settings: this installation.
        config: the company's decisions.
        name: a destination with a `stream:` part.
        timeout: seconds that a tool may be silent.
        lingers: wait for more events where the class says that it is worth it (a drain does not).
        clock, sleep, now: replaced in tests; `sleep` may raise to end a wait.

    Raises:
        ConfigError: it has no `stream:`, or its type cannot take events.
        UnavailableError: its store cannot be opened.
    """

    outlives_failures = True

    def __init__(
        self,
        settings: Settings,
        config: Config,
        name: str,
        *,
        timeout: float = TIMEOUT,
        lingers: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings, self.name, self.now, self._clock, self._sleep = settings, name, now, clock, sleep
        destination = check(config, name)
        self.destination = destination
        stream = destination.config.stream
        assert stream is not None
        limits = destination.streaming
        self.batch_size = min(limits.batch_size, stream.batch_size or limits.batch_size)
        self.batch_bytes = limits.batch_bytes
        self.piece = max(_PIECE, self.batch_size)
        self.linger = timedelta(seconds=limits.linger_seconds if lingers else 0)
        self.give_up_after = timedelta(hours=stream.give_up_after_hours)
        self.duplicates = timedelta(days=config.platform.collector.duplicate_days)
        self.store = Deliveries(delivery_path(settings, name))
        self.chooser = Chooser(settings, config, name, destination)
        self.carrier = open_carrier(name, destination, timeout=timeout, clock=clock, sleep=self._wait)
        self.reader = LogReader(settings.log_dir, destination_reader(name))
        # a home from before there were delivery stores has its place in the reader's file
        self.reader.position = self.store.position() or self.reader.committed
        self.start = self._start(stream.start == "now")
        self.progress = load_progress(settings, name)
        if self.progress.suspended:  # the chains are new, and asked again
            self.progress.suspended = ""
            save_progress(settings, name, self.progress)
        self._stretch: _Stretch | None = None
        self._ripe_at: datetime | None = None
        self._is_on, self._looked_at = True, float("-inf")
        self._saved_at = float("-inf")

    def step(self) -> int:
        """Deliver the next stretch of the log; answers how many records were passed, 0 when there is nothing new.

        Raises:
            UnavailableError, ConfigError: the tool or the disk did not take it; the next call goes on where it was.
        """
        is_on = self._switch()
        if self._stretch is None:
            if self._ripe_at is not None and self.now() < self._ripe_at:
                return 0
            before = self.reader.position
            records = self.reader.read(_READ_BYTES)
            if not records:
                return 0
            self._ripe_at = records[0].envelope.received_at + self.linger
            if self.linger and len(records) < self.batch_size and self.now() < self._ripe_at:
                self.reader.position = before
                return 0
            self._ripe_at = None
            is_early = self._is_early(records[0].end)
            if is_early and not self._is_early(records[-1].end):  # the start is among them
                records = [record for record in records if self._is_early(record.end)]
                self.reader.position = self.start
            selected, tail = self.chooser.filter.select(records, self._withheld(is_early))
            self.chooser.begin(self.reader.position.segment)
            self._stretch = _Stretch(selected, tail, self.reader.position, len(records), is_early)
        elif not is_on:
            self._let_pass(self._stretch)
        stretch = self._stretch
        while self._fill(stretch):
            try:
                self._deliver(stretch)
            except _SwitchedOffError:
                self._let_pass(stretch)
        self._store([], stretch.end, stretch.tail)
        self._stretch = None
        self._save_reader()
        return stretch.count

    def is_turned(self) -> bool:
        """Whether it was switched on or off since it last looked: then no wait is worth ending first."""
        before = self._is_on
        return self._switch() != before

    def close(self) -> None:
        """Close connections, processes and files."""
        try:
            self._save_reader(at_once=True)
        finally:
            self.carrier.close()
            self.chooser.close()
            self.store.close()

    def _fill(self, stretch: _Stretch) -> bool:
        """Choose the next events when those before are done; whether there are any."""
        if stretch.committed < len(stretch.items):
            return True
        piece = stretch.selected[stretch.chosen : stretch.chosen + self.piece]
        if not piece:
            return False
        since = self.now() - self.duplicates
        stretch.items = self.chooser.choose(
            piece, lambda keys: self.store.known(keys, since), self._withheld(stretch.is_early)
        )
        self.progress.suspended = self.chooser.suspended()
        stretch.chosen += len(piece)
        stretch.committed, stretch.batch = 0, None
        return True

    def _deliver(self, stretch: _Stretch) -> None:
        """Carry the next batch of the chosen events, and store what became of them and of all before the next one."""
        if stretch.batch is None:
            left = stretch.items[stretch.committed :]
            stretch.batched, count = next(batches(left, self.batch_size, self.batch_bytes, self.destination.type))
            stretch.batch_end = stretch.committed + count
            stretch.batch = Batch([item.event for item in stretch.batched if item.event])
        if stretch.batched:
            self._carry(stretch, stretch.batch)
        self._commit(stretch, stretch.batch_end)
        stretch.batch = None

    def _carry(self, stretch: _Stretch, batch: Batch) -> None:
        requests = self.carrier.requests
        try:
            self.carrier.carry(batch, lambda: self._passed(stretch, batch))
        except _SwitchedOffError:
            settle(stretch.batched, batch)
            raise
        except (UnavailableError, ConfigError) as error:
            self.progress.failing_since = self.progress.failing_since or self.now()
            self.progress.last_error = str(error)
            if not self._give_up(stretch, batch, error):
                settle(stretch.batched, batch)
                raise
        else:
            self.progress.failing_since, self.progress.last_error = None, ""
        finally:
            self.progress.requests += self.carrier.requests - requests
            self._save()
        settle(stretch.batched, batch)

    def _give_up(self, stretch: _Stretch, batch: Batch, error: Exception) -> bool:
        """Give up the events that have waited too long; whether the batch has nothing more to wait for."""
        now = self.now()
        assert self.progress.failing_since is not None
        for index in batch.open():
            since = max(self.progress.failing_since, stretch.batched[index].received_at)
            if now - since >= self.give_up_after:
                batch.settle(index, Outcome(False, GAVE_UP, str(error)))
        return not batch.open()

    def _passed(self, stretch: _Stretch, batch: Batch) -> None:
        """Store the outcomes of a batch's first events as soon as they are known, when more are still on their way."""
        if not batch.open():
            return
        settle(stretch.batched, batch)
        waiting = next(n for n, item in enumerate(stretch.items[stretch.committed :]) if item.event and not item.status)
        self._commit(stretch, stretch.committed + waiting)

    def _commit(self, stretch: _Stretch, until: int) -> None:
        items = stretch.items[stretch.committed : until]
        if items:
            counted = Counter[Counted]()
            for item in items:
                if item.passed:
                    counted.update(item.passed)
                if item.counted:
                    counted[item.counted] += 1
            self._store(items, Position(stretch.end.segment, items[-1].end), counted)
            stretch.committed = until

    def _store(self, items: list[Item], position: Position, counted: Counter[Counted]) -> None:
        if not items and not counted and position == self.store.position():
            return
        now = self.now()
        rows = [item.row(now) for item in items if item.status is not None]
        dead = [item.letter(now) for item in items if item.status == "rejected"]
        self.store.commit(position, rows, counted, dead)
        delivered = sum(row.status == "delivered" for row in rows)
        self.progress.delivered += delivered
        self.progress.failed += len(dead)
        self.progress.filtered += len(rows) - delivered - len(dead) + counted.total()
        if delivered:
            self.progress.delivered_until = now
        self._save()

    def _let_pass(self, stretch: _Stretch) -> None:
        """It was switched off while events waited: those without an outcome pass by, as will those yet to be chosen."""
        for item in stretch.items[stretch.committed :]:
            if item.event is not None and item.status is None:
                item.count(OFF)
        stretch.batch = None

    def _start(self, wants_now: bool) -> Position:
        """Where the log ended when a destination with `start: now` was first opened; for others its beginning."""
        is_new = self.reader.position == Position()
        if is_new and wants_now and self.store.start() is None:
            self.reader.seek_end()
            self.store.begin(self.reader.position)
            self.reader.position = Position()
        return self.store.start() or Position()

    def _is_early(self, end: int) -> bool:
        return Position(self.reader.position.segment, end) <= self.start

    def _withheld(self, is_early: bool) -> str:
        """Why nothing is delivered now. What came before the start is read and counted like all that is kept away, so
        that every record of the log has its outcome here."""
        if is_early:
            return START
        return "" if self._switch() else OFF

    def _switch(self) -> bool:
        if self._clock() - self._looked_at >= _SWITCH_SECONDS:
            self._is_on = is_enabled(self.settings, self.name, self.destination.config.is_enabled)
            self._looked_at = self._clock()
        return self._is_on

    def _wait(self, seconds: float) -> None:
        """Wait for the tool, not longer than it is switched on."""
        while seconds > 0:
            part = min(seconds, _SWITCH_SECONDS)
            self._sleep(part)
            seconds -= part
            if seconds > 0 and not self._switch():
                raise _SwitchedOffError("switched off")

    def _save(self) -> None:
        self.progress.updated_at = self.now()
        save_progress(self.settings, self.name, self.progress)

    def _save_reader(self, *, at_once: bool = False) -> None:
        """Tell the log how far this reader is; each second is often enough."""
        place = self.store.position()
        if place is None or place == self.reader.committed:
            return
        if at_once or place.segment != self.reader.committed.segment or self._clock() - self._saved_at >= _SAVE_SECONDS:
            here = self.reader.position
            self.reader.commit(place)
            self.reader.position = here
            self._saved_at = self._clock()


def drain(settings: Settings, config: Config, name: str) -> StreamReport:
    """Deliver what is in the log now, then return.

    While `headwater stream` has the destination, nothing is done here: it delivers.

    Raises:
        ConfigError: the destination cannot take events, or its token is refused.
        UnavailableError: the tool is down, or the disk full; what was accepted before stays delivered.
    """
    check(config, name)
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


def _difference(name: str, before: Progress, after: Progress) -> StreamReport:
    return StreamReport(
        name,
        after.delivered - before.delivered,
        after.failed - before.failed,
        after.filtered - before.filtered,
        after.requests - before.requests,
    )
