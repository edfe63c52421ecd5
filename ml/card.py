"""The model card: what a version is, how good, and what it must not be used for.

Belongs here: wording a manifest as a page of Markdown. Does not belong here: computing any of its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml.churn import ChurnModel

TOP_DRIVERS = 8


def model_card(version: str, model: ChurnModel, manifest: Mapping[str, Any]) -> str:
    """A Markdown page from a model and its manifest (with metrics)."""
    numbers, rule = manifest["metrics"], manifest["parameters"]["rule"]
    gain, audience = numbers["roc_auc_difference"], numbers["model_audience"]
    event = "cancels the subscription" if rule["kind"] == "cancellation" else "places no order"
    measures = "\n".join(
        f"| {name} | {each['value']:.4f} | {each['low']:.4f} to {each['high']:.4f} |"
        for name, each in numbers["model"].items()
    )
    top = list(numbers["drivers"].items())[:TOP_DRIVERS]
    looks = "\n".join(f"* {name} (mean pull on the log-odds {size:.3f})" for name, size in top)
    choice = ", ".join(f"{name} {loss:.4f}" for name, loss in model.choice.items() if loss is not None)
    return f"""# {version}

Probability that a person {event} in {rule["horizon_days"]} days, counted from {rule["gap_days"]} days after the
observation.

* Model: {model.kind}, by log loss inside the training dates ({choice or "too few to compare"}).
* Trained on {", ".join(manifest["train_dates"])}: {manifest["train_rows"]} rows, {manifest["train_churned"]} churned.
* Tested on {", ".join(manifest["test_dates"])}, {numbers["n"]} people.
* {len(model.features)} features, hash {manifest["feature_hash"]}; data fingerprint {manifest["fingerprint"][:12]}.
* Made {manifest["created_at"]}.

## On the test date

| measure | value | 95 % interval |
|---|---|---|
{measures}

Base rate {numbers["base_rate"]:.4f}. The recency rule ({numbers["recency_rule_column"] or "no column"}) has ROC-AUC
{numbers["recency_rule"]["roc_auc"]["value"]:.4f}; the model's is higher by {gain["value"]:.4f} \
({gain["low"]:.4f} to {gain["high"]:.4f}).
The top {100 * numbers["audience_share"]:.0f} % by probability: precision {audience["precision"]:.3f}, \
recall {audience["recall"]:.3f}, accuracy {audience["accuracy"]:.3f}.

## What it looks at

{looks}

## Limits

A high risk is not a high chance of being persuaded: compare offers with the people held out. Probabilities hold for
the season and the offers of the training dates. Not meant for decisions about credit, employment or prices.
"""
