"""Landing: the log's sealed segments, the tools' tables, CSV files and chat transcripts become objects in the lake."""

from collections.abc import Iterator

import dagster as dg

from headwater.configuration import ConversationSource, CsvSource, RestSource
from headwater.land.events import land_events
from headwater.land.extracts import TablePulled, pull
from headwater.land.files import land_files
from headwater.land.tables import TableLanded, land_tables
from headwater.storage.home import read_home
from orchestration.platform import SOURCE_OWNER, Platform, config, landed, rows

LOG = dg.AssetSpec(
    ["log", "events"],
    group_name="collect",
    kinds={"file"},
    owners=[SOURCE_OWNER],
    description="The durable log: every event that the collector has acknowledged. Written by the collector.",
)


@dg.asset(
    key=["lake", "events"],
    deps=[LOG],
    group_name="land",
    kinds={"python", "parquet"},
    owners=[SOURCE_OWNER],
)
def lake_events(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """One Parquet object a sealed log segment and day of receipt; rejected input under quarantine/, dropped/."""
    report = land_events(platform.settings, platform.config)
    counts = landed(context, platform.lake(), ["lake", "events"], "events/", report.events)
    return dg.MaterializeResult(
        metadata={
            **counts,
            "quarantined": report.quarantined,
            "dropped": report.dropped,
            "objects": report.objects,
            "segments": report.segments,
            "segments_removed": report.removed,
        }
    )


def _rest_assets(name: str, source: RestSource) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    owner = source.owner or SOURCE_OWNER
    tool = dg.AssetSpec(
        ["tool", name], group_name="collect", kinds={"api"}, owners=[owner], description=source.description
    )

    @dg.multi_asset(
        name=f"lake_{name}",
        specs=[
            dg.AssetSpec(
                ["lake", f"{name}__{table}"],
                deps=[tool],
                group_name="land",
                kinds={"dlt", "parquet"},
                owners=[owner],
                description=f"Extracts of {name}'s {table}, as pulled. {spec.description}",
                skippable=True,
            )
            for table, spec in source.tables.items()
        ],
        can_subset=True,
    )
    def pulled(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[dg.MaterializeResult]:
        chosen = [key.path[-1].removeprefix(f"{name}__") for key in context.selected_asset_keys]
        report = pull(platform.settings, platform.config, name, sorted(chosen))
        for table in sorted(chosen):
            found = report.tables[table]
            yield _extract(context, platform, name, table, found)

    return [tool, pulled]


def _extract(
    context: dg.AssetExecutionContext, platform: Platform, name: str, table: str, found: TablePulled | TableLanded
) -> dg.MaterializeResult:
    key, added = ["lake", f"{name}__{table}"], found.rows if found.objects else 0
    counts = landed(context, platform.lake(), key, f"extracts/{name}/{table}/", added)
    return dg.MaterializeResult(
        asset_key=key, metadata={**counts, "quarantined": found.quarantined, "objects": found.objects}
    )


def _outside(kind: str, name: str, text: str) -> dg.AssetSpec:
    """What lies before the platform: nobody materialises it here."""
    return dg.AssetSpec([kind, name], group_name="collect", kinds={"file"}, owners=[SOURCE_OWNER], description=text)


def _csv_assets(name: str, source: CsvSource) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    folder = _outside("folder", name, f"CSV files of the data folder. {source.description}".strip())

    @dg.multi_asset(
        name=f"lake_{name}",
        specs=[
            dg.AssetSpec(
                ["lake", f"{name}__{table}"],
                deps=[folder],
                group_name="land",
                kinds={"csv", "parquet"},
                owners=[SOURCE_OWNER],
                description=f"{spec.file} of the data folder, typed. {spec.description}",
            )
            for table, spec in source.tables.items()
        ],
    )
    def typed(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[dg.MaterializeResult]:
        home = read_home(platform.settings)
        report = land_tables(platform.settings, platform.config, home.data_dir if home else None)
        for table in source.tables:
            found = report.tables[f"{name}__{table}"]
            yield _extract(context, platform, name, table, found)

    return [folder, typed]


def _conversation_assets(sources: dict[str, ConversationSource]) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    dropped = [_outside("inbox", name, source.description or "Dropped files.") for name, source in sources.items()]

    @dg.asset(
        key=["lake", "conversations"],
        deps=dropped,
        group_name="land",
        kinds={"file"},
        owners=[SOURCE_OWNER],
        description="Chat transcripts as they came from the inbox, one object a file.",
    )
    def lake_conversations(platform: Platform) -> dg.MaterializeResult:
        report = land_files(platform.settings, platform.config)
        files = len(platform.lake().list("files/"))
        return dg.MaterializeResult(metadata=rows(files, landed=report.files, bytes=report.bytes))

    return [*dropped, lake_conversations]


@dg.definitions
def land() -> dg.Definitions:
    """What the config's sources need: one multi-asset a source, one asset a table."""
    assets: list[dg.AssetSpec | dg.AssetsDefinition] = [LOG, lake_events]
    for name, source in config().sources.items():
        if isinstance(source, RestSource):
            assets += _rest_assets(name, source)
        if isinstance(source, CsvSource):
            assets += _csv_assets(name, source)
    chats = {name: source for name, source in config().sources.items() if isinstance(source, ConversationSource)}
    if chats:
        assets += _conversation_assets(chats)
    return dg.Definitions(assets=assets)
