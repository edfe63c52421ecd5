"""Records of a tool as typed rows: what fits the columns goes on, the rest is kept aside with its reason.

Belongs here: the types of columns and the check of records. Does not belong here: HTTP, files, the lake, what becomes
of a column that is not declared (`contracts`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from headwater.configuration import ColumnType, PulledTable
from headwater.land.contracts import Learned, LearnedError, kind_of
from headwater.land.objects import Rejected

ARROW: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.decimal128(18, 6),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "json": pa.string(),
}
_PYTHON: Mapping[str, Any] = {
    "text": str,
    "integer": int,
    "decimal": Decimal,
    "double": float,
    "boolean": bool,
    "date": date,
    "timestamp": datetime,
    "json": Any,
}
_COLUMN = re.compile(r"at `\$\.([^`]+)`|missing required field `([^`]+)`")
DELETED = "_is_deleted"


class Typed(msgspec.Struct, frozen=True):
    """Records as they can be stored: the rows that fit, those that do not, and the cursors of these."""

    rows: pa.Table
    rejected: list[Rejected]
    aside: list[Any]


class Columns:
    """The columns of one table as they are known now, ready to type its records.

    Args:
        can_begin_again: rows were read without a column that may turn up now; then `LearnedError` is raised.
    """

    def __init__(self, table: PulledTable, learned: Learned, *, can_begin_again: bool) -> None:
        self._table, self._learned, self.can_begin_again = table, learned, can_begin_again
        self._silent: set[str] = set()
        self._prepare()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of what `typed` returns."""
        extra = [(DELETED, pa.bool_())] if self._table.deletes == "flag" else []
        return pa.schema([*((name, ARROW[kind]) for name, kind in self._kinds.items()), *extra])

    def json(self, body: bytes | msgspec.Raw) -> Typed | None:
        """Type a JSON list of records; None when the body is none.

        Raises:
            DataError: the contract freezes what was met.
            LearnedError: a column was learned, and rows before lack it.
        """
        try:
            rows = self._decoder.decode(body)
        except msgspec.ValidationError:
            records = msgspec.json.decode(body)
            if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
                return None
            return self.records(records)
        return self._typed(rows, [], [])

    def records(self, records: list[dict[str, Any]], before: list[Rejected] | None = None) -> Typed:
        """Type records that are Python objects already.

        Args:
            before: what was kept aside on the way here.

        Raises:
            DataError, LearnedError: as `json`.
        """
        self._look_for_columns(records)
        rows, rejected, aside = [], list(before or []), []
        gone = {name for name in self._required if records and all(name not in record for record in records)}
        for name in gone:
            self._learned.column_gone(name)
        for record in records:
            try:
                rows.append(self._convert(record))
            except msgspec.ValidationError as error:
                rejected.append(reject(record, str(error)))
                aside.append(self._cursor_of(record))
        return self._typed(rows, rejected, aside)

    def _prepare(self) -> None:
        self._kinds: dict[str, ColumnType] = self._learned.columns
        optional = set(self._learned.added) | ({self._table.deleted_flag} if self._table.deletes == "flag" else set())
        names = list(self._kinds)
        self._required = [n for n in self._table.columns if n not in optional and not self._table.is_sparse]
        must = {*self._table.key, self._table.cursor}
        fields: list[Any] = []
        for i, name in enumerate(names):
            python = self._python(name, name in must)
            fields.append((f"c{i}", python) if name in must or name in self._required else (f"c{i}", python, None))
        rename = {f"c{i}": name for i, name in enumerate(names)}
        ignored = sorted(self._learned.ignored)
        fields += [(f"x{i}", msgspec.Raw, msgspec.Raw()) for i in range(len(ignored))]
        rename |= {f"x{i}": name for i, name in enumerate(ignored)}
        fields += [(f"s{i}", None, None) for i in range(len(self._silent))]
        rename |= {f"s{i}": name for i, name in enumerate(sorted(self._silent))}
        # a field is never called as in the source: a column may be called «class»
        fields.sort(key=lambda field: len(field))
        self._row = msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=True)
        rows: Any = list[self._row]  # type: ignore[name-defined]
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(rows)

    def _python(self, name: str, is_must: bool) -> Any:
        kind = "json" if name in self._learned.widened and self._kinds[name] == "text" else self._kinds[name]
        return _PYTHON[kind] if is_must or kind == "json" else _PYTHON[kind] | None

    def _look_for_columns(self, records: list[dict[str, Any]]) -> None:
        names = {name for record in records for name in record} - set(self._kinds) - self._learned.ignored
        found = {name: kind_of(record.get(name) for record in records) for name in sorted(names)}
        if not names:
            return
        was_added = self._learned.columns_met({name: kind for name, kind in found.items() if kind})
        # a column that was never filled says nothing yet
        self._silent = {name for name in self._silent | set(found) if not found.get(name)} - set(self._learned.columns)
        self._prepare()
        if was_added and self.can_begin_again:
            raise LearnedError

    def _convert(self, record: dict[str, Any]) -> Any:
        while True:
            given = {name: value for name, value in record.items() if name in self._kinds}
            try:
                return msgspec.convert(given, self._row)
            except msgspec.ValidationError as error:
                name = _column(error)
                if name is None or name not in self._kinds or record.get(name) is None:
                    raise
                if not self._learned.type_met(name, kind_of([record[name]]) or "text"):
                    raise
                self._prepare()
                # what was read before has the narrower type
                raise LearnedError from error

    def _cursor_of(self, record: dict[str, Any]) -> Any:
        name = self._table.cursor
        if name is None or not isinstance(record, dict):
            return None
        try:
            value = msgspec.convert(record.get(name), _PYTHON[self._kinds[name]])
        except (msgspec.ValidationError, KeyError):
            return None
        return _utc(value) if isinstance(value, datetime) else value

    def _typed(self, rows: list[Any], rejected: list[Rejected], aside: list[Any]) -> Typed:
        try:
            return Typed(self._arrow(rows), rejected, aside)
        except (pa.ArrowInvalid, OverflowError):
            return Typed(self._arrow_one_by_one(rows, rejected, aside), rejected, aside)

    def _arrow(self, rows: list[Any]) -> pa.Table:
        arrays = []
        for i, (name, kind) in enumerate(self._kinds.items()):
            values = [getattr(row, f"c{i}") for row in rows]
            if kind == "timestamp":
                values = [_utc(value) for value in values]
            elif kind == "json":
                values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
            elif kind == "decimal":
                values = [None if value is None else round(value, 6) for value in values]
            elif kind == "text" and name in self._learned.widened:
                values = [as_text(value) for value in values]
            arrays.append(pa.array(values, ARROW[kind]))
        if self._table.deletes == "flag":
            arrays.append(self._deleted(rows))
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _deleted(self, rows: list[Any]) -> pa.Array:
        names = list(self._kinds)
        if self._table.deleted_flag not in names:
            return pa.array([False] * len(rows), pa.bool_())
        field = f"c{names.index(self._table.deleted_flag)}"
        return pa.array([getattr(row, field) not in (None, False, "") for row in rows], pa.bool_())

    def _arrow_one_by_one(self, rows: list[Any], rejected: list[Rejected], aside: list[Any]) -> pa.Table:
        """A number fits Python's type but not the column's: find the rows that hold one."""
        kept = []
        for row in rows:
            try:
                self._arrow([row])
                kept.append(row)
            except (pa.ArrowInvalid, OverflowError) as error:
                record = {name: getattr(row, f"c{i}") for i, name in enumerate(self._kinds)}
                rejected.append(reject(record, f"Number out of range: {error}"))
                aside.append(self._cursor_of(record))
        return self._arrow(kept)


