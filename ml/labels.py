"""Who churned: the churn rule applied to orders and subscription periods.

Belongs here: the population at an observation date, the label after it, and which dates can have a label yet.
Does not belong here: features (dbt computes them) and the choice of training and test dates (`ml.training_set`).

The rule, for an observation date T (midnight UTC): the population is the subscribers active at T (label
`cancellation`) or the people with at least one order of kind `sale` before T (label `inactivity`); a person churned
if they cancelled, or had no `sale`, in [T + gap, T + gap + horizon). Cancelled and refunded orders are no activity.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import pandas as pd

DAY = timedelta(days=1)


@dataclass(frozen=True)
class ChurnRule:
    """What «churned» means. Days are whole UTC days; the observation dates are the first of each month.

    Attributes:
        kind: `cancellation` (of a subscription) or `inactivity` (no sale).
        horizon_days: length of the label window.
        gap_days: days between the observation and the start of the label window.
        first_observation: no observation date before this one.
        last_observation: no observation date after this one.
    """

    kind: Literal["cancellation", "inactivity"]
    horizon_days: int
    gap_days: int = 0
    first_observation: date | None = None
    last_observation: date | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("cancellation", "inactivity"):
            raise ValueError(f"A churn label is 'cancellation' or 'inactivity', not {self.kind!r}.")
        if self.horizon_days < 1 or self.gap_days < 0:
            raise ValueError("A churn label needs horizon_days of at least 1 and gap_days of at least 0.")

    @property
    def label_days(self) -> int:
        """Days after the observation date until its label is known."""
        return self.gap_days + self.horizon_days

    def window(self, observed: date) -> tuple[datetime, datetime]:
        """Start (inclusive) and end (exclusive) of the label window of an observation date."""
        start = midnight(observed) + self.gap_days * DAY
        return start, start + self.horizon_days * DAY


@dataclass(frozen=True)
class ObservationDates:
    """The dates whose label window has ended, oldest first; `reason` says why when there is none."""

    dates: list[date]
    reason: str = ""


def midnight(day: date) -> datetime:
    """The first moment of a UTC day, without a timezone as everywhere in the warehouse."""
    return datetime(day.year, day.month, day.day)


def as_date(value: date | datetime | str) -> date:
    """A date from a date, a timestamp or ISO text."""
    return pd.Timestamp(value).date()


def observation_dates(rule: ChurnRule, *, first_activity: datetime | None, as_of: datetime) -> ObservationDates:
    """First-of-month dates after the first activity whose label window ends by `as_of`.

    Args:
        rule: the churn rule.
        first_activity: the earliest sale or subscription; None when there is none at all.
        as_of: the moment of the data's last row.
    """
    if first_activity is None or pd.isna(first_activity):
        missing = "subscription has started" if rule.kind == "cancellation" else "sale is known"
        return ObservationDates([], f"No {missing} yet, so nobody can be observed.")
    first, dates = pd.Timestamp(first_activity).to_pydatetime(), []
    month = date(first.year, first.month, 1)
    while rule.window(month)[1] <= as_of:
        wanted = (rule.first_observation is None or month >= rule.first_observation) and (
            rule.last_observation is None or month <= rule.last_observation
        )
        if wanted and midnight(month) > first:
            dates.append(month)
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    if dates:
        return ObservationDates(dates)
    days = max((as_of.date() - first.date()).days + 1, 0)
    if days < rule.label_days:
        return ObservationDates([], f"{days} days of data, a label needs {rule.label_days}.")
    return ObservationDates(
        [],
        f"No first of a month lies after the first activity ({first:%Y-%m-%d}), within the configured observation "
        f"dates, and {rule.label_days} days before {as_of:%Y-%m-%d}.",
    )


def first_activity(rule: ChurnRule, orders: pd.DataFrame, subscriptions: pd.DataFrame) -> datetime | None:
    """When the population's history begins: the first sale, or the first subscription's start."""
    times = subscriptions["started_at"] if rule.kind == "cancellation" else _sales(orders)["ordered_at"]
    first = pd.to_datetime(times).min()
    return None if pd.isna(first) else first.to_pydatetime()


def population(
    rule: ChurnRule,
    at: date | datetime,
    *,
    orders: pd.DataFrame,
    subscriptions: pd.DataFrame,
    allowed: Collection[str] | None = None,
) -> pd.Index:
    """The customer_ids that the rule is about at a moment, sorted.

    Args:
        rule: the churn rule.
        at: the observation date T (its midnight), or the moment of scoring.
        orders: `marts.orders` (customer_id, ordered_at, kind).
        subscriptions: `int_subscription_periods` (customer_id, started_at, cancelled_at).
        allowed: only these customer_ids, when given.
    """
    moment = at if isinstance(at, datetime) else midnight(at)
    if rule.kind == "cancellation":
        people = _active(subscriptions, moment)["customer_id"]
    else:
        sales = _sales(orders)
        people = sales.loc[sales["ordered_at"] < moment, "customer_id"]
    found = pd.Index(people.dropna().unique())
    if allowed is not None:
        found = found[found.isin(list(allowed))]
    return found.sort_values()


def churn_labels(
    rule: ChurnRule,
    dates: Iterable[date],
    *,
    orders: pd.DataFrame,
    subscriptions: pd.DataFrame,
    allowed: Collection[str] | None = None,
) -> pd.DataFrame:
    """One row per person and observation date: (customer_id, observation_date, churned).

    The label window of every date must lie in the past of the data; `observation_dates` says which do.
    """
    sales, frames = _sales(orders), []
    for observed in dates:
        people = population(rule, observed, orders=orders, subscriptions=subscriptions, allowed=allowed)
        start, end = rule.window(observed)
        if rule.kind == "cancellation":
            active = _active(subscriptions, midnight(observed))
            churned = people.isin(active.loc[_within(active["cancelled_at"], start, end), "customer_id"])
        else:
            churned = ~people.isin(sales.loc[_within(sales["ordered_at"], start, end), "customer_id"])
        frame = pd.DataFrame({"customer_id": people, "churned": churned})
        frame.insert(1, "observation_date", pd.Timestamp(observed))
        frames.append(frame)
    if not frames:
        empty = {"customer_id": "str", "observation_date": "datetime64[us]", "churned": "bool"}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in empty.items()})
    return pd.concat(frames, ignore_index=True)


def _sales(orders: pd.DataFrame) -> pd.DataFrame:
    sales = orders.loc[(orders["kind"] == "sale") & orders["customer_id"].notna(), ["customer_id", "ordered_at"]]
    return sales.assign(ordered_at=pd.to_datetime(sales["ordered_at"]))


def _active(subscriptions: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """Periods running at a moment: a cancellation exactly then has not happened yet."""
    started = pd.to_datetime(subscriptions["started_at"])
    cancelled = pd.to_datetime(subscriptions["cancelled_at"])
    return subscriptions.assign(started_at=started, cancelled_at=cancelled)[
        (started < at) & (cancelled.isna() | (cancelled >= at))
    ]


def _within(times: pd.Series, start: datetime, end: datetime) -> pd.Series:
    return (times >= start) & (times < end)
