"""Loading: objects of the lake become warehouse tables, each row once."""

from collections.abc import Iterator

import dagster as dg

from headwater.configuration import ConversationSource, CsvSource, FilesSource, PlannedEvent, RestSource, SqlSource
from headwater.land.backfill import can_backfill
from headwater.load.conversations import load_conversations
from headwater.load.dropped import load_dropped
from headwater.load.event_shape.names import table_name
from headwater.load.event_shape.rules import rules_of
from headwater.load.event_tables import load_event_tables
from headwater.load.events import load_events
from headwater.load.extracts import load_extracts
from headwater.load.quarantine import load_quarantine
from headwater.load.schema_changes import load_schema_changes
from headwater.storage.warehouse import declared_tables
from orchestration.defs.deliveries import FILLED as DELIVERIES
from orchestration.platform import POOL, SOURCE_OWNER, Platform, Warehouse, config, count_rows, rows

KINDS = {"duckdb"}
TablesSource = RestSource | SqlSource | FilesSource | CsvSource
# what a schedule pulls is loaded by the same run; days that somebody asked for again are loaded by themselves
FOLLOWS_BACKFILLS = (
    dg.AutomationCondition.any_deps_updated().allow(dg.AssetSelection.key_prefixes("backfill"))
    & ~dg.AutomationCondition.in_progress()
)
UNREAD = {"loaded_objects"}  # the loaders' own ledger
BASE_TABLES = {
    "tracks": "one row a track, without its properties.",
    "identifies": "one row an identify.",
    "users": "one row a user, the latest traits.",
    "pages": "one row a page.",
    "screens": "one row a screen.",
    "groups": "one row a group.",
    "aliases": "one row an alias.",
    "rudder_discards": "values that no column could take.",
}


def planned_tracks() -> list[PlannedEvent]:
    """What the tracking plan says of tracks; the other types share one table each."""
    return [planned for planned in config().tracking_plan.values() if planned.type == "track"]


