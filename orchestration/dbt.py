"""The dbt project as Dagster sees it.

Belongs here: the translation of dbt's names, groups and owners, a run's target folder. Does not belong here: parsing
the project (`orchestration.parsed`), running dbt (`defs/model.py`), or what differs between companies: dbt hears that
from its plugin, whoever calls it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource
from packaging.version import Version

from headwater.settings import Settings
from orchestration.parsed import PARSED, target_dir
from orchestration.platform import FOLLOWS_SCORES


class Dbt(DbtCliResource):
    """dagster-dbt's resource without the in-process adapter: it serves metadata that we do not ask for, and costs
    seconds and a second reading of the whole project at every call."""

    @property
    def _cli_version(self) -> Version:
        return Version(installed("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


def run_target(settings: Settings, run_id: str) -> Path:
    """A target folder of its own for one run, with the parsed project in it; those of older runs are removed."""
    runs = target_dir(settings) / "runs"
    folder = runs / run_id
    folder.mkdir(parents=True, exist_ok=True)
    for older in sorted(runs.iterdir(), key=lambda path: path.stat().st_mtime)[:-5]:
        shutil.rmtree(older, ignore_errors=True)
    parsed = target_dir(settings) / PARSED
    if parsed.exists() and not (folder / parsed.name).exists():
        shutil.copy(parsed, folder / parsed.name)
    return folder


class Translator(DagsterDbtTranslator):
    """dbt models under the house's names: group «model», owner from `meta.owner`, kinds dbt and duckdb; how old a model
    may be under `headwater up` from `meta.fresh_minutes`."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        # dagster-dbt calls a model with versions by its table alone; ours stay `schema/model`
        if dbt_resource_props.get("version"):
            return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["alias"]])
        return super().get_asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return "model" if dbt_resource_props else None

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str] | None:
        owner = _meta(dbt_resource_props).get("owner")
        return [owner if "@" in owner else f"team:{owner}"] if owner else None

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return dbt_resource_props.get("description") or ""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        minutes = _meta(manifest["nodes"].get(unique_id, {})).get("fresh_minutes")
        policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(minutes=minutes)) if minutes else None
        if unique_id.endswith(".customer_activation"):
            found = [manifest["nodes"][audience] for audience in _audiences_beside_scores(manifest)]
            spec = spec.replace_attributes(deps=[*spec.deps, *(self.get_asset_key(node) for node in found)])
        return spec.replace_attributes(kinds={"dbt", "duckdb"}, freshness_policy=policy)


def _audiences_beside_scores(manifest: Mapping[str, Any]) -> list[str]:
    """The audiences that read no score. dbt's graph ties them to the profile only when its SQL names them, which it
    does for those that the project comes with; of the others Dagster must hear. Those that read scores are built in
    the profile's own step, in dbt's order, and the profile, a view, has them whatever that is."""
    behind, left = set(), [name for name in manifest["sources"] if manifest["sources"][name]["source_name"] == "ml"]
    while left:
        node = left.pop()
        if node not in behind:
            behind.add(node)
            left += manifest["child_map"].get(node, [])
    return sorted(
        name
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
        and node["config"].get("schema") == "audiences"
        and "customer_id" in node["columns"]
        and _meta(node).get("is_audience", True)
        and name not in behind
    )


def _meta(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {**properties.get("meta", {}), **(properties.get("config") or {}).get("meta", {})}


class AfterScores(Translator):
    """The models that read scores: built anew by themselves when there are new ones."""

    def get_automation_condition(self, dbt_resource_props: Mapping[str, Any]) -> dg.AutomationCondition | None:
        return FOLLOWS_SCORES
