"""Which column of which table a value of an event goes to: RudderStack's flattening rules.

Belongs here: the rules, as pure functions from a shape to columns. Does not belong here: SQL, types of existing
tables (`evolution`).

`context.*` becomes `context_*`; properties and traits stand without a prefix; nested keys are joined by `_`; arrays
stay one value. A key of the user never takes the place of a column that the rules fill.

`context_source_id` is the source's name and `context_source_type` its kind in the config; `context_destination_*` is
this warehouse. `context_request_ip` is where the request came from, `context_passed_ip` another address that the event
itself names; `context_ip` is the latter, or else the former, which the collector fills in.

Of RudderStack's rules these do not apply: cutting names at 63 and upper case (other databases'), the casing options of
Blendo and of divided numbers (for tables that older versions made), and tables of identity merge rules (identity
resolution is headwater.match's).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeVar

from headwater.load.event_shape.names import column_name
from headwater.load.event_shape.shapes import Path, Shape

T = TypeVar("T")

TABLE_OF_TYPE = {
    "track": "tracks",
    "page": "pages",
    "screen": "screens",
    "identify": "identifies",
    "group": "groups",
    "alias": "aliases",
}
BASE_COLUMNS = {
    "id": "VARCHAR",
    "anonymous_id": "VARCHAR",
    "user_id": "VARCHAR",
    "context_source_id": "VARCHAR",
    "context_source_type": "VARCHAR",
    "context_destination_id": "VARCHAR",
    "context_destination_type": "VARCHAR",
    "context_request_ip": "VARCHAR",
    "original_timestamp": "TIMESTAMP",
    "sent_at": "TIMESTAMP",
    "timestamp": "TIMESTAMP",
    "received_at": "TIMESTAMP",
    "uuid_ts": "TIMESTAMP",
}
TRACK_COLUMNS = {"event": "VARCHAR", "event_text": "VARCHAR"}
FULL_EVENT = "rudder_event"
PASSED_IP = "context_passed_ip"
MAX_COLUMNS = 1_600

# Values outside the three sections, by type: column → path. Theirs is the column, whatever the user's keys are.
_RULES: dict[str, dict[str, Path]] = {
    "track": {},
    "page": {"name": ("name",), "category": ("category",)},
    "screen": {"name": ("name",), "category": ("category",)},
    "identify": {},
    "group": {"group_id": ("groupId",)},
    "alias": {"previous_id": ("previousId",)},
}
_OF_ALL: dict[str, Path] = {"channel": ("channel",), PASSED_IP: ("context", "ip")}
# Where the unprefixed columns come from; of several values the first that is there counts.
_UNPREFIXED: dict[str, tuple[Path, ...]] = {
    "track": (("properties",),),
    "page": (("properties",),),
    "screen": (("properties",),),
    "identify": (("traits",), ("context", "traits")),
    "group": (("traits",), ("properties",)),
    "alias": (("traits",), ("properties",)),
}
_EITHER = {"name", "category"}  # a page's or screen's own, else the property of that name


@dataclass
class Column:
    """One column of an event's table: where its value is looked for, in order, and the kinds seen there.

    `rivals` are those paths that come after another one of the same object (`productId` and `product_id`): where both
    have a value, the later one has no column.
    """

    name: str
    paths: list[Path] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    is_context: bool = False
    rivals: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Discard:
    """A path that no column can hold. `column` is the name it would have had."""

    path: Path
    column: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The columns of one table, and what does not fit into it."""

    columns: list[Column]
    discards: list[Discard]


def plan(event_type: str, shape: Shape, existing: Collection[str] = ()) -> Plan:
    """Columns for events of one type (and, for tracks, one table) with this shape.

    Args:
        existing: columns that the table has already; they count towards the limit and are always usable.
    """
    columns: dict[str, Column] = {}
    discards: list[Discard] = []
    reserved = {*BASE_COLUMNS, FULL_EVENT} | (set(TRACK_COLUMNS) if event_type == "track" else set())
    for name, path in {**_OF_ALL, **_RULES[event_type]}.items():
        columns[name] = Column(name, [path], {"string"}, is_context=name in _OF_ALL)
        if name not in _EITHER:
            reserved.add(name)

    def add(path: Path, keys: Path, is_context: bool) -> None:
        name = column_name(keys)
        if not name:
            discards.append(Discard(path, ".".join(keys), "the name has no letter or digit"))
        elif name in reserved:
            discards.append(Discard(path, name, "the column is reserved"))
        elif name not in columns and name not in existing and len({*columns, *reserved, *existing}) >= MAX_COLUMNS:
            discards.append(Discard(path, name, "the table has too many columns"))
        else:
            column = columns.setdefault(name, Column(name, is_context=is_context))
            root = path[: len(path) - len(keys)]
            if any(len(other) > len(root) and other[: len(root)] == root for other in column.paths) or is_context:
                column.rivals += [path] if column.paths else []
            column.paths.append(path)
            column.kinds |= shape[path]

    for root in _UNPREFIXED[event_type]:
        for path in _under(shape, root):
            add(path, path[len(root) :], False)
    for path in _under(shape, ("context",)):
        add(path, path, True)
    return Plan(list(columns.values()), discards)


def within_limit(columns: dict[str, T], existing: Collection[str]) -> dict[str, T]:
    """Those that the table has, and as many new ones as it has room for."""
    room = MAX_COLUMNS - len(existing)
    new = [name for name in columns if name not in existing][: max(room, 0)]
    return {name: value for name, value in columns.items() if name in existing or name in new}


def _under(shape: Shape, root: Path) -> list[Path]:
    return sorted(path for path in shape if len(path) > len(root) and path[: len(root)] == root)
