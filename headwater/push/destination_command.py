"""`headwater destination`: what streaming destinations there are, and switching them on and off while all runs.

Belongs here: options and the words on the screen. Does not belong here: the switch (`headwater.storage.deliveries`).
"""

from __future__ import annotations

import click

from headwater.configuration import Config, load_config
from headwater.errors import ConfigError
from headwater.push.checking import faults, refuse_faults, words
from headwater.settings import Settings, load_settings


@click.group("destination")
def destination() -> None:
    """Show streaming destinations, and switch them on and off."""


@destination.command("list")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def list_(home: str | None, config: str | None) -> None:
    """Each streaming destination: whether it is on, what it was given, what went wrong."""
    settings = load_settings(home, config)
    loaded = _load(settings)
    wrong = faults(loaded)
    streaming = {name for name, found in loaded.destinations.items() if found.stream is not None}
    rows = [_row(settings, loaded, name, wrong.get(name)) for name in sorted(streaming | set(loaded.unusable))]
    if not rows:
        click.echo("No destination has a `stream:` part, so events are streamed nowhere.")
        return
    table = [("destination", "type", "", "delivered", "dead", "filtered", "last problem"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        cells = [
            cell.rjust(width) if 3 <= column <= 5 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())
    refuse_faults(loaded)


@destination.command("on")
@click.argument("name")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def on(name: str, home: str | None, config: str | None) -> None:
    """Deliver events to NAME again; what passed while it was off is not made up for."""
    _turn(name, True, home, config)


@destination.command("off")
@click.argument("name")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def off(name: str, home: str | None, config: str | None) -> None:
    """Let events pass by NAME until it is switched on; they are counted."""
    _turn(name, False, home, config)


def _turn(name: str, enabled: bool, home: str | None, config: str | None) -> None:
    from headwater.storage.deliveries.switch import set_enabled

    settings = load_settings(home, config)
    loaded = load_config(settings)
    known = [each for each, found in loaded.destinations.items() if found.stream is not None] + list(loaded.unusable)
    if name not in known:
        raise ConfigError(f"«{name}» is no streaming destination; those are: {', '.join(known) or 'none'}.")
    set_enabled(settings, name, enabled)
    click.echo(f"{name} is {'on' if enabled else 'off'}; a running worker follows within a second.")


def _load(settings: Settings) -> Config:
    try:
        return load_config(settings)
    except ConfigError as error:
        raise ConfigError(
            error.message, hint=f"{error.hint} A running worker goes on with the config as it was before.".strip()
        ) from error


def _row(settings: Settings, config: Config, name: str, wrong: ConfigError | None) -> tuple[str, ...]:
    from headwater.storage.deliveries.progress import standing, unusable_words

    found = standing(settings, config, name)
    counts = (f"{count:,}" for count in (found.delivered, found.dead, found.filtered))
    problem = f"since {found.failing_since:%Y-%m-%d %H:%M}: {found.last_error}" if found.failing_since else ""
    if wrong:
        problem = unusable_words(words(wrong, name))
    problem = "; ".join(filter(None, (problem, found.suspended)))
    return (name, found.type, "on" if found.is_enabled else "off", *counts, problem)
