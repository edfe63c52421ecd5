"""The asset graph of every config: what each asset says of itself, what it is made from, what starts it."""

from __future__ import annotations

import difflib
import json
from itertools import chain
from typing import Any

import pytest

from tests.orchestration.conftest import Loaded
from tests.orchestration.graph import COMMAND, TEXT, text

pytestmark = pytest.mark.slow

GROUPS = {"collect", "land", "load", "match", "model", "predict", "push", "serve"}


def test_the_graph_is_the_reviewed_one(graphs: dict[str, Loaded]) -> None:
    reviewed, found = TEXT.read_text(encoding="utf-8"), text(graphs["config"].graph)
    difference = "\n".join(difflib.unified_diff(reviewed.splitlines(), found.splitlines(), "reviewed", "found", n=1))
    assert not difference, f"The graph has changed. If that is meant: {COMMAND}\n{difference}"


def test_a_config_loads_without_a_warning_but_dagsters_own_superseded_note(loaded: Loaded) -> None:
    lines = loaded.output.splitlines()
    note = {number for number, line in enumerate(lines) if "superseded" in line.lower()}
    source_line = {number + 1 for number in note if "Warning:" in lines[number]}  # Python shows the line it is about
    assert [line for number, line in enumerate(lines) if number not in note | source_line] == []


def test_every_asset_says_its_group_kinds_owner_and_what_it_is(loaded: Loaded) -> None:
    for key, asset in loaded.assets().items():
        assert asset["group"] in GROUPS, key
        assert asset["kinds"], key
        assert asset["owners"], key
        assert len(asset["description"]) > 10, key


def test_from_the_log_to_what_goes_out_it_is_one_graph(loaded: Loaded) -> None:
    assets = loaded.assets()
    neighbours: dict[str, set[str]] = {key: set() for key in assets}
    for key, asset in assets.items():
        for upstream in asset["upstream"]:
            neighbours[key].add(upstream)
            neighbours[upstream].add(key)
    upstream = {key: set(asset["upstream"]) for key, asset in assets.items()}
    for key in set(assets) - _reached("log/events", neighbours):
        # staging that no mart reads yet, over a table that this config leaves empty
        roots = {found for found in _reached(key, upstream) if not upstream[found]}
        assert all(_is_absent(assets[root]) for root in roots), key


def test_what_goes_out_comes_from_the_log_and_what_nobody_makes_is_outside_or_absent(loaded: Loaded) -> None:
    assets = loaded.assets()
    upstream = {key: set(asset["upstream"]) for key, asset in assets.items()}
    for key, asset in assets.items():
        if asset["group"] in {"push", "serve"}:
            assert "log/events" in _reached(key, upstream), key
        if asset["external"]:
            assert not asset["upstream"], key
            assert asset["group"] == "collect" or _is_absent(asset) or key in HOOKED, key
        else:
            assert asset["upstream"] or key.startswith("seeds/"), key


def test_the_edges_between_models_are_those_of_dbt(loaded: Loaded) -> None:
    manifest = json.loads((loaded.home / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))
    nodes = {**manifest["nodes"], **manifest["sources"]}
    models = {name: node for name, node in nodes.items() if node["resource_type"] == "model"}
    read = {
        _key(model): {_key(nodes[parent]) for parent in manifest["parent_map"][name]} for name, model in models.items()
    }
    assets = loaded.assets()
    assert {key: set(assets[key]["upstream"]) for key in read} == read


def test_every_test_of_dbt_is_a_check_of_the_model_it_is_about(graphs: dict[str, Loaded]) -> None:
    loaded = graphs["config"]
    manifest = json.loads((loaded.home / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))
    about = [node["attached_node"] for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    models = [manifest["nodes"][name] for name in about if name in manifest["nodes"]]
    assets = loaded.assets()
    for model in models:
        assert assets[_key(model)]["checks"] >= sum(other is model for other in models), model["name"]


def test_a_source_that_is_not_configured_leaves_its_tables_in_the_graph_as_absent(graphs: dict[str, Loaded]) -> None:
    minimal, example = graphs["examples/minimal"].assets(), graphs["config"].assets()
    assert minimal["raw/crm__contacts"]["external"]
    assert not example["raw/crm__contacts"]["external"]
    assert not graphs["examples/online_retail"].assets()["raw/files__orders"]["external"]


def test_sensors_and_schedules_are_on(loaded: Loaded) -> None:
    started = [*loaded.graph["sensors"], *loaded.graph["schedules"]]
    assert all(" · RUNNING · " in line for line in started)
    assert {line.split(" · ")[0] for line in started} >= {
        "automation", "dead_runs", "new_events", "read_copy_after_success", "activation_every_15_minutes",
        "training_weekly",
    }  # fmt: skip


HOOKED = {"audiences/membership_changes"}  # what dbt's hooks write while it builds the audiences


def _is_absent(asset: dict[str, Any]) -> bool:
    return asset["external"] and "no source of this config fills it" in asset["description"]


def _key(node: dict[str, str]) -> str:
    return f"{node['schema']}/{node['name']}"


def _reached(start: str, neighbours: dict[str, set[str]]) -> set[str]:
    found, edge = {start}, {start}
    while edge:
        edge = set(chain.from_iterable(neighbours[key] for key in edge)) - found
        found |= edge
    return found
