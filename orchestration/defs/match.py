"""Matching: identifiers become people with a stable id."""

from collections.abc import Iterator

import dagster as dg

from headwater.match.resolve import resolve
from orchestration.platform import POOL, SOURCE_OWNER, Platform, Warehouse, as_of, config, count_rows, rows

TABLES = {
    "identifiers": "Every identifier and the person it belongs to.",
    "edges": "What ties two identifiers together, and the table that says so.",
    "refused_edges": "Ties that were refused, with the limit or the decision that refused them.",
    "changes": "Identifiers that have another person than before: people merged into one, people split.",
    "successors": "Ids that were given out and name nobody any more, and whom they lead to.",
    "account_members": "Which people belong to which account.",
    "overrides": "What was decided by hand, and why.",
}


def _inputs() -> list[dg.AssetKey]:
    """The tables of `identity.yaml` that this company has."""
    names = {f"raw.{name}__{table}" for name, s in config().sources.items() for table in getattr(s, "tables", {})}
    rules = config().identity
    read = [edge.table for edge in rules.edges] + [account.table for account in rules.accounts]
    return [
        dg.AssetKey(table.split("."))
        for table in dict.fromkeys(read)
        if table in names or table in ("raw.events", "raw.conversations")
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
def identity(
    context: dg.AssetExecutionContext, platform: Platform, warehouse: Warehouse
) -> Iterator[dg.MaterializeResult]:
    """People, what ties their identifiers together, and what was refused: brought up to what is new."""
    with warehouse.get_connection() as connection:
        report = resolve(connection, platform.config.identity, as_of(context), lake=platform.lake())
        counts = {table: count_rows(connection, f"identity.{table}") for table in TABLES}
    told: dict[str, dict[str, object]] = {
        "identifiers": {"people": report.people, "touched": report.touched, "read_everything": report.reason},
        "changes": {"merged": report.merged, "split": report.split},
    }
    for table, count in counts.items():
        yield dg.MaterializeResult(asset_key=["identity", table], metadata=rows(count, **told.get(table, {})))
