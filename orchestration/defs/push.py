"""Pushing: reverse-ETL syncs, streaming destinations, and the online store."""

import dagster as dg

from headwater.configuration import Destination, Sync
from headwater.errors import HeadwaterError
from headwater.push.online import push_profiles
from headwater.push.stream import drain
from headwater.push.sync import run_sync
from headwater.storage.online import open_online_store
from orchestration.platform import (
    FOLLOWS_SCORES,
    POOL,
    SOURCE_OWNER,
    Platform,
    Warehouse,
    as_of,
    config,
    remember_as_of,
    rows,
)


def _sync_asset(name: str, sync: Sync) -> dg.AssetsDefinition:
    @dg.asset(
        key=["push", name],
        deps=[sync.model.split(".")],
        group_name="push",
        kinds={"python", config().destinations[sync.destination].type},
        owners=[sync.owner or SOURCE_OWNER],
        pool=POOL,
        description=sync.description or f"{sync.model} to {sync.destination}: only what changed.",
        automation_condition=FOLLOWS_SCORES,
    )
    def pushed(context: dg.AssetExecutionContext, platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
        remember_as_of(context)
        with warehouse.get_connection() as connection:
            report = run_sync(connection, platform.settings, platform.config, name, as_of(context))
        return dg.MaterializeResult(
            metadata=rows(
                report.selected,
                changed=report.changed,
                accepted=report.accepted,
                rejected=report.rejected,
                requests=report.requests,
            )
        )

    return pushed


def _stream_asset(name: str, destination: Destination) -> dg.AssetsDefinition:
    @dg.asset(
        key=["push", name],
        deps=[["log", "events"]],
        group_name="push",
        kinds={"python", destination.type},
        owners=[destination.owner or SOURCE_OWNER],
        description=destination.description or f"Events delivered to {name} as they arrive.",
        check_specs=[
            dg.AssetCheckSpec("takes_events", asset=["push", name], description="The tool takes what it is sent.")
        ],
    )
    def streamed(platform: Platform) -> dg.MaterializeResult:
        # A tool that is down is told by its check and holds up nobody: its events wait in the log.
        try:
            report = drain(platform.settings, platform.config, name)
        except HeadwaterError as error:
            check = dg.AssetCheckResult(passed=False, check_name="takes_events", metadata={"reason": str(error)})
            return dg.MaterializeResult(metadata={"reason": str(error)}, check_results=[check])
        check = dg.AssetCheckResult(passed=True, check_name="takes_events", metadata={"requests": report.requests})
        counts = rows(report.delivered, failed=report.failed, filtered=report.filtered)
        return dg.MaterializeResult(metadata=counts, check_results=[check])

    return streamed


@dg.asset(
    key=["online", "profiles"],
    deps=[["marts", "customer_activation"], ["identity", "identifiers"]],
    group_name="serve",
    kinds={"redis"},
    owners=[SOURCE_OWNER],
    pool=POOL,
    automation_condition=FOLLOWS_SCORES,
)
def online_profiles(
    context: dg.AssetExecutionContext, platform: Platform, warehouse: Warehouse
) -> dg.MaterializeResult:
    """Profiles and scores in the online store, found by any identifier; what the profile API answers."""
    with open_online_store(platform.settings) as store, warehouse.get_connection() as connection:
        report = push_profiles(connection, store, as_of(context))
    return dg.MaterializeResult(
        metadata=rows(report.profiles, written=report.written, removed=report.removed, identifiers=report.identifiers)
    )


@dg.definitions
def push() -> dg.Definitions:
    """What the config's syncs and streaming destinations ask for."""
    assets = [online_profiles]
    assets += [_sync_asset(name, sync) for name, sync in config().syncs.items()]
    assets += [_stream_asset(name, d) for name, d in config().destinations.items() if d.stream]
    return dg.Definitions(assets=assets)
