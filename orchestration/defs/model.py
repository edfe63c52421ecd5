"""Modelling: the dbt project, one asset a model, one asset check a test."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

from orchestration.dbt import Translator, ensure_manifest, target_dir
from orchestration.platform import POOL, Platform, Warehouse, as_of, config, rows, settings

MANIFEST = ensure_manifest(settings())


@dbt_assets(manifest=MANIFEST, dagster_dbt_translator=Translator(), name="dbt_models", pool=POOL)
def dbt_models(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, platform: Platform, warehouse: Warehouse
) -> Iterator[Any]:
    """The dbt project: `dbt build` of what the run selects, models and tests."""
    variables = {
        "as_of": as_of(context).isoformat(sep=" ", timespec="seconds"),
        "currency": config().platform.currency,
        "session_gap_minutes": config().platform.session_gap_minutes,
        **config().platform.dbt_vars,
    }
    invocation = dbt.cli(
        ["build", "--vars", json.dumps(variables)],
        context=context,
        target_path=target_dir(platform.settings) / "runs" / context.run_id,
    )
    # Row counts are added once dbt has ended: dagster-dbt's own count keeps the warehouse file open in this process.
    events = list(invocation.stream())
    built = [event for event in events if isinstance(event, dg.Output | dg.MaterializeResult | dg.AssetMaterialization)]
    counts = _counts(warehouse, [_relation(event) for event in built])
    for event in events:
        if event in built:
            event = event.with_metadata({**event.metadata, **rows(counts.get(_relation(event)))})
        yield event


def _relation(event: Any) -> str:
    """schema.table of the model that an event tells of."""
    return ".".join(str(event.metadata["dagster/table_name"].value).replace('"', "").split(".")[-2:])


def _counts(warehouse: Warehouse, relations: list[str]) -> dict[str, int]:
    if not relations:
        return {}
    query = " union all ".join(f"select '{name}' as name, count(*) as rows from {name}" for name in relations)
    with warehouse.get_connection() as connection:
        return dict(connection.execute(query).fetchall())
