"""What a model is worth on people and dates it has not seen, beside the rule it must beat.

Belongs here: the recency rule, the report of numbers with intervals, lift, and the plots.
Does not belong here: fitting (`ml.churn`), keeping (`ml.registry`), or deciding which model serves (`ml.prediction`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ml import metrics
from ml.metrics import Estimate, Ranking

RECENCY_COLUMNS = ("days_since_last_order", "days_since_last_activity", "days_since_last_session")
COLOURS = {"model": "#1f5fa8", "rule": "#b0722a"}


@dataclass(frozen=True)
class Report:
    """Numbers on the test dates.

    Attributes:
        n: rows measured.
        base_rate: share of them who churned.
        model: roc_auc, pr_auc, log_loss, brier and ece with intervals.
        rule: roc_auc and pr_auc of the recency rule.
        difference: ROC-AUC of the model minus the rule's, on the same resampled customers.
        model_audience: accuracy, precision, recall and counts when the top share by probability is chosen.
        rule_audience: the same for the rule.
        lift: people, churn rate, lift and gain per tenth, highest risk first.
        rule_column: the column that the rule ranks by; empty when there is none (then everybody ties).
    """

    n: int
    base_rate: float
    model: dict[str, Estimate]
    rule: dict[str, Estimate]
    difference: Estimate
    model_audience: dict[str, float]
    rule_audience: dict[str, float]
    audience_share: float
    lift: list[dict[str, float]]
    rule_column: str = ""
    drivers: dict[str, float] = field(default_factory=dict)

    def numbers(self) -> dict[str, Any]:
        """The report as plain JSON values, rounded so that the same model always gives the same bytes."""
        plain = {
            "n": self.n,
            "base_rate": self.base_rate,
            "model": {name: _plain(value) for name, value in self.model.items()},
            "recency_rule": {name: _plain(value) for name, value in self.rule.items()},
            "roc_auc_difference": _plain(self.difference),
            "audience_share": self.audience_share,
            "model_audience": self.model_audience,
            "recency_rule_audience": self.rule_audience,
            "recency_rule_column": self.rule_column,
            "lift": self.lift,
            "drivers": self.drivers,
        }
        rounded: dict[str, Any] = _rounded(plain)
        return rounded


def recency_scores(frame: pd.DataFrame) -> tuple[np.ndarray, str]:
    """The rule that needs no model: the longer ago the last order, the likelier to churn. Never seen is longest."""
    for name in RECENCY_COLUMNS:
        if name in frame.columns and frame[name].notna().any():
            days = frame[name].to_numpy(dtype="float64", na_value=np.nan)
            return np.where(np.isfinite(days), days, np.nanmax(days) + 1), name
    return np.zeros(len(frame)), ""


def evaluate(test: pd.DataFrame, probability: np.ndarray, *, audience_share: float) -> Report:
    """Measure probabilities against `test.churned`; rows of one customer are resampled together.

    Args:
        test: customer_id, churned and the recency columns.
        probability: one per row of `test`.
        audience_share: the share of people, highest risk first, who would be addressed.
    """
    truth = test["churned"].to_numpy(dtype="int64")
    rule, column = recency_scores(test)
    weights = metrics.resample_weights(test["customer_id"].to_numpy(dtype=object))
    model_rank, rule_rank = Ranking(truth, probability), Ranking(truth, rule)
    return Report(
        n=len(truth),
        base_rate=float(truth.mean()),
        model={
            "roc_auc": metrics.estimate(model_rank.roc_auc, weights),
            "pr_auc": metrics.estimate(model_rank.pr_auc, weights),
            "log_loss": metrics.estimate(lambda w: metrics.log_loss(truth, probability, w), weights),
            "brier": metrics.estimate(lambda w: metrics.brier(truth, probability, w), weights),
            "ece": metrics.estimate(lambda w: metrics.ece(truth, probability, w), weights),
        },
        rule={
            "roc_auc": metrics.estimate(rule_rank.roc_auc, weights),
            "pr_auc": metrics.estimate(rule_rank.pr_auc, weights),
        },
        difference=metrics.estimate(lambda w: model_rank.roc_auc(w) - rule_rank.roc_auc(w), weights),
        model_audience=metrics.at_threshold(truth, top_share(probability, audience_share)),
        rule_audience=metrics.at_threshold(truth, top_share(rule, audience_share)),
        audience_share=audience_share,
        lift=lift_table(truth, probability),
        rule_column=column,
    )


def top_share(scores: np.ndarray, share: float) -> np.ndarray:
    """True for the highest `share` of the scores, rounded to whole people."""
    selected = np.zeros(len(scores), dtype=bool)
    selected[np.argsort(-scores, kind="stable")[: round(share * len(scores))]] = True
    return selected


def lift_table(truth: np.ndarray, probability: np.ndarray) -> list[dict[str, float]]:
    """One row per tenth of the people, highest risk first; gain is the share of all churners found so far."""
    rows, found = [], 0
    for tenth, members in enumerate(reversed(metrics.calibration_bins(probability)), start=1):
        found += int(truth[members].sum())
        rate = float(truth[members].mean())
        rows.append(
            {
                "tenth": tenth,
                "people": len(members),
                "mean_probability": float(probability[members].mean()),
                "churn_rate": rate,
                "lift": rate / max(float(truth.mean()), 1e-12),
                "gain": found / max(int(truth.sum()), 1),
            }
        )
    return rows


def roc_plot(test: pd.DataFrame, probability: np.ndarray) -> bytes:
    """ROC curves of the model and the recency rule, as PNG."""
    truth = test["churned"].to_numpy(dtype="int64")
    figure, axes = _figure()
    for name, scores in (("model", probability), ("rule", recency_scores(test)[0])):
        ranking, everyone = Ranking(truth, scores), np.ones((1, len(truth)))
        hits, false = ranking.curve()
        label = f"{'model' if name == 'model' else 'recency rule'} (AUC {ranking.roc_auc(everyone)[0]:.3f})"
        axes.plot(false, hits, color=COLOURS[name], label=label)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle="--")
    axes.set(xlabel="share of those who stay", ylabel="share of churners found", title="ROC on the test date")
    axes.legend(loc="lower right", frameon=False)
    return _png(figure)


def calibration_plot(test: pd.DataFrame, probability: np.ndarray) -> bytes:
    """Predicted against observed churn by tenths of the people, as PNG."""
    truth = test["churned"].to_numpy(dtype="int64")
    bins = metrics.calibration_bins(probability)
    figure, axes = _figure()
    predicted = [probability[members].mean() for members in bins]
    observed = [truth[members].mean() for members in bins]
    top = min(1.0, 1.1 * max([*predicted, *observed, 0.01]))
    axes.plot([0, top], [0, top], color="#999999", linewidth=0.8, linestyle="--")
    axes.plot(predicted, observed, marker="o", color=COLOURS["model"])
    axes.set(xlabel="predicted probability", ylabel="observed share", title="Calibration by tenths of the people")
    return _png(figure)


def _figure() -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # importing it costs more than most callers need
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.2), dpi=100, layout="tight")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _plain(value: Estimate) -> dict[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    return value
