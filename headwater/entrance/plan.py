"""`headwater plan check | coverage | infer`: the tracking plan, seen from the command line.

Belongs here: options, files that are written, words on the screen. Does not belong here: what is wrong with a plan
(`headwater.policy.plan_check`), what a draft says (`headwater.policy.plan_infer`), what arrived
(`headwater.load.plan_coverage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headwater.configuration import load_config
from headwater.errors import UsageError
from headwater.policy.plan import Checker
from headwater.policy.plan_check import check_plan
from headwater.policy.plan_infer import NOBODY, draft, file_name, to_yaml
from headwater.settings import Settings, load_settings
from headwater.storage.warehouse import connect_read

if TYPE_CHECKING:
    from headwater.load.plan_coverage import AtDestination, Covered

HOME = click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
_TITLES = {
    "planned_and_seen": "Planned and seen",
    "planned_never_seen": "Planned and never seen",
    "seen_unplanned": "Seen and not planned",
}
CONFIG = click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")


@click.group("plan")
def plan() -> None:
    """The tracking plan: is it sound, does it match what arrives, draft it from what arrived."""


@plan.command("check")
@CONFIG
@click.pass_context
def check(context: click.Context, config: str | None) -> None:
    """Check tracking_plan/*.yaml: schemas, names, examples, PII paths. Ends with 1 when something is wrong."""
    folder = load_settings(None, config).config_dir / "tracking_plan"
    found = check_plan(folder)
    here = Path.cwd()
    for fault in found.faults:
        path = fault.path.relative_to(here) if fault.path.is_relative_to(here) else fault.path
        click.echo(str(replace(fault, path=path)))
    events = f"{found.events} planned event{'' if found.events == 1 else 's'}"
    if found.faults:
        click.echo(f"{events}, {len(found.faults)} fault{'' if len(found.faults) == 1 else 's'}", err=True)
        context.exit(1)
    click.echo(f"{events}, no fault" if found.events else f"{folder} plans nothing yet; `headwater plan infer` drafts.")


@plan.command("coverage")
@click.option("--only", type=click.Choice(["planned_and_seen", "planned_never_seen", "seen_unplanned"]))
@HOME
@CONFIG
def coverage(only: str | None, home: str | None, config: str | None) -> None:
    """Hold the plan against what arrived, and against what each destination received (as of the read copy)."""
    from headwater.load.plan_coverage import coverage_of

    settings = load_settings(home, config)
    _expect_read_copy(settings)
    with connect_read(settings) as connection:
        rows = coverage_of(connection, load_config(settings))
    for line in _table(rows, only):
        click.echo(line)


@plan.command("infer")
@click.option(
    "--event", "event_name", help="Only this event (a track's name, a page's, or `identify`), planned or not."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write one file an event there.")
@click.option("--owner", default=NOBODY, show_default=True, help="Who answers for the drafted events.")
@click.option(
    "--sample", type=click.IntRange(1), default=20_000, show_default=True, help="Latest events looked at, each."
)
@HOME
@CONFIG
def infer(
    event_name: str | None, out: Path | None, owner: str, sample: int, home: str | None, config: str | None
) -> None:
    """Draft YAML from recorded events: of all that nobody planned yet, or of one.

    A file that is there already is left as it is.
    """
    from headwater.load.plan_coverage import recorded, seen_events

    settings = load_settings(home, config)
    _expect_read_copy(settings)
    checker = Checker(load_config(settings))
    with connect_read(settings) as connection:
        seen = seen_events(connection)
        chosen = [
            event
            for event in seen
            if (event_name in (event.event, event.type) if event_name else not checker.file_of(event.type, event.event))
        ]
        if event_name and not chosen:
            known = ", ".join(sorted({event.event or event.type for event in seen})) or "none"
            raise UsageError(f"No event «{event_name}» was recorded.", hint=f"There are: {known}.")
        drafts = {
            file_name(event.type, event.event): to_yaml(
                draft(event.type, event.event, recorded(connection, event, sample), owner)
            )
            for event in chosen
        }
    if not drafts:
        click.echo("Every event that was recorded is planned.")
    if out is not None and drafts:
        out.mkdir(parents=True, exist_ok=True)
    for name, text in drafts.items():
        if out is None:
            click.echo(f"# tracking_plan/{name}.yaml\n{text}")
        elif (path := out / f"{name}.yaml").exists():
            click.echo(f"{path} is there already")
        else:
            path.write_text(text, encoding="utf-8")
            click.echo(f"{path} written")


def _table(rows: list[Covered], only: str | None) -> Iterator[str]:
    """Lines of text: a headed block for each status, one line an event, one column a destination."""
    destinations = list(dict.fromkeys(name for row in rows for name in row.destinations))
    for status, title in _TITLES.items():
        if only not in (None, status):
            continue
        block = [row for row in rows if row.status == status]
        yield f"{title}: {len(block)}"
        if not block:
            continue
        aside = status != "planned_never_seen"
        heads = ["type", "event", *(["events", "violating", "quarantined", "dropped"] if aside else ["owner"])]
        heads += [*(["last seen"] if aside else []), *destinations]
        lines = [heads]
        for row in block:
            counts = [row.events, row.violating, row.quarantined, row.dropped]
            cells = [row.type, row.event or "(any)", *([f"{count:,}" for count in counts] if aside else [row.owner])]
            if aside:
                cells.append(f"{row.last_seen_at:%Y-%m-%d}" if row.last_seen_at else "")
            lines.append([*cells, *(_cell(row.destinations[name]) for name in destinations)])
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        is_number = [aside and 2 <= column <= 5 for column in range(len(heads))]
        for line in lines:
            cells = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, is_number, strict=True)
            ]
            yield f"  {'  '.join(cells)}".rstrip()


def _cell(there: AtDestination) -> str:
    if there.state == "receives":
        more = [f"{there.filtered:,} filtered"] if there.filtered else []
        more += [f"{there.rejected:,} rejected"] if there.rejected else []
        return ", ".join([f"{there.delivered:,}", *more])
    if there.state == "filtered":
        return f"none: {', '.join(there.reasons) or 'filtered'}"
    return "-" if there.state == "withheld" else "nothing yet"


def _expect_read_copy(settings: Settings) -> None:
    if not settings.warehouse_read.is_file():
        raise UsageError(
            f"{settings.home} holds no recorded events yet.", hint="`make run` or `make up` brings them in."
        )
