"""The three steps together: prepare, train, score."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest

from ml import labels, prediction
from ml.registry import Registry

AT = datetime(2024, 8, 1, 12)


@pytest.fixture(scope="module")
def prepared(company):
    return prediction.prepare(
        company.features, company.orders, company.subscriptions, rule=company.rule, as_of=company.as_of
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def trained(company, prepared, folder):
    return prediction.train(prepared.frame, rule=company.rule, folder=folder, created_at=AT)


def score(company, folder, **changes):
    frames = {"features": company.features, "orders": company.orders, "subscriptions": company.subscriptions, **changes}
    return prediction.score(
        frames["features"], frames["orders"], frames["subscriptions"], rule=company.rule, folder=folder, scored_at=AT
    )


def test_the_training_set_has_one_row_per_subscriber_and_complete_date(company, prepared):
    assert [str(day) for day in prepared.dates] == [f"2024-0{month}-01" for month in range(1, 7)]
    assert not prepared.frame.duplicated(["customer_id", "observation_date"]).any()
    for day, rows in prepared.frame.groupby("observation_date"):
        active = labels.population(company.rule, day.date(), orders=company.orders, subscriptions=company.subscriptions)
        assert set(rows["customer_id"]) == set(active)
    assert prepared.metadata()["rows_test"] == (prepared.frame["split"] == "test").sum()


def test_rewriting_everything_after_the_test_date_changes_no_earlier_row(company, prepared):
    """Labels of earlier dates stay too, as the windows end before."""
    last = prepared.dates[-1]
    later = company.features["observation_date"] > pd.Timestamp(last)
    poisoned = company.features.assign(count_orders=company.features["count_orders"].where(~later, 1e6))
    cancelled = company.subscriptions["cancelled_at"]
    moved = company.subscriptions.assign(cancelled_at=cancelled.where(cancelled < labels.midnight(last)))
    again = prediction.prepare(poisoned, company.orders, moved, rule=company.rule, as_of=company.as_of)
    before = lambda rows: rows[rows["observation_date"] < pd.Timestamp(last)].drop(columns="split")  # noqa: E731
    pd.testing.assert_frame_equal(before(again.frame), before(prepared.frame))


@pytest.mark.slow
def test_the_model_beats_the_recency_rule_where_the_truth_lies_elsewhere(trained):
    gain = trained.numbers["roc_auc_difference"]
    assert trained.skip_reason == ""
    assert gain["low"] > 0
    assert trained.numbers["model"]["ece"]["value"] < 0.1
    assert trained.champion == trained.version
    assert set(trained.plots) == {"roc", "calibration"}
    assert all(png.startswith(b"\x89PNG") for png in trained.plots.values())


@pytest.mark.slow
def test_the_same_data_read_back_from_a_table_keeps_the_version_and_fits_nothing(company, prepared, trained, folder):
    rows = prepared.frame.sample(frac=1, random_state=1)  # noqa: F841 - DuckDB reads it by name
    with duckdb.connect() as con:
        con.execute("create table t (customer_id text, observation_date date, churned boolean)")
        con.execute(
            "create or replace table t as select * replace (observation_date::date as observation_date) from rows"
        )
        back = con.execute("select * from t").df()
    model = folder / trained.version / "model.skops"
    before = model.stat().st_mtime_ns
    again = prediction.train(back, rule=company.rule, folder=folder, created_at=AT + timedelta(days=1))
    assert (again.version, again.reused, again.promoted) == (trained.version, True, False)
    assert again.numbers == trained.numbers
    assert model.stat().st_mtime_ns == before


@pytest.mark.slow
def test_fitting_twice_gives_the_same_bytes_of_metrics_and_the_same_model(company, prepared, trained, tmp_path):
    again = prediction.train(prepared.frame, rule=company.rule, folder=tmp_path, created_at=AT)
    assert json.dumps(again.numbers) == json.dumps(trained.numbers)
    assert again.version == trained.version
    one, two = Registry(tmp_path).load(again.version), Registry(trained.folder.parent).load(trained.version)
    assert (one.model.probability(prepared.frame) == two.model.probability(prepared.frame)).all()


@pytest.mark.slow
def test_other_data_or_another_rule_is_another_version(company, prepared, trained, tmp_path):
    fewer = prediction.train(prepared.frame.iloc[1:], rule=company.rule, folder=tmp_path, created_at=AT)
    longer = labels.ChurnRule("cancellation", horizon_days=29)
    other = prediction.train(prepared.frame, rule=longer, folder=tmp_path, created_at=AT)
    assert len({trained.version, fewer.version, other.version}) == 3


@pytest.mark.slow
def test_shuffled_labels_teach_nothing(company, prepared, tmp_path):
    random = np.random.default_rng(11)
    shuffled = prepared.frame.assign(churned=random.permutation(prepared.frame["churned"].to_numpy()))
    area = prediction.train(shuffled, rule=company.rule, folder=tmp_path, created_at=AT).numbers["model"]["roc_auc"]
    assert area["low"] < 0.5 < area["high"] or abs(area["value"] - 0.5) < 0.08


def test_scores_cover_the_active_subscribers_at_the_latest_date(company, trained, folder):
    found = score(company, folder)
    latest = company.features["observation_date"].max()
    active = labels.population(company.rule, latest.date(), orders=company.orders, subscriptions=company.subscriptions)
    rows = found.frame
    assert sorted(rows["customer_id"]) == sorted(active)
    assert rows["probability"].between(0, 1).all()
    assert 0 <= rows["percentile"].min() < 2  # ties share their mean
    assert 98 < rows["percentile"].max() <= 100
    order = rows.sort_values("probability", kind="stable")
    assert order["percentile"].is_monotonic_increasing
    assert set(rows["model_version"]) == {trained.version}
    assert (rows["scored_at"] == AT).all()
    assert list(rows.columns) == [
        "customer_id", "probability", "percentile", "reasons", "model_version", "feature_hash", "held_out", "scored_at",
    ]  # fmt: skip


def test_a_subscriber_without_a_row_of_features_is_scored_all_the_same(company, trained, folder):
    latest = company.features["observation_date"].max()
    some = score(company, folder).frame["customer_id"].iloc[0]
    gone = (company.features["customer_id"] == some) & (company.features["observation_date"] == latest)
    assert some in set(score(company, folder, features=company.features[~gone]).frame["customer_id"])


def test_who_cancelled_this_morning_is_not_scored_this_noon(company, trained, folder):
    latest = company.features["observation_date"].max()
    some = score(company, folder).frame["customer_id"].iloc[0]
    mine, morning = company.subscriptions["customer_id"] == some, latest + pd.Timedelta(hours=9)
    gone = company.subscriptions.assign(cancelled_at=company.subscriptions["cancelled_at"].where(~mine, morning))
    noon = company.features.assign(observed_at=company.features["observation_date"] + pd.Timedelta(hours=12))
    assert some in set(score(company, folder, subscriptions=gone).frame["customer_id"])
    assert some not in set(score(company, folder, subscriptions=gone, features=noon).frame["customer_id"])


def test_features_that_lost_a_column_are_refused_by_name(company, trained, folder):
    with pytest.raises(ValueError, match="count_tickets"):
        score(company, folder, features=company.features.drop(columns="count_tickets"))


def test_without_a_model_nobody_is_scored_and_the_reason_is_given(company, tmp_path):
    found = score(company, tmp_path)
    assert found.frame.empty
    assert "no model yet" in found.skip_reason


def test_ten_days_of_data_are_skipped_with_the_reason_at_every_step(company, tmp_path):
    rule, now = labels.ChurnRule("inactivity", horizon_days=91), datetime(2017, 12, 3, 16)
    orders = pd.DataFrame({"customer_id": ["a"], "ordered_at": [datetime(2017, 11, 24)], "kind": ["sale"]})
    nothing = company.subscriptions.head(0)
    features = company.features.head(5).assign(observation_date=pd.Timestamp("2017-12-03"))
    ready = prediction.prepare(features, orders, nothing, rule=rule, as_of=now)
    assert ready.frame.empty
    assert ready.skip_reason == "10 days of data, a label needs 91."
    out = prediction.train(ready.frame, rule=rule, folder=tmp_path, created_at=AT, skip_reason=ready.skip_reason)
    assert out.skip_reason == ready.skip_reason
    assert out.metadata()["skipped"] == ready.skip_reason
    assert Registry(tmp_path).versions() == []


def test_empty_frames_are_skipped_with_a_reason(company):
    ready = prediction.prepare(
        company.features.head(0), company.orders.head(0), company.subscriptions.head(0),
        rule=company.rule, as_of=company.as_of,
    )  # fmt: skip
    assert ready.frame.empty
    assert "No subscription has started" in ready.skip_reason


def test_fifty_customers_are_too_few_and_it_says_so(company_of, tmp_path):
    small = company_of(people=50)
    ready = prediction.prepare(small.features, small.orders, small.subscriptions, rule=small.rule, as_of=small.as_of)
    out = prediction.train(ready.frame, rule=small.rule, folder=tmp_path, created_at=AT)
    assert "are needed" in out.skip_reason
    assert out.version == ""
    assert Registry(tmp_path).champion() is None


def test_a_failed_training_leaves_the_champion_scoring(company, prepared, trained, folder):
    one_class = prepared.frame.assign(churned=False)
    out = prediction.train(one_class, rule=company.rule, folder=folder, created_at=AT)
    assert "churned" in out.skip_reason
    assert out.champion == trained.version


@pytest.mark.slow
def test_constant_and_all_null_features_are_left_out_of_the_model(company, prepared, tmp_path):
    wide = prepared.frame.assign(constant=4.0, nothing=np.nan)
    out = prediction.train(wide, rule=company.rule, folder=tmp_path, created_at=AT)
    model = Registry(tmp_path).load(out.version).model
    assert {"constant", "nothing"}.isdisjoint(model.features)
    assert out.numbers["roc_auc_difference"]["low"] > 0
