"""Everybody's probability of churning now, and why.

Belongs here: turning a model and a frame of features into rows of `ml.churn_scores`.
Does not belong here: who is in the audience (dbt) and what is sent to whom (syncs).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pandas as pd

from ml.churn import ChurnModel
from ml.reasons import reasons
from ml.training_set import feature_hash

HELD_OUT_SHARE = 0.1
COLUMNS = {
    "customer_id": "str",
    "probability": "float64",
    "percentile": "float64",
    "reasons": "str",
    "model_version": "str",
    "feature_hash": "str",
    "held_out": "bool",
    "scored_at": "datetime64[us]",
}


def empty_scores() -> pd.DataFrame:
    """No rows, but the columns and types of `ml.churn_scores`."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})


def score(
    model: ChurnModel,
    frame: pd.DataFrame,
    *,
    version: str,
    scored_at: datetime,
    descriptions: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """One row per person of `frame` (customer_id and the model's features).

    Percentile is 0-100 among the people scored together: 100 is the highest risk, ties share their mean.
    Reasons are a JSON list of phrases.

    Raises:
        ValueError: a feature of the model is missing.
    """
    if frame.empty:
        return empty_scores()
    probability = model.probability(frame)
    rank = pd.Series(probability).rank(method="average").to_numpy()
    share = (rank - 1) / (len(rank) - 1) if len(rank) > 1 else np.array([1.0])
    why = reasons(model, model.matrix(frame), descriptions=descriptions)
    rows = pd.DataFrame(
        {
            "customer_id": frame["customer_id"].to_numpy(),
            "probability": probability,
            "percentile": np.round(100 * share, 2),
            "reasons": [json.dumps(phrases, ensure_ascii=False) for phrases in why],
            "model_version": version,
            "feature_hash": feature_hash(model.features),
            "held_out": [held_out(str(person)) for person in frame["customer_id"]],
            "scored_at": scored_at,
        }
    )
    return rows.astype(COLUMNS)


def held_out(customer_id: str, *, share: float = HELD_OUT_SHARE) -> bool:
    """Whether a person belongs to the random tenth who get no offer, so that its effect can be read back.

    The answer depends on the id alone: it is the same in every run and for every model.
    """
    digest = hashlib.sha256(f"held-out:{customer_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
