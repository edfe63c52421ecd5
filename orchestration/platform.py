"""What every asset needs: settings, config, the warehouse, the lake, the as-of time of the run.

Belongs here: the resources' classes and the small pieces that assets share (metadata, keys). Does not belong here:
the resources' values (`defs/resources.py`) or any asset.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from headwater.configuration import Config, load_config
from headwater.settings import Settings, load_settings, parse_as_of
from headwater.storage.home import advance_as_of
from headwater.storage.lake import Lake, open_lake
from headwater.storage.warehouse import connect, ensure_schemas
from headwater.storage.warehouse.lock import RUN_WAIT_SECONDS

AS_OF_TAG = "headwater/as_of"
POOL = "warehouse"
# What goes out follows new scores without waiting for a schedule. Identity moves with every load and is left out: each
# load would push the whole company.
FOLLOWS_SCORES = dg.AutomationCondition.eager().ignore(dg.AssetSelection.key_prefixes("identity"))
SOURCE_OWNER = "data-platform@example.com"


@cache
def settings() -> Settings:
    """The settings of this code location; fixed for the life of its process."""
    return load_settings()


@cache
def config() -> Config:
    """The config folder, read once for the life of this process: reload the code location to read it again."""
    return load_config(settings())


class Warehouse(DuckDBResource):
    """The one way to the warehouse from an asset: dagster-duckdb's resource, delegating to the platform's lock."""

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        who = purpose(dg.AssetExecutionContext.get())
        with connect(settings(), purpose=who, wait_seconds=RUN_WAIT_SECONDS) as connection:
            ensure_schemas(connection)
            yield connection


def purpose(context: dg.AssetExecutionContext) -> str:
    """What a step is called towards whoever waits for the warehouse: its asset, or its name when it makes several."""
    made = context.assets_def.keys
    return f"Dagster: {next(iter(made)).to_user_string() if len(made) == 1 else context.op_def.name}"


class Platform(dg.ConfigurableResource):
    """Settings, config and lake for an asset."""

    @property
    def settings(self) -> Settings:
        return settings()

    @property
    def config(self) -> Config:
        return config()

    def lake(self) -> Lake:
        return open_lake(settings())


def as_of(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> datetime:
    """The run's «now», one for all its steps: its tag, else the settings', else the time that the run was created."""
    tag = context.run.tags.get(AS_OF_TAG)
    if tag:
        return parse_as_of(tag)
    given = settings().as_of
    if given:
        return given
    record = context.instance.get_run_record_by_id(context.run_id)
    created = record.create_timestamp if record else datetime.now(UTC)
    return created.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def remember_as_of(context: dg.AssetExecutionContext) -> None:
    """Before a tool is told something: keep the run's «now» in the home, so that no later run falls behind it and
    tells the tool the day before. A time that somebody gave this run is for this run alone."""
    if not context.run.tags.get(AS_OF_TAG) and not settings().as_of:
        advance_as_of(settings(), as_of(context))


def rows(count: int | None, **metadata: Any) -> dict[str, Any]:
    """Metadata with Dagster's standard row count; None values are left out."""
    found = {"dagster/row_count": count, **metadata}
    return {key: value for key, value in found.items() if value is not None}


def landed(context: dg.AssetExecutionContext, lake: Lake, key: list[str], prefix: str, added: int) -> dict[str, Any]:
    """Metadata of a part of the lake: the rows that it holds, and those that this run added.

    Counted once, from the Parquet footers under `prefix`; from then on each run adds its own: a lake only grows, and
    reading every footer at every landing would cost more and more.
    """
    event = context.instance.get_latest_materialization_event(dg.AssetKey(key))
    told = event.asset_materialization.metadata if event and event.asset_materialization else {}
    if "landed" in told:
        return rows(int(str(told["dagster/row_count"].value)) + added, landed=added)
    objects = [lake.uri(found.key) for found in lake.list(prefix) if found.key.endswith(".parquet")]
    with duckdb.connect() as connection:
        lake.configure(connection)
        counted = connection.execute("select count(*) from read_parquet(?)", [objects]).fetchone() if objects else (0,)
    return rows(int(counted[0]) if counted else 0, landed=added)


def count_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of `schema.table`, which may go on with a where clause."""
    found = connection.execute(f"select count(*) from {table}").fetchone()
    return int(found[0]) if found else 0
