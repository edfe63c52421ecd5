"""The report beside the recency rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml import evaluate


def people(count: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(9)
    days = random.exponential(40, count)
    return pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(count)],
            "churned": random.random(count) < days / (days + 40),
            "days_since_last_order": days,
        }
    )


def test_the_rule_against_itself_gains_exactly_nothing():
    rows = people()
    report = evaluate.evaluate(rows, rows["days_since_last_order"].to_numpy() / 1000, audience_share=0.2)
    assert (report.difference.value, report.difference.low, report.difference.high) == (0.0, 0.0, 0.0)
    assert report.model_audience == report.rule_audience


def test_a_person_never_seen_ranks_as_the_longest_gone():
    rows = people(5).assign(days_since_last_order=[3.0, np.nan, 50.0, 1.0, 2.0])
    scores, column = evaluate.recency_scores(rows)
    assert column == "days_since_last_order"
    assert scores.argmax() == 1


def test_sessions_stand_in_where_nobody_has_ordered():
    rows = people(3).assign(days_since_last_order=np.nan, days_since_last_session=[1.0, 9.0, 2.0])
    assert evaluate.recency_scores(rows)[1] == "days_since_last_session"


def test_the_audience_is_the_top_share_rounded_to_people():
    assert evaluate.top_share(np.array([0.1, 0.9, 0.5, 0.7]), 0.5).tolist() == [False, True, False, True]
    assert evaluate.top_share(np.zeros(0), 0.2).tolist() == []


def test_gain_reaches_everybody_and_lift_starts_above_one():
    rows = people()
    table = evaluate.lift_table(rows["churned"].to_numpy(dtype="int64"), rows["days_since_last_order"].to_numpy() / 1e3)
    assert table[0]["lift"] > 1.2
    assert table[-1]["gain"] == pytest.approx(1.0)
    assert sum(row["people"] for row in table) == len(rows)