@dg.asset(
    key=["raw", "events"],
    deps=[["lake", "events"]],
    group_name="load",
    kinds=KINDS,
    owners=[SOURCE_OWNER],
    pool=POOL,
)
def raw_events(platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
    """One row an accepted event; (source, message_id) is unique for ever. The payload is kept whole."""
    with warehouse.get_connection() as connection:
        report = load_events(connection, platform.lake())
        count = count_rows(connection, "raw.events")
        objects = count_rows(connection, "raw.loaded_objects where target = 'raw.events'")
    return dg.MaterializeResult(
        metadata=rows(count, added=report.rows_new, duplicates=report.duplicates, lake_objects=objects)
    )


@dg.multi_asset(
    name="event_tables",
    specs=[
        dg.AssetSpec(
            ["events", table],
            deps=[["raw", "events"]],
            group_name="load",
            kinds=KINDS,
            owners=[owner],
            description=description,
        )
        for table, owner, description in [
            *((table, SOURCE_OWNER, f"RudderStack-shaped: {text}") for table, text in BASE_TABLES.items()),
            *(
                (
                    table_name(planned.event),
                    planned.owner or SOURCE_OWNER,
                    f"One row a «{planned.event}». {planned.description}",
                )
                for planned in planned_tracks()
            ),
        ]
    ],
    pool=POOL,
)
def event_tables(platform: Platform, warehouse: Warehouse) -> Iterator[dg.MaterializeResult]:
    """RudderStack-shaped tables; those of events that no plan names are told in the metadata of `tracks`."""
    planned = {table_name(p.event) for p in planned_tracks()}
    with warehouse.get_connection() as connection:
        report = load_event_tables(connection, platform.lake(), rules_of(config()))
        present = {
            name
            for (name,) in connection.execute(
                "select table_name from information_schema.tables where table_schema = 'events'"
            ).fetchall()
        }
        counts = {t: count_rows(connection, f'events."{t}"') if t in present else 0 for t in {*BASE_TABLES, *planned}}
    unplanned = sorted(present - planned - set(BASE_TABLES))
    for table, count in counts.items():
        extra = {"unplanned_event_tables": ", ".join(unplanned) or "none", "discards": report.discards}
        yield dg.MaterializeResult(
            asset_key=["events", table], metadata=rows(count, **(extra if table == "tracks" else {}))
        )


def _source_assets(name: str, source: TablesSource) -> dg.AssetsDefinition:
    owner = ("" if isinstance(source, CsvSource) else source.owner) or SOURCE_OWNER
    specs = [
        dg.AssetSpec(
            ["raw", f"{name}__{table}"],
            deps=[[layer, f"{name}__{table}"] for layer in _layers(source, table)],
            automation_condition=FOLLOWS_BACKFILLS if "backfill" in _layers(source, table) else None,
            group_name="load",
            kinds=KINDS,
            owners=[owner],
            description=f"The latest of each row of {name}'s {table}. {spec.description}",
            skippable=True,
        )
        for table, spec in source.tables.items()
    ]
    feeds = _feeds(source)
    specs += [
        dg.AssetSpec(
            ["raw", f"files__{target}"],
            deps=[["lake", f"{name}__{table}"]],
            group_name="load",
            kinds=KINDS,
            owners=[owner],
            description=f"{name}'s {table} under the names that staging reads, whatever the file calls them.",
            skippable=True,
        )
        for target, table in feeds.items()
    ]

    @dg.multi_asset(name=f"raw_{name}", specs=specs, can_subset=True, pool=POOL)
    def loaded(
        context: dg.AssetExecutionContext, platform: Platform, warehouse: Warehouse
    ) -> Iterator[dg.MaterializeResult]:
        chosen = {key.path[-1] for key in context.selected_asset_keys}
        tables = [t for t in source.tables if f"{name}__{t}" in chosen]
        tables += [t for target, t in feeds.items() if f"files__{target}" in chosen and t not in tables]
        with warehouse.get_connection() as connection:
            report = load_extracts(connection, platform.lake(), platform.config, name, tables)
            counts = {table: count_rows(connection, f'raw."{table}"') for table in sorted(chosen)}
        for table, count in counts.items():
            loaded_as = feeds.get(table.removeprefix("files__")) or table.removeprefix(f"{name}__")
            yield dg.MaterializeResult(
                asset_key=["raw", table], metadata=rows(count, added=report.tables[loaded_as].rows)
            )

    return loaded


def _layers(source: TablesSource, table: str) -> list[str]:
    """Where a raw table's rows come from."""
    can_be_asked_again = isinstance(source, RestSource | SqlSource) and can_backfill(source.tables[table])
    return ["lake", *(["backfill"] if can_be_asked_again else [])]


def _feeds(source: TablesSource) -> dict[str, str]:
    """Canonical table → the source's table that fills it."""
    if not isinstance(source, CsvSource):
        return {}
    return {spec.feeds: table for table, spec in source.tables.items() if spec.feeds}


def _conversation_assets() -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", "conversations"],
        deps=[["lake", "conversations"]],
        group_name="load",
        kinds=KINDS,
        owners=[SOURCE_OWNER],
        pool=POOL,
        description="The index of the chat transcripts in the lake: one row a conversation.",
    )
    def raw_conversations(platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
        with warehouse.get_connection() as connection:
            report = load_conversations(connection, platform.lake())
            count = count_rows(connection, "raw.conversations")
        return dg.MaterializeResult(metadata=rows(count, added=report.rows))

    return raw_conversations


@dg.asset(
    key=["raw", "dropped"],
    deps=[["lake", "events"]],
    group_name="load",
    kinds=KINDS,
    owners=[SOURCE_OWNER],
    pool=POOL,
)
def raw_dropped(platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
    """Events that the tracking plan or a source's transformation dropped, each with its reason."""
    with warehouse.get_connection() as connection:
        report = load_dropped(connection, platform.lake())
        count = count_rows(connection, "raw.dropped")
    return dg.MaterializeResult(
        metadata=rows(count, added=report.rows, reasons=dg.MetadataValue.json(report.by_reason))
    )


def _quarantine_asset() -> dg.AssetsDefinition:
    # what was put through again, and is therefore no longer waiting, is known from the events and the dropped ones
    landed: list[dg.CoercibleToAssetKey] = [["lake", "events"], ["raw", "events"], ["raw", "dropped"]]
    for name, source in config().sources.items():
        if isinstance(source, TablesSource):
            landed += [["lake", f"{name}__{table}"] for table in source.tables]
    if _has_conversations():
        landed.append(["raw", "conversations"])  # a transcript is looked into, and kept aside, by its loader

    @dg.asset(
        key=["raw", "quarantine"],
        deps=landed,
        group_name="load",
        kinds=KINDS,
        owners=[SOURCE_OWNER],
        pool=POOL,
        description="Input that could not be accepted, as it came, each with its reason.",
    )
    def raw_quarantine(platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
        with warehouse.get_connection() as connection:
            report = load_quarantine(connection, platform.lake())
            reasons = connection.execute(
                "select reason, count(*) from raw.quarantine group by 1 order by 2 desc, 1 limit 20"
            ).fetchall()
            count = count_rows(connection, "raw.quarantine")
        return dg.MaterializeResult(
            metadata=rows(count, replayed=report.replayed, reasons=dg.MetadataValue.json(dict(reasons)))
        )

    return raw_quarantine


def _schema_changes_asset(landed: list[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", "schema_changes"],
        deps=landed,
        group_name="load",
        kinds=KINDS,
        owners=[SOURCE_OWNER],
        pool=POOL,
        description="Where tools' tables differ from what is declared, and what their contracts made of it.",
    )
    def raw_schema_changes(platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
        with warehouse.get_connection() as connection:
            added = load_schema_changes(connection, platform.lake())
            count = count_rows(connection, "raw.schema_changes")
        return dg.MaterializeResult(metadata=rows(count, added=added))

    return raw_schema_changes


def _has_conversations() -> bool:
    return any(isinstance(source, ConversationSource) for source in config().sources.values())


def _absent(filled: set[str]) -> list[dg.AssetSpec]:
    """Tables that staging reads and that no source of this config fills: they exist, typed and without rows."""
    declared = [name.removeprefix("raw.") for name in declared_tables() if name.startswith("raw.")]
    return [
        dg.AssetSpec(
            ["raw", table],
            group_name="load",
            kinds=KINDS,
            owners=[SOURCE_OWNER],
            description="Empty and typed: no source of this config fills it. What staging reads when one does.",
        )
        for table in declared
        if table not in filled | UNREAD | DELIVERIES
    ]


@dg.definitions
def load() -> dg.Definitions:
    """The tables of the log, of every configured source, and what stays empty without one."""
    assets: list[dg.AssetsDefinition] = [raw_events, event_tables, raw_dropped, _quarantine_asset()]
    for name, source in config().sources.items():
        if isinstance(source, TablesSource):
            assets.append(_source_assets(name, source))
    pulled = [
        dg.AssetKey(["lake", f"{name}__{table}"])
        for name, source in config().sources.items()
        if isinstance(source, RestSource | SqlSource | FilesSource)
        for table in source.tables
    ]
    if pulled:
        assets.append(_schema_changes_asset(pulled))
    if _has_conversations():
        assets.append(_conversation_assets())
    filled = {key.path[-1] for asset in assets for key in asset.keys if key.path[0] == "raw"}
    return dg.Definitions(assets=[*assets, *_absent(filled)])
