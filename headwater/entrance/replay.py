"""`headwater replay`: put through again what did not get through, after what was wrong is mended.

Belongs here: the command and its options. Does not belong here: any replay itself; each is in its verb's room.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from headwater.configuration import Config, load_config
from headwater.errors import UsageError
from headwater.settings import Settings, load_settings, parse_as_of


@click.command("replay")
@click.option("--destination", metavar="NAME", help="Dead letters of this streaming destination.")
@click.option("--quarantine", is_flag=True, help="Events that were kept aside, judged anew by the running collector.")
@click.option("--warehouse", is_flag=True, help="The tables of schema events, derived anew from raw.events.")
@click.option("--reason", help="Only those whose reason contains this text.")
@click.option("--source", help="With --quarantine: only events of this source.")
@click.option("--event", help="With --quarantine or --warehouse: only this event (or type: identify, page, …).")
@click.option("--since", metavar="TIME", help="With --quarantine: only those received since then (ISO 8601, UTC).")
@click.option("--dry-run", is_flag=True, help="With --quarantine: only say what would be sent.")
@click.option("--export", type=click.Path(path_type=Path), help="With --quarantine: write them to a file instead.")
@click.option("--mended", type=click.Path(path_type=Path), help="With --quarantine: send an exported file, mended.")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def replay(
    destination: str | None,
    quarantine: bool,
    warehouse: bool,
    reason: str | None,
    source: str | None,
    event: str | None,
    since: str | None,
    dry_run: bool,
    export: Path | None,
    mended: Path | None,
    home: str | None,
    config: str | None,
) -> None:
    """Put events through again that did not get through."""
    if [bool(destination), quarantine, warehouse].count(True) != 1:
        raise UsageError("Say what to replay: --destination NAME, --quarantine or --warehouse.")
    settings = load_settings(home, config)
    read = load_config(settings)
    if destination:
        _destination(settings, read, destination, reason)
    elif warehouse:
        _warehouse(settings, read, event)
    else:
        then = parse_as_of(since) if since else None
        _quarantine(settings, read, (reason, source, event, then), dry_run=dry_run, export=export, mended=mended)


def _destination(settings: Settings, config: Config, name: str, reason: str | None) -> None:
    from headwater.push.dead import replay as replay_dead

    report = replay_dead(settings, config, name, reason)
    click.echo(
        f"{name}: {report.replayed} dead letters put through again; {report.delivered} delivered, "
        f"{report.filtered} filtered, {report.rejected} refused again."
    )


def _quarantine(
    settings: Settings,
    config: Config,
    wanted: tuple[str | None, str | None, str | None, datetime | None],
    *,
    dry_run: bool,
    export: Path | None,
    mended: Path | None,
) -> None:
    from headwater.collect import quarantine as aside

    rows = aside.choose(settings, aside.Choice(*wanted)) if mended is None else aside.read_mended(settings, mended)
    if export:
        count = aside.export(rows, export)
        click.echo(
            f"{count:,} rows written to {export}. Mend them, then: headwater replay --quarantine --mended {export}"
        )
    elif dry_run:
        counts = aside.count_by_reason(rows)
        click.echo(f"{counts.total():,} rows would be sent through the collector again.")
        for words, count in counts.most_common():
            click.echo(f"  {count:>8,}  {words}")
    else:
        report = aside.replay_quarantine(settings, config, rows)
        click.echo(
            f"{report.chosen:,} rows put through again: {report.accepted:,} events accepted, "
            f"{report.dropped:,} dropped by the plan, {report.still.total():,} rows stay kept aside."
        )
        for words, count in report.still.most_common():
            click.echo(f"  {count:>8,}  still: {words}")
        if not report.chosen:
            click.echo("Only what has landed can be put through again: a row of the last minute may not be there yet.")


def _warehouse(settings: Settings, config: Config, event: str | None) -> None:
    from headwater.load.rederive import rederive

    report = rederive(settings, config, event)
    click.echo(
        f"{report.tables} tables derived anew from {report.events:,} events: {report.rows:,} rows, "
        f"{report.discards:,} values that no column takes (events.rudder_discards)."
    )
