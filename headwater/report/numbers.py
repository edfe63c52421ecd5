"""What the report asks of the warehouse, as plain rows.

Belongs here: queries of marts and nothing else. Does not belong here: arithmetic that a mart should do, words, charts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

MONTHS = 13
COHORTS = 18
FUNNEL_MONTHS = 3


@dataclass(frozen=True)
class Metric:
    """One metric of the scorecard in one period."""

    name: str
    title: str
    description: str
    period: str
    starts_at: datetime
    ends_at: datetime
    value: float | None
    previous: float | None
    change: float | None
    difference: float | None
    unit: str
    is_less_better: bool
    is_still_growing: bool


@dataclass(frozen=True)
class Funnel:
    """Visits that came to each step, of whole months; of the running one where none is over."""

    steps: list[tuple[str, int]]
    first_month: date | None
    last_month: date | None
    is_over: bool


@dataclass(frozen=True)
class Cohorts:
    """Rows of cohort, months since, customers and share that bought; and what these leave out."""

    rows: list[tuple[date, int, int, float]]
    count_earlier: int
    count_guests: int
    begins_with_history: bool


@dataclass(frozen=True)
class Audience:
    """Who is in it, and who came in and left in the last 30 days, or since somebody was first in it: that day's are no
    newcomers. Nobody ever was in one without a beginning."""

    name: str
    people: int
    came: int
    left: int
    began_at: datetime | None
    is_young: bool


@dataclass(frozen=True)
class Numbers:
    """Everything that the page shows. A list is empty where the company has nothing to show; `known` names the metrics
    that were ever anything but nothing."""

    as_of: datetime
    currency: str
    scorecard: list[Metric]
    known: set[str]
    months: dict[str, list[tuple[date, float | None, bool]]]
    attribution_model: str
    channels: list[dict[str, Any]]
    funnel: Funnel
    cohorts: Cohorts
    segments: list[tuple[str, int, int]]
    audiences: list[Audience]
    coupons: list[dict[str, Any]]
    people: int


def read_numbers(con: duckdb.DuckDBPyConnection, currency: str) -> Numbers:
    """Read the marts.

    Args:
        con: the warehouse or its read copy.
        currency: the company's, in which its money is shown; the commonest one of its orders when it is empty.

    Raises:
        duckdb.CatalogException: a mart is not built.
    """

    def rows(query: str) -> list[tuple[Any, ...]]:
        return con.execute(query).fetchall()

    def records(query: str) -> list[dict[str, Any]]:
        result = con.execute(query)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    commonest = rows(
        "select currency from marts.orders where currency is not null group by 1 order by count(*) desc, 1"
    )
    chosen = rows("select max(attribution_model) from marts.channel_performance")[0][0] or ""
    return Numbers(
        as_of=rows("select as_of from intermediate.int_as_of")[0][0],
        currency=currency or (commonest[0][0] if commonest else ""),
        scorecard=[
            Metric(*row)
            for row in rows(
                "select metric, title, description, period, period_starts_at, period_ends_at, value, previous_value,"
                " change, difference, unit, is_less_better, is_still_growing from marts.executive_scorecard"
                " order by place, period"
            )
        ],
        known={
            metric
            for (metric,) in rows(
                "select metric from marts.metrics_monthly where value <> 0 union"
                " select metric from marts.executive_scorecard where value <> 0 or previous_value <> 0"
            )
        },
        months=_months(rows),
        attribution_model=chosen,
        channels=records(
            "select channel, spend_cents, revenue_cents, retail_revenue_cents, new_customers, cac_cents, roas,"
            " retail_roas, incremental_orders_low, incremental_orders_high, is_incremental,"
            " lift_comparison"
            " from marts.marketing_efficiency"
            f" where level = 'channel' and model = '{chosen}' and (revenue_cents > 0 or spend_cents > 0)"
            " order by revenue_cents desc, channel"
        ),
        funnel=_funnel(rows),
        cohorts=_cohorts(rows),
        segments=rows(
            "select rfm_segment, count(*), cast(coalesce(sum(revenue_cents), 0) as bigint) from marts.customer_360"
            " where rfm_segment is not null group by 1 order by 3 desc, 1"
        ),
        audiences=[
            Audience(*row)
            for row in rows(
                # every audience has a column of the profile, also one that nobody ever was in
                "with built as (select tables.table_name as audience from information_schema.tables"
                " join information_schema.columns on columns.table_catalog = tables.table_catalog"
                " and columns.column_name = 'is_' || tables.table_name where tables.table_schema = 'audiences'"
                " and columns.table_schema = 'marts' and columns.table_name = 'customer_activation'),"
                " begun as (select *, min(entered_at) over (partition by audience) as began_at"
                " from audiences.audience_history)"
                " select audience, count(*) filter (where entered_at is not null and left_at is null),"
                " count(*) filter (where entered_at >= as_of - interval '30 days' and entered_at > began_at),"
                " count(*) filter (where left_at >= as_of - interval '30 days'),"
                " began_at, coalesce(began_at > as_of - interval '30 days', false)"
                " from (from built union select audience from begun) left join begun using (audience)"
                " cross join intermediate.int_as_of group by audience, began_at, as_of order by 1"
            )
        ],
        coupons=records(
            "select customer_type, segment_kind, segment, has_coupon, cast(sum(count_orders) as bigint) as orders,"
            " cast(sum(discount_cents) as bigint) as discount_cents,"
            " cast(sum(margin_cents) as double) / nullif(sum(sales_with_cost_cents), 0) as margin_rate"
            " from marts.coupon_performance"
            " where segment_kind in ('everybody', 'age_group', 'country') group by 1, 2, 3, 4 order by 1, 2, 3, 4"
        ),
        people=rows("select count(*) from marts.customer_360")[0][0],
    )


def _months(rows: Any) -> dict[str, list[tuple[date, float | None, bool]]]:
    """Metric → the last months with its value and whether they are over."""
    found: dict[str, list[tuple[date, float | None, bool]]] = {}
    for metric, month, value, is_complete in rows(
        "select metric, month_start, value, is_complete from marts.metrics_monthly"
        f" where month_start > (select max(month_start) from marts.metrics_monthly) - interval '{MONTHS} months'"
        " order by metric, month_start"
    ):
        found.setdefault(metric, []).append((month, value, is_complete))
    return found


def _funnel(rows: Any) -> Funnel:
    """Of the last whole months; of the running one when no other has visits."""
    found = rows(
        "with this as (select cast(date_trunc('month', as_of) as date) as month from intermediate.int_as_of),"
        " recent as (select funnel_steps.*, month_start < this.month as is_over from marts.funnel_steps, this"
        f" where month_start >= this.month - interval '{FUNNEL_MONTHS} months')"
        " select step, sum(count_visits), min(month_start), max(month_start), is_over from recent"
        " where is_over or not exists (from recent where is_over)"
        " group by step_number, step, is_over order by step_number"
    )
    if not found:
        return Funnel([], None, None, True)
    _, _, first, last, is_over = found[0]
    return Funnel([(step, int(visits)) for step, visits, *_ in found], first, last, is_over)


def _cohorts(rows: Any) -> Cohorts:
    """The last months of first purchase that are over, and for each the months since that are."""
    # the running month is not over: what it shows now would look like a loss
    over = (
        "from marts.retention_cohorts"
        " where month_start < (select date_trunc('month', as_of) from intermediate.int_as_of) and count_customers > 0"
    )
    months = [month for (month,) in rows(f"select distinct cohort_month {over} order by 1")]
    shown = months[-COHORTS:]
    if not shown:
        return Cohorts([], 0, 0, begins_with_history=False)
    since = f"cohort_month >= date '{shown[0]}'"
    guests = rows(f"select coalesce(sum(count_guests), 0) {over} and months_since = 0 and {since}")[0][0]
    return Cohorts(
        rows(f"select cohort_month, months_since, count_customers, retention {over} and {since} order by 1, 2"),
        len(months) - len(shown),
        int(guests),
        begins_with_history=len(months) == len(shown),
    )
