"""`headwater status`: what this home holds, without starting anything.

Belongs here: the command. Does not belong here: the layout (`summary`).
"""

from __future__ import annotations

import click

from headwater.configuration import load_config
from headwater.entrance.summary import show_summary
from headwater.errors import UsageError
from headwater.settings import load_settings
from headwater.storage.home import read_home


@click.command("status")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder.")
def status(home: str | None, config: str | None) -> None:
    """Show what is in this home and how old it is."""
    settings = load_settings(home, config)
    held = read_home(settings)
    if held is None or not settings.warehouse_read.exists():
        raise UsageError(f"{settings.home} holds nothing yet.", hint="`make run` fills it.")
    click.echo(f"{settings.home} holds {held.holds}, as of {held.as_of}")
    show_summary(settings, load_config(settings))
