"""People cancel for the causes the story names, and no rule of one column finds them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MONTHS = [pd.Timestamp(f"2026-{month:02d}-01") for month in (6, 7, 8, 9, 10)]
HORIZON = pd.Timedelta(days=30)


class Truth:
    """The tables of the ground truth as frames, and what could be known at a moment."""

    def __init__(self, out: Path) -> None:
        def read(table: str, *times: str) -> pd.DataFrame:
            frame = pd.read_csv(out / "truth" / f"{table}.csv")
            for column in times:
                frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601").dt.tz_localize(None)
            return frame

        self.orders = read("orders", "ordered_at")
        self.talks = read("talks", "started_at")
        self.sessions = read("sessions", "started_at")
        self.cancellations = read("cancellations", "cancelled_at")
        self.hazard = read("churn_hazard", "observation_date")
        with sqlite3.connect(out / "tools.sqlite") as database:
            prices = pd.read_sql("select id, price_cents from payments_subscriptions", database)
        self.prices = prices.set_index("id")["price_cents"]

    def at(self, moment: pd.Timestamp) -> pd.DataFrame:
        """Subscribers at a moment: features from before it, the label after it, the true probability."""
        rows = self.hazard[self.hazard.observation_date == moment]
        person = rows.person_id
        orders = self.orders[self.orders.ordered_at < moment]
        talks = self.talks[self.talks.started_at < moment]
        bad = talks[talks.feeling == "bad"].groupby("person_id").started_at.max()
        visits = self.sessions[self.sessions.started_at < moment].groupby("person_id").started_at.max()
        ends = self.cancellations.cancelled_at
        soon = self.cancellations[(ends >= moment) & (ends < moment + HORIZON)].subscription_id
        count = person.map(orders.groupby("person_id").size()).fillna(0)
        return pd.DataFrame(
            {
                "count_orders": count.clip(upper=10),
                "has_few": (count < 3).astype(int),
                "has_none": (count < 1).astype(int),
                "count_talks": person.map(talks.groupby("person_id").size()).fillna(0).clip(upper=5),
                "bad_talk": np.exp(-(moment - person.map(bad)).dt.days.fillna(9999) / 90),
                "price": rows.subscription_id.map(self.prices),
                "recency": (moment - person.map(visits)).dt.days.fillna(400),
                "truth": rows.probability_30d,
                "churned": rows.subscription_id.isin(soon).astype(int),
            }
        )


@pytest.fixture(scope="module")
def truth(large: Path) -> Truth:
    return Truth(large)


def test_most_who_cancel_have_fewer_than_three_purchases_and_have_talked_to_support(truth: Truth) -> None:
    cancelled = truth.cancellations
    assert len(cancelled) > 150
    assert 0.6 < (cancelled.count_purchases < 3).mean() < 0.9
    assert 0.6 < (cancelled.count_talks > 0).mean() < 0.95
    assert 0.55 < ((cancelled.count_purchases < 3) & (cancelled.count_talks > 0)).mean() < 0.8


def test_neither_trait_decides_alone(truth: Truth) -> None:
    rows = pd.concat([truth.at(month) for month in MONTHS])
    few, talked = rows[rows.has_few == 1], rows[rows.count_talks > 0]
    assert 0.08 < few.churned.mean() < 0.3
    assert 0.05 < talked.churned.mean() < 0.3
    assert rows[rows.has_few == 0].churned.mean() > 0.01


def test_a_month_s_churn_is_worrying_but_not_absurd(truth: Truth) -> None:
    for month in MONTHS:
        assert 0.04 < truth.at(month).churned.mean() < 0.17


def test_the_true_probability_is_calibrated_and_separates_best(truth: Truth) -> None:
    rows = pd.concat([truth.at(month) for month in MONTHS])
    assert abs(rows.truth.mean() - rows.churned.mean()) < 0.02
    assert 0.76 < roc_auc_score(rows.churned, rows.truth) < 0.9


def test_a_model_beats_recency_and_stays_below_the_truth(truth: Truth) -> None:
    train = pd.concat([truth.at(month) for month in MONTHS[:3]])
    test = pd.concat([truth.at(month) for month in MONTHS[3:]])
    columns = [name for name in train if name not in ("truth", "churned")]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(train[columns], train.churned)
    area = roc_auc_score(test.churned, model.predict_proba(test[columns])[:, 1])
    recency = roc_auc_score(test.churned, test.recency)
    assert 0.68 < area < 0.85
    assert recency < area - 0.04
    assert area < roc_auc_score(test.churned, test.truth)


def test_cancellations_carry_their_cause(truth: Truth) -> None:
    shares = truth.cancellations.cause.value_counts(normalize=True)
    assert shares["few_purchases"] > 0.15 and shares["bad_support"] > 0.15
    assert {"price", "other", "asked_to_cancel"} <= set(shares.index)


def test_subscriptions_start_with_the_programme(large: Path) -> None:
    with sqlite3.connect(large / "tools.sqlite") as database:
        first, active, cancelled = database.execute(
            "select min(started_at), sum(status = 'active'), sum(status = 'cancelled') from payments_subscriptions"
        ).fetchone()
        broken = database.execute(
            "select count(*) from payments_subscriptions where (status = 'cancelled') <> (cancelled_at is not null) "
            "or customer_id is null or cancelled_at < started_at"
        ).fetchone()[0]
    assert "2026-05-01" <= first < "2026-05-05"
    assert active > 300 and cancelled > 150
    assert broken == 0
