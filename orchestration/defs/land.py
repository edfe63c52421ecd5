"""Landing: the log's sealed segments, the tools' tables, CSV files and chat transcripts become objects in the lake."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from headwater.configuration import ConversationSource, CsvSource, FilesSource, RestSource, SqlSource
from headwater.errors import DataError
from headwater.land.backfill import can_backfill, try_backfill
from headwater.land.events import land_events
from headwater.land.extracts import try_pull
from headwater.land.file_tables import try_land_file_tables
from headwater.land.files import land_files
from headwater.land.listings import TablePulled
from headwater.land.tables import TableLanded, land_tables
from headwater.storage.home import read_home
from orchestration.checks import PULLED, last_evaluations
from orchestration.platform import SOURCE_OWNER, Platform, config, landed, rows

AS_DECLARED = "as_declared"
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


def _tool_assets(name: str, source: RestSource | SqlSource | FilesSource) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    owner = source.owner or SOURCE_OWNER
    kind = {RestSource: "api", SqlSource: "sql", FilesSource: "file"}[type(source)]
    take = try_land_file_tables if isinstance(source, FilesSource) else try_pull
    tool = dg.AssetSpec(
        ["tool", name], group_name="collect", kinds={kind}, owners=[owner], description=source.description
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
                freshness_policy=_freshness(spec.freshness_hours),
                skippable=True,
            )
            for table, spec in source.tables.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(
                AS_DECLARED,
                asset=["lake", f"{name}__{table}"],
                description="The table is what sources.yaml declares, and the tool told it as it should.",
            )
            for table in source.tables
        ],
        can_subset=True,
    )
    def landing(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
        chosen = sorted(key.path[-1].removeprefix(f"{name}__") for key in context.selected_asset_keys)
        report = take(platform.settings, platform.config, name, chosen)
        for table in chosen:
            found = report.tables[table]
            check = _as_declared(name, table, found)
            yield _extract(context, platform, name, table, found) if found.error is None else _as_it_was(name, table)
            yield check
        asked_for = context.run.asset_selection  # none: a job's whole
        if asked_for and asked_for <= context.selected_asset_keys:
            report.check()  # nothing comes after it that could go on, nor the step that fails the other runs

    return [tool, landing]


def _as_it_was(name: str, table: str) -> dg.Output[None]:
    """What lets the run go on with the rows that are there, and is no materialization: for a table that failed.

    An output left out would skip everything after it, the whole of dbt; any other counts as a materialization, with
    which a table would look fresh that is not. This is how Dagster's own source observations leave it out.
    """
    key = dg.AssetKey(["lake", f"{name}__{table}"])
    return dg.Output(
        None, output_name=key.to_python_identifier(), metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
    )


def _pulled(name: str, tables: list[str]) -> dg.AssetChecksDefinition:
    """What makes a run fail in which a table did, while it goes on: nothing comes after this step."""
    declared = [dg.AssetCheckKey(dg.AssetKey(["lake", f"{name}__{table}"]), AS_DECLARED) for table in tables]

    @dg.multi_asset_check(
        name=f"{PULLED}_{name}",
        specs=[
            dg.AssetCheckSpec(
                PULLED,
                asset=["tool", name],
                additional_deps=[key.asset_key for key in declared],
                description="The last pull of each table came to its end. If not, the run fails, and blocks nothing.",
            )
        ],
    )
    def pulled(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        ended = [found for found in last_evaluations(context.instance, declared) if not found.passed]
        failed = [found for found in ended if found.severity == dg.AssetCheckSeverity.ERROR]
        names = [found.asset_key.path[-1] for found in failed]
        yield dg.AssetCheckResult(
            passed=not failed,
            description=str(failed[0].description) if failed else "",
            metadata={"failed": ", ".join(names) or "none"},
        )
        if failed:
            others = f"As well: {', '.join(names[1:])}." if names[1:] else ""
            raise DataError(str(failed[0].description), hint=others)

    return pulled


def _backfill(name: str, source: RestSource | SqlSource) -> list[dg.AssetsDefinition]:
    """One asset a table, one partition a day of its cursor: materialize days in the UI to ask for them again. What is
    new comes without it, by the table's asset in the lake; `raw` follows by its automation condition."""
    owner = source.owner or SOURCE_OWNER
    tables = {table: spec for table, spec in source.tables.items() if can_backfill(spec)}
    if not tables:
        return []

    @dg.multi_asset(
        name=f"backfill_{name}",
        specs=[
            dg.AssetSpec(
                ["backfill", f"{name}__{table}"],
                deps=[["tool", name]],
                group_name="land",
                kinds={"python", "parquet"},
                owners=[owner],
                description=f"Days of {name}'s {table} by {spec.cursor}, asked for once more as the tool has them now.",
                skippable=True,
            )
            for table, spec in tables.items()
        ],
        partitions_def=dg.DailyPartitionsDefinition(start_date=source.history_from.isoformat(), end_offset=1),
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def again(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[dg.MaterializeResult]:
        chosen = sorted(key.path[-1].removeprefix(f"{name}__") for key in context.selected_asset_keys)
        window = context.partition_time_window
        since, until = (moment.astimezone(UTC).replace(tzinfo=None) for moment in (window.start, window.end))
        report = try_backfill(platform.settings, platform.config, name, since, until, chosen)
        for table in chosen:
            found = report.tables[table]
            if found.error is None:
                counts = rows(found.rows, quarantined=found.quarantined, objects=found.objects)
                yield dg.MaterializeResult(asset_key=["backfill", f"{name}__{table}"], metadata=counts)
        report.check()

    return [again]


def _freshness(hours: float | None) -> dg.FreshnessPolicy | None:
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours)) if hours else None


