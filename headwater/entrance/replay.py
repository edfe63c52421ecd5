"""`headwater replay`: put through again what did not get through, after what was wrong is mended.

Belongs here: the command and its options. Does not belong here: any replay itself; each is in its verb's room.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from headwater.configuration import Config, load_config
from headwater.errors import UsageError
from headwater.event import moment
from headwater.policy.choice import Choice
from headwater.settings import Settings, load_settings

_CHOOSING = ("reason", "source", "event", "since", "until", "ids")
_MENDING = ("dry_run", "export", "mended")


@click.command("replay")
@click.option("--destination", metavar="NAME", help="Dead letters of this streaming destination.")
@click.option("--quarantine", is_flag=True, help="Events that were kept aside, judged anew by the running collector.")
@click.option("--warehouse", is_flag=True, help="The tables of schema events, derived anew from raw.events.")
@click.option("--reason", help="Only those whose reason contains this text.")
@click.option("--source", help="Only events of this source.")
@click.option("--event", help="Only this event (or type: identify, page, …); also with --warehouse.")
@click.option("--since", metavar="TIME", help="Only those received since then (ISO 8601, UTC).")
@click.option("--until", metavar="TIME", help="Only those received before then (ISO 8601, UTC).")
@click.option("--id", "ids", multiple=True, help="Only this messageId or quarantineId; may be repeated.")
@click.option("--dry-run", is_flag=True, help="With --quarantine: only say what would be sent.")
@click.option("--export", type=click.Path(path_type=Path), help="With --quarantine: write them to a file instead.")
@click.option("--mended", type=click.Path(path_type=Path), help="With --quarantine: send an exported file, mended.")
@click.option("--json", "is_json", is_flag=True, help="Tell what was done as JSON, as POST /v1/replay does.")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def replay(
    destination: str | None,
    quarantine: bool,
    warehouse: bool,
    is_json: bool,
    home: str | None,
    config: str | None,
    **given: Any,
) -> None:
    """Put events through again that did not get through, each once."""
    if [bool(destination), quarantine, warehouse].count(True) != 1:
        raise UsageError("Say what to replay: --destination NAME, --quarantine or --warehouse.")
    if not quarantine:
        _refuse(given, _MENDING, "--quarantine")
    if warehouse:
        _refuse(given, tuple(name for name in _CHOOSING if name != "event"), "--quarantine or --destination")
    choice = Choice(
        reason=given["reason"],
        source=given["source"],
        event=given["event"],
        since=_time(given, "since"),
        until=_time(given, "until"),
        ids=given["ids"],
    )
    if given["mended"] and choice != Choice():
        raise UsageError("With --mended the file says which rows are meant; take the others out of it.")
    settings = load_settings(home, config)
    read = load_config(settings)
    if destination:
        told, text = _destination(settings, read, destination, choice)
    elif warehouse:
        told, text = _warehouse(settings, read, given["event"])
    elif given["export"]:
        told, text = _export(settings, choice, given["mended"], given["export"])
    elif given["dry_run"]:
        told, text = _dry_run(settings, choice, given["mended"])
    else:
        told, text = _quarantine(settings, read, choice, given["mended"])
    click.echo(json.dumps(told) if is_json else text)


def _refuse(given: dict[str, Any], names: tuple[str, ...], only_with: str) -> None:
    for name in names:
        if given[name]:
            option = {"ids": "id"}.get(name, name.replace("_", "-"))
            raise UsageError(f"--{option} goes only with {only_with}.")


def _time(given: dict[str, Any], name: str) -> datetime | None:
    found = moment(given[name])
    if given[name] and found is None:
        raise UsageError(f"--{name} «{given[name]}» is not an ISO 8601 date or time.")
    return found


def _destination(settings: Settings, config: Config, name: str, choice: Choice) -> tuple[dict[str, Any], str]:
    from headwater.push.dead import replay as replay_dead

    report = replay_dead(settings, config, name, choice)
    text = (
        f"{name}: {report.replayed} dead letters put through again; {report.delivered} delivered, "
        f"{report.filtered} filtered, {report.rejected} refused again."
    )
    return vars(report), text


def _rows(settings: Settings, choice: Choice, mended: Path | None) -> Any:
    from headwater.collect import quarantine as aside

    return aside.Chosen(settings, choice) if mended is None else aside.read_mended(mended)


def _quarantine(settings: Settings, config: Config, choice: Choice, mended: Path | None) -> tuple[dict[str, Any], str]:
    from headwater.collect import quarantine as aside
    from headwater.collect.unlanded import count_unlanded

    waiting = count_unlanded(settings, choice) if mended is None else 0
    report = aside.replay_quarantine(settings, config, _rows(settings, choice, mended))
    report.waiting = waiting
    lines = [
        f"{report.chosen:,} rows put through again: {report.accepted:,} events accepted, "
        f"{report.dropped:,} dropped by the plan, {report.still.total():,} rows stay kept aside."
    ]
    lines += [f"  {count:>8,}  still: {words}" for words, count in report.still.most_common()]
    if report.already:
        lines.append(f"{report.already:,} rows were already replayed, and are not put through a second time.")
    lines += _waiting(waiting)
    return vars(report), "\n".join(lines)


def _dry_run(settings: Settings, choice: Choice, mended: Path | None) -> tuple[dict[str, Any], str]:
    from headwater.collect import quarantine as aside
    from headwater.collect.unlanded import count_unlanded

    rows = _rows(settings, choice, mended)
    counts = aside.count_by_reason(rows)
    already = getattr(rows, "already", 0)
    lines = [f"{counts.total():,} rows would be sent through the collector again."]
    lines += [f"  {count:>8,}  {words}" for words, count in counts.most_common()]
    if already:
        lines.append(f"{already:,} rows were already replayed.")
    waiting = count_unlanded(settings, choice) if mended is None else 0
    lines += _waiting(waiting)
    told = {"chosen": counts.total(), "already": already, "waiting": waiting, "reasons": counts}
    return told, "\n".join(lines)


def _waiting(count: int) -> list[str]:
    words = "row has not landed yet" if count == 1 else "rows have not landed yet"
    return [f"{count:,} {words}: only what has landed can be put through again."] if count else []


def _export(settings: Settings, choice: Choice, mended: Path | None, path: Path) -> tuple[dict[str, Any], str]:
    from headwater.collect import quarantine as aside

    count = aside.export(_rows(settings, choice, mended), path)
    text = f"{count:,} rows written to {path}. Mend them, then: headwater replay --quarantine --mended {path}"
    return {"chosen": count}, text


def _warehouse(settings: Settings, config: Config, event: str | None) -> tuple[dict[str, Any], str]:
    from headwater.load.rederive import rederive

    report = rederive(settings, config, event)
    text = (
        f"{report.tables} tables derived anew from {report.events:,} events: {report.rows:,} rows, "
        f"{report.discards:,} values that no column takes (events.rudder_discards)."
    )
    return vars(report), text
