"""What a failed dbt test tells in Dagster, beyond its number of rows.

Belongs here: the rows of a test that keeps them (`store_failures`), as the check's metadata, the severity of one
that only warns dbt but fails here, and how checks ended last. Does not belong here: running dbt
(`defs/model.py`), or any test's SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._check import CheckError
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.asset_check_execution_record import COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
from duckdb import DuckDBPyConnection

FAILING = "failing"
PULLED = "pulled"
"""The check of a tool, which sums up those of its tables, and how its step's name begins."""
_LISTED = 20


def failing_tests(events: list[Any], nodes: Mapping[str, Any]) -> dict[str, str]:
    """dbt's id → table of its failing rows, of the failed tests among the events that keep them."""
    found = {}
    for event in events:
        node = _node(event, nodes)
        if node and not event.passed and node["config"].get("store_failures"):
            found[node["unique_id"]] = f'"{node["schema"]}"."{node["alias"]}"'
    return found


def failing_rows(connection: DuckDBPyConnection, tables: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """dbt's id → the first rows of its table, values as text."""
    found = {}
    for unique_id, table in tables.items():
        result = connection.execute(f"from {table} order by all limit {_LISTED}")
        names = [column[0] for column in result.description or ()]
        found[unique_id] = [dict(zip(names, map(str, row), strict=True)) for row in result.fetchall()]
    return found


def told(event: Any, nodes: Mapping[str, Any], rows: Mapping[str, list[dict[str, Any]]]) -> Any:
    """The event as it goes on: a failed check with its rows, and as an error where the test's `meta` says
    `fails_check`. It blocks nothing: dbt was told to go on."""
    node = _node(event, nodes)
    if node is None or event.passed:
        return event
    meta = {**node.get("meta", {}), **node["config"].get("meta", {})}
    severity = dg.AssetCheckSeverity.ERROR if meta.get("fails_check") else event.severity
    named = {FAILING: dg.MetadataValue.json(rows[node["unique_id"]])} if node["unique_id"] in rows else {}
    return event._replace(severity=severity, metadata={**event.metadata, **named})


def ended_checks(context: dg.AssetExecutionContext) -> dict[str, Any]:
    """How the checks of everything that an asset is made of ended last: how many passed, which warned, which failed,
    and how many have never been run. What a tool's check sums up is told by its tables' own."""
    try:
        graph: BaseAssetGraph[Any] = context.repository_def.asset_graph
    except CheckError:  # a run within one process (`make run`) knows its job alone, which is all of the graph
        graph = context.job_def.asset_layer.asset_graph
    before = graph.get_ancestor_asset_keys(context.asset_key)
    keys = [key for key in graph.asset_check_keys if key.asset_key in before and key.name != PULLED]
    ended = last_evaluations(context.instance, keys)
    named: dict[bool, list[str]] = {True: [], False: []}
    for one in ended:
        if not one.passed:
            named[one.severity == dg.AssetCheckSeverity.WARN].append(f"{one.check_name} ({one.asset_key.path[-1]})")
    return {
        "passed": sum(one.passed for one in ended),
        "warned": sorted(named[True]),
        "failed": sorted(named[False]),
        "not_run": len(keys) - len(ended),
    }


def last_evaluations(instance: dg.DagsterInstance, keys: list[dg.AssetCheckKey]) -> list[dg.AssetCheckEvaluation]:
    """The last result of each check that has one. A check's latest record may be a plan alone: its run waits, was
    cancelled or killed; then the result is an older one."""
    storage = instance.event_log_storage
    records = dict(storage.get_latest_asset_check_execution_by_key(keys))
    for key, record in records.items():
        if record.status not in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES:
            older = storage.get_asset_check_execution_history(
                key, limit=1, status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES
            )
            records[key] = older[0] if older else record
    return [
        found
        for found in (record.evaluation for record in records.values())
        if isinstance(found, dg.AssetCheckEvaluation)
    ]


def _node(event: Any, nodes: Mapping[str, Any]) -> Any:
    if not isinstance(event, dg.AssetCheckResult):
        return None
    unique_id = event.metadata.get("unique_id")
    return nodes.get(str(unique_id.value)) if unique_id else None
