"""The churn model: choose a candidate inside the training dates, fit it, calibrate it.

Belongs here: everything between a training frame and a fitted `ChurnModel`, deterministic to the last bit.
Does not belong here: the test dates (`ml.evaluate`), files (`ml.registry`), words for people (`ml.reasons`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ml import candidates
from ml.training_set import usable_features

FOLDS = 5
LEAST_PER_CLASS = 10
LEAST_TO_CALIBRATE = 200
EDGE = 1e-6
SURE = 2.0  # standard errors


@dataclass(frozen=True)
class ChurnModel:
    """A fitted candidate with its calibration.

    Attributes:
        kind: the candidate's name.
        estimator: the scikit-learn estimator over `features` in that order, nulls allowed.
        features: the columns that it reads.
        slope: calibrated log-odds = slope × raw log-odds + intercept.
        intercept: see `slope`.
        typical: the training median of each feature, null where it is unknown for most.
        base_rate: share of churned people in training.
        choice: mean validation log loss of each candidate, lower is better; null where nothing could be validated.
    """

    kind: str
    estimator: BaseEstimator
    features: list[str]
    slope: float
    intercept: float
    typical: list[float | None]
    base_rate: float
    choice: dict[str, float | None]

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """The features as the estimator wants them: doubles, unknown is NaN.

        Raises:
            ValueError: the frame lacks a feature.
        """
        missing = [name for name in self.features if name not in frame.columns]
        if missing:
            raise ValueError(f"The model needs features that are not there: {', '.join(missing)}.")
        return as_matrix(frame, self.features)

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Calibrated log-odds of churning."""
        return self.slope * raw_log_odds(self.estimator, matrix) + self.intercept

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        """Calibrated probability of churning, one per row."""
        if frame.empty:
            return np.zeros(0)
        with threadpool_limits(1):
            return expit(self.log_odds(self.matrix(frame)))


