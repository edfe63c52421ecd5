"""Reverse ETL: one sync brings the rows of one model to one tool.

Belongs here: the run from selecting to the last recorded batch. Does not belong here: SQL of the comparison
(`changes`), the ledger's tables (`ledger`), HTTP (`sender`), or a tool's JSON (`destinations/`).

A row counts as sent only when the destination accepted that row and the ledger has committed it, which happens per
request: killed at any point, the next run repeats at most one request and loses nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import duckdb
import msgspec

from headwater.configuration import Config, Sync
from headwater.errors import ConfigError, HeadwaterError, UnavailableError
from headwater.push import changes, ledger
from headwater.push.changes import Scope
from headwater.push.destinations import open_destination
from headwater.push.destinations.base import Destination, Outcome, Record, RecordDestination, Request
from headwater.push.ledger import Due, Totals
from headwater.push.sender import RequestRefusedError, Sender
from headwater.push.times import utc_now
from headwater.settings import Settings


@dataclass(frozen=True)
class SyncReport:
    """What one run did; the same counts as its row in `push.sync_runs`."""

    sync: str
    run_id: str
    selected: int
    changed: int
    sent: int
    accepted: int
    rejected: int
    requests: int


def run_sync(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    config: Config,
    name: str,
    as_of: datetime | None = None,
    *,
    scope: Scope = "changed",
    now: Callable[[], datetime] | None = None,
    make_sender: Callable[[Destination], Sender] | None = None,
) -> SyncReport:
    """Bring what has changed since the destination last accepted it.

    Args:
        con: the warehouse, open for writing; commits are made on it, so no transaction may be open.
        settings: this installation.
        config: the company's decisions.
        name: the sync, `syncs/<name>.yaml`.
        as_of: the time that the model's values describe; recorded with the run.
        scope: `changed`; `rejected` sends only refused rows, now; `all` sends every row again.
        now, make_sender: replaced in tests.

    Raises:
        ConfigError: the sync, its mapping or the tool's token is wrong.
        DataError: the model is missing, or the key is null or not unique; nothing was sent.
        UnavailableError: the tool is down, or the disk full; what was accepted and recorded before stays, nothing
            else counts as sent.
    """
    sync = find_sync(config, name)
    destination = _destination(config, name, sync)
    now = now or utc_now
    ledger.ensure_tables(con)
    run_id, totals = uuid.uuid4().hex, Totals()
    ledger.start_run(con, run_id, name, as_of, now())
    with (make_sender or _sender(sync.destination))(destination) as sender:
        try:
            _run(con, name, sync, destination, sender, run_id, totals, scope, now)
        except (HeadwaterError, duckdb.Error) as error:
            totals.requests = sender.requests
            with suppress(duckdb.Error):  # a full disk refuses this too; the error to show is the first
                ledger.finish_run(con, run_id, totals, now(), "failed", str(error))
            if isinstance(error, duckdb.IOException | duckdb.FatalException):
                raise UnavailableError(f"Sync {name} could not be recorded: {error}") from error
            raise
        totals.requests = sender.requests
    ledger.finish_run(con, run_id, totals, now(), "succeeded", None)
    return SyncReport(
        name, run_id, totals.selected, totals.changed, totals.sent, totals.accepted, totals.rejected, totals.requests
    )


def preview(
    con: duckdb.DuckDBPyConnection, config: Config, name: str, *, scope: Scope = "changed", now: datetime | None = None
) -> tuple[Destination, list[Request], list[Due]]:
    """The exact requests that a run would send now, and their rows. Sends and writes nothing; `con` may be read-only.

    Raises:
        ConfigError, DataError: as `run_sync`.
    """
    sync = find_sync(config, name)
    destination = _destination(config, name, sync)
    field = changes.id_field(name, sync, destination)
    changes.stage_rows(con, name, sync, destination)
    changes.stage_due(con, name, now or utc_now(), scope)
    batches = list(changes.due_batches(con, destination.objects[sync.object].batch_size))
    requests = [destination.sync_request(sync.object, field, _records(batch)) for batch in batches]
    return destination, requests, [row for batch in batches for row in batch]


def find_sync(config: Config, name: str) -> Sync:
    """The sync called `name`.

    Raises:
        ConfigError: it is not defined; names those that are.
    """
    if name not in config.syncs:
        known = ", ".join(sorted(config.syncs)) or "none"
        raise ConfigError(
            f"Sync «{name}» is not defined; defined are: {known}.",
            hint=f"Left out with their syncs are: {'; '.join(config.unusable.values())}" if config.unusable else "",
        )
    return config.syncs[name]


def _destination(config: Config, name: str, sync: Sync) -> RecordDestination:
    found = open_destination(config, sync.destination)
    if not isinstance(found, RecordDestination):
        raise ConfigError(
            f"syncs/{name}.yaml: {sync.destination} is a {found.type}, which takes events and has no object "
            f"«{sync.object}» to sync to."
        )
    return found


def _run(
    con: duckdb.DuckDBPyConnection,
    name: str,
    sync: Sync,
    destination: RecordDestination,
    sender: Sender,
    run_id: str,
    totals: Totals,
    scope: Scope,
    now: Callable[[], datetime],
) -> None:
    totals.selected = changes.stage_rows(con, name, sync, destination)
    changes.forget_settled(con, name)
    totals.changed = changes.stage_due(con, name, now(), scope)
    field = changes.id_field(name, sync, destination)

    def request(rows: Sequence[Due]) -> Request:
        return destination.sync_request(sync.object, field, _records(rows))

    for batch in changes.due_batches(con, destination.objects[sync.object].batch_size):
        for rows, outcomes in deliver(batch, request, destination, sender):
            ledger.record_batch(con, name, run_id, rows, outcomes, now())
            accepted = sum(outcome.is_accepted for outcome in outcomes)
            totals.sent += len(rows)
            totals.accepted += accepted
            totals.rejected += len(rows) - accepted


def deliver(
    rows: Sequence[Due], request: Callable[[Sequence[Due]], Request], destination: Destination, sender: Sender
) -> Iterator[tuple[Sequence[Due], list[Outcome]]]:
    """Send one batch; when the tool refuses it as a whole, halve it until the row at fault is alone."""
    try:
        answer = sender.send(request(rows))
    except RequestRefusedError as refused:
        if len(rows) == 1:
            said = refused.answer
            yield rows, [Outcome(False, str(said.status), said.text or str(said.status))]
            return
        middle = len(rows) // 2
        yield from deliver(rows[:middle], request, destination, sender)
        yield from deliver(rows[middle:], request, destination, sender)
        return
    yield rows, destination.outcomes(answer, len(rows))


def _records(rows: Sequence[Due]) -> list[Record]:
    return [Record(row.key, msgspec.Raw(row.fields.encode())) for row in rows]


def _sender(name: str) -> Callable[[Destination], Sender]:
    return lambda destination: Sender(name, destination.rate)
