"""`headwater status`: what runs in this home and what it holds, without starting anything.

Belongs here: the command. Does not belong here: the layout of what is held (`summary`).
"""

from __future__ import annotations

from contextlib import closing

import click

from headwater.configuration import load_config
from headwater.entrance.processes import running
from headwater.entrance.services import services
from headwater.entrance.summary import show_summary
from headwater.errors import UsageError
from headwater.push.checking import refuse_faults
from headwater.settings import Settings, load_settings
from headwater.storage.failures import Failures
from headwater.storage.home import read_home


@click.command("status")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder.")
def status(home: str | None, config: str | None) -> None:
    """Show what runs in this home, what it holds, and how old that is."""
    settings = load_settings(home, config)
    _show_running(settings)
    with closing(Failures(settings.log_dir)) as failures:
        for source, why in failures.suspended().items():
            click.echo(f"Events of source {source} are kept aside: {why}")
    held = read_home(settings)
    if held is None or not settings.warehouse_read.exists():
        raise UsageError(f"{settings.home} holds nothing yet.", hint="`make run` fills it.")
    click.echo(f"{settings.home} holds {held.holds}, as of {held.as_of}")
    config_now = load_config(settings)
    show_summary(settings, config_now)
    refuse_faults(config_now)


def _show_running(settings: Settings) -> None:
    found = running(settings)
    click.echo("Running:" if found else "No service is running; `make up` starts them.")
    for name in (service.name for service in services(settings) if service.name in found):
        click.echo(f"  {name:<20}process {found[name]}")