def as_matrix(frame: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Columns as doubles; null and infinite become NaN."""
    columns = [frame[name].to_numpy(dtype="float64", na_value=np.nan) for name in names]
    matrix = np.column_stack(columns) if columns else np.zeros((len(frame), 0))
    matrix[~np.isfinite(matrix)] = np.nan
    return matrix


def raw_log_odds(estimator: BaseEstimator, matrix: np.ndarray) -> np.ndarray:
    """Log-odds before calibration, bounded so that a certain tree stays finite."""
    return logit(np.clip(estimator.predict_proba(matrix)[:, 1], EDGE, 1 - EDGE))


def fit(train: pd.DataFrame, names: list[str], *, label_days: int) -> ChurnModel:
    """Fit on training rows (customer_id, observation_date, churned, features), sorted by date and person.

    The candidate is chosen by log loss on later dates inside the training dates (with the same embargo), or on other
    customers where there are too few dates: the preferred one, unless another is better by more than two standard
    errors. It is calibrated on predictions for customers it had not seen.

    Raises:
        ValueError: no feature varies, or only one class is there.
    """
    features = usable_features(train, names)
    truth = train["churned"].to_numpy(dtype="int64")
    if not features or len(np.unique(truth)) < 2:
        raise ValueError("A churn model needs a feature that varies and people of both classes.")
    matrix = as_matrix(train, features)
    groups = customer_folds(train["customer_id"])
    with threadpool_limits(1):
        folds = time_folds(train, truth, label_days=label_days) or group_folds(groups, truth)
        losses = {name: _validation_losses(name, matrix, truth, folds) for name in candidates.NAMES}
        kind = chosen(losses)
        slope, intercept = _calibration(kind, matrix, truth, group_folds(groups, truth))
        estimator = candidates.build(kind, matrix).fit(matrix, truth)
    median = train[features].median()
    return ChurnModel(
        kind=kind,
        estimator=estimator,
        features=features,
        slope=slope,
        intercept=intercept,
        typical=[None if train[name].isna().mean() > 0.5 else float(median[name]) for name in features],
        base_rate=float(truth.mean()),
        choice={name: round(float(each.mean()), 6) if len(each) else None for name, each in losses.items()},
    )


def chosen(losses: dict[str, np.ndarray]) -> str:
    """The candidate to fit, from each one's losses on the same validation rows.

    That is the preferred candidate unless the best one's mean loss is lower by more than two standard errors of
    the difference: a few dozen churners tell no more, and what wins by luck loses on the next date. Without validation
    rows it is the first, the simplest.
    """
    first = next(iter(losses))
    if not len(losses[first]):
        return first
    means = {name: round(float(each.mean()), 6) for name, each in losses.items()}
    best = min(means, key=lambda name: means[name])
    if candidates.PREFERRED not in losses:
        return best
    gain = losses[candidates.PREFERRED] - losses[best]
    return best if gain.mean() > SURE * gain.std() / np.sqrt(len(gain)) else candidates.PREFERRED


def customer_folds(customers: pd.Series) -> np.ndarray:
    """A fold number per row, the same for all rows of a customer, and the same whoever else is there."""
    return (pd.util.hash_array(customers.to_numpy(dtype=object)) % np.uint64(FOLDS)).astype("int64")


Fold = tuple[np.ndarray, np.ndarray]


def time_folds(train: pd.DataFrame, truth: np.ndarray, *, label_days: int) -> list[Fold]:
    """(fit rows, validation rows) per validation date that has an embargoed past with people of both classes."""
    days = pd.to_datetime(train["observation_date"])
    folds = []
    for day in sorted(days.unique()):
        past = (days + pd.Timedelta(days=label_days) <= day).to_numpy()
        now = (days == day).to_numpy()
        if _has_both(truth[past]) and _has_both(truth[now]):
            folds.append((np.flatnonzero(past), np.flatnonzero(now)))
    return folds[-3:]


def group_folds(groups: np.ndarray, truth: np.ndarray) -> list[Fold]:
    """(fit rows, validation rows) per fold of customers; a fold without both classes to fit on is left out."""
    folds = [(np.flatnonzero(groups != fold), np.flatnonzero(groups == fold)) for fold in range(FOLDS)]
    return [fold for fold in folds if len(fold[1]) and _has_both(truth[fold[0]])]


def _has_both(truth: np.ndarray) -> bool:
    return min(int(truth.sum()), int(len(truth) - truth.sum())) >= LEAST_PER_CLASS


def _predict_folds(name: str, matrix: np.ndarray, truth: np.ndarray, folds: list[Fold]) -> Fold:
    rows, odds = [], []
    for fit_rows, validation_rows in folds:
        # trees cannot take a column of nothing but nulls; as a constant it tells as little
        values = np.where(np.isnan(matrix[fit_rows]).all(axis=0), 0.0, matrix)
        estimator = candidates.build(name, values[fit_rows]).fit(values[fit_rows], truth[fit_rows])
        rows.append(validation_rows)
        odds.append(raw_log_odds(estimator, values[validation_rows]))
    return np.concatenate(rows), np.concatenate(odds)


def _validation_losses(name: str, matrix: np.ndarray, truth: np.ndarray, folds: list[Fold]) -> np.ndarray:
    """Negative log likelihood of each validation row; none where there is nothing to validate on."""
    if not folds:
        return np.zeros(0)
    rows, odds = _predict_folds(name, matrix, truth, folds)
    return np.logaddexp(0.0, np.where(truth[rows] == 1, -odds, odds))


def _calibration(name: str, matrix: np.ndarray, truth: np.ndarray, folds: list[Fold]) -> tuple[float, float]:
    """Platt's slope and intercept; the identity where there is too little to learn them from."""
    if not folds or len(truth) < LEAST_TO_CALIBRATE:
        return 1.0, 0.0
    rows, odds = _predict_folds(name, matrix, truth, folds)
    platt = LogisticRegression(C=1e6).fit(odds.reshape(-1, 1), truth[rows])
    slope = float(platt.coef_[0, 0])
    return (slope, float(platt.intercept_[0])) if slope > 0 else (1.0, 0.0)
