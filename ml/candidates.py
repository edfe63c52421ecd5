"""The models that may be chosen, as scikit-learn pipelines over a matrix with nulls.

Belongs here: their shape and settings, and which design column stems from which feature.
Does not belong here: choosing, calibrating or explaining one.

Every setting is fixed, and strict: a few hundred churners carry no search, and what they teach must survive the next
month. The mean of all three is preferred: on the dates that follow it was worth more than the best of the dates before.
No class weights, because they ruin probabilities and do not improve the ranking.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler

SEED = 7
KNOTS = 5
PARAMETERS: dict[str, dict[str, Any]] = {
    "logistic": {"C": 0.03},
    "spline_logistic": {"C": 0.01},
    "gradient_boosting": {"learning_rate": 0.05, "max_iter": 150, "max_leaf_nodes": 3, "l2_regularization": 5.0},
    "blend": {"of": ["logistic", "spline_logistic", "gradient_boosting"]},
}
NAMES = list(PARAMETERS)
PREFERRED = "blend"


def signed_log(values: np.ndarray) -> np.ndarray:
    """Logarithm that keeps the sign and zero: counts, days and money have long tails."""
    return np.sign(values) * np.log1p(np.abs(values))


def build(name: str, matrix: np.ndarray) -> BaseEstimator:
    """An unfitted candidate. `matrix` is the training matrix, of which only the spread of each column is used.

    Raises:
        KeyError: there is no candidate of that name.
    """
    settings: dict[str, Any] = PARAMETERS[name]
    if name == "blend":
        return VotingClassifier([(part, build(part, matrix)) for part in settings["of"]], voting="soft")
    if name == "gradient_boosting":
        return HistGradientBoostingClassifier(min_samples_leaf=20, early_stopping=False, random_state=SEED, **settings)
    steps: list[tuple[str, BaseEstimator]] = [
        ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
        ("log", FunctionTransformer(signed_log)),
    ]
    curved = _curved(matrix) if name == "spline_logistic" else []
    if curved:
        spline = SplineTransformer(n_knots=KNOTS, knots="quantile", extrapolation="constant", include_bias=False)
        steps.append(("curve", ColumnTransformer([("spline", spline, curved)], remainder="passthrough")))
    steps.append(("scale", StandardScaler()))
    steps.append(("fit", LogisticRegression(C=settings["C"], max_iter=2000)))
    return Pipeline(steps)


def origins(estimator: Pipeline, count_features: int) -> np.ndarray:
    """For each column that the final linear step sees, the index of the feature that it stems from."""
    indicators = estimator.named_steps["impute"].indicator_.features_
    columns = np.concatenate([np.arange(count_features), indicators]).astype(int)
    if "curve" not in estimator.named_steps:
        return columns
    transformer = estimator.named_steps["curve"]
    curved = transformer.transformers_[0][2]
    width = transformer.named_transformers_["spline"].n_features_out_ // len(curved)
    rest = [column for column in range(len(columns)) if column not in set(curved)]
    return np.concatenate([np.repeat(columns[curved], width), columns[rest]])


def _curved(matrix: np.ndarray) -> list[int]:
    """The columns with enough distinct values for a curve: quantile knots must not coincide."""
    median = np.nan_to_num(np.nanmedian(matrix, axis=0))
    filled = np.where(np.isnan(matrix), median, matrix)
    knots = np.percentile(filled, np.linspace(0, 100, KNOTS), axis=0)
    return [column for column in range(matrix.shape[1]) if np.all(np.diff(knots[:, column]) > 1e-9)]
