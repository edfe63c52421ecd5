"""The types of columns that the tracking plan states.

Belongs here: reading them from the plan's JSON Schemas, as a pure function. Does not belong here: checking events
against the plan (`headwater.policy.plan`), the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headwater.configuration import PlannedEvent
from headwater.load.event_shape.columns import BASE_COLUMNS, TRACK_COLUMNS
from headwater.load.event_shape.names import column_name, table_name

_TABLES = {"identify": "identifies", "group": "groups"}
_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}


def planned_types(plan: Iterable[PlannedEvent]) -> dict[str, dict[str, str]]:
    """Table → column → DuckDB type, where the plan states one type and no other.

    Texts are not among them: any value is a text, so there is nothing to state. Pages and screens share a table over
    all their names, and follow their values.
    """
    found: dict[str, dict[str, str]] = {}
    for planned in plan:
        table = table_name(planned.event) if planned.type == "track" else _TABLES.get(planned.type)
        if table is None:
            continue
        columns = found.setdefault(table, {})
        for path, kind in _typed(planned.schema, ()):
            name = column_name(path)
            if name and name not in BASE_COLUMNS and name not in TRACK_COLUMNS:
                columns[name] = kind if columns.get(name, kind) == kind else ""
    return {table: {name: kind for name, kind in columns.items() if kind} for table, columns in found.items()}


def _typed(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    for name, inner in (properties or {}).items():
        if not isinstance(inner, Mapping):
            continue
        stated = inner.get("type")
        kinds = {kind for kind in ([stated] if isinstance(stated, str) else stated or []) if kind != "null"}
        if kinds == {"object"}:
            yield from _typed(inner, (*path, name))
        elif kinds == {"string"} and inner.get("format") == "date-time":
            yield (*path, name), "TIMESTAMP"
        elif kinds == {"integer", "number"}:
            yield (*path, name), "DOUBLE"
        elif len(kinds) == 1 and (kind := _TYPES.get(next(iter(kinds)))):
            yield (*path, name), kind
