"""Saving, loading, refusing and promoting versions."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import datetime

import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ml import candidates, churn, gate, prediction, training_set
from ml.registry import ArtefactError, Registry

AT = datetime(2024, 8, 1)


@pytest.fixture(scope="module")
def prepared(company):
    return prediction.prepare(
        company.features, company.orders, company.subscriptions, rule=company.rule, as_of=company.as_of
    )


@pytest.fixture(scope="module")
def first(company, prepared, tmp_path_factory):
    return prediction.train(prepared.frame, rule=company.rule, folder=tmp_path_factory.mktemp("first"), created_at=AT)


@pytest.fixture
def saved(first, tmp_path):
    """A copy of the first version and its champion pointer, for a test to break."""
    shutil.copytree(first.folder.parent, tmp_path, dirs_exist_ok=True)
    return replace(first, folder=tmp_path / first.version)


@pytest.mark.parametrize("kind", list(candidates.PARAMETERS))
@pytest.mark.slow
def test_every_candidate_comes_back_as_it_was_saved(prepared, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(candidates, "NAMES", [kind])
    rows = prepared.frame
    model = churn.fit(rows, training_set.feature_columns(rows), label_days=28)
    registry = Registry(tmp_path)
    registry.save("churn-1", model, {}, card="", plots={})
    back = registry.load("churn-1").model
    assert back.kind == kind
    assert (back.probability(rows) == model.probability(rows)).all()


@pytest.mark.slow
def test_a_changed_model_file_is_refused(saved):
    path = saved.folder / "model.skops"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ArtefactError, match="not the one that was saved"):
        Registry(saved.folder.parent).load(saved.version)


def test_a_type_that_is_not_on_the_list_is_refused_even_with_a_fitting_hash(saved):
    strange = make_pipeline(FunctionTransformer(hashlib.sha256), LogisticRegression())
    payload = skops.io.dumps(strange)
    (saved.folder / "model.skops").write_bytes(payload)
    manifest = json.loads((saved.folder / "manifest.json").read_text())
    manifest["model_sha256"] = hashlib.sha256(payload).hexdigest()
    (saved.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtefactError, match="may not be loaded"):
        Registry(saved.folder.parent).load(saved.version)


def test_a_version_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ArtefactError, match="no model version churn-9"):
        Registry(tmp_path).load("churn-9")


@pytest.mark.slow
def test_a_half_written_version_does_not_count_and_is_written_again(saved, company, prepared):
    (saved.folder / "manifest.json").unlink()
    registry = Registry(saved.folder.parent)
    assert registry.versions() == []
    again = prediction.train(prepared.frame, rule=company.rule, folder=saved.folder.parent, created_at=AT)
    assert (again.version, again.reused) == (saved.version, False)
    assert registry.versions() == [saved.version]


def test_the_card_names_data_numbers_and_limits(saved):
    card = (saved.folder / "card.md").read_text()
    assert saved.version in card
    assert f"{saved.numbers['model']['roc_auc']['value']:.4f}" in card
    assert "2024-06-01" in card
    assert "## Limits" in card


@pytest.mark.slow
def test_a_worse_challenger_leaves_the_champion_in_place(company, prepared, saved):
    blind = prepared.frame.drop(columns=["count_orders", "count_tickets"])
    folder = saved.folder.parent
    everything = prepared.frame  # the champion's features must be there for a fair comparison
    worse = prediction.train(blind, rule=company.rule, folder=folder, created_at=AT)
    registry = Registry(folder)
    registry.promote(saved.version, reason="back", at="")
    test = everything[everything["split"] == "test"]
    promoted, decision = gate.decide(registry, registry.load(worse.version), test, rule=company.rule, at=AT)
    assert not promoted
    assert decision.startswith("Not promoted")
    assert registry.champion() == saved.version


@pytest.mark.slow
def test_a_challenger_as_good_as_the_champion_takes_over_and_remembers_it(company, prepared, saved):
    folder = saved.folder.parent
    fresh = prediction.train(prepared.frame.iloc[1:], rule=company.rule, folder=folder, created_at=AT)
    assert fresh.promoted
    assert "on the same people" in fresh.decision
    assert json.loads((folder / "champion.json").read_text())["previous"] == saved.version


@pytest.mark.slow
def test_a_broken_champion_is_replaced_rather_than_trusted(company, prepared, saved):
    (saved.folder / "model.skops").write_bytes(b"")
    fresh = prediction.train(prepared.frame.iloc[1:], rule=company.rule, folder=saved.folder.parent, created_at=AT)
    assert fresh.promoted
    assert fresh.champion == fresh.version
