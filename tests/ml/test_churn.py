"""Choosing, fitting and calibrating the model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml import candidates, churn, prediction, training_set


@pytest.fixture(scope="module")
def rows(company):
    frame = prediction.prepare(
        company.features, company.orders, company.subscriptions, rule=company.rule, as_of=company.as_of
    ).frame
    return frame[frame["split"] == "train"].reset_index(drop=True)


@pytest.fixture(scope="module")
def names(rows):
    return training_set.feature_columns(rows)


def test_validation_dates_keep_the_embargo_towards_their_past(rows):
    truth = rows["churned"].to_numpy(dtype=int)
    folds = churn.time_folds(rows, truth, label_days=28)
    assert folds
    for fit_rows, validation_rows in folds:
        last = rows["observation_date"].iloc[fit_rows].max()
        days = rows["observation_date"].iloc[validation_rows].unique()
        assert len(days) == 1
        assert last + pd.Timedelta(days=28) <= days[0]


def test_no_customer_is_on_both_sides_of_a_calibration_fold(rows):
    truth = rows["churned"].to_numpy(dtype=int)
    folds = churn.group_folds(churn.customer_folds(rows["customer_id"]), truth)
    assert len(folds) == churn.FOLDS
    for fit_rows, validation_rows in folds:
        sides = [set(rows["customer_id"].iloc[part]) for part in (fit_rows, validation_rows)]
        assert not sides[0] & sides[1]


def test_a_customer_stays_in_its_fold_whoever_else_is_there(rows):
    everybody = churn.customer_folds(rows["customer_id"])
    assert (churn.customer_folds(rows["customer_id"].iloc[50:]) == everybody[50:]).all()


@pytest.mark.slow
def test_every_candidate_is_validated_and_the_chosen_one_fitted(rows, names, monkeypatch):
    monkeypatch.setattr(candidates, "NAMES", list(candidates.PARAMETERS))
    model = churn.fit(rows, names, label_days=28)
    assert set(model.choice) == set(candidates.PARAMETERS)
    assert all(0.05 < loss < 1.0 for loss in model.choice.values())
    others = [model.choice[name] for name in candidates.PARAMETERS if name != candidates.PREFERRED]
    assert model.kind == candidates.PREFERRED or model.choice[model.kind] == min(others)


@pytest.mark.parametrize(("gain", "kind"), [(0.0, "blend"), (0.15, "blend"), (0.25, "logistic"), (-0.2, "blend")])
def test_the_blend_is_given_up_only_for_a_candidate_that_is_better_by_more_than_two_standard_errors(gain, kind):
    noise = np.random.default_rng(2).normal(0, 1, 100)  # a standard error of 0.1
    noise -= noise.mean()
    assert churn.chosen({"logistic": 1.0 + noise, "blend": np.full(100, 1.0 + gain)}) == kind


def test_without_the_blend_the_lowest_loss_wins_and_without_validation_the_simplest():
    assert churn.chosen({"logistic": np.full(9, 0.3), "gradient_boosting": np.full(9, 0.2)}) == "gradient_boosting"
    assert churn.chosen({name: np.zeros(0) for name in candidates.PARAMETERS}) == "logistic"


def test_a_single_date_is_validated_on_other_customers(rows, names):
    one = rows[rows["observation_date"] == rows["observation_date"].min()]
    model = churn.fit(one, names, label_days=28)
    assert all(0.05 < loss < 1.0 for loss in model.choice.values())


def test_probabilities_sum_to_the_churners_of_the_training_dates(rows, names):
    model = churn.fit(rows, names, label_days=28)
    assert model.probability(rows).mean() == pytest.approx(rows["churned"].mean(), abs=0.01)


@pytest.mark.slow
def test_calibration_pulls_in_a_model_that_is_too_sure(rows, names, monkeypatch):
    """Deep trees on few rows promise too much; the slope learned on unseen customers takes it back."""
    wild = {**candidates.PARAMETERS["gradient_boosting"], "max_leaf_nodes": 31, "learning_rate": 0.5}
    monkeypatch.setitem(candidates.PARAMETERS, "gradient_boosting", wild)
    monkeypatch.setattr(candidates, "NAMES", ["gradient_boosting"])
    assert churn.fit(rows, names, label_days=28).slope < 0.6


def test_unknown_and_infinite_values_are_scored(rows, names):
    model = churn.fit(rows, names, label_days=28)
    strange = pd.concat([rows.head(1).assign(count_orders=value) for value in (np.nan, np.inf, -np.inf, 1e12)])
    assert np.isfinite(model.probability(strange)).all()
    assert model.probability(strange).std() > 0


@pytest.mark.parametrize(
    "change", [lambda rows: rows.assign(churned=False), lambda rows: rows.assign(count_orders=1.0)[:0]]
)
def test_one_class_or_nothing_is_refused(rows, names, change):
    with pytest.raises(ValueError, match="both classes"):
        churn.fit(change(rows), names, label_days=28)


def test_a_feature_that_nobody_had_at_first_does_not_stop_training(rows, names):
    dates = sorted(rows["observation_date"].unique())
    late = rows.assign(a_new_feature=rows["observation_date"].map(dict.fromkeys(dates[:-1], np.nan) | {dates[-1]: 1.0}))
    late.loc[late.index[-1], "a_new_feature"] = 2.0
    model = churn.fit(late, [*names, "a_new_feature"], label_days=28)
    assert np.isfinite(model.probability(late)).all()
