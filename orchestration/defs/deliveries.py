"""What became of events at the streaming destinations: from their own stores into the lake and the warehouse."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from headwater.configuration import Config
from headwater.land.deliveries import land_deliveries
from headwater.land.destination_counts import land_destination_counts
from headwater.load.deliveries import StreamingDestination, load_deliveries
from headwater.push.destinations import CLASSES
from orchestration.platform import POOL, SOURCE_OWNER, Platform, Warehouse, config, count_rows, rows

TABLES = {
    "arrivals": (
        ["lake", "events"],
        "Events of the log, counted by segment, day, name and what the lander made of them.",
    ),
    "deliveries": (["lake", "deliveries"], "One row an event and destination that has an outcome of its own there."),
    "delivery_counts": (["lake", "deliveries"], "Events that a destination's settings left out, counted."),
    "delivery_places": (["lake", "deliveries"], "How far each destination is in the log."),
    "destination_counts": (["lake", "destination_counts"], "What the tools themselves report, by day and event."),
    "destination_reports": (["lake", "destination_counts"], "When each tool's report was read."),
    "destinations": (["lake", "deliveries"], "The streaming destinations that the config has now."),
}


STREAMS = [["push", name] for name, destination in config().destinations.items() if destination.stream]
FILLED = {table for table in TABLES if STREAMS or table == "arrivals"}


def _lake_assets() -> list[dg.AssetsDefinition]:

    @dg.asset(
        key=["lake", "deliveries"],
        deps=[*STREAMS, ["lake", "destination_counts"]],  # what a tool has when it is asked is then among them
        group_name="land",
        kinds={"python", "parquet"},
        owners=[SOURCE_OWNER],
    )
    def lake_deliveries(platform: Platform) -> dg.MaterializeResult:
        """What became of each event at each streaming destination, as the destinations' own stores tell."""
        landed = land_deliveries(platform.settings, platform.config).rows
        return dg.MaterializeResult(metadata=rows(sum(landed.values()), **landed))

    @dg.asset(
        key=["lake", "destination_counts"],
        deps=STREAMS,
        group_name="land",
        kinds={"api", "parquet"},
        owners=[SOURCE_OWNER],
    )
    def lake_destination_counts(platform: Platform) -> dg.MaterializeResult:
        """The tools' own reports of what they have, of those whose config has a `counts_url`."""
        landed = land_destination_counts(platform.settings, platform.config)
        failed: dict[str, Any] = {f"{name} failed": reason for name, reason in landed.failed.items()}
        return dg.MaterializeResult(metadata=rows(sum(landed.rows.values()), **landed.rows, **failed))

    return [lake_deliveries, lake_destination_counts]


def _streaming(config: Config) -> list[StreamingDestination]:
    streaming = {
        name: CLASSES[destination.type]
        for name, destination in config.destinations.items()
        if destination.stream and destination.type in CLASSES
    }
    return [
        StreamingDestination(name, cls.type, cls.knows_repeats, cls.counted_types) for name, cls in streaming.items()
    ]


@dg.multi_asset(
    name="raw_deliveries",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            deps=[deps],
            group_name="load",
            kinds={"duckdb"},
            owners=[SOURCE_OWNER],
            description=description,
        )
        for table, (deps, description) in TABLES.items()
        if table in FILLED
    ],
    pool=POOL,
)
def raw_deliveries(platform: Platform, warehouse: Warehouse) -> Iterator[dg.MaterializeResult]:
    """Arrivals, deliveries and counts, each object of the lake once."""
    with warehouse.get_connection() as connection:
        load_deliveries(connection, platform.lake(), _streaming(platform.config))
        counts = {table: count_rows(connection, f"raw.{table}") for table in sorted(FILLED)}
    for table, count in counts.items():
        yield dg.MaterializeResult(asset_key=["raw", table], metadata=rows(count))


@dg.definitions
def deliveries() -> dg.Definitions:
    """The lake's and the warehouse's side of streaming."""
    return dg.Definitions(assets=[*(_lake_assets() if STREAMS else []), raw_deliveries])
