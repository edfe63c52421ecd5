"""Reason codes: what they add up to and how they read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml import candidates, churn, prediction, reasons, training_set


@pytest.fixture(scope="module")
def rows(company):
    return prediction.prepare(
        company.features, company.orders, company.subscriptions, rule=company.rule, as_of=company.as_of
    ).frame


def fit(rows, kind):
    patch = pytest.MonkeyPatch()
    with patch.context() as changed:
        changed.setattr(candidates, "NAMES", [kind])
        return churn.fit(rows, training_set.feature_columns(rows), label_days=28)


@pytest.mark.parametrize("kind", ["logistic", "spline_logistic"])
def test_contributions_of_a_linear_model_add_up_to_its_log_odds(rows, kind):
    model = fit(rows, kind)
    matrix = model.matrix(rows)
    rest = model.log_odds(matrix) - reasons.contributions(model, matrix).sum(axis=1)
    assert np.ptp(rest) < 1e-6
    assert np.abs(reasons.contributions(model, matrix).mean(axis=0)).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(candidates.PARAMETERS))
def test_the_features_that_drive_the_truth_are_the_ones_named(rows, kind):
    model = fit(rows, kind)
    assert set(list(reasons.drivers(model, model.matrix(rows)))[:2]) == {"count_orders", "count_tickets"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(candidates.PARAMETERS))
def test_a_person_at_risk_reads_why(rows, kind):
    model = fit(rows, kind)
    person = rows.head(1).assign(count_orders=0.0, count_tickets=6.0)
    phrases = reasons.reasons(model, model.matrix(person))[0]
    assert any(phrase.startswith("tickets: 6 (typical ") and phrase.endswith("raises risk") for phrase in phrases)
    assert len(phrases) <= 3


def test_descriptions_replace_names(rows):
    model = fit(rows, "logistic")
    person = rows.head(1).assign(count_orders=0.0, count_tickets=6.0)
    words = reasons.reasons(model, model.matrix(person), descriptions={"count_tickets": "Support tickets so far."})
    assert any(phrase.startswith("Support tickets so far: 6") for phrase in words[0])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("count_orders", "orders"),
        ("count_orders_30d", "orders in the last 30 days"),
        ("sessions_last_7_days", "sessions in the last 7 days"),
        ("revenue_cents", "revenue"),
        ("revenue_cents_90d", "revenue in the last 90 days"),
        ("days_since_last_order", "days since last order"),
    ],
)
def test_names_read_as_words(name, words):
    assert reasons.describe(name) == words


def test_explaining_a_crowd_by_trees_leaves_its_matrix_as_it_was_and_agrees_with_explaining_a_few(rows):
    model = fit(rows, "gradient_boosting")
    crowd = model.matrix(pd.concat([rows, rows]))
    before = crowd.copy()
    found = reasons.contributions(model, crowd)
    assert len(crowd) > 2 * reasons.SAMPLE
    np.testing.assert_array_equal(crowd, before)
    np.testing.assert_allclose(found[:50], reasons.contributions(model, before[:50]))
