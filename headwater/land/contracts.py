"""What a tool has that was not declared, and what the table's contract makes of it.

Belongs here: columns more, values of another type, what was learned of them, the record of each change in the lake.
Does not belong here: reading rows (`rows`, `databases`), or what becomes of the warehouse's table (`load.extracts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from headwater.configuration import ColumnType, PulledTable
from headwater.errors import DataError
from headwater.land.deliveries import written
from headwater.land.objects import STAMP
from headwater.storage.lake import Lake, content_digest

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_WIDER: dict[tuple[str, str], ColumnType] = {
    ("integer", "double"): "double",
    ("integer", "decimal"): "decimal",
    ("decimal", "double"): "double",
    ("date", "timestamp"): "timestamp",
}
_FITS = {("decimal", "integer"), ("double", "integer"), ("double", "decimal"), ("timestamp", "date")}
_TEXTS = ("source", "table_name", "column_name", "change", "old_type", "new_type", "action", "declared")
_SCHEMA = pa.schema([(name, pa.string()) for name in _TEXTS] + [("seen_at", pa.timestamp("us"))])


class Change(msgspec.Struct, frozen=True):
    """One difference between what was declared and what the tool has.

    Attributes:
        new_type: what the tool has; where types evolve, what the column has become for it.
    """

    column: str
    change: str
    old_type: str
    new_type: str
    action: str

    def sentence(self) -> str:
        """What happened, in words."""
        if self.change == "column added":
            what = f"column {self.column} ({self.new_type}) is not declared"
        elif self.change == "column removed":
            what = f"column {self.column} is gone"
        else:
            what = f"column {self.column} is declared as {self.old_type} and holds {self.new_type}"
        return f"{what}: {self.action}"


def fits(declared: ColumnType, there: ColumnType) -> bool:
    """Whether a column of the declared type takes every value of the type that is there."""
    return declared in (there, "text") or (declared, there) in _FITS


class LearnedError(Exception):
    """Columns were learned that rows read before lack: the table has to be read from its first row."""


class Learned:
    """What pulls have found beyond the declared columns, over the state that dlt keeps.

    Attributes:
        columns: name → type, declared and learned, widened where the contract lets types evolve.
        ignored: columns that are left out.
        changes: what was met in this pull.
    """

    def __init__(self, state: dict[str, Any], table: PulledTable, where: str) -> None:
        self._state, self._table, self._where = state, table, where
        self.changes: list[Change] = []
        known = state.get("learned", {})
        self.added: dict[str, ColumnType] = known.get("added", {})
        self.widened: dict[str, ColumnType] = known.get("widened", {})
        self.ignored: set[str] = set(known.get("ignored", []))
        self._told: set[str] = set(known.get("told", []))

    @property
    def columns(self) -> dict[str, ColumnType]:
        return {**self._table.all_columns, **self.added, **self.widened}

    def keep_in(self, state: dict[str, Any]) -> None:
        """From now on the state is this one."""
        self._state = state
        self._save()

    def columns_met(self, found: Mapping[str, ColumnType]) -> bool:
        """Columns that are not declared. Whether any was added to those that are read.

        Raises:
            DataError: the contract freezes the columns.
        """
        fresh = {name: kind for name, kind in found.items() if name not in self.columns and name not in self.ignored}
        action = self._table.contract.columns
        for name, kind in fresh.items():
            if name.startswith("_"):
                self.ignored.add(name)  # the platform's own columns begin so
                continue
            self._tell(Change(name, "column added", "", kind, action))
            if action == "evolve":
                self.added[name] = kind
            else:
                self.ignored.add(name)
        self._save()
        if action == "freeze" and fresh:
            raise DataError(
                f"{self._where} has columns that are not declared: {', '.join(sorted(fresh))}; its contract freezes "
                "the columns.",
                hint="Declare them in sources.yaml, or let the contract's columns evolve or be discarded.",
            )
        return action == "evolve" and bool(set(fresh) & set(self.added))

    def column_gone(self, name: str) -> None:
        """A declared column is in no row; they are kept aside, or are read without it where the table is sparse."""
        self._tell(Change(name, "column removed", self.columns.get(name, ""), "", "discard"))
        self._save()

    def type_met(self, name: str, kind: ColumnType) -> bool:
        """A value that its column cannot hold. Whether the column was widened for it.

        Raises:
            DataError: the contract freezes the types.
        """
        action, held = self._table.contract.types, self.columns[name]
        if name in (*self._table.key, self._table.cursor) and action == "evolve":
            action = "discard"  # what rows are known and ordered by cannot change under way
        wide = _WIDER.get((held, kind), "text")
        self._tell(Change(name, "type changed", held, wide if action == "evolve" else kind, action))
        if action == "evolve":
            self.widened[name] = wide
        self._save()
        if action == "freeze":
            raise DataError(
                f"{self._where}: column {name} is declared as {held} and holds {kind}; its contract freezes the types.",
                hint="Declare the other type in sources.yaml, or let the contract's types evolve or be discarded.",
            )
        return action == "evolve"

    def _tell(self, change: Change) -> None:
        told = "|".join((change.column, change.change, change.old_type, change.new_type, change.action))
        if told not in self._told or change.action == "freeze":
            self._told.add(told)
            self.changes.append(change)

    def _save(self) -> None:
        self._state["learned"] = {
            "added": dict(self.added),
            "widened": dict(self.widened),
            "ignored": sorted(self.ignored),
            "told": sorted(self._told),
        }


def put_changes(lake: Lake, source: str, name: str, table: PulledTable, changes: Iterable[Change]) -> None:
    """Keep the changes under `schema_changes/<source>/` of the lake, each set once."""
    changes = list(changes)
    if not changes:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [
        {
            **{"source": source, "table_name": name, "column_name": item.column, "change": item.change},
            **{"old_type": item.old_type, "new_type": item.new_type, "action": item.action},
            **{"declared": table.declaration, "seen_at": now},
        }
        for item in changes
    ]
    digest = content_digest(msgspec.json.encode([source, name, table.declaration, changes]))
    held = lake.list(f"schema_changes/{source}/")
    if any(item.key.endswith(f"-{digest}.parquet") for item in held):
        return
    content = written(pa.Table.from_pylist(rows, schema=_SCHEMA))
    lake.put(f"schema_changes/{source}/{now.strftime(STAMP)}-{digest}.parquet", content)


def kind_of(values: Iterable[Any]) -> ColumnType | None:
    """The type that holds all the values of a column; None when none says anything."""
    kinds = {_kind(value) for value in values if value is not None}
    if not kinds:
        return None
    if len(kinds) == 1:
        return kinds.pop()
    if kinds <= {"integer", "double", "decimal"}:
        return "double" if "double" in kinds else "decimal"
    return "json" if "json" in kinds else "text"


def _kind(value: Any) -> ColumnType:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "text"
    if isinstance(value, float):
        return "double"
    if isinstance(value, Decimal):
        return "decimal"
    if isinstance(value, datetime):
        return "timestamp"
    if isinstance(value, str):
        return "timestamp" if _ISO.fullmatch(value) else "text"
    return "json"
