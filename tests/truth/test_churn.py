"""The churn model on the platform's own tables, between the recency rule and what the ground truth makes possible.

The simulator draws each cancellation from a hazard that it keeps. The probability that follows from it is the best
ranking there is: no model can hope to beat it but by luck. One date holds some forty churners, too few to tell three
rankings apart, so the model is trained anew for each later date on what was known by then, and the dates are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from ml import evaluate, metrics, prediction
from ml.labels import ChurnRule
from ml.metrics import Ranking
from ml.outcomes import Prepared
from ml.registry import Registry

from .conftest import T

pytestmark = pytest.mark.slow

RULE = ChurnRule("cancellation", horizon_days=30)
TEST_DATES = ("2026-08-01", "2026-09-01", "2026-10-01")


@pytest.fixture
def prepared(warehouse: duckdb.DuckDBPyConnection) -> Prepared:
    """The training set as orchestration makes it."""
    return prediction.prepare(
        warehouse.execute(
            "select * exclude (is_scoring) from built.intermediate.int_churn_features where not is_scoring"
        ).df(),
        warehouse.execute("select customer_id, ordered_at, kind from built.marts.orders").df(),
        warehouse.execute(
            "select customer_id, started_at, cancelled_at from built.intermediate.int_subscription_periods"
        ).df(),
        rule=RULE,
        as_of=datetime.fromisoformat(T),
    )


@pytest.fixture
def hazard(warehouse: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """customer_id, observation_date → the true probability to cancel within 30 days, and whether the person did.

    Only of people who are one customer, alone."""
    return warehouse.execute(
        """with owners as (
            select distinct i.person_id, b.customer_id
            from truth.identities i
            join built.identity.identifiers b
                on b.id_type = i.id_type and lower(b.id_value) = lower(i.id_value)
            where i.is_shared = '0'
        ),
        alone as (
            select person_id, customer_id from owners
            qualify count(*) over (partition by customer_id) = 1 and count(*) over (partition by person_id) = 1
        )
        select
            alone.customer_id, h.observation_date::timestamp as observation_date, h.probability_30d::double as truth,
            coalesce(c.cancelled_at::timestamp < h.observation_date::timestamp + interval 30 days, false) as cancelled
        from truth.churn_hazard h
        join alone using (person_id)
        left join truth.cancellations c using (subscription_id)"""
    ).df()


def test_population_and_labels_are_those_of_the_ground_truth(prepared: Prepared, hazard: pd.DataFrame) -> None:
    keys = ["customer_id", "observation_date"]
    rows = prepared.frame[prepared.frame["customer_id"].isin(hazard["customer_id"])]
    truth = hazard[hazard["observation_date"].isin(rows["observation_date"])]
    both = rows.merge(truth, on=keys, how="outer", indicator=True)
    assert len(both) > 1000
    assert (both["_merge"] == "both").all(), both.loc[both["_merge"] != "both", keys]
    assert (both["churned"].astype(bool) == both["cancelled"].astype(bool)).all()
    assert both["churned"].sum() > 100


@dataclass(frozen=True)
class Scores:
    """Means over the dates for one way to tell who will churn."""

    roc_auc: float
    log_loss: float = np.nan


def _scores(days: list[tuple[np.ndarray, np.ndarray]], *, is_probability: bool = True) -> Scores:
    areas, losses = [], []
    for churned, scores in days:
        everybody = np.ones((1, len(churned)))
        areas.append(Ranking(churned, scores).roc_auc(everybody)[0])
        if is_probability:
            losses.append(metrics.log_loss(churned, scores, everybody)[0])
    return Scores(float(np.mean(areas)), float(np.mean(losses)) if losses else np.nan)


def test_the_model_is_better_than_recency_and_worse_than_the_truth(
    prepared: Prepared, hazard: pd.DataFrame, tmp_path: Path
) -> None:
    model, rule, truth, base = [], [], [], []
    for day in TEST_DATES:
        rows = prepared.frame[prepared.frame["observation_date"] <= day]
        trained = prediction.train(rows, rule=RULE, folder=tmp_path / day, created_at=datetime.fromisoformat(T))
        assert trained.skip_reason == ""
        saved = Registry(tmp_path / day).load(trained.version)
        assert saved.manifest["test_dates"] == [day] and max(saved.manifest["train_dates"]) < day
        test = rows[rows["observation_date"] == day].merge(hazard, on=["customer_id", "observation_date"])
        churned = test["churned"].to_numpy(dtype="int64")
        assert len(test) > 250
        model.append((churned, saved.model.probability(test)))
        rule.append((churned, evaluate.recency_scores(test)[0]))
        truth.append((churned, test["truth"].to_numpy()))
        base.append((churned, np.full(len(test), saved.model.base_rate)))
    found, recency, best, constant = _scores(model), _scores(rule, is_probability=False), _scores(truth), _scores(base)
    assert recency.roc_auc + 0.02 < found.roc_auc < best.roc_auc, (recency, found, best)
    assert best.log_loss < found.log_loss < constant.log_loss, (best, found, constant)
