"""What a person sees at the end of `headwater run` and from `headwater status`: counts, quality, syncs, where to look.

Belongs here: questions to the read copy and their layout. Does not belong here: any number that no table holds.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import click
import duckdb

from headwater.configuration import Config
from headwater.settings import Settings
from headwater.storage.warehouse import connect_read, read_copy

MOST_REASONS = 20
WIDEST = 120


def show_summary(settings: Settings, config: Config, *, seconds: float | None = None) -> None:
    """Print the summary of the read copy."""
    with connect_read(settings) as connection:
        ask = _Asker(connection)
        _counts(ask, config)
        _quarantine(ask)
        _model(ask)
        _syncs(ask)
        _at_risk(ask)
    _where(settings)
    took = f"Done in {seconds:.0f} s. " if seconds is not None else ""
    copy = read_copy(settings)
    age = f"The read copy is {copy.age_seconds(now()):.0f} s old" if copy else "There is no read copy"
    behind = ", and the warehouse has been written since" if copy and copy.is_behind else ""
    click.echo(f"\n{took}{age}{behind}.")


def now() -> datetime:
    """UTC without an offset, as every time of the platform."""
    return datetime.now(UTC).replace(tzinfo=None)


class _Asker:
    """Questions to tables that may not exist yet."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return self.connection.execute(query).fetchall()
        except duckdb.CatalogException:
            return []

    def one(self, query: str) -> tuple[Any, ...]:
        found = self.rows(query)
        return found[0] if found else (None,) * 9


def money(cents: int | None, currency: str) -> str:
    """Minor units as an amount with its currency; «not known» for null."""
    return "not known" if cents is None else f"{cents / 100:,.2f} {currency}"


def _counts(ask: _Asker, config: Config) -> None:
    # what says that it happened after it came in tells a wrong clock, and nothing of how far the events go
    events, first, last, ahead = ask.one(
        "select count(*), min(timestamp) filter (not is_ahead), max(timestamp) filter (not is_ahead),"
        " count(*) filter (is_ahead)"
        " from (select timestamp, timestamp > received_at + interval '1 day' as is_ahead from raw.events)"
    )[:4]
    people, named = ask.one(
        "select count(distinct customer_id),"
        " count(distinct customer_id) filter (where id_type = 'user_id') from identity.identifiers"
    )[:2]
    click.echo(f"\n{config.platform.company}")
    beyond = f"; {ahead:,} say that they happened after they came in" if ahead else ""
    click.echo(f"  events      {events or 0:>10,}   {first} to {last}{beyond}")
    click.echo(f"  people      {people or 0:>10,}   {named or 0:,} with a user id")
    _orders(ask, config.platform.currency)
    for name, query in {
        "sessions": "select count(*) from marts.sessions",
        "high value": "select count(*) from audiences.high_value_customers",
        "likely to churn": "select count(*) from audiences.likely_to_churn",
    }.items():
        (count,) = ask.one(query)[:1]
        if count is not None:
            click.echo(f"  {name:<16}{count:>6,}")


def _orders(ask: _Asker, currency: str) -> None:
    """Each kind of order with its sum in every currency that it came in; what names none is in the company's."""
    counts: Counter[str] = Counter()
    sums: dict[str, Counter[str]] = {}
    for kind, paid_in, count, total in ask.rows(
        "select kind, currency, count(*), sum(total_cents) from marts.orders group by all order by 3 desc, 1, 2"
    ):
        counts[kind] += count
        if total is not None:
            sums.setdefault(kind, Counter())[paid_in or currency] += total
    for kind, count in counts.most_common():
        amounts = " + ".join(money(total, paid_in) for paid_in, total in sums.get(kind, {}).items())
        click.echo(f"  {kind + 's':<12}{count:>10,}   {amounts or money(None, currency)}")


def _quarantine(ask: _Asker) -> None:
    """Each reason of each source, with the first places where it was met; what was put through again is done with."""
    found = ask.rows(
        "select reason, coalesce(source, ''), count(*), coalesce(list(detail order by detail)[:3], [])"
        " from raw.quarantine where replayed_at is null group by 1, 2 order by 3 desc, 1, 2"
    )
    if found:
        click.echo("\nKept aside (select * from raw.quarantine):")
    for reason, source, count, places in found[:MOST_REASONS]:
        click.echo(f"  {count:>8,}  {reason}  [{source}]")
        for place in filter(None, places):
            click.echo(f"            {shortened(place)}")
        if count > len(places) > 0:
            click.echo("            …")
    if len(found) > MOST_REASONS:
        rest = sum(count for _, _, count, _ in found[MOST_REASONS:])
        click.echo(f"  {rest:>8,}  for {len(found) - MOST_REASONS} more reasons")


def shortened(text: str) -> str:
    """One line of at most `WIDEST` characters."""
    line = " ".join(text.split())
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"


def _model(ask: _Asker) -> None:
    found = ask.rows("select prediction, version, status, reason, metrics from ml.models order by prediction")
    if found:
        click.echo("\nModels")
    for prediction, version, status, reason, metrics in found:
        if status != "trained":
            click.echo(f"  {prediction}: skipped, {reason}")
            continue
        numbers = json.loads(metrics)
        gain = numbers["roc_auc_difference"]
        click.echo(
            f"  {prediction} {version}: ROC-AUC {numbers['model']['roc_auc']['value']:.3f} on later, unseen data, "
            f"recency rule {numbers['recency_rule']['roc_auc']['value']:.3f}, "
            f"difference {gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
        )


def _syncs(ask: _Asker) -> None:
    found = ask.rows(
        "select sync, rows_selected, accepted, rejected, requests, status from push.sync_runs"
        " qualify row_number() over (partition by sync order by started_at desc) = 1 order by sync"
    )
    if found:
        click.echo("\nSyncs (last run of each)")
    for sync, selected, accepted, rejected, requests, status in found:
        click.echo(
            f"  {sync:<22}{selected:>7,} rows, {accepted:,} sent and accepted, {rejected:,} refused, "
            f"{requests:,} requests ({status})"
        )


def _at_risk(ask: _Asker) -> None:
    found = ask.rows(
        "select s.customer_id, coalesce(a.email, '(no e-mail)'), s.probability, s.reasons from ml.churn_scores s"
        " left join marts.customer_activation a using (customer_id)"
        " order by s.probability desc nulls last, s.customer_id limit 5"
    )
    if found:
        click.echo("\nMost at risk")
    for customer, email, probability, reasons in found:
        click.echo(f"  {probability:>6.1%}  {email:<34} {customer}  {_text(reasons)}")


def _text(reasons: Any) -> str:
    if isinstance(reasons, str):
        try:
            reasons = json.loads(reasons)
        except ValueError:
            return reasons
    return "; ".join(str(reason) for reason in reasons or [])


def _where(settings: Settings) -> None:
    click.echo("\nWhere to look")
    click.echo(f"  warehouse   {settings.warehouse_read} (read copy, for any DuckDB client)")
    if (settings.report_dir / "index.html").exists():
        click.echo(f"  report      {settings.report_dir / 'index.html'} (open it in a browser)")
    click.echo(f"  logs        {settings.logs_dir}")
    click.echo(
        f"  make up     Dagster on http://{settings.host}:{settings.dagster_port}, profiles on :{settings.api_port}"
    )
