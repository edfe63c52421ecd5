"""The churn rule at its boundaries."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import pytest

from ml.labels import ChurnRule, churn_labels, first_activity, observation_dates, population

T = date(2024, 3, 1)
MIDNIGHT = datetime(2024, 3, 1)
MOMENT = timedelta(microseconds=1)
RULE = ChurnRule("cancellation", horizon_days=30, gap_days=7)
NO_ORDERS = pd.DataFrame({"customer_id": [], "ordered_at": pd.Series(dtype="datetime64[us]"), "kind": []})
NO_SUBSCRIPTIONS = pd.DataFrame(
    {
        "customer_id": [],
        "started_at": pd.Series(dtype="datetime64[us]"),
        "cancelled_at": pd.Series(dtype="datetime64[us]"),
    }
)


def subscriptions(*rows: tuple[str, datetime, datetime | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "started_at", "cancelled_at"])


def orders(*rows: tuple[str | None, datetime, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "ordered_at", "kind"])


def labels_of(rule: ChurnRule, **frames: pd.DataFrame) -> dict[str, bool]:
    tables = {"orders": NO_ORDERS, "subscriptions": NO_SUBSCRIPTIONS, **frames}
    found = churn_labels(rule, [T], **tables)
    return dict(zip(found["customer_id"], found["churned"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("cancelled", "expected"),
    [
        (MIDNIGHT - MOMENT, None),
        (MIDNIGHT, False),
        (MIDNIGHT + timedelta(days=7) - MOMENT, False),
        (MIDNIGHT + timedelta(days=7), True),
        (MIDNIGHT + timedelta(days=37) - MOMENT, True),
        (MIDNIGHT + timedelta(days=37), False),
        (None, False),
    ],
)
def test_a_cancellation_counts_from_the_end_of_the_gap_to_the_end_of_the_horizon(cancelled, expected):
    """None: a person who cancelled before the date is no longer in the population."""
    found = labels_of(RULE, subscriptions=subscriptions(("anna", datetime(2024, 1, 1), cancelled)))
    assert found.get("anna") is expected


def test_without_a_gap_a_cancellation_exactly_at_the_date_is_churn():
    rule = ChurnRule("cancellation", horizon_days=30)
    assert labels_of(rule, subscriptions=subscriptions(("anna", datetime(2024, 1, 1), MIDNIGHT))) == {"anna": True}


@pytest.mark.parametrize(("started", "counts"), [(MIDNIGHT - MOMENT, True), (MIDNIGHT, False)])
def test_only_a_subscription_that_started_before_the_date_is_active_at_it(started, counts):
    found = labels_of(RULE, subscriptions=subscriptions(("anna", started, None)))
    assert ("anna" in found) is counts


def test_a_second_subscription_that_goes_on_does_not_hide_the_cancellation_of_the_first():
    start = datetime(2024, 1, 1)
    both = subscriptions(("anna", start, MIDNIGHT + timedelta(days=10)), ("anna", start, None))
    assert labels_of(RULE, subscriptions=both) == {"anna": True}


@pytest.mark.parametrize(
    ("ordered", "churned"),
    [
        (MIDNIGHT, True),
        (MIDNIGHT + timedelta(days=7) - MOMENT, True),
        (MIDNIGHT + timedelta(days=7), False),
        (MIDNIGHT + timedelta(days=37) - MOMENT, False),
        (MIDNIGHT + timedelta(days=37), True),
    ],
)
def test_only_a_sale_inside_the_window_keeps_a_buyer_from_being_inactive(ordered, churned):
    rule = ChurnRule("inactivity", horizon_days=30, gap_days=7)
    bought = orders(("anna", datetime(2024, 2, 1), "sale"), ("anna", ordered, "sale"))
    assert labels_of(rule, orders=bought) == {"anna": churned}


@pytest.mark.parametrize("kind", ["cancellation", "refund", "adjustment"])
def test_cancellations_and_refunds_are_no_activity(kind):
    rule, later = ChurnRule("inactivity", horizon_days=30), MIDNIGHT + timedelta(days=3)
    bought = orders(("anna", datetime(2024, 2, 1), "sale"), ("anna", later, kind), ("bert", datetime(2024, 2, 1), kind))
    assert labels_of(rule, orders=bought) == {"anna": True}


def test_orders_of_nobody_make_nobody():
    rule = ChurnRule("inactivity", horizon_days=30)
    assert labels_of(rule, orders=orders((None, datetime(2024, 2, 1), "sale"))) == {}


def test_the_population_can_be_narrowed_to_some_people():
    start = datetime(2024, 1, 1)
    both = subscriptions(("anna", start, None), ("bert", start, None))
    found = population(RULE, T, orders=NO_ORDERS, subscriptions=both, allowed={"bert", "nobody"})
    assert list(found) == ["bert"]


def test_a_date_is_complete_when_its_window_ends_by_as_of_and_not_a_moment_earlier():
    rule = ChurnRule("inactivity", horizon_days=91)
    first, end = datetime(2011, 8, 15), datetime(2011, 12, 1)
    assert observation_dates(rule, first_activity=first, as_of=end).dates == [date(2011, 9, 1)]
    assert observation_dates(rule, first_activity=first, as_of=end - MOMENT).dates == []


def test_configured_dates_bound_the_observation():
    rule = ChurnRule("inactivity", 30, first_observation=date(2024, 2, 1), last_observation=date(2024, 3, 1))
    found = observation_dates(rule, first_activity=datetime(2023, 11, 20), as_of=datetime(2024, 6, 1))
    assert found.dates == [date(2024, 2, 1), date(2024, 3, 1)]


def test_months_roll_over_the_year():
    rule = ChurnRule("inactivity", 30)
    found = observation_dates(rule, first_activity=datetime(2023, 11, 1), as_of=datetime(2024, 2, 1))
    assert found.dates == [date(2023, 12, 1), date(2024, 1, 1)]


@pytest.mark.parametrize(
    ("first", "as_of", "words"),
    [
        (datetime(2017, 11, 24, 16), datetime(2017, 12, 3, 16), "10 days of data, a label needs 91."),
        (datetime(2017, 12, 2, 16), datetime(2017, 12, 2, 17), "1 days of data, a label needs 91."),
        (datetime(2017, 1, 10), datetime(2017, 4, 20), "No first of a month"),
        (None, datetime(2017, 4, 20), "No sale is known yet"),
    ],
)
def test_no_possible_date_comes_with_its_reason(first, as_of, words):
    found = observation_dates(ChurnRule("inactivity", 91), first_activity=first, as_of=as_of)
    assert found.dates == []
    assert words in found.reason


def test_the_first_activity_of_an_inactivity_label_is_a_sale():
    bought = orders(("anna", datetime(2024, 1, 1), "adjustment"), ("anna", datetime(2024, 2, 1), "sale"))
    assert first_activity(ChurnRule("inactivity", 30), bought, NO_SUBSCRIPTIONS) == datetime(2024, 2, 1)
    assert first_activity(RULE, bought, NO_SUBSCRIPTIONS) is None


@pytest.mark.parametrize("wrong", [{"kind": "boredom", "horizon_days": 3}, {"kind": "inactivity", "horizon_days": 0}])
def test_a_rule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="churn label"):
        ChurnRule(**wrong)
