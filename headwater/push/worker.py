"""`headwater stream`: every streaming destination and the live sessions, each in its own thread, until told to stop.

Belongs here: keeping the loops going, whatever happens to one of them. Does not belong here: what a loop does
(`stream`, `sessions`).

A destination that is down, slow or wrongly configured delays nobody else: each loop has its own thread, connection,
rate and place in the log.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from headwater.configuration import Config
from headwater.errors import HeadwaterError
from headwater.push.progress import exclusive
from headwater.push.sender import Sender
from headwater.push.sessions import SessionUpdater
from headwater.push.stream import Delivery
from headwater.settings import Settings

POLL_SECONDS = 0.2
LONGEST_PAUSE = 60.0
log = logging.getLogger("headwater.stream")


class Loop(Protocol):
    """Something that moves on through the log."""

    def step(self) -> int:
        """Records passed; 0 when there is nothing new."""

    def close(self) -> None:
        """Give back what is held."""


def work(settings: Settings, config: Config, stop: threading.Event | None = None) -> None:
    """Deliver events as they arrive, until `stop` is set.

    A destination that another process has is taken over when that one ends.

    Raises:
        ConfigError: a destination with a `stream:` part cannot take events.
    """
    stop = stop or threading.Event()
    loops: dict[str, Callable[[], Loop]] = {SessionUpdater.name: lambda: SessionUpdater(settings, config)}
    for name, destination in config.destinations.items():
        if destination.stream is not None:
            Delivery(settings, config, name).close()  # a wrong config stops the start, not the thread
            loops[name] = _delivery(settings, config, name, stop)
    threads = [
        threading.Thread(target=keep, args=(settings, name, make, stop), name=name) for name, make in loops.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def keep(settings: Settings, name: str, make: Callable[[], Loop], stop: threading.Event) -> None:
    """Run one loop until `stop`, starting it again after any failure, with growing pauses while it keeps failing."""
    pause = 0.0
    while not stop.wait(pause):
        with exclusive(settings, name) as is_ours:
            if not is_ours:
                pause = 1.0
                continue
            try:
                loop = make()
                try:
                    while not stop.is_set():
                        passed = loop.step()
                        pause = 0.0
                        if not passed:
                            stop.wait(POLL_SECONDS)
                finally:
                    loop.close()
            except (HeadwaterError, OSError) as error:
                log.warning("%s: %s", name, error)
            except Exception:
                log.exception("%s: an unexpected fault; it goes on", name)
        pause = min(LONGEST_PAUSE, max(1.0, pause * 2))


def _delivery(settings: Settings, config: Config, name: str, stop: threading.Event) -> Callable[[], Loop]:
    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise _StoppedError("told to stop")

    return lambda: Delivery(
        settings, config, name, make_sender=lambda destination: Sender(name, destination.rate, sleep=sleep)
    )


class _StoppedError(HeadwaterError):
    """The worker was told to stop in the middle of a wait; what was not answered is sent again next time."""
