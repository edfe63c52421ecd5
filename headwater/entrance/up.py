"""`headwater up`: every service, watched and restarted, until Ctrl-C.

Belongs here: the order of starting and the watch. Does not belong here: the list (`services`) or the mechanics
(`processes`).
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

import click

from headwater.configuration import Config, load_config
from headwater.entrance.company import prepare_company
from headwater.entrance.options import entrance_options, entrance_settings, lake_words
from headwater.entrance.processes import Processes, check_ports, is_asked_to_stop, last_line, run_step, stop_on_signals
from headwater.entrance.services import PREPARE, Service, wanted
from headwater.errors import HeadwaterError, UnavailableError
from headwater.settings import Settings
from headwater.storage.home import Home, claim_home, entrance_lock, full_disk_named, held_data
from headwater.storage.lake import open_lake
from headwater.storage.online import ensure_redis

RESTART_SECONDS = (1, 2, 5, 10, 30)
CALM_SECONDS = 60


@click.command("up")
@entrance_options
def up(people: int | None, **options: Any) -> None:
    """Start every service and keep it running until Ctrl-C."""
    settings = entrance_settings(**options)
    config = load_config(settings)
    stop_on_signals()
    with full_disk_named(settings), entrance_lock(settings, "headwater up"):
        held = claim_home(settings, options["data"] or held_data(settings))
        click.echo(f"{config.platform.company}: {held.holds} → {settings.home}{lake_words(settings)}")
        try:
            open_lake(settings).check()
        except UnavailableError as error:  # events are taken none the less: they wait in the log
            click.echo(f"  {error}")
        with Processes(settings) as processes:
            try:
                _serve(settings, config, held, processes, people)
            except KeyboardInterrupt:
                click.echo("Stopping.")


def _serve(settings: Settings, config: Config, held: Home, processes: Processes, people: int | None) -> None:
    """Start everything in flow order, then watch it; ends only with an exception."""
    needed = wanted(settings, config, with_example=held.data_dir is None)
    check_ports(settings, needed)
    if held.data_dir is None:
        prepare_company(settings, people)
    run_step(settings, [sys.executable, *PREPARE[1:], "--exclusive"], "prepare")
    with ensure_redis(settings):
        for service in needed:
            processes.start(service)
            where = f"http://{settings.host}:{service.port}" if service.port else "running"
            click.echo(f"  {service.name:<20}{where}")
        click.echo(f"Everything is running; logs are in {settings.logs_dir}. Ctrl-C stops all.")
        if not settings.warehouse_read.exists():
            click.echo("Nothing has been brought in yet: stop this and `make run` first, or start a run in Dagster.")
        Watch(processes, needed).run()


class Watch:
    """Restarts what ends by itself, waiting longer each time it does; a minute of calm forgives."""

    def __init__(self, processes: Processes, wanted: list[Service]) -> None:
        self._processes = processes
        self._wanted = {service.name: service for service in wanted}
        self._endings: dict[str, list[float]] = {}
        self._due: dict[str, float] = {}

    def run(self) -> None:
        """Watch until an exception (Ctrl-C) ends it."""
        while not is_asked_to_stop():
            time.sleep(0.5)
            self.look(time.monotonic())
        raise KeyboardInterrupt

    def look(self, now: float) -> None:
        """Say what has ended since the last look, and start again what is due."""
        for name, code in self._processes.ended().items():
            self._processes.stop(name)  # what it left of its process group
            self._postpone(name, _ending(code, last_line(self._processes.log_path(name))), now)
        for name in [name for name, moment in self._due.items() if moment <= now]:
            del self._due[name]
            try:
                self._processes.start(self._wanted[name], wait=False)
            except HeadwaterError as error:
                self._postpone(name, f"cannot start: {error}", now)
            else:
                click.echo(f"The {name} is started again.")

    def _postpone(self, name: str, what: str, now: float) -> None:
        recent = [moment for moment in self._endings.get(name, []) if now - moment < CALM_SECONDS]
        pause = RESTART_SECONDS[min(len(recent), len(RESTART_SECONDS) - 1)]
        self._endings[name] = [*recent, now]
        self._due[name] = now + pause
        log = self._processes.log_path(name)
        click.echo(f"The {name} {what.rstrip('.')}. It is started again in {pause} s; its log is {log}.")


def _ending(code: int, line: str) -> str:
    """How a process ended, in words; its last line says why only when it ended by itself."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}: {line}"
