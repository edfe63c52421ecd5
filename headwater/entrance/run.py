"""`headwater run`: everything in, the whole graph, everything out, and a summary.

Belongs here: the order of the steps. Does not belong here: any step's work.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from headwater.collect.importer import ImportReport, import_events
from headwater.configuration import Config, ConversationSource, load_config
from headwater.entrance.company import prepare_company, send_live_events
from headwater.entrance.options import entrance_options, entrance_settings, lake_words
from headwater.entrance.processes import Processes, check_ports, run_step, stop_on_signals
from headwater.entrance.services import service
from headwater.entrance.summary import show_summary
from headwater.errors import ConfigError, DataError, HeadwaterError
from headwater.settings import Settings
from headwater.storage.home import advance_as_of, claim_home, entrance_lock, full_disk_named, held_data, read_home
from headwater.storage.lake import open_lake
from headwater.storage.log import segments
from headwater.storage.online import ensure_redis
from headwater.storage.warehouse import publish


@click.command("run")
@entrance_options
def run(people: int | None, **options: Any) -> None:
    """Bring everything in, build the whole graph, push, and show what happened."""
    settings = entrance_settings(**options)
    checked = load_config(settings)
    for why in checked.unusable.values():  # a running service goes on without it; a new run should not
        raise ConfigError(why)
    stop_on_signals()
    begun = time.monotonic()
    open_lake(settings).check()
    with full_disk_named(settings), entrance_lock(settings, "headwater run"):
        held = claim_home(settings, options["data"] or held_data(settings))
        click.echo(f"{checked.platform.company}: {held.holds} → {settings.home}{lake_words(settings)}")
        failed_tables: DataError | None = None
        try:
            with Processes(settings) as processes, ensure_redis(settings):
                _collect(settings, checked, processes, held.data_dir, people)
                try:
                    _materialise(settings)
                except DataError as error:  # tables of a tool: what there is to show is without them
                    failed_tables = error
                publish(settings)
        except KeyboardInterrupt:
            raise HeadwaterError("Stopped.", hint="Run it again: it takes up where it was.") from None
        show_summary(settings, checked, seconds=time.monotonic() - begun)
        if failed_tables is not None:
            raise failed_tables


def _collect(settings: Settings, config: Config, processes: Processes, data: Path | None, people: int | None) -> None:
    """History and live events through the collector; the collector is stopped afterwards, which seals its log."""
    collector, sandbox = service(settings, "collector"), service(settings, "sandbox")
    # what the tools would call while this runs depends on its pace, and a run's numbers must not
    sandbox = replace(sandbox, command=tuple(word for word in sandbox.command if word != "--hooks"))
    check_ports(settings, [collector, sandbox] if data is None else [collector])
    if data is None:
        with _timed("the example company's history is written"):
            prepare_company(settings, people)
        processes.start(sandbox, wait=False)
    else:
        _drop_transcripts(settings, config, data)
    processes.start(collector)
    folder = data if data is not None else settings.sandbox_dir / "company"
    with _timed("history is imported through the collector"):
        # a company so small that all of its events are its latest has no history
        has_history = data is not None or any((folder / "events").glob("*.ndjson*"))
        report = import_events(settings, config, folder) if has_history else ImportReport()
        for line in report.text().splitlines():
            click.echo(f"  {line}")
    if data is None:
        with _timed("the latest events are sent with an SDK"):
            send_live_events(settings)
        processes.await_health(sandbox)
    processes.stop("collector")
    _remember_as_of(settings, report, data)


def _remember_as_of(settings: Settings, report: ImportReport, data: Path | None) -> None:
    """«Now» follows the data, so that a second run on unchanged data changes nothing: with DATA it is the time of the
    last event, else the second after the last receipt; and never before what a tool was told by a run of `up`."""
    found = report.last_event_at if data is not None else _second_after_last_receipt(settings)
    if found:
        advance_as_of(settings, found)


def _second_after_last_receipt(settings: Settings) -> datetime | None:
    for segment in reversed(segments(settings.log_dir)):
        last = max((record.envelope.received_at for record in segment.records()), default=None)
        if last is not None:
            return last.astimezone(UTC).replace(tzinfo=None, microsecond=0) + timedelta(seconds=1)
    return None


def _materialise(settings: Settings) -> None:
    """One Dagster run of the whole graph.

    Raises:
        DataError: some tool's table was not pulled to its end; everything else is built.
        HeadwaterError: as `run_step`.
    """
    held = read_home(settings)
    run_settings = settings if settings.as_of else replace(settings, as_of=held.as_of if held else None)
    click.echo(f"  as of {run_settings.as_of}: the whole graph")
    with _timed("the graph is materialised"):
        run_step(run_settings, [sys.executable, "-m", "orchestration.launch", "--exclusive"], "graph", quiet=False)


def _drop_transcripts(settings: Settings, config: Config, data: Path) -> None:
    """The data folder's transcripts go the way of any file: into the inbox of the configured source."""
    files = sorted((data / "transcripts").glob("*.jsonl*")) if (data / "transcripts").is_dir() else []
    sources = [name for name, source in config.sources.items() if isinstance(source, ConversationSource)]
    if files and not sources:
        click.echo("  transcripts/ is left out: the config has no source of kind conversations")
    for file in files if sources else []:
        target = settings.inbox / sources[0] / file.name
        if not target.exists() or target.stat().st_size != file.stat().st_size:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(target.name + ".part")
            shutil.copyfile(file, partial)
            partial.replace(target)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    click.echo(f"  {what} ({time.monotonic() - begun:.1f} s)")
