"""Which version scores: the challenger or the champion.

Belongs here: the rule of promotion. Does not belong here: fitting or saving a version.

A challenger is promoted unless the recency rule surely ranks better, or the champion ranks the same test people better
by more than the tolerance. A tie goes to the challenger, since it has seen fresher data.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from ml.labels import ChurnRule
from ml.metrics import Ranking
from ml.registry import ArtefactError, Registry, Saved

TOLERANCE = 0.005


def decide(registry: Registry, saved: Saved, test: pd.DataFrame, *, rule: ChurnRule, at: datetime) -> tuple[bool, str]:
    """Promote a version or not; says which, and why in one sentence.

    Args:
        registry: where the champion is.
        saved: the challenger.
        test: the test rows (observation_date, churned, features).
        rule: what «churned» means.
        at: when, for the record.
    """
    champion = registry.champion()
    if champion == saved.version:
        return False, "It is the champion already."
    if saved.manifest["metrics"]["roc_auc_difference"]["high"] < 0:
        return False, "Not promoted: the recency rule ranks better on the test date."
    reason = "Promoted: the first model." if champion is None else _against(registry, champion, saved, test, rule=rule)
    if reason.startswith("Promoted"):
        registry.promote(saved.version, reason=reason, at=at.isoformat())
        return True, reason
    return False, reason


def _against(registry: Registry, champion: str, saved: Saved, test: pd.DataFrame, *, rule: ChurnRule) -> str:
    try:
        old = registry.load(champion)
    except ArtefactError as error:
        return f"Promoted: the champion cannot be compared ({error})"
    label_days = pd.Timedelta(days=rule.label_days)
    seen = max(pd.Timestamp(day) for day in old.manifest["train_dates"]) + label_days > test["observation_date"].min()
    if seen or old.manifest["parameters"]["rule"] != saved.manifest["parameters"]["rule"]:
        return "Promoted: the champion answers another question or has seen the test date."
    if any(name not in test.columns for name in old.model.features):
        return "Promoted: the champion needs features that are no longer there."
    before, now = (_auc(test, each) for each in (old, saved))
    if now >= before - TOLERANCE:
        return f"Promoted: ROC-AUC {now:.4f} against the champion's {before:.4f} on the same people."
    return f"Not promoted: ROC-AUC {now:.4f} against the champion's {before:.4f} on the same people."


def _auc(test: pd.DataFrame, saved: Saved) -> float:
    ranking = Ranking(test["churned"].to_numpy(dtype="int64"), saved.model.probability(test))
    return float(ranking.roc_auc(np.ones((1, len(test))))[0])
