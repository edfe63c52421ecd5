"""What each step of a prediction came to, for the caller to write, show or pass on.

Belongs here: the results of `ml.prediction` and their plain metadata. Does not belong here: any computing of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Prepared:
    """The training set of a prediction.

    Attributes:
        frame: customer_id, observation_date, churned, split (train, embargo, test), features; one row per label.
        dates: observation dates in it, oldest first.
        skip_reason: why there is no row; empty when there are rows.
        without_features: rows for which the features had none.
    """

    frame: pd.DataFrame
    dates: list[date]
    skip_reason: str = ""
    without_features: int = 0

    def metadata(self) -> dict[str, Any]:
        """Counts for people, as plain values."""
        by_split = self.frame["split"].value_counts() if "split" in self.frame else {}
        return {
            "rows": len(self.frame),
            "churned": int(self.frame["churned"].sum()),
            "observation_dates": ", ".join(map(str, self.dates)) or "none",
            "rows_without_features": self.without_features,
            **{f"rows_{part}": int(by_split.get(part, 0)) for part in ("train", "embargo", "test")},
            **({"skipped": self.skip_reason} if self.skip_reason else {}),
        }


@dataclass(frozen=True)
class Trained:
    """What training came to.

    Attributes:
        version: the version of this data; empty when training was skipped.
        champion: the version that scores now; None when there is none.
        reused: the version existed already, so nothing was fitted.
        promoted: this call made it the champion.
        decision: one sentence on the promotion.
        numbers: the evaluation on the test date (`ml.evaluate.Report.numbers`).
        plots: name → PNG.
        skip_reason: why nothing was trained; empty otherwise.
    """

    version: str = ""
    champion: str | None = None
    reused: bool = False
    promoted: bool = False
    decision: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)
    plots: dict[str, bytes] = field(default_factory=dict)
    folder: Path | None = None
    skip_reason: str = ""

    def metadata(self) -> dict[str, Any]:
        """The main numbers for people, as plain values."""
        if self.skip_reason:
            return {"skipped": self.skip_reason, "champion": self.champion or "none"}
        model, rule, gain = self.numbers["model"], self.numbers["recency_rule"], self.numbers["roc_auc_difference"]
        return {
            "model_version": self.version,
            "champion": self.champion or "none",
            "reused": self.reused,
            "decision": self.decision,
            "people_tested": self.numbers["n"],
            "base_rate": self.numbers["base_rate"],
            **{name: value["value"] for name, value in model.items()},
            "roc_auc_interval": f"{model['roc_auc']['low']:.3f} to {model['roc_auc']['high']:.3f}",
            "roc_auc_recency_rule": rule["roc_auc"]["value"],
            "roc_auc_gain": gain["value"],
            "roc_auc_gain_interval": f"{gain['low']:.3f} to {gain['high']:.3f}",
            "precision_at_audience": self.numbers["model_audience"]["precision"],
            "recall_at_audience": self.numbers["model_audience"]["recall"],
        }


@dataclass(frozen=True)
class Scored:
    """The rows of `ml.churn_scores`; `skip_reason` says why there is none."""

    frame: pd.DataFrame
    version: str = ""
    skip_reason: str = ""

    def metadata(self) -> dict[str, Any]:
        """Counts for people, as plain values."""
        return {
            "rows": len(self.frame),
            "model_version": self.version or "none",
            "held_out": int(self.frame["held_out"].sum()),
            "mean_probability": float(self.frame["probability"].mean()) if len(self.frame) else 0.0,
            **({"skipped": self.skip_reason} if self.skip_reason else {}),
        }
