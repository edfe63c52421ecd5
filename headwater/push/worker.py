"""`headwater stream`: every streaming destination and the live sessions, each in its own thread, until told to stop.

Belongs here: keeping the loops going, whatever happens to one of them, and following edits of the config. Does not
belong here: what a loop does (`stream`, `sessions`).

A destination that is down, slow or wrongly configured delays nobody else: each loop has its own thread, connection,
rate and place in the log. A config that is edited is followed within two seconds, whatever the destinations that it
ends are waiting for. One that cannot be read is said, and the old one stays; a single destination that cannot be used
is said, and stays as it was, or waits where the worker has just begun, while the others follow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from headwater.configuration import Config
from headwater.configuration.watching import WATCH_SECONDS, Follower, transformations_digest
from headwater.errors import HeadwaterError
from headwater.push.checking import faults as faults_of
from headwater.push.checking import words
from headwater.push.pace import AskedToWaitError
from headwater.push.progress import exclusive
from headwater.push.sessions import SessionUpdater
from headwater.push.stream import Delivery
from headwater.settings import Settings
from headwater.storage.deliveries.progress import save_unusable

POLL_SECONDS = 0.1
LONGEST_PAUSE = 60.0
_LOOK_SECONDS = 0.5
PATIENCE_AT_EDIT = 0.3
PATIENCE_AT_END = 5.0
"""How long a stop waits for requests in flight; what is not answered by then is repeated by the next start."""
log = logging.getLogger("headwater.stream")


class Loop(Protocol):
    """Something that moves on through the log. One that `outlives_failures` is asked again after one; others are made
    anew."""

    outlives_failures: bool

    def step(self) -> int:
        """Records passed; 0 when there is nothing new."""

    def is_turned(self) -> bool:
        """Whether somebody switched it since its last step: a wait then ends."""

    def close(self) -> None:
        """Give back what is held."""


class StoppedError(HeadwaterError):
    """The worker was told to stop in the middle of a wait; what was not answered is sent again next time."""


class _Running:
    """One loop in its thread."""

    def __init__(self, settings: Settings, name: str, make: Callable[[threading.Event], Loop], decided: Any) -> None:
        self.decided = decided
        self.stop = threading.Event()
        self._thread = threading.Thread(
            # a thread that hangs in a socket must not keep the process from ending: its state is on disk
            target=keep, args=(settings, name, lambda: make(self.stop), self.stop), name=name, daemon=True
        )  # fmt: skip
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def join(self, until: float) -> None:
        """Wait for its end, not longer than the clock's `until`."""
        self._thread.join(max(0.0, until - time.monotonic()))


def work(settings: Settings, config: Config, stop: threading.Event | None = None) -> None:
    """Deliver events as they arrive, until `stop` is set.

    A destination that another process has is taken over when that one ends.
    """
    stop = stop or threading.Event()
    running: dict[str, _Running] = {}
    leaving: list[_Running] = []

    def use(changed: Config) -> None:
        wanted = usable(changed)
        leaving[:] = [loop for loop in [*leaving, *_follow(settings, changed, wanted, running)] if loop.is_alive()]
        log.warning("the config was read again: %s", ", ".join(running) or "no streaming destination")

    def usable(given: Config) -> dict[str, Any]:
        wanted, faults = _wanted(settings, given), faults_of(given)
        for name, fault in faults.items():
            then = "it goes on as it was" if name in running else "it waits"
            log.warning("%s cannot be used as it is configured now; %s: %s", name, then, words(fault, name))
            wanted.pop(name, None)
            if name in running:
                wanted[name] = running[name].decided
        save_unusable(settings, {name: words(fault, name) for name, fault in faults.items()})
        return wanted

    follower = Follower(settings, use)
    wanted = usable(config)
    sessions = _Running(settings, SessionUpdater.name, lambda _: SessionUpdater(settings, config), None)
    try:
        _follow(settings, config, wanted, running)
        while not stop.wait(WATCH_SECONDS):
            follower.look()
    finally:
        _end([sessions, *running.values(), *leaving], PATIENCE_AT_END)


