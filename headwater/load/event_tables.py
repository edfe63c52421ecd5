"""`raw.events` into the RudderStack-shaped tables of schema `events`, so that dbt packages written for them work.

Belongs here: taking what was newly loaded, group by group, through plan, evolution and insert. Does not belong here:
the rules themselves (`names`, `columns`, `evolution`) and the shapes (`shapes`).

Every value is pulled out of the payload as text in one pass over it, then cast into its column. A group of objects is
one transaction with its ledger entries, so a kill at any point leaves no half-written table.

A column whose type the tracking plan states keeps that type: a value that does not fit is null there and stands in
`rudder_discards` as it came. Of other columns the type follows the values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from duckdb import DuckDBPyConnection

from headwater.errors import DataError
from headwater.load import ledger
from headwater.load.event_shape.columns import (
    BASE_COLUMNS,
    FULL_EVENT,
    PASSED_IP,
    TABLE_OF_TYPE,
    TRACK_COLUMNS,
    Column,
    Discard,
    plan,
    within_limit,
)
from headwater.load.event_shape.evolution import cast, evolve, fits, kinds_of_values, that_fit
from headwater.load.event_shape.names import BASE_TABLES, table_name
from headwater.load.event_shape.rules import CLOUD, DEEPEST, Rules, kept_whole
from headwater.load.event_shape.shapes import Path, Shape, from_metadata, from_structure, merge, pointer
from headwater.load.event_shape.users import renew_users
from headwater.storage.lake import Lake
from headwater.storage.warehouse.schema import columns_by_table, create_table, quoted, quoted_column

TARGET = "events"
MAX_EVENT_TABLES = 1_000
_GUESSED_BYTES = 2_000  # of one event in memory
_COMPRESSED = "VARCHAR using compression zstd"  # lists of products are long, and else stored as they are
_TYPES = ("BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP")
_BASE = ", ".join(name for name in BASE_COLUMNS if name != "uuid_ts")
_FROM_RAW = (
    "'warehouse' as context_destination_id, 'DUCKDB' as context_destination_type, request_ip as context_request_ip, "
    "anonymous_id, user_id, original_timestamp, sent_at, timestamp, received_at, type, "
    "coalesce(event, '') as event_text, payload, lake_object from raw.events where list_contains($keys, lake_object)"
)
_IS_CLOUD = f"context_source_type is not distinct from '{CLOUD}'"
Tables = dict[str, dict[str, str]]


@dataclass(frozen=True)
class EventTablesLoaded:
    """`events` rows of raw.events went into `rows` rows of `tables` different tables (a track goes into two)."""

    objects: int = 0
    events: int = 0
    rows: int = 0
    tables: int = 0
    discards: int = 0


_Loaded = tuple[EventTablesLoaded, set[str]]
_Work = Callable[[], _Loaded]


@dataclass(frozen=True)
class Only:
    """One table alone: of this type of event, and for tracks of these event names."""

    kind: str
    table: str
    events: tuple[str, ...] = ()


def load_event_tables(con: DuckDBPyConnection, lake: Lake, rules: Rules | None = None) -> EventTablesLoaded:
    """Bring the `events` schema up to date with `raw.events`.

    Args:
        rules: what the config says, as `event_shape.rules.rules_of` reads it.

    Raises:
        UnavailableError: the lake cannot be reached.
    """
    lake.configure(con)
    return load_objects(con, lake, ledger.loaded_but_not(con, "raw.events", TARGET), rules or Rules(), ledger.one_group)


def load_objects(
    con: DuckDBPyConnection,
    lake: Lake,
    keys: list[str],
    rules: Rules,
    each: Callable[[DuckDBPyConnection, _Work], _Loaded],
    only: Only | None = None,
) -> EventTablesLoaded:
    """Take the events of these objects, which `raw.events` holds, into their tables.

    Args:
        each: what does the work of one group of objects: `ledger.one_group`, or a plain call inside of a transaction.
        only: this table alone; the ledger is not written.
    """
    recorded = _recorded_shapes(con, lake, keys)
    total, touched = EventTablesLoaded(), set[str]()

    def load(group: list[ledger.Measured]) -> _Loaded:
        tables = {name: columns for name, columns in columns_by_table(con).items() if name.startswith("events.")}
        loading = _Group(con, tables, recorded, rules, datetime.now(UTC).replace(tzinfo=None), only)
        found = loading.load([item.key for item in group])
        if only is None:
            ledger.record(con, TARGET, ((item.key, item.rows) for item in group))
        return found

    for group in ledger.groups(_measured(con, lake, keys)):
        done, names = each(con, partial(load, group))
        touched |= names
        total = EventTablesLoaded(
            total.objects + len(group),
            total.events + done.events,
            total.rows + done.rows,
            len(touched),
            total.discards + done.discards,
        )
    return total


def _measured(con: DuckDBPyConnection, lake: Lake, keys: list[str]) -> list[ledger.Measured]:
    """The objects' sizes; guessed from their rows when the lake no longer holds them: `raw.events` has it all."""
    try:
        return ledger.measure(con, lake, keys)
    except DataError:
        rows = dict(
            con.execute("select lake_object, rows from raw.loaded_objects where target = 'raw.events'").fetchall()
        )
        return [ledger.Measured(key, rows[key], rows[key] * _GUESSED_BYTES) for key in keys]


