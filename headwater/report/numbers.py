"""What the report asks of the warehouse, as plain rows.

Belongs here: queries of marts and nothing else. Does not belong here: arithmetic that a mart should do, words, charts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

MONTHS = 13
COHORTS = 12


@dataclass(frozen=True)
class Metric:
    """One metric of the scorecard in one period."""

    name: str
    title: str
    period: str
    starts_at: datetime
    ends_at: datetime
    value: float | None
    previous: float | None
    change: float | None
    unit: str
    is_less_better: bool


@dataclass(frozen=True)
class Numbers:
    """Everything that the page shows. A list is empty where the company has nothing to show."""

    as_of: datetime
    currency: str
    scorecard: list[Metric]
    months: dict[str, list[tuple[date, float | None, bool]]]
    channels: list[dict[str, Any]]
    funnel: list[tuple[str, int]]
    cohorts: list[tuple[date, int, int, float]]
    segments: list[tuple[str, int, int]]
    audiences: list[tuple[str, int, int, int]]
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
    return Numbers(
        as_of=rows("select as_of from intermediate.int_as_of")[0][0],
        currency=currency or (commonest[0][0] if commonest else ""),
        scorecard=[
            Metric(*row)
            for row in rows(
                "select metric, title, period, period_starts_at, period_ends_at, value, previous_value, change, unit,"
                " is_less_better from marts.executive_scorecard order by place, period"
            )
        ],
        months=_months(rows),
        channels=records(
            "select channel, spend_cents, revenue_cents, new_customers, cac_cents, roas from marts.marketing_efficiency"
            " where level = 'channel' and model = 'markov' and (revenue_cents > 0 or spend_cents > 0)"
            " order by revenue_cents desc, channel"
        ),
        funnel=[
            (step, int(visits))
            for step, visits in rows(
                "select step, sum(count_visits) from marts.funnel_steps"
                " where month_start >= (select max(month_start) from marts.funnel_steps) - interval '2 months'"
                " group by step_number, step order by step_number"
            )
        ],
        cohorts=rows(
            "select cohort_month, months_since, count_customers, retention from marts.retention_cohorts"
            " where cohort_month > (select max(cohort_month) from marts.retention_cohorts)"
            f" - interval '{COHORTS} months'"
            # the running month is not over: what it shows now would look like a loss
            " and month_start < (select date_trunc('month', as_of) from intermediate.int_as_of)"
            " order by 1, 2"
        ),
        segments=rows(
            "select rfm_segment, count(*), cast(coalesce(sum(revenue_cents), 0) as bigint) from marts.customer_360"
            " where rfm_segment is not null group by 1 order by 3 desc, 1"
        ),
        audiences=rows(
            "select audience, count(*) filter (where left_at is null),"
            " count(*) filter (where entered_at >= as_of - interval '30 days'),"
            " count(*) filter (where left_at >= as_of - interval '30 days')"
            " from audiences.audience_history cross join intermediate.int_as_of group by 1 order by 1"
        ),
        coupons=records(
            "select segment, has_coupon, cast(sum(count_orders) as bigint) as orders,"
            " cast(sum(discount_cents) as bigint) as discount_cents,"
            " cast(sum(margin_cents) as double) / nullif(sum(sales_with_cost_cents), 0) as margin_rate"
            " from marts.coupon_performance"
            " where segment_kind = 'age_group' group by 1, 2 order by 1, 2"
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
