"""Why a person's score is what it is, in words that a marketer reads.

Belongs here: each feature's contribution to the log-odds, and its wording.
Does not belong here: probabilities (`ml.churn`) and who gets an offer.

Contributions are relative to the average training person: exact for the linear candidates (coefficient × distance
from the mean); for trees and blends, what the log-odds lose when one feature is set to its typical value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ml import candidates
from ml.churn import ChurnModel, raw_log_odds

TOP = 3
LEAST = 0.01
SAMPLE = 2_000
LOOKED_AT = 8
WINDOW = re.compile(r"^(?P<what>.+?)_(?:last_)?(?P<days>\d+)(?:d|_days)?$")


def contributions(model: ChurnModel, matrix: np.ndarray) -> np.ndarray:
    """How much each feature adds to a person's log-odds; people × features."""
    with threadpool_limits(1):
        estimator = model.estimator
        if not isinstance(estimator, Pipeline):
            return _by_replacing(model, matrix)
        design = estimator[:-1].transform(matrix) * estimator[-1].coef_[0]
        owner = candidates.origins(estimator, len(model.features))
        belongs = (owner[:, None] == np.arange(len(model.features))[None, :]).astype("float64")
        return model.slope * (design @ belongs)


def drivers(model: ChurnModel, matrix: np.ndarray) -> dict[str, float]:
    """Mean absolute contribution of each feature, largest first: what the model looks at."""
    size = np.abs(contributions(model, matrix)).mean(axis=0)
    order = np.argsort(-size, kind="stable")
    return {model.features[index]: float(size[index]) for index in order}


def reasons(model: ChurnModel, matrix: np.ndarray, *, descriptions: Mapping[str, str] | None = None) -> list[list[str]]:
    """Up to three phrases per person: the features that pull the score away from the average, in its direction.

    Args:
        model: the model that scores.
        matrix: people × features, as `ChurnModel.matrix` gives it.
        descriptions: feature → words to show instead of its name.
    """
    if not len(matrix):
        return []
    added = contributions(model, matrix)
    total = added.sum(axis=1)
    pull = np.where(total[:, None] >= 0, added, -added)
    top = np.argsort(-pull, axis=1, kind="stable")[:, :TOP]
    strong = np.take_along_axis(pull, top, axis=1) > LEAST
    words = [describe(name, descriptions) for name in model.features]
    typical = [
        "mostly unknown" if value is None else f"typical {_show(name, value)}"
        for name, value in zip(model.features, model.typical, strict=True)
    ]
    found = []
    for person in range(len(matrix)):
        parts = [
            f"{words[index]}: {_show(model.features[index], matrix[person, index])} ({typical[index]})"
            for index, counts in zip(top[person], strong[person], strict=True)
            if counts
        ]
        direction = "raises risk" if total[person] >= 0 else "lowers risk"
        found.append([f"{part} {direction}" for part in parts] or ["close to the average customer"])
    return found


def describe(name: str, descriptions: Mapping[str, str] | None = None) -> str:
    """A feature's name in words: `count_orders_30d` → «orders in the last 30 days»."""
    if descriptions and name in descriptions:
        return descriptions[name].rstrip(".")
    suffix = ""
    found = WINDOW.match(name)
    if found:
        name, suffix = found["what"], f" in the last {found['days']} days"
    name = re.sub(r"^(count|is|has)_", "", re.sub(r"_cents(_|$)", r"\1", name))
    return name.replace("_", " ").strip() + suffix


def _by_replacing(model: ChurnModel, matrix: np.ndarray) -> np.ndarray:
    """For a crowd, the features that hardly move a sample are not replaced: each costs a prediction of everybody."""
    indices = list(range(len(model.features)))
    if len(matrix) > 2 * SAMPLE:
        size = np.abs(_by_replacing(model, matrix[:: len(matrix) // SAMPLE])).mean(axis=0)
        indices = np.argsort(-size, kind="stable")[:LOOKED_AT].tolist()
    before = raw_log_odds(model.estimator, matrix)
    added = np.zeros(matrix.shape)
    for index in indices:
        value, column = model.typical[index], matrix[:, index].copy()
        matrix[:, index] = np.nan if value is None else value
        added[:, index] = before - raw_log_odds(model.estimator, matrix)
        matrix[:, index] = column  # put back: a copy of everything per feature would cost more than the change
    return model.slope * added


def _show(name: str, value: float) -> str:
    if np.isnan(value):
        return "unknown"
    if name.startswith(("is_", "has_")):
        return "yes" if value >= 0.5 else "no"
    if "_share" in name or name.startswith("share_"):
        return f"{100 * value:.0f} %"
    if "_cents" in name:
        return f"{value / 100:,.2f}"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:,.1f}"
