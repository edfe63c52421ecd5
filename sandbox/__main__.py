"""`python -m sandbox`: simulate the company, serve its tools, send its live events.

Belongs here: options and their defaults, and today's date, which nothing else here reads.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click

from sandbox.errors import SandboxError

_FOLDER = click.Path(path_type=Path, file_okay=False)
_SECRETS = click.option(
    "--hook-secrets",
    "lines",
    envvar="SANDBOX_HOOK_SECRETS",
    default="",
    help="SOURCE=SECRET, one a line; by the variable, nobody reads them in the list of processes.",
    show_envvar=True,
)


class _Day(click.ParamType):
    name = "YYYY-MM-DD"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value} is no day like 2026-03-31", param, ctx)


@click.group(help="The example company that Headwater's stacks are told with.")
def main() -> None:
    """The commands."""


@main.command()
@click.option("--out", type=_FOLDER, required=True, help="The company's folder.")
@click.option("--people", type=click.IntRange(20), help="About how many people; default 5000, then kept.")
@click.option("--seed", type=int, help="Of everything that is drawn; default 7, then kept.")
@click.option("--as-of", type=_Day(), help="The first day that is not told; default today (UTC).")
@click.option("--opened", type=_Day(), help="First day of history; default 13 months before --as-of, then kept.")
@click.option("--inbox", type=_FOLDER, help="Drop new chat files into INBOX/contact_centre/.")
def simulate(
    out: Path, people: int | None, seed: int | None, as_of: date | None, opened: date | None, inbox: Path | None
) -> None:
    """Write the company's history; a later day only adds."""
    from sandbox.company.files import drop_chats
    from sandbox.company.simulate import simulate as tell

    told = tell(out, people=people, seed=seed, as_of=as_of or datetime.now(UTC).date(), opened=opened)
    counts = told["counts"]
    if told["is_new"]:
        click.echo(
            f"{counts['people']:,} people and {counts['events']:,} events from {told['opened']} to {told['as_of']} "
            f"({counts['live']:,} of them to be sent live), {counts['chats']:,} chats, in {told['seconds']} s"
        )
    else:
        click.echo(
            f"{out} is already told up to {told['as_of']}: {counts['people']:,} people, {counts['events']:,} events"
        )
    if inbox is not None:
        click.echo(f"{drop_chats(out / 'company', inbox)} new chat files dropped into {inbox / 'contact_centre'}")


@main.command()
@click.option("--dir", "folder", type=_FOLDER, required=True, help="The company's folder.")
@click.option("--port", type=int, default=8070, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--inbox", type=_FOLDER, help="Keep dropping new chat files into INBOX/contact_centre/.")
@click.option(
    "--collector", default="http://127.0.0.1:8080", show_default=True, help="Where the shop's page sends its events."
)
@click.option("--rate", "rates", multiple=True, metavar="TOOL=N", help="Requests per second of one tool; default 50.")
@click.option("--hooks", is_flag=True, help="The tools call the collector's webhooks as things happen in them.")
@click.option("--hooks-to", envvar="SANDBOX_HOOKS_TO", help="Where these calls go; default: the collector.")
@click.option(
    "--hook-secret", "secrets", multiple=True, metavar="SOURCE=SECRET", help="Default: the shipped example's."
)
@click.option(
    "--db-port",
    type=int,
    default=8071,
    show_default=True,
    help="Of the payments database; any free one when it is taken.",
)
@click.option("--no-database", is_flag=True, help="The payments' records over HTTP only; nothing can be pulled by SQL.")
@_SECRETS
def serve(
    folder: Path,
    port: int,
    db_port: int,
    no_database: bool,
    host: str,
    inbox: Path | None,
    collector: str,
    rates: tuple[str, ...],
    hooks: bool,
    hooks_to: str | None,
    secrets: tuple[str, ...],
    lines: str,
) -> None:
    """Serve the company's tools (CRM, payments, email, support, contact centre) and its shop."""
    from sandbox.database.server import Postgres
    from sandbox.hooks.outbox import Outbox
    from sandbox.tools.server import serve as run

    database = None if no_database else Postgres(folder, host=host, port=db_port)
    outbox = Outbox(hooks_to or collector, _told(lines) | _pairs(secrets)) if hooks else None
    told = _parse_rates(rates)
    run(folder, host=host, port=port, rates=told, inbox=inbox, collector=collector, outbox=outbox, database=database)


@main.command()
@click.option("--dir", "folder", type=_FOLDER, required=True, help="The company's folder.")
@click.option("--collector", default="http://127.0.0.1:8080", show_default=True, help="Where to send.")
@click.option("--write-key", "keys", multiple=True, metavar="SOURCE=KEY", help="Default wk_web_demo and so on.")
@click.option("--again", is_flag=True, help="Send also what this collector has already taken.")
def send(folder: Path, collector: str, keys: tuple[str, ...], again: bool) -> None:
    """Send the company's latest events with Segment's SDK, each as its source."""
    from sandbox.live import send_live

    sent, skipped = send_live(folder, collector, _pairs(keys), again=again)
    click.echo(f"{sent:,} live events sent to {collector}" + (f", {skipped:,} sent before" if skipped else ""))


@main.command()
@click.option("--dir", "folder", type=_FOLDER, required=True, help="The company's folder.")
@click.option("--to", "collector", default="http://127.0.0.1:8080", show_default=True, help="The collector.")
@click.option("--secret", "secrets", multiple=True, metavar="SOURCE=SECRET", help="Default: the shipped example's.")
@click.option("--limit", type=click.IntRange(1), default=3, show_default=True, help="Latest records of each tool.")
@_SECRETS
def hooks(folder: Path, collector: str, secrets: tuple[str, ...], limit: int, lines: str) -> None:
    """Let every tool call the collector's webhooks about its latest records; a second time they are the same calls."""
    from sandbox.hooks.happenings import latest_mailing, recent_calls
    from sandbox.hooks.outbox import Outbox
    from sandbox.tools.store import Store

    store = Store(folder / "tools.sqlite")
    outbox = Outbox(collector, _told(lines) | _pairs(secrets))
    for call in [*latest_mailing(store, limit), *recent_calls(store, limit)]:
        outbox.put(call)
    is_done = outbox.wait_empty(60)
    outbox.close()
    if outbox.refused or not is_done:
        raise SandboxError(f"{collector} did not take all calls: {(outbox.refused or ['it does not answer'])[0]}")
    click.echo(", ".join(f"{count} of {source}" for source, count in sorted(outbox.sent.items())) or "nothing to send")


def _told(lines: str) -> dict[str, str]:
    """The secrets that a variable gives, one a line; of an empty one the shipped example's stays."""
    return {name: secret for name, secret in _pairs(tuple(filter(None, lines.splitlines()))).items() if secret}


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    for pair in given:
        if "=" not in pair:
            raise SandboxError(f"«{pair}» is not SOURCE=VALUE.")
    return dict(pair.split("=", 1) for pair in given)


def _parse_rates(pairs: tuple[str, ...]) -> dict[str, float]:
    from sandbox.tools.rules import DEFAULT_RATES

    rates: dict[str, float] = {}
    for pair in pairs:
        tool, _, number = pair.partition("=")
        try:
            rates[tool] = float(number)
        except ValueError:
            rates[tool] = 0.0
        if tool not in DEFAULT_RATES or rates[tool] <= 0:
            raise SandboxError(f"--rate {pair} is not TOOL=N with one of {', '.join(DEFAULT_RATES)} and N above 0.")
    return rates


if __name__ == "__main__":
    try:
        main()
    except SandboxError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"Error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        sys.exit(1)
