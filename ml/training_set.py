"""The training set: labels joined with features, checked, and split by time with an embargo.

Belongs here: which columns are features, what makes a training set unusable, which dates train and which test.
Does not belong here: how a feature or a label is computed, or any model.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from scipy.stats import rankdata

KEYS = ["customer_id", "observation_date"]
NOT_FEATURES = [*KEYS, "churned", "split", "is_scoring"]
LEAKY_NAME = re.compile(r"(^|_)(churn|churned|label|target|future|next|outcome|after)(_|$)")
LEAKY_AUC = 0.95
MIN_TRAIN_PER_CLASS = 25
MIN_TEST_PER_CLASS = 10


class TrainingDataError(ValueError):
    """The frames handed over break a promise: a duplicate key, a missing column, a column that is a label."""


@dataclass(frozen=True)
class Split:
    """Which observation dates fit the model, which test it, and which are left out in between (embargo)."""

    train: list[date]
    embargo: list[date]
    test: list[date]
    reason: str = ""


def feature_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the numeric columns beside the keys, sorted.

    Raises:
        TrainingDataError: a column's name says that it holds the label or the time after the observation.
    """
    names = [
        str(name)
        for name in frame.columns
        if name not in NOT_FEATURES and (pd.api.types.is_numeric_dtype(frame[name]) or frame[name].dtype == bool)
    ]
    leaky = [name for name in names if LEAKY_NAME.search(name)]
    if leaky:
        raise TrainingDataError(f"These feature columns are named like a label or the future: {', '.join(leaky)}.")
    return sorted(names)


def join(labels: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """One row per label, with its features (null where the person has none), sorted by date and person.

    Raises:
        TrainingDataError: a key occurs twice, or `features` lacks a key column.
    """
    missing = [name for name in KEYS if name not in features.columns]
    if missing:
        raise TrainingDataError(f"The features have no column {', '.join(missing)}.")
    names = feature_columns(features)
    right = features[[*KEYS, *names]].assign(
        observation_date=pd.to_datetime(features["observation_date"]).astype("datetime64[us]")
    )
    left = labels.assign(observation_date=labels["observation_date"].astype("datetime64[us]"))
    for what, frame in (("labels", left), ("features", right)):
        if frame.duplicated(KEYS).any():
            example = frame.loc[frame.duplicated(KEYS), KEYS].iloc[0]
            raise TrainingDataError(
                f"The {what} hold {example['customer_id']} at {example['observation_date']:%Y-%m-%d} twice."
            )
    joined = left.merge(right, on=KEYS, how="left")
    joined[names] = joined[names].astype("float64").replace([np.inf, -np.inf], np.nan)
    return joined.sort_values(["observation_date", "customer_id"], ignore_index=True)


def split_dates(dates: list[date], *, label_days: int) -> Split:
    """Test on the latest date; train on every date whose label was known by then.

    The embargo keeps out the dates in between: last train date + gap + horizon ≤ test date.
    """
    if not dates:
        return Split([], [], [], "No observation date has a complete label.")
    ordered = sorted(set(dates))
    test = ordered[-1]
    train = [day for day in ordered[:-1] if day + timedelta(days=label_days) <= test]
    if not train:
        return Split(
            [],
            ordered[:-1],
            [test],
            f"The observation dates {ordered[0]} to {test} are too close: a training date must lie {label_days} days "
            "before the test date.",
        )
    return Split(train, [day for day in ordered[:-1] if day not in train], [test])


def mark_split(frame: pd.DataFrame, *, label_days: int) -> tuple[pd.DataFrame, Split]:
    """Add the column `split` (train, embargo, test) and say which dates are which."""
    days = pd.to_datetime(frame["observation_date"])
    split = split_dates([day.date() for day in days.unique()], label_days=label_days)
    names = {pd.Timestamp(day): part for part in ("train", "embargo", "test") for day in getattr(split, part)}
    return frame.assign(split=days.map(names).astype("str")), split


def unusable_reason(frame: pd.DataFrame) -> str:
    """Why no model can be trained and tested on a split training set; empty when one can."""
    for part, least in (("train", MIN_TRAIN_PER_CLASS), ("test", MIN_TEST_PER_CLASS)):
        churned = frame.loc[frame["split"] == part, "churned"].astype(bool)
        for count, what in ((int(churned.sum()), "churned"), (int((~churned).sum()), "stayed")):
            if count < least:
                return f"Only {count} of {len(churned)} people in the {part} dates {what}; at least {least} are needed."
    train = frame[frame["split"] == "train"]
    names = feature_columns(frame)
    usable = usable_features(train, names)
    if not usable:
        return f"None of the {len(names)} features varies in the training dates."
    for name in usable:
        auc = _single_auc(train[name].to_numpy(), train["churned"].to_numpy(dtype=bool))
        if auc > LEAKY_AUC:
            return f"The feature {name} alone tells who churns (ROC-AUC {auc:.3f} > {LEAKY_AUC}): it looks like a leak."
    return ""


def usable_features(train: pd.DataFrame, names: list[str]) -> list[str]:
    """The features that are neither all null nor constant (a feature that is only sometimes null says something)."""
    return [name for name in names if train[name].nunique(dropna=False) > 1]


def feature_hash(names: list[str]) -> str:
    """A short name for a list of features, order included."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:12]


def fingerprint(frame: pd.DataFrame) -> str:
    """A hash of what a frame says, whatever the order of its rows and columns.

    Numbers count to nine significant digits, since a parallel sum may differ in its last bits from run to run.
    """
    names = sorted(str(name) for name in frame.columns)
    parts = []
    for name in names:
        column = frame[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            column = column.astype("datetime64[us]").astype("int64").astype("str")
        elif pd.api.types.is_numeric_dtype(column) or column.dtype == bool:
            column = _rounded(column.to_numpy(dtype="float64", na_value=np.nan))
        else:
            column = column.astype("str")
        parts.append(pd.util.hash_array(np.asarray(column, dtype=object if column.dtype.kind not in "fiu" else None)))
    rows = np.zeros(len(frame), dtype=np.uint64)
    for position, part in enumerate(parts):
        rows = (rows * np.uint64(1_000_003)) ^ (part + np.uint64(position))
    digest = hashlib.sha256(json.dumps(names).encode())
    digest.update(np.sort(rows).tobytes())
    return digest.hexdigest()


def _rounded(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.floor(np.log10(np.abs(values)))
        scale = np.power(10.0, 8 - np.where(np.isfinite(size), size, 0.0))
    return np.where(np.isfinite(values), np.round(values * scale) / scale, np.nan) + 0.0


def _single_auc(values: np.ndarray, churned: np.ndarray) -> float:
    known = np.isfinite(values)
    positive, negative = int(churned[known].sum()), int((~churned[known]).sum())
    if min(positive, negative) < MIN_TRAIN_PER_CLASS:
        return 0.5
    ranks = rankdata(values[known])
    auc = (ranks[churned[known]].sum() - positive * (positive + 1) / 2) / (positive * negative)
    return float(max(auc, 1 - auc))
