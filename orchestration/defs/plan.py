"""The tracking plan against what arrived: `marts/plan_coverage` and its check."""

import dagster as dg

from headwater.load.plan_coverage import coverage_of, silent_sources, write_coverage
from orchestration.platform import POOL, SOURCE_OWNER, Platform, Warehouse, rows

KEY = ["marts", "plan_coverage"]
CHECK = "plan_matches_what_arrives"
_LISTED = 50


@dg.asset(
    key=KEY,
    deps=[["raw", table] for table in ("events", "quarantine", "dropped", "deliveries", "delivery_counts")],
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=KEY,
            description="Every event that arrives is planned, and every planned event has been seen. Warns; of events "
            "never seen only once every source has sent something: they may come from one that is not connected yet.",
        )
    ],
    group_name="model",
    kinds={"duckdb"},
    owners=[SOURCE_OWNER],
    pool=POOL,
)
def plan_coverage(platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
    """One row an event, planned or seen: how often it came, violated, was kept aside, and what each destination got."""
    with warehouse.get_connection() as connection:
        covered = coverage_of(connection, platform.config)
        count = write_coverage(connection, covered)
        silent = silent_sources(connection, platform.config)
    unplanned, unseen = (
        [f"{row.type} {row.event}".strip() for row in covered if row.status == status]
        for status in ("seen_unplanned", "planned_never_seen")
    )
    return dg.MaterializeResult(
        metadata=rows(
            count,
            planned=count - len(unplanned),
            violating_events=sum(row.violating for row in covered),
            quarantined_events=sum(row.quarantined for row in covered),
            dropped_events=sum(row.dropped for row in covered),
        ),
        check_results=[
            dg.AssetCheckResult(
                passed=not unplanned and (not unseen or bool(silent)),
                check_name=CHECK,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "seen_and_not_planned": ", ".join(unplanned[:_LISTED]) or "none",
                    "planned_and_never_seen": ", ".join(unseen[:_LISTED]) or "none",
                    "sources_that_sent_nothing": ", ".join(silent) or "none",
                },
            )
        ],
    )


@dg.definitions
def plan() -> dg.Definitions:
    """What the tracking plan adds to the graph."""
    return dg.Definitions(assets=[plan_coverage])
