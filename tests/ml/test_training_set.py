"""Joining, checking, splitting and fingerprinting the training set."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from ml import training_set
from ml.training_set import TrainingDataError

MONTHS = [date(2011, month, 1) for month in range(1, 10)]


def frame(rows: int = 200, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(rows)],
            "observation_date": pd.Timestamp("2024-01-01"),
            "churned": random.random(rows) < 0.4,
            "split": np.where(np.arange(rows) < rows * 3 // 4, "train", "test"),
            "count_orders": random.poisson(3, rows).astype(float),
        }
    )


@pytest.mark.parametrize("label_days", [1, 30, 31, 91, 120])
def test_every_training_label_was_known_at_the_test_date(label_days):
    split = training_set.split_dates(MONTHS, label_days=label_days)
    assert split.test == [date(2011, 9, 1)]
    assert all(day + timedelta(days=label_days) <= split.test[0] for day in split.train)
    assert all(day + timedelta(days=label_days) > split.test[0] for day in split.embargo)
    assert sorted(split.train + split.embargo + split.test) == MONTHS


def test_a_horizon_of_91_days_leaves_june_as_the_last_training_date_before_september():
    assert training_set.split_dates(MONTHS, label_days=91).train[-1] == date(2011, 6, 1)


def test_dates_too_close_for_the_embargo_are_a_reason_to_skip():
    split = training_set.split_dates(MONTHS[:3], label_days=91)
    assert split.train == []
    assert "too close" in split.reason


@pytest.mark.parametrize("which", ["labels", "features"])
def test_a_key_that_occurs_twice_is_refused(which):
    labels, features = frame()[["customer_id", "observation_date", "churned"]], frame().drop(columns=["churned"])
    if which == "labels":
        labels = pd.concat([labels, labels.tail(1)])
    else:
        features = pd.concat([features, features.tail(1)])
    with pytest.raises(TrainingDataError, match=rf"The {which} hold c199 at 2024-01-01 twice"):
        training_set.join(labels, features)


@pytest.mark.parametrize("name", ["is_churned", "churn_next_month", "future_orders", "orders_after", "label"])
def test_a_column_named_like_the_label_or_the_future_is_refused(name):
    with pytest.raises(TrainingDataError, match=name):
        training_set.feature_columns(frame().assign(**{name: 1.0}))


def test_counting_cancellations_before_the_date_is_no_leak():
    assert "count_cancellations" in training_set.feature_columns(frame().assign(count_cancellations=1))


def test_a_person_without_features_keeps_the_label():
    labels, features = (
        frame()[["customer_id", "observation_date", "churned"]],
        frame().drop(columns="churned").head(150),
    )
    joined = training_set.join(labels, features)
    assert len(joined) == 200
    assert joined["count_orders"].isna().sum() == 50


def test_keys_meet_whatever_type_the_date_has():
    labels, features = frame()[["customer_id", "observation_date", "churned"]], frame().drop(columns="churned")
    joined = training_set.join(labels, features.assign(observation_date=date(2024, 1, 1)))
    assert joined["count_orders"].notna().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.assign(churned=False), "Only 0 of 150 people in the train dates churned"),
        (lambda rows: rows.assign(churned=True), "Only 0 of 150 people in the train dates stayed"),
        (lambda rows: rows.head(40), "people in the train dates"),
        (lambda rows: rows.assign(count_orders=1.0), "None of the 1 features varies"),
        (lambda rows: rows.assign(count_orders=np.nan), "None of the 1 features varies"),
        (lambda rows: rows.assign(tell=rows["churned"] * 1.0), "tell alone tells who churns"),
        (lambda rows: rows.assign(tell=-1.0 * rows["churned"]), "tell alone tells who churns"),
    ],
)
def test_an_unusable_training_set_says_why(change, words):
    assert training_set.unusable_reason(frame()) == ""
    assert words in training_set.unusable_reason(change(frame()))


def test_the_fingerprint_ignores_the_order_of_rows_and_columns_and_the_last_bits():
    rows = frame()
    shuffled = rows.sample(frac=1, random_state=2)[rows.columns[::-1]]
    shuffled = shuffled.assign(count_orders=shuffled["count_orders"] * (1 + 1e-15))
    assert training_set.fingerprint(shuffled) == training_set.fingerprint(rows)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.assign(count_orders=rows["count_orders"].where(rows.index != 7, 99.0)),
        lambda rows: rows.assign(count_orders=rows["count_orders"].where(rows.index != 7)),
        lambda rows: rows.assign(churned=rows["churned"] ^ (rows.index == 7)),
        lambda rows: rows.assign(customer_id=rows["customer_id"].where(rows.index != 7, "somebody")),
        lambda rows: rows.assign(observation_date=pd.Timestamp("2024-02-01")),
        lambda rows: rows.head(199),
        lambda rows: rows.rename(columns={"count_orders": "count_sales"}),
    ],
)
def test_the_fingerprint_sees_every_change(change):
    assert training_set.fingerprint(change(frame())) != training_set.fingerprint(frame())
