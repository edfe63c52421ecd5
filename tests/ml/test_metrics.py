"""Our weighted metrics against scikit-learn's, and the bootstrap by customer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from ml import metrics

RANDOM = np.random.default_rng(5)
TRUTH = RANDOM.integers(0, 2, 400)
PROBABILITY = np.round(np.clip(0.3 * TRUTH + RANDOM.random(400) * 0.6, 0.01, 0.99), 2)
EVERYONE = np.ones((1, 400))
DRAWN = RANDOM.integers(0, 4, (3, 400)).astype("float64")


@pytest.mark.parametrize("weights", [EVERYONE, DRAWN], ids=["everyone", "resampled"])
def test_areas_agree_with_scikit_learn_ties_and_weights_included(weights):
    ranking = metrics.Ranking(TRUTH, PROBABILITY)
    for row, roc, pr in zip(weights, ranking.roc_auc(weights), ranking.pr_auc(weights), strict=True):
        assert roc == pytest.approx(reference.roc_auc_score(TRUTH, PROBABILITY, sample_weight=row))
        assert pr == pytest.approx(reference.average_precision_score(TRUTH, PROBABILITY, sample_weight=row))


@pytest.mark.parametrize("weights", [EVERYONE, DRAWN], ids=["everyone", "resampled"])
def test_losses_agree_with_scikit_learn(weights):
    losses, briers = metrics.log_loss(TRUTH, PROBABILITY, weights), metrics.brier(TRUTH, PROBABILITY, weights)
    for row, loss, score in zip(weights, losses, briers, strict=True):
        assert loss == pytest.approx(reference.log_loss(TRUTH, PROBABILITY, sample_weight=row))
        assert score == pytest.approx(reference.brier_score_loss(TRUTH, PROBABILITY, sample_weight=row))


def test_calibration_error_is_the_gap_between_predicted_and_observed():
    truth = np.tile([1, 0, 0, 0], 250)
    assert metrics.ece(truth, np.full(1000, 0.25), np.ones((1, 1000)))[0] == pytest.approx(0.0)
    assert metrics.ece(truth, np.full(1000, 0.65), np.ones((1, 1000)))[0] == pytest.approx(0.4)


def test_the_area_of_one_class_is_unknown_rather_than_a_number():
    assert np.isnan(metrics.Ranking(np.zeros(4, dtype=int), np.arange(4.0)).roc_auc(np.ones((1, 4)))[0])


def test_rows_of_one_customer_are_resampled_together():
    weights = metrics.resample_weights(np.array(["a", "b", "a", "c"]), resamples=50)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()
    assert len({tuple(row) for row in weights.tolist()}) > 5


def test_an_interval_holds_its_value_and_narrows_with_more_people():
    def width(people: int) -> float:
        truth, scores = np.resize(TRUTH, people), np.resize(PROBABILITY, people)
        weights = metrics.resample_weights(np.arange(people).astype(str).astype(object), resamples=200)
        found = metrics.estimate(metrics.Ranking(truth, scores).roc_auc, weights)
        assert found.low < found.value < found.high
        return found.high - found.low

    assert width(1600) < 0.7 * width(400)


def test_the_audience_counts_hits_and_misses():
    found = metrics.at_threshold(np.array([1, 1, 0, 0, 1]), np.array([True, False, True, False, False]))
    assert (found["precision"], found["recall"], found["accuracy"]) == (0.5, pytest.approx(1 / 3), 0.4)
