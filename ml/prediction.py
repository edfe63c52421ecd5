"""The churn prediction in three steps: prepare the training set, train, score.

Belongs here: what orchestration calls, one function per asset, each with a small result that says what happened or
why nothing did. Does not belong here: reading or writing tables.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pandas as pd

from ml import candidates, churn, evaluate, labels, training_set
from ml import score as scoring
from ml.card import model_card
from ml.gate import decide
from ml.labels import ChurnRule
from ml.outcomes import Prepared, Scored, Trained
from ml.reasons import drivers
from ml.registry import Registry, version_for

CODE = "2"  # raise it when fitting or calibrating changes: the same data must then lead to another version
NAME = "churn"


def rule_from(label: Any, *, first_observation: str | None = None, last_observation: str | None = None) -> ChurnRule:
    """A rule from a config's label (kind, horizon_days, gap_days) and its optional ISO dates."""
    return ChurnRule(
        kind=label.kind,
        horizon_days=label.horizon_days,
        gap_days=label.gap_days,
        first_observation=labels.as_date(first_observation) if first_observation else None,
        last_observation=labels.as_date(last_observation) if last_observation else None,
    )


def prepare(
    features: pd.DataFrame,
    orders: pd.DataFrame,
    subscriptions: pd.DataFrame,
    *,
    rule: ChurnRule,
    as_of: datetime,
    allowed: Collection[str] | None = None,
) -> Prepared:
    """Labels of every complete observation date, joined with the features known before it.

    Args:
        features: `int_churn_features`: customer_id, observation_date, numeric columns, possibly null.
        orders: `marts.orders`: customer_id, ordered_at, kind.
        subscriptions: `int_subscription_periods`: customer_id, started_at, cancelled_at.
        rule: what «churned» means.
        as_of: the data's last moment, UTC without timezone.
        allowed: only these customer_ids, when given.

    Raises:
        ml.training_set.TrainingDataError: the frames are not what they should be.
    """
    first = labels.first_activity(rule, orders, subscriptions)
    possible = labels.observation_dates(rule, first_activity=first, as_of=as_of)
    observed = {day.date() for day in pd.to_datetime(features["observation_date"]).unique()}
    dates = [day for day in possible.dates if day in observed]
    reason = possible.reason
    if possible.dates and not dates:
        reason = f"The features hold none of the observation dates {possible.dates[0]} to {possible.dates[-1]}."
    found = labels.churn_labels(rule, dates, orders=orders, subscriptions=subscriptions, allowed=allowed)
    joined = training_set.join(found, features)
    if dates and joined.empty:
        reason = "Nobody belongs to the population at any observation date."
    marked, _ = training_set.mark_split(joined, label_days=rule.label_days)
    names = training_set.feature_columns(marked)
    return Prepared(
        frame=marked[["customer_id", "observation_date", "churned", "split", *names]],
        dates=[day.date() for day in marked["observation_date"].unique()],
        skip_reason=reason if joined.empty else "",
        without_features=int(marked[names].isna().all(axis=1).sum()) if names else len(marked),
    )


def train(
    frame: pd.DataFrame,
    *,
    rule: ChurnRule,
    folder: Path,
    created_at: datetime,
    audience_share: float = 0.2,
    skip_reason: str = "",
) -> Trained:
    """Fit, evaluate on the latest date, save, and promote if it is no worse than the champion.

    Args:
        frame: the training set as `prepare` gave it, also when read back from a table.
        rule: what «churned» means.
        folder: where the versions of this model are kept.
        created_at: written into the manifest; it does not change the version.
        audience_share: the share of people who would be addressed.
        skip_reason: why the training set is empty, passed on.
    """
    registry = Registry(folder)
    if frame.empty:
        reason = skip_reason or "The training set is empty."
        return Trained(champion=registry.champion(), skip_reason=reason, folder=folder)
    marked, split = training_set.mark_split(frame, label_days=rule.label_days)
    marked = marked.sort_values(training_set.KEYS, ignore_index=True)
    reason = split.reason or training_set.unusable_reason(marked)
    if reason:
        return Trained(champion=registry.champion(), skip_reason=reason, folder=folder)
    names = training_set.feature_columns(marked)
    said = training_set.fingerprint(marked)
    parameters = _parameters(rule, audience_share)
    version = version_for(
        name=NAME, fingerprint=said, feature_hash=training_set.feature_hash(names), parameters=parameters
    )
    manifest = {
        "name": NAME,
        "created_at": created_at.isoformat(),
        "fingerprint": said,
        "parameters": parameters,
        "train_dates": [str(day) for day in split.train],
        "test_dates": [str(day) for day in split.test],
        "train_rows": int((marked["split"] == "train").sum()),
        "train_churned": int(marked.loc[marked["split"] == "train", "churned"].sum()),
    }
    reused = registry.has(version)
    test = marked[marked["split"] == "test"]
    if not reused:
        _fit_and_save(registry, version, manifest, marked, names, rule=rule, audience_share=audience_share)
    saved = registry.load(version)
    promoted, decision = decide(registry, saved, test, rule=rule, at=created_at)
    return Trained(
        version=version,
        champion=registry.champion(),
        reused=reused,
        promoted=promoted,
        decision=decision,
        numbers=saved.manifest["metrics"],
        plots=registry.plots(version),
        folder=folder / version,
    )


