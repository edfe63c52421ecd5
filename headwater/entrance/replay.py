"""`headwater replay`: put through again what did not get through, after what was wrong is mended.

Belongs here: the command and its options. Does not belong here: any replay itself; each is in its verb's room.
"""

from __future__ import annotations

import click

from headwater.configuration import load_config
from headwater.errors import UsageError
from headwater.settings import load_settings


@click.command("replay")
@click.option("--destination", help="Dead letters of this streaming destination.")
@click.option("--reason", help="Only those whose reason contains this text.")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def replay(destination: str | None, reason: str | None, home: str | None, config: str | None) -> None:
    """Put events through again that did not get through."""
    if not destination:
        raise UsageError("Say what to replay: --destination NAME.")
    from headwater.push.dead import replay as replay_dead

    settings = load_settings(home, config)
    report = replay_dead(settings, load_config(settings), destination, reason)
    click.echo(
        f"{destination}: {report.replayed} dead letters put through again; {report.delivered} delivered, "
        f"{report.filtered} filtered, {report.rejected} refused again."
    )
