"""`headwater sync` and `headwater stream`.

Belongs here: options and the words on the screen. Does not belong here: any work.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
from typing import TYPE_CHECKING

import click

from headwater.configuration import load_config
from headwater.errors import UsageError
from headwater.settings import load_settings

if TYPE_CHECKING:
    from headwater.push.changes import Scope
    from headwater.push.destinations.base import Request


@click.command("sync")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Print the exact HTTP requests (tokens hidden) and send none.")
@click.option("--query", is_flag=True, help="Show the rows that are due, one JSON object a line, and send none.")
@click.option("--rejected", is_flag=True, help="Send only the rows that the tool refused, now.")
@click.option("--full", is_flag=True, help="Send every row again, changed or not.")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def sync(
    name: str, dry_run: bool, query: bool, rejected: bool, full: bool, home: str | None, config: str | None
) -> None:
    """Run the reverse-ETL sync NAME (config/syncs/NAME.yaml): send what has changed."""
    from headwater.push.sync import preview, run_sync
    from headwater.storage.warehouse import connect, connect_read

    if rejected and full:
        raise UsageError("--rejected and --full exclude each other.")
    scope: Scope = "rejected" if rejected else "all" if full else "changed"
    settings = load_settings(home, config)
    loaded = load_config(settings)
    if dry_run or query:
        with connect_read(settings) as con:
            _, requests, rows = preview(con, loaded, name, scope=scope)
        if query:
            for row in rows:
                click.echo(json.dumps({"key": row.key, "operation": row.operation, "fields": json.loads(row.fields)}))
        else:
            for request in requests:
                click.echo(show(request))
            click.echo(f"{len(requests)} requests, {len(rows)} rows; none sent.", err=True)
        return
    with connect(settings, purpose=f"sync {name}") as con:
        report = run_sync(con, settings, loaded, name, settings.as_of, scope=scope)
    click.echo(
        f"{name}: {report.selected} rows, {report.changed} due; {report.accepted} accepted, {report.rejected} "
        f"refused in {report.requests} requests."
    )
    if report.rejected:
        click.echo(f"The reasons are in push.rejected_rows (sync = '{name}').")


@click.command("stream")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def stream(home: str | None, config: str | None) -> None:
    """Deliver events to the streaming destinations, and keep live sessions, as events arrive; until stopped."""
    from headwater.push.worker import work

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    settings = load_settings(home, config)
    loaded = load_config(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    names = [name for name, destination in loaded.destinations.items() if destination.stream is not None]
    click.echo(f"stream: {settings.log_dir} → {', '.join([*names, 'live sessions'])}")
    work(settings, loaded, stop)


def show(request: Request) -> str:
    """A request as text, with its credentials hidden."""
    hidden = {"Authorization": "Bearer …"}
    headers = "\n".join(f"{name}: {hidden.get(name, value)}" for name, value in request.headers.items())
    return f"{request.method} {request.url}\n{headers}\n\n{request.body.decode()}\n"
