"""`headwater up`: every service, watched and restarted, until Ctrl-C.

Belongs here: the order of starting and the watch. Does not belong here: the list (`services`) or the mechanics
(`processes`).
"""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from headwater.configuration import load_config
from headwater.entrance.company import prepare_company
from headwater.entrance.options import entrance_options, entrance_settings
from headwater.entrance.processes import Processes, last_line, require_free_port, run_step, stop_on_signals
from headwater.entrance.services import Service, services
from headwater.storage.home import claim_home, entrance_lock, held_data
from headwater.storage.online import ensure_redis

RESTART_SECONDS = (1, 2, 5, 10, 30)


@click.command("up")
@entrance_options
def up(people: int | None, **options: Any) -> None:
    """Start every service and keep it running until Ctrl-C."""
    settings = entrance_settings(**options)
    load_config(settings)
    stop_on_signals()
    with entrance_lock(settings, "headwater up"):
        held = claim_home(settings, options["data"] or held_data(settings))
        wanted = [s for s in services(settings) if held.data_dir is None or not s.example_only]
        with Processes(settings) as processes:
            for service in wanted:
                if service.port:
                    require_free_port(settings.host, service.port, service.name)
            if held.data_dir is None:
                prepare_company(settings, people)
            run_step(settings, [sys.executable, "-m", "orchestration.launch", "--prepare", "--exclusive"], "prepare")
            with ensure_redis(settings):
                for service in wanted:
                    processes.start(service)
                    where = f"http://{settings.host}:{service.port}" if service.port else "running"
                    click.echo(f"  {service.name:<20}{where}")
                click.echo(f"Everything is running; logs are in {settings.logs_dir}. Ctrl-C stops all.")
                try:
                    _watch(processes, {s.name: s for s in wanted})
                except KeyboardInterrupt:
                    click.echo("Stopping.")


def _watch(processes: Processes, wanted: dict[str, Service]) -> None:
    """Restart what ends by itself, waiting longer each time it does; a minute of calm forgives."""
    restarts: dict[str, list[float]] = {}
    while True:
        time.sleep(1)
        for name, code in processes.ended().items():
            now = time.monotonic()
            recent = [moment for moment in restarts.get(name, []) if now - moment < 60]
            pause = RESTART_SECONDS[min(len(recent), len(RESTART_SECONDS) - 1)]
            click.echo(
                f"The {name} ended with code {code} ({last_line(processes.log_path(name))}); restart in {pause} s."
            )
            time.sleep(pause)
            restarts[name] = [*recent, now]
            processes.stop(name)
            processes.start(wanted[name], wait=False)