def _as_declared(name: str, table: str, found: TablePulled) -> dg.AssetCheckResult:
    """A pull that was not to its end fails; what was handled as the contract says, or did no harm, warns, and rows that
    are kept aside warn until they have come right."""
    told = [*found.changes, *found.notes, *([found.kept_aside] if found.kept_aside else [])]
    told_as = {"changes": found.changes, "notes": found.notes}
    return dg.AssetCheckResult(
        check_name=AS_DECLARED,
        asset_key=["lake", f"{name}__{table}"],
        passed=found.error is None and not told and not found.quarantined,
        severity=dg.AssetCheckSeverity.WARN if found.error is None else dg.AssetCheckSeverity.ERROR,
        description=str(found.error) if found.error else "; ".join(told),
        metadata={key: dg.MetadataValue.json(list(value)) for key, value in told_as.items()}
        | {"quarantined": dg.MetadataValue.int(found.quarantined), "kept_aside": dg.MetadataValue.int(found.aside)},
    )


def _extract(
    context: dg.AssetExecutionContext, platform: Platform, name: str, table: str, found: TablePulled | TableLanded
) -> dg.MaterializeResult:
    key, added = ["lake", f"{name}__{table}"], found.rows if found.objects else 0
    counts = landed(context, platform.lake(), key, f"extracts/{name}/{table}/", added)
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            **counts,
            "quarantined": found.quarantined,
            "objects": found.objects,
            **({"deleted": found.deleted} if isinstance(found, TablePulled) else {}),
        },
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
    checks: list[dg.AssetChecksDefinition] = []
    for name, source in config().sources.items():
        if isinstance(source, RestSource | SqlSource | FilesSource):
            assets += _tool_assets(name, source)
            checks.append(_pulled(name, list(source.tables)))
        if isinstance(source, RestSource | SqlSource):
            assets += _backfill(name, source)
        if isinstance(source, CsvSource):
            assets += _csv_assets(name, source)
    chats = {name: source for name, source in config().sources.items() if isinstance(source, ConversationSource)}
    if chats:
        assets += _conversation_assets(chats)
    return dg.Definitions(assets=assets, asset_checks=checks)