def _recorded_shapes(con: DuckDBPyConnection, lake: Lake, keys: list[str]) -> dict[str, str]:
    try:
        return ledger.metadata(con, lake, keys, "headwater.schema")
    except DataError:
        return {}


class _Group:
    """One group of objects on its way into the tables."""

    def __init__(
        self,
        con: DuckDBPyConnection,
        tables: Tables,
        recorded: dict[str, str],
        rules: Rules,
        now: datetime,
        only: Only | None,
    ) -> None:
        self.con = con
        self.tables = tables
        self.recorded = recorded
        self.rules = rules
        self.now = now
        self.only = only
        self.done = EventTablesLoaded()
        self.touched: set[str] = set()
        self.widest = 0

    def load(self, keys: list[str]) -> tuple[EventTablesLoaded, set[str]]:
        self.con.execute(
            "create or replace temp table _group as "
            f"select message_id as id, source as context_source_id, {self._kind_of_source()} as context_source_type, "
            + _FROM_RAW
            + (" and type = $kind and (len($events) = 0 or list_contains($events, event))" if self.only else ""),
            {"keys": keys} | ({"kind": self.only.kind, "events": list(self.only.events)} if self.only else {}),
        )
        shapes = self._shapes(keys)
        counts = self.con.execute("select type, event_text, count(*) from _group group by all order by all").fetchall()
        by_table: dict[tuple[str, str], list[str]] = defaultdict(list)
        for kind, event, count in counts:
            self.done = replace(self.done, events=self.done.events + count)
            if kind in TABLE_OF_TYPE:
                by_table[kind, table_name(event) if kind == "track" else TABLE_OF_TYPE[kind]].append(event)
        for (kind, table), events in by_table.items():
            names = [event or kind for event in events] if kind == "track" else [kind]
            self._load_table(kind, f"events.{table}", events, merge(shapes.get(name, {}) for name in names))
        self.con.execute("drop table _group")
        return self.done, self.touched

    def _kind_of_source(self) -> str:
        cases = [f"when {_literal(name)} then {_literal(kind)}" for name, kind in self.rules.kinds.items()]
        return f"case source {' '.join(cases)} end" if cases else "null::varchar"

    def _shapes(self, keys: list[str]) -> dict[str, Shape]:
        """Shapes by type or event name: as the lander recorded them, else discovered from the payloads."""
        recorded = {key: self.recorded[key] for key in keys if key in self.recorded}
        found: dict[str, list[Shape]] = defaultdict(list)
        for text in recorded.values():
            for name, shape in from_metadata(text).items():
                found[name].append(shape)
        unknown = [key for key in keys if key not in recorded]
        if unknown:
            rows = self.con.execute(
                "select distinct type, event_text, json_structure(payload)::varchar from _group "
                "where list_contains($keys, lake_object)",
                {"keys": unknown},
            ).fetchall()
            for kind, event, structure in rows:
                found[event or kind if kind == "track" else kind].append(from_structure(structure))
        return {name: merge(shapes) for name, shapes in found.items()}

    def _load_table(self, kind: str, table: str, events: list[str], shape: Shape) -> None:
        whole = self.rules.json_paths_of(kind)
        planned = plan(kind, kept_whole(shape, whole, self.rules.has_cloud()), self.tables.get(table, {}))
        self.widest = max(self.widest, len(planned.columns), len(self.tables.get(table, {})))
        ledger.make_room(self.con, self.widest)
        paths = list(dict.fromkeys([p for c in planned.columns for p in c.paths] + [d.path for d in planned.discards]))
        parents = {path[:depth] for path in paths for depth in range(1, len(path))}
        text = self._extract(kind, events, paths, [path for path in paths if path in parents or path in whole], whole)
        texts = {column.name: (column, _coalesced(column, text)) for column in planned.columns}
        passed, address = texts[PASSED_IP]
        texts[PASSED_IP] = passed, f"nullif({address}, context_request_ip)"
        types = kinds_of_values(self.con, "_rows", texts)
        columns = {name: (column, sql) for name, (column, sql) in texts.items() if name in types}
        stated = {
            name: type_
            for name, type_ in self.rules.planned.get(table.removeprefix("events."), {}).items()
            if name in columns and self.tables.get(table, {}).get(name) != "VARCHAR"
        }
        if kind == "track" and self.only is None:
            context = {name: pair for name, pair in columns.items() if pair[0].is_context}
            self._write("events.tracks", kind, table, context, types)
        if kind != "track" or self._may_have(table):
            self._write(table, kind, table, columns, types | stated, stated)
            discards = planned.discards
        else:
            discards = [Discard(path, c.name, "too many event names") for c, _ in columns.values() for path in c.paths]
        self._discard(table, text, discards)
        for column in planned.columns:
            for path in column.rivals:
                before = _coalesced(replace(column, paths=column.paths[: column.paths.index(path)]), text)
                reason = f"another key is called the same: {pointer(path)}"
                self._keep(table, column.name, text[path], f"{text[path]} <> {before}", reason)
        if kind == "identify":
            renew_users(self.con, self.tables)
            self.touched.add("events.users")

    def _may_have(self, table: str) -> bool:
        return table in self.tables or len(self.tables) - len(BASE_TABLES) < MAX_EVENT_TABLES

    def _extract(
        self, kind: str, events: list[str], paths: list[Path], typed: list[Path], whole: list[Path]
    ) -> dict[Path, str]:
        """Make `_rows`; returns the SQL text expression of each path. An object under a path that elsewhere holds a
        plain value is null: its own keys have columns, unless it is kept whole."""
        full = f", payload::varchar as {FULL_EVENT}" if self.rules.has_full_event else ""
        self.con.execute(
            f"create or replace temp table _rows as select {_BASE}, event_text, "
            f"{_extracted('json_extract_string', paths)} as v, {_extracted('json_type', typed)} as t{full} "
            "from _group where type = $kind and list_contains($events, event_text)",
            {"kind": kind, "events": events},
        )
        text = {path: f"nullif(v[{index}], '')" for index, path in enumerate(paths, 1)}
        has_cloud = self.rules.has_cloud()
        for index, path in enumerate(typed, 1):
            if path in whole:
                text[path] = (
                    f"case when t[{index}] = 'VARCHAR' then to_json({text[path]})::varchar else {text[path]} end"
                )
            else:
                to_leave = f"t[{index}] = 'OBJECT'"
                to_leave += f" and not ({_IS_CLOUD})" if has_cloud and len(path) == DEEPEST else ""
                text[path] = f"case when {to_leave} then null else {text[path]} end"
        for path in paths if has_cloud else []:
            if len(path) > DEEPEST and path not in whole:
                text[path] = f"case when {_IS_CLOUD} then null else {text[path]} end"
        return text

    def _write(
        self,
        table: str,
        kind: str,
        event_table: str,
        columns: dict[str, tuple[Column, str]],
        types: dict[str, str],
        stated: Collection[str] = (),
    ) -> None:
        fixed = BASE_COLUMNS | (TRACK_COLUMNS if kind == "track" else {})
        if self.rules.has_full_event and table == f"events.{TABLE_OF_TYPE[kind]}":
            fixed |= {FULL_EVENT: "VARCHAR"}
        if table not in self.tables:
            first = {name: types[name] for name in columns}
            long = {name: _COMPRESSED for name, (column, _) in columns.items() if "array" in column.kinds}
            self.con.execute(create_table(table, fixed | first | long))
            self.tables[table] = fixed | first
        existing = self.tables[table]
        if kind == "track" and table == "events.tracks":  # what it has no room for is in the event's own table
            columns = within_limit(columns, existing)
        wanted = {name: kind for name, kind in fixed.items() if name not in existing}
        wanted |= {name: types[name] for name in columns}
        evolve(self.con, table, existing, wanted, "_rows", {name: sql for name, (_, sql) in columns.items()})
        values = {name: name for name in _BASE.split(", ")} | {"uuid_ts": "$now"}
        if kind == "track":
            values |= {"event": _literal(event_table.removeprefix("events.")), "event_text": "event_text"}
        values |= {name: name for name in fixed if name == FULL_EVENT}
        misfits = self._misfits({name: (columns[name][1], existing[name]) for name in stated})
        for name, (_, sql) in columns.items():
            fitting = f"case when {fits(sql, existing[name])} then {sql} end" if name in misfits else sql
            values[quoted_column(name)] = cast(fitting, existing[name])
        inserted = self.con.execute(
            f"insert into {quoted(table)} ({', '.join(values)}) select {', '.join(values.values())} from _rows",
            {"now": self.now},
        ).fetchone()
        self.touched.add(table)
        self.done = replace(self.done, rows=self.done.rows + (inserted[0] if inserted else 0))
        for name in misfits:
            text, type_ = columns[name][1], existing[name]
            self._keep(table, name, text, f"{text} is not null and not coalesce({fits(text, type_)}, false)", type_)

    def _misfits(self, stated: dict[str, tuple[str, str]]) -> list[str]:
        """Columns (name → text, type) of which some value does not fit the type that the plan states."""
        checks = [(name, text, kind) for name, (text, kind) in stated.items() if kind != "VARCHAR"]
        fitting = dict(that_fit(self.con, "_rows", checks))
        return [name for name, _, _ in checks if name not in fitting]

    def _discard(self, table: str, text: dict[Path, str], discards: list[Discard]) -> None:
        """Keep what no column can hold, unless the column already holds that very value."""
        for discard in discards:
            value = text[discard.path]
            same = discard.column if BASE_COLUMNS.get(discard.column) == "VARCHAR" else "null"
            condition = f"{value} is not null and {value} is distinct from {same}"
            self._keep(table, discard.column, value, condition, discard.reason)

    def _keep(self, table: str, column: str, value: str, condition: str, reason: str) -> None:
        """Record values of `_rows` that the table's column does not hold."""
        if reason in _TYPES:
            reason = f"the plan says {reason}"
        kept = self.con.execute(
            "insert into events.rudder_discards "
            "(table_name, row_id, column_name, column_value, received_at, uuid_ts, reason) "
            f"select $table, id, $column, {value}, received_at, $now, $reason from _rows where {condition}",
            {"table": table.removeprefix("events."), "column": column, "reason": reason, "now": self.now},
        ).fetchone()
        self.done = replace(self.done, discards=self.done.discards + (kept[0] if kept else 0))


def _coalesced(column: Column, text: dict[Path, str]) -> str:
    parts = [text[path] for path in column.paths]
    return parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"


def _extracted(function: str, paths: list[Path]) -> str:
    return f"{function}(payload, [{', '.join(_literal(pointer(path)) for path in paths)}])" if paths else "null"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