def reject(record: Any, message: str) -> Rejected:
    """The record with why it was kept aside."""
    missing = "missing required field" in message
    payload = msgspec.json.encode(record, enc_hook=str).decode()
    return Rejected("missing column" if missing else "wrong type", message, payload)


def flagged(rows: pa.Table, table: PulledTable) -> pa.Table:
    """Typed rows with `_is_deleted`, where the tool flags what it deleted."""
    if table.deletes != "flag":
        return rows
    if table.deleted_flag not in rows.column_names:
        return rows.append_column(DELETED, pa.array([False] * rows.num_rows, pa.bool_()))
    column = rows[table.deleted_flag]
    flag = column if pa.types.is_boolean(column.type) else column.is_valid()
    return rows.append_column(DELETED, flag.fill_null(False))


def lenient(value: Any, kind: ColumnType) -> Any:
    """A value of JSON as a column of this type has it, also where it is written as text; None where it is none."""
    try:
        found = msgspec.convert(value, _PYTHON[kind], strict=False)
    except msgspec.ValidationError:
        return None
    return _utc(found) if isinstance(found, datetime) else found


def as_text(value: Any) -> str | None:
    """Any value as the text of a column that was widened."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime | date | Decimal):
        return str(value)
    return msgspec.json.encode(value).decode()


def _column(error: msgspec.ValidationError) -> str | None:
    found = _COLUMN.search(str(error))
    return (found.group(1) or found.group(2)) if found else None


def _utc(value: datetime | None) -> datetime | None:
    return value.astimezone(UTC).replace(tzinfo=None) if value is not None and value.tzinfo else value
