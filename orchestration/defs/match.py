"""Matching: identifiers become people with a stable id."""

from collections.abc import Iterator

import dagster as dg

from headwater.match.resolve import resolve
from orchestration.platform import POOL, SOURCE_OWNER, Platform, Warehouse, config, count_rows, rows

TABLES = {
    "identifiers": "Every identifier and the person it belongs to.",
    "edges": "What ties two identifiers together, and the table that says so.",
    "refused_edges": "Ties that were refused, with the limit that refused them.",
}


def _inputs() -> list[dg.AssetKey]:
    """The tables of `identity.yaml` that this company has."""
    names = {f"raw.{name}__{table}" for name, s in config().sources.items() for table in getattr(s, "tables", {})}
    return [
        dg.AssetKey(table.split("."))
        for table in dict.fromkeys(edge.table for edge in config().identity.edges)
        if table in names or table == "raw.events"
    ]


@dg.multi_asset(
    name="identity",
    specs=[
        dg.AssetSpec(
            ["identity", table],
            deps=_inputs(),
            group_name="match",
            kinds={"python", "duckdb"},
            owners=[SOURCE_OWNER],
            description=description,
        )
        for table, description in TABLES.items()
    ],
    pool=POOL,
)
def identity(platform: Platform, warehouse: Warehouse) -> Iterator[dg.MaterializeResult]:
    """People, what ties their identifiers together, and what was refused."""
    with warehouse.get_connection() as connection:
        report = resolve(connection, platform.config.identity)
        counts = {table: count_rows(connection, f"identity.{table}") for table in TABLES}
    for table, count in counts.items():
        extra = {"people": report.people} if table == "identifiers" else {}
        yield dg.MaterializeResult(asset_key=["identity", table], metadata=rows(count, **extra))
