"""`headwater replay --warehouse`: the tables of schema `events` made anew from `raw.events`.

Belongs here: which tables, in one transaction. Does not belong here: how events become rows (`event_tables`).

Worth it after the tracking plan has changed a type, or after events with wrong types are gone: columns that had become
text get the type that the plan states, or that all values have now. Readers see the old tables until it is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from headwater.configuration import Config
from headwater.errors import UsageError
from headwater.load import ledger
from headwater.load.event_shape.columns import TABLE_OF_TYPE
from headwater.load.event_shape.names import table_name
from headwater.load.event_shape.rules import rules_of
from headwater.load.event_tables import TARGET, EventTablesLoaded, Only, load_objects
from headwater.settings import Settings
from headwater.storage.lake import landing_order, open_lake
from headwater.storage.warehouse import connect, ensure_schemas, publish, transaction
from headwater.storage.warehouse.schema import columns_by_table, quoted


@dataclass(frozen=True)
class Rederived:
    """What is in the tables that were made anew."""

    tables: int
    events: int
    rows: int
    discards: int


def rederive(settings: Settings, config: Config, event: str | None = None) -> Rederived:
    """Make all tables of schema `events` anew, or that of one event name or type (identify, page, …).

    A kill leaves the old tables. `raw.events` is not changed.

    Raises:
        BusyError: another process holds the warehouse.
        UsageError: there is no such event.
    """
    lake = open_lake(settings)
    with connect(settings, purpose="headwater replay --warehouse") as con:
        ensure_schemas(con)
        lake.configure(con)
        only = _only(con, event) if event else None
        with transaction(con):
            keys = sorted(ledger.loaded(con, TARGET), key=landing_order)
            _clear(con, only)
            done: EventTablesLoaded = load_objects(con, lake, keys, rules_of(config), lambda _, work: work(), only)
    publish(settings)
    return Rederived(done.tables, done.events, done.rows, done.discards)


def _only(con: DuckDBPyConnection, event: str) -> Only:
    names = con.execute("select distinct event from raw.events where type = 'track' and event is not null").fetchall()
    same = tuple(sorted(name for (name,) in names if table_name(name) == table_name(event)))
    if same:
        return Only("track", table_name(event), same)
    if event in TABLE_OF_TYPE and event != "track":
        return Only(event, TABLE_OF_TYPE[event])
    types = ", ".join(sorted(set(TABLE_OF_TYPE) - {"track"}))
    raise UsageError(f"raw.events holds no track «{event}».", hint=f"Name one as it is sent, or a type: {types}.")


def _clear(con: DuckDBPyConnection, only: Only | None) -> None:
    if only is None:
        tables = [name for name in columns_by_table(con) if name.startswith("events.")]
        con.execute("delete from raw.loaded_objects where target = ?", [TARGET])
    else:
        tables = [f"events.{only.table}"] + (["events.users"] if only.kind == "identify" else [])
        con.execute("delete from events.rudder_discards where table_name = ?", [only.table])
    for table in tables:
        con.execute(f"drop table if exists {quoted(table)}")
    ensure_schemas(con)
