"""`headwater explain`: why an identifier belongs to its person.

Belongs here: options, and opening the read copy. Does not belong here: what is told (`explaining`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from headwater.configuration import load_config
from headwater.errors import UsageError
from headwater.settings import load_settings

MOST = 50


@click.group()
def explain() -> None:
    """Show what makes an identifier belong to its person."""


@explain.command()
@click.argument("identifier", metavar="ID")
@click.option("--home", type=click.Path(path_type=Path), help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", type=click.Path(path_type=Path), help="Config folder (default: config/).")
@click.option("--all", "is_whole", is_flag=True, help=f"Tell every identifier and tie, not the first {MOST} of each.")
def person(identifier: str, is_whole: bool, home: Path | None, config: Path | None) -> None:
    """Print the person whom ID names, every tie that makes it one person with the row that says so, what was not
    believed and why, and what changed. ID is email:ann@example.com, or any identifier or customer id by itself."""
    from headwater.match.explaining import describe
    from headwater.storage.warehouse import connect_read, read_copy

    if not identifier.strip():
        raise UsageError("An identifier is empty.", hint="For example: user_id:17850 or ann@example.com.")
    settings = load_settings(home, config)
    rules = load_config(settings).identity
    with connect_read(settings) as con:
        for line in describe(con, rules, identifier, None if is_whole else MOST):
            click.echo(line)
    if copy := read_copy(settings):
        minutes = copy.age_seconds(datetime.now(UTC).replace(tzinfo=None)) / 60
        behind = "; the warehouse was written since" if copy.is_behind else ""
        click.echo(
            f"From the read copy of {copy.published_at:%Y-%m-%d %H:%M:%S} UTC ({minutes:.0f} minutes old{behind})."
        )
