"""Modelling: the dbt project, one asset a model, one asset check a test."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from headwater.errors import UsageError
from headwater.settings import exported
from headwater.storage.warehouse.lock import RUN_WAIT_SECONDS
from orchestration.checks import failing_rows, failing_tests, told
from orchestration.dbt import AfterScores, Dbt, Translator, run_target
from orchestration.parsed import read_manifest
from orchestration.platform import POOL, Platform, Warehouse, as_of, purpose, rows, settings

MANIFEST = read_manifest(settings())
NODES: dict[str, Any] = MANIFEST["nodes"]
AFTER_SCORES = "source:ml+"
Models = Iterator[Any]


# Two sets, because scores lie between them: features are models, and the audiences of scores are models too.
@dbt_assets(manifest=MANIFEST, dagster_dbt_translator=Translator(), name="dbt_models", pool=POOL, exclude=AFTER_SCORES)
def dbt_models(context: dg.AssetExecutionContext, dbt: Dbt, platform: Platform, warehouse: Warehouse) -> Models:
    """`dbt build` of what the run selects, models and tests: everything that reads no score."""
    yield from _build(context, dbt, platform, warehouse)


@dbt_assets(
    manifest=MANIFEST, dagster_dbt_translator=AfterScores(), name="dbt_activation", pool=POOL, select=AFTER_SCORES
)
def dbt_activation(context: dg.AssetExecutionContext, dbt: Dbt, platform: Platform, warehouse: Warehouse) -> Models:
    """`dbt build` of what reads scores."""
    yield from _build(context, dbt, platform, warehouse)


MEMBERSHIP_CHANGES = dg.AssetSpec(
    ["audiences", "membership_changes"],
    group_name="model",
    kinds={"dbt", "duckdb"},
    owners=["team:analytics-engineering"],
    description="Who came into an audience or left it, with each build: dbt's hook adds to it.",
)


def _build(context: dg.AssetExecutionContext, dbt: Dbt, platform: Platform, warehouse: Warehouse) -> Models:
    moment = as_of(context).isoformat(sep=" ", timespec="seconds")
    log = platform.settings.logs_dir / "dbt.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    called = exported(
        HEADWATER_AS_OF=moment, HEADWATER_CALLER=purpose(context), HEADWATER_WAIT_SECONDS=str(RUN_WAIT_SECONDS)
    )
    # Row counts are added once dbt has ended: dagster-dbt's own count keeps the warehouse file open in this process.
    with log.open("a", encoding="utf-8") as output, redirect_stdout(output), called:
        # unit tests hold code against rows of their own: they say nothing new until the code changes
        invocation = dbt.cli(
            ["build", "--exclude-resource-type", "unit_test"],
            context=context,
            target_path=run_target(platform.settings, context.run_id),
        )
        events = told_by(invocation)
    failed = failing_tests(events, NODES)
    counts = _counts(warehouse, {relation for relation in map(_relation, events) if relation})
    failing = _failing(warehouse, failed) if failed else {}
    for event in events:
        count = counts.get(_relation(event) or "")
        yield told(event, NODES, failing) if count is None else event.with_metadata({**event.metadata, **rows(count)})


def told_by(invocation: Any) -> list[Any]:
    """What dbt tells of its build, to its end.

    Raises:
        UsageError: it built what the project did not have when Dagster read it.
    """
    try:
        return list(invocation.stream())
    except KeyError as unknown:
        raise UsageError(
            f"dbt built {unknown}, which the dbt project did not have when Dagster loaded it.",
            hint="Reload the code location (Deployment → Code locations → Reload) and run again.",
        ) from unknown


def _relation(event: Any) -> str | None:
    """schema.table of the model that an event tells the building of; None for a test's event."""
    if not isinstance(event, dg.Output | dg.AssetMaterialization):
        return None
    node = NODES[str(event.metadata["unique_id"].value)]
    return f"{node['schema']}.{node['alias']}"


def _failing(warehouse: Warehouse, tables: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    with warehouse.get_connection() as connection:
        return failing_rows(connection, tables)


def _counts(warehouse: Warehouse, relations: set[str]) -> dict[str, int]:
    if not relations:
        return {}
    query = " union all ".join(f"select '{name}' as name, count(*) as rows from {name}" for name in sorted(relations))
    with warehouse.get_connection() as connection:
        return dict(connection.execute(query).fetchall())