def keep(settings: Settings, name: str, make: Callable[[], Loop], stop: threading.Event) -> None:
    """Run one loop until `stop`, going on after any failure, with growing pauses while it keeps failing."""
    pause = 0.0
    while not stop.wait(pause):
        began = time.monotonic()
        try:
            with exclusive(settings, name) as is_ours:
                if not is_ours:
                    pause = 1.0
                    continue
                loop = make()
                try:
                    _turn(name, loop, stop)
                finally:
                    loop.close()
        except StoppedError:
            return
        except (HeadwaterError, OSError) as error:
            log.warning("%s: %s", name, error)
        except Exception:
            log.exception("%s: an unexpected fault; it goes on", name)
        pause = 1.0 if time.monotonic() - began > LONGEST_PAUSE else min(LONGEST_PAUSE, max(1.0, pause * 2))


def _turn(name: str, loop: Loop, stop: threading.Event) -> None:
    """Step after step."""
    pause = 0.0
    while not _rest(pause, loop, stop):
        try:
            pause = 0.0 if loop.step() else POLL_SECONDS
        except StoppedError:
            return
        except (HeadwaterError, OSError) as error:
            if not loop.outlives_failures:
                raise
            log.warning("%s: %s", name, error)
            pause = min(LONGEST_PAUSE, max(1.0, pause * 2))
            if isinstance(error, AskedToWaitError):
                pause = error.seconds


def _rest(seconds: float, loop: Loop, stop: threading.Event) -> bool:
    """Wait, not longer than it takes somebody to switch the loop; whether it is to stop."""
    until = time.monotonic() + seconds
    while not stop.wait(min(max(0.0, until - time.monotonic()), _LOOK_SECONDS)):
        if time.monotonic() >= until or loop.is_turned():
            return False
    return True


def _wanted(settings: Settings, config: Config) -> dict[str, Any]:
    """What each streaming destination's loop depends on, by name."""
    wanted: dict[str, Any] = {}
    files = transformations_digest(settings)
    for name, destination in config.destinations.items():
        if destination.stream is None:
            continue
        names = set(destination.transformations)
        chains = {source: getattr(found, "transformations", []) for source, found in config.sources.items()}
        names.update(one for chain in chains.values() for one in chain)
        wanted[name] = (
            destination,
            config.platform.collector.duplicate_days,
            {source: chain for source, chain in chains.items() if chain},
            {one: config.transformations.get(one) for one in names},
            files if names else None,
            {key: (planned.type, planned.event, planned.pii) for key, planned in config.tracking_plan.items()}
            if destination.privacy
            else None,
        )
    return wanted


def _follow(settings: Settings, config: Config, wanted: dict[str, Any], running: dict[str, _Running]) -> list[_Running]:
    """End the loops whose config changed or is gone, and start those that are missing. Answers those told to end: one
    that hangs in a request ends after it, and whatever takes its place waits for its lock."""
    ended = [running.pop(name) for name, loop in list(running.items()) if wanted.get(name) != loop.decided]
    _end(ended, PATIENCE_AT_EDIT)
    for name, decided in wanted.items():
        if name not in running:
            running[name] = _Running(settings, name, _delivery(settings, config, name), decided)
    return ended


def _end(loops: list[_Running], patience: float) -> None:
    for loop in loops:
        loop.stop.set()
    until = time.monotonic() + patience
    for loop in loops:
        loop.join(until)


def _delivery(settings: Settings, config: Config, name: str) -> Callable[[threading.Event], Loop]:
    def make(stop: threading.Event) -> Delivery:
        def sleep(seconds: float) -> None:
            if stop.wait(seconds):
                raise StoppedError("told to stop")

        return Delivery(settings, config, name, lingers=True, sleep=sleep)

    return make
