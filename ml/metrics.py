"""How good probabilities are: ranking, calibration, and how sure we may be of each number.

Belongs here: metrics over (truth, probability), weighted so that a bootstrap by customer is one matrix product.
Does not belong here: which model or date is measured (`ml.evaluate`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SEED = 7
RESAMPLES = 1000
BINS = 10
EPSILON = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


class Ranking:
    """Scores sorted once, so that ROC-AUC and PR-AUC under many weightings cost one pass each."""

    def __init__(self, truth: np.ndarray, scores: np.ndarray) -> None:
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        self._order = order
        self._truth = truth[order].astype("float64")
        self._ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))

    def roc_auc(self, weights: np.ndarray) -> np.ndarray:
        """Area under the ROC curve, one per row of `weights` (rows × people); null where one class has no weight."""
        positive, negative = self._cumulated(weights)
        before = np.concatenate([np.zeros((len(positive), 1)), positive[:, :-1]], axis=1)
        step = np.diff(negative, axis=1, prepend=0.0)
        area = ((before + positive) / 2 * step).sum(axis=1)
        return _divide(area, positive[:, -1] * negative[:, -1])

    def pr_auc(self, weights: np.ndarray) -> np.ndarray:
        """Average precision, one per row of `weights`."""
        positive, negative = self._cumulated(weights)
        precision = _divide(positive, positive + negative, empty=0.0)
        return _divide((precision * np.diff(positive, axis=1, prepend=0.0)).sum(axis=1), positive[:, -1])

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """The ROC curve from (0, 0) to (1, 1): share of churners found, share of the others."""
        positive, negative = self._cumulated(np.ones((1, len(self._order))))
        hits, false = _divide(positive[0], positive[0, -1]), _divide(negative[0], negative[0, -1])
        return np.insert(hits, 0, 0.0), np.insert(false, 0, 0.0)

    def _cumulated(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ranked = weights[:, self._order]
        return (
            np.cumsum(ranked * self._truth, axis=1)[:, self._ends],
            np.cumsum(ranked * (1 - self._truth), axis=1)[:, self._ends],
        )


def log_loss(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean negative log likelihood, one per row of `weights`."""
    clipped = np.clip(probability, EPSILON, 1 - EPSILON)
    return _mean(-np.where(truth == 1, np.log(clipped), np.log1p(-clipped)), weights)


def brier(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean squared error of the probability, one per row of `weights`."""
    return _mean((probability - truth) ** 2, weights)


def ece(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Expected calibration error over ten equally filled bins, one per row of `weights`."""
    total = np.zeros(len(weights))
    for members in calibration_bins(probability):
        gap = weights[:, members] @ (truth[members] - probability[members])
        total += np.abs(gap)
    return _divide(total, weights.sum(axis=1))


def calibration_bins(probability: np.ndarray) -> list[np.ndarray]:
    """Indices of the people in each tenth, from the lowest probabilities to the highest."""
    order = np.argsort(probability, kind="stable")
    return [part for part in np.array_split(order, BINS) if len(part)]


def at_threshold(truth: np.ndarray, selected: np.ndarray) -> dict[str, float]:
    """Accuracy, precision, recall and the confusion counts of a selection."""
    hit, false = int((selected & (truth == 1)).sum()), int((selected & (truth == 0)).sum())
    missed, spared = int((~selected & (truth == 1)).sum()), int((~selected & (truth == 0)).sum())
    return {
        "accuracy": (hit + spared) / max(len(truth), 1),
        "precision": hit / max(hit + false, 1),
        "recall": hit / max(hit + missed, 1),
        "true_positives": hit,
        "false_positives": false,
        "false_negatives": missed,
        "true_negatives": spared,
    }


def resample_weights(customers: np.ndarray, *, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """How often each row is drawn when customers (not rows) are drawn with replacement; resamples × rows."""
    codes = np.unique(customers, return_inverse=True)[1]
    count = int(codes.max()) + 1
    random = np.random.default_rng(seed)
    weights = np.empty((resamples, len(codes)), dtype="uint16")  # half the memory of a float32
    for drawn in weights:
        drawn[:] = np.bincount(random.integers(0, count, count), minlength=count)[codes]
    return weights


def estimate(
    measure: Callable[[np.ndarray], np.ndarray], weights: np.ndarray, *, chunk_cells: int = 4_000_000
) -> Estimate:
    """A measure with its interval; `measure` maps weights (rows × people) to one value per row."""
    rows = weights.shape[1]
    value = float(measure(np.ones((1, rows)))[0])
    step = max(1, chunk_cells // max(rows, 1))
    drawn = np.concatenate([measure(weights[at : at + step].astype("float64")) for at in range(0, len(weights), step)])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _divide(weights @ values, weights.sum(axis=1))


def _divide(above: np.ndarray, below: np.ndarray, empty: float = np.nan) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), empty, dtype="float64"), where=below != 0)
