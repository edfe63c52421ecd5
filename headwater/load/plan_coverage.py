"""The tracking plan against what arrived and what each destination received, from the warehouse.

Belongs here: counting events per type and name, comparing with the plan, `marts.plan_coverage`. Does not belong here:
whether one event fits (`headwater.policy.plan`), the words on the screen (`headwater.entrance.plan`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

import duckdb
import msgspec
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.configuration import Config, EventSource, KafkaSource, PlannedEvent, Stream, WebhookSource
from headwater.errors import DataError
from headwater.policy.plan import Checker
from headwater.storage.warehouse import replace_table

TABLE = "marts.plan_coverage"
COLUMNS = {
    "type": "text",
    "event": "text",
    "status": "text",
    "owner": "text",
    "file": "text",
    "events": "bigint",
    "violating": "bigint",
    "quarantined": "bigint",
    "dropped": "bigint",
    "first_seen_at": "timestamp",
    "last_seen_at": "timestamp",
    "destinations": "json",
}
Status = Literal["planned_and_seen", "planned_never_seen", "seen_unplanned"]
# why a destination's own settings keep an event from it, and what kept it from all of them (told by the event's row)
_BY_SETTINGS = {"routes", "sources", "types", "events", "start", "off"}
_BY_PLAN = {"plan", "quarantined"}
# types whose events one planned entry without a name covers
_NAMELESS = ("identify", "group", "alias")
_NAME = """coalesce(case when type = 'track' then event
                       when type in ('page', 'screen') then json_extract_string(payload, '$.name') end, '')"""
_SEEN = f"""
    select type, {_NAME} as name, count(*), min(timestamp), max(timestamp),
           count(*) filter (violations is not null)
    from raw.events group by all
"""
# what a source's transformation turned into another event came under its first name all the same
_SENT = """
    select type, event, count(*), min(timestamp), max(timestamp), 0
    from (select json_extract_string(original, '$.type') as type, json_extract_string(original, '$.event') as event,
                 timestamp, raw.events.event as now_named
          from raw.events where original is not null)
    where type = 'track' and event is not null and event is distinct from now_named group by all
"""
# a delivery knows its message, and not what the page was called
_DELIVERED = f"""
    select destination, type, coalesce(event, name, ''), status, coalesce(reason, ''), count(*)
    from raw.deliveries
    left join (select source, message_id, {_NAME} as name from raw.events where type in ('page', 'screen'))
        using (source, message_id)
    group by all