def score(
    features: pd.DataFrame,
    orders: pd.DataFrame,
    subscriptions: pd.DataFrame,
    *,
    rule: ChurnRule,
    folder: Path,
    scored_at: datetime,
    allowed: Collection[str] | None = None,
    descriptions: Mapping[str, str] | None = None,
) -> Scored:
    """Score the population at the latest observation of `features` with the champion.

    The population is taken at that row's `observed_at` where there is such a column, else at the date's midnight: who
    cancelled this morning is not scored this noon.

    Raises:
        ml.registry.ArtefactError: the champion's files are missing or were changed.
        ValueError: the features lack one that the champion needs.
    """
    registry = Registry(folder)
    champion = registry.champion()
    if champion is None:
        return Scored(scoring.empty_scores(), skip_reason="There is no model yet, so nobody is scored.")
    if features.empty:
        return Scored(scoring.empty_scores(), champion, "There are no features to score.")
    saved = registry.load(champion)
    days = pd.to_datetime(features["observation_date"])
    latest = days.max()
    moment = pd.to_datetime(features["observed_at"]).max() if "observed_at" in features else latest
    people = labels.population(
        rule, moment.to_pydatetime(), orders=orders, subscriptions=subscriptions, allowed=allowed
    )
    rows = pd.DataFrame({"customer_id": people}).merge(features[days == latest], on="customer_id", how="left")
    if rows.empty:
        return Scored(scoring.empty_scores(), champion, f"Nobody belongs to the population at {latest:%Y-%m-%d}.")
    frame = scoring.score(saved.model, rows, version=champion, scored_at=scored_at, descriptions=descriptions)
    return Scored(frame, champion)


def _parameters(rule: ChurnRule, audience_share: float) -> dict[str, Any]:
    """Everything beside the data that decides what a model is; as it reads back from JSON."""
    said: dict[str, Any] = {
        "rule": asdict(rule),
        "audience_share": audience_share,
        "candidates": candidates.PARAMETERS,
        "code": CODE,
        "libraries": {library: installed(library) for library in ("numpy", "pandas", "scikit-learn", "scipy", "skops")},
    }
    parsed: dict[str, Any] = json.loads(json.dumps(said, default=str))
    return parsed


def _fit_and_save(
    registry: Registry,
    version: str,
    manifest: dict[str, Any],
    marked: pd.DataFrame,
    names: list[str],
    *,
    rule: ChurnRule,
    audience_share: float,
) -> None:
    fitting, test = marked[marked["split"] == "train"], marked[marked["split"] == "test"]
    model = churn.fit(fitting, names, label_days=rule.label_days)
    probability = model.probability(test)
    report = evaluate.evaluate(test, probability, audience_share=audience_share)
    metrics = {**report.numbers(), "drivers": {k: round(v, 6) for k, v in drivers(model, model.matrix(test)).items()}}
    manifest = {**manifest, "feature_hash": training_set.feature_hash(model.features), "metrics": metrics}
    plots = {"roc": evaluate.roc_plot(test, probability), "calibration": evaluate.calibration_plot(test, probability)}
    registry.save(version, model, manifest, card=model_card(version, model, manifest), plots=plots)