"""
_HEARD = "select distinct source from {table} where source is not null"
_RECORDED = f"select {{part}} from raw.events where type = ? and {_NAME} = ? order by timestamp desc limit ?"
_KEPT_ASIDE = "select type, coalesce(event, ''), count(*) from {table} where reason like 'plan: %' group by all"


@dataclass(frozen=True)
class SeenEvent:
    """Events of one type and name that arrived; `event` is empty where the type has no names."""

    type: str
    event: str
    events: int
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    violating: int


@dataclass(frozen=True)
class AtDestination:
    """What one destination got of an event.

    `state`: `receives` (something was delivered), `withheld` (settings keep it away, or the destination is off),
    `filtered` (it came, and none went through: see `reasons`), `nothing yet`.
    """

    state: Literal["receives", "withheld", "filtered", "nothing yet"]
    delivered: int = 0
    rejected: int = 0
    filtered: int = 0
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Covered:
    """One event: planned, seen, or both. `event` is empty where the type has no names, or the plan takes any name."""

    type: str
    event: str
    status: Status
    owner: str = ""
    file: str = ""
    events: int = 0
    violating: int = 0
    quarantined: int = 0
    dropped: int = 0
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    destinations: dict[str, AtDestination] = field(default_factory=dict)


def seen_events(con: DuckDBPyConnection) -> list[SeenEvent]:
    """What arrived and went on, by type and name; aliases are left out, which no plan speaks of. A track to which a
    source's transformation gave another name counts under both.

    Raises:
        DataError: the warehouse is of a version that did not know of violations yet.
    """
    try:
        rows = con.execute(_SEEN).fetchall()
        sent = con.execute(_SENT).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise DataError(
            "This warehouse was written by an older version, before events had violations.",
            hint="The next load (`make run`) brings it up to date.",
        ) from error
    seen = {row[:2]: SeenEvent(*row) for row in rows if row[0] != "alias"}
    for row in sent:
        seen.setdefault(row[:2], SeenEvent(*row))
    return sorted(seen.values(), key=lambda one: (one.type, one.event))


def silent_sources(con: DuckDBPyConnection, config: Config) -> list[str]:
    """Sources of events, in the order of the config, of which nothing has come yet. While there are any, a planned
    event that was never seen may be one of theirs."""
    heard: set[str] = set()
    for table in ("raw.events", "raw.quarantine", "raw.dropped"):
        heard |= {source for (source,) in con.execute(_HEARD.format(table=table)).fetchall()}
    kinds = EventSource | WebhookSource | KafkaSource
    return [name for name, source in config.sources.items() if isinstance(source, kinds) and name not in heard]


def recorded(con: DuckDBPyConnection, event: SeenEvent, limit: int) -> Iterator[dict[str, Any]]:
    """The properties (of identify and group: the traits) of the latest events of a kind."""
    if event.type == "identify":
        part = "json_merge_patch(coalesce(payload->'$.context.traits', '{}'), coalesce(payload->'$.traits', '{}'))"
    else:
        part = "payload->'$.traits'" if event.type == "group" else "payload->'$.properties'"
    found = con.execute(_RECORDED.format(part=part), [event.type, event.event, limit])
    while rows := found.fetchmany(1000):
        for (text,) in rows:
            value = msgspec.json.decode(text) if text else None
            yield value if isinstance(value, dict) else {}


def coverage_of(con: DuckDBPyConnection, config: Config) -> list[Covered]:
    """Each event that is planned or arrived: planned first, by type and name.

    Events that the plan quarantined or dropped count as seen. A type of which the plan says nothing is left out.
    """
    checker = Checker(config)
    seen = {(one.type, one.event): one for one in seen_events(con) if checker.checks(one.type)}
    aside, dropped = _kept_aside(con, "raw.quarantine"), _kept_aside(con, "raw.dropped")
    for key in (aside.keys() | dropped.keys()) - seen.keys():
        if checker.checks(key[0]):
            seen[key] = SeenEvent(*key, events=0, first_seen_at=None, last_seen_at=None, violating=0)
    sent = _deliveries(con)
    rows = []
    covered_files: set[str] = set()
    for (kind, name), one in seen.items():
        file = checker.file_of(kind, name)
        covered_files |= {file} if file else set()
        planned = config.tracking_plan.get(file) if file else None
        rows.append(
            Covered(
                **asdict(one),
                status="planned_and_seen" if planned else "seen_unplanned",
                owner=planned.owner if planned else "",
                file=file or "",
                quarantined=aside.get((kind, name), 0),
                dropped=dropped.get((kind, name), 0),
                destinations=_at_destinations(config, kind, name, sent),
            )
        )
    for file, planned in config.tracking_plan.items():
        if file not in covered_files:
            rows.append(_never_seen(config, file, planned))
    order = {"planned_and_seen": 0, "planned_never_seen": 1, "seen_unplanned": 2}
    return sorted(rows, key=lambda row: (order[row.status], row.type, row.event))


def write_coverage(con: DuckDBPyConnection, rows: list[Covered]) -> int:
    """Replace `marts.plan_coverage`, one row an event; how many there are."""
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    columns["destinations"] = [
        json.dumps({name: asdict(there) for name, there in row.destinations.items()}) for row in rows
    ]
    kinds = {"bigint": pa.int64(), "timestamp": pa.timestamp("us")}
    table = pa.table({name: pa.array(columns[name], kinds.get(kind, pa.string())) for name, kind in COLUMNS.items()})
    return replace_table(con, TABLE, table, columns=COLUMNS)


def _never_seen(config: Config, file: str, planned: PlannedEvent) -> Covered:
    where = _at_destinations(config, planned.type, planned.event, {})
    return Covered(planned.type, planned.event, "planned_never_seen", planned.owner, file, destinations=where)


def _kept_aside(con: DuckDBPyConnection, table: str) -> dict[tuple[str, str], int]:
    """Events that the plan kept from going on, by type and name; none where the table knows neither."""
    try:
        rows = con.execute(_KEPT_ASIDE.format(table=table)).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return {}
    return {(kind, "" if kind in _NAMELESS else event): count for kind, event, count in rows if kind}


def _deliveries(con: DuckDBPyConnection) -> dict[tuple[str, str, str], list[tuple[str, str, int]]]:
    """(destination, type, event) → (status, reason, events), from what the destinations told. What is only counted
    knows no page's name, and stands under its type."""
    found: dict[tuple[str, str, str], list[tuple[str, str, int]]] = {}
    for query in (
        _DELIVERED,
        "select destination, type, coalesce(event, ''), 'filtered', coalesce(reason, ''), sum(events)"
        " from raw.delivery_counts group by all",
    ):
        try:
            rows = con.execute(query).fetchall()
        except (duckdb.CatalogException, duckdb.BinderException):  # a home from before deliveries were landed
            continue
        for destination, kind, event, status, reason, count in rows:
            found.setdefault((destination, kind, event), []).append((status, reason, int(count)))
    return found


def _at_destinations(
    config: Config, kind: str, name: str, sent: dict[tuple[str, str, str], list[tuple[str, str, int]]]
) -> dict[str, AtDestination]:
    """What each streaming destination got of one event."""
    found = {}
    for destination, described in config.destinations.items():
        if described.stream is None:
            continue
        outcomes = list(sent.get((destination, kind, "" if kind in _NAMELESS else name), []))
        if kind in ("page", "screen") and name:
            # settings keep away by type, whatever the name
            outcomes += [one for one in sent.get((destination, kind, ""), []) if one[1] in _BY_SETTINGS]
        found[destination] = _at(described.stream, described.is_enabled, kind, name, outcomes)
    return found


def _at(stream: Stream, is_enabled: bool, kind: str, name: str, outcomes: list[tuple[str, str, int]]) -> AtDestination:
    delivered = sum(n for status, _, n in outcomes if status == "delivered")
    rejected = sum(n for status, _, n in outcomes if status == "rejected")
    kept = [(reason, n) for status, reason, n in outcomes if status == "filtered" and reason not in _BY_PLAN]
    withheld = sum(n for reason, n in kept if reason in _BY_SETTINGS)
    filtered = sum(n for reason, n in kept if reason not in _BY_SETTINGS)
    is_wanted = (not stream.types or kind in stream.types) and (
        kind != "track" or not stream.events or name in stream.events
    )
    state: Literal["receives", "withheld", "filtered", "nothing yet"] = "nothing yet"
    if delivered:
        state = "receives"
    elif rejected or filtered:
        state = "filtered"
    elif withheld or not is_wanted or not is_enabled:
        state = "withheld"
    why = {reason for status, reason, n in outcomes if status in ("rejected", "filtered") and n and reason}
    return AtDestination(state, delivered, rejected, filtered, sorted(why - _BY_SETTINGS - _BY_PLAN))
