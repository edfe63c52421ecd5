"""Records of a tool as typed rows: what fits the config's columns goes on, the rest is kept aside with its reason.

Belongs here: the types of columns and the check of one page of records. Does not belong here: HTTP, files, the lake.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from headwater.configuration import RestTable
from headwater.errors import DataError
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
_SHOWN = 200


class Page(msgspec.Struct, frozen=True):
    """One answer of a list route, typed: the rows that fit, those that do not, and where the next page is."""

    rows: pa.Table
    rejected: list[Rejected]
    next_page_token: str | None


class Columns:
    """The declared columns of one table, ready to type pages of its records."""

    def __init__(self, table: RestTable) -> None:
        self._table = table
        self._names = list(table.columns)
        self._kinds = list(table.columns.values())
        self.schema = pa.schema([(name, ARROW[kind]) for name, kind in table.columns.items()])
        fields = [(f"c{i}", self._python(name, kind)) for i, (name, kind) in enumerate(table.columns.items())]
        # a field is never called as in the source: a column may be called «class»
        self._row = msgspec.defstruct("Row", fields, rename={f"c{i}": name for i, name in enumerate(self._names)})
        rows: Any = list[self._row]  # type: ignore[name-defined]
        answer = msgspec.defstruct("Answer", [("data", rows), ("next_page_token", str | None, None)])
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(answer)

    def page(self, body: bytes, where: str) -> Page:
        """Type one answer `{"data": […], "next_page_token": …}`.

        Args:
            where: what answered, for the error's sentence.

        Raises:
            DataError: the answer is not JSON of that shape at all.
        """
        rejected: list[Rejected] = []
        try:
            answer = self._decoder.decode(body)
            token, rows = answer.next_page_token, answer.data
        except msgspec.ValidationError:
            token, rows = self._row_by_row(body, where, rejected)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{where} answered something that is not JSON: {_shown(body)}") from error
        try:
            return Page(self._arrow(rows), rejected, token)
        except (pa.ArrowInvalid, OverflowError):
            return Page(self._arrow_one_by_one(rows, rejected), rejected, token)

    def _python(self, name: str, kind: str) -> Any:
        required = name in (self._table.primary_key, self._table.cursor)
        return _PYTHON[kind] if required else _PYTHON[kind] | None if kind != "json" else Any

    def _row_by_row(self, body: bytes, where: str, rejected: list[Rejected]) -> tuple[str | None, list[Any]]:
        answer = msgspec.json.decode(body)
        data = answer.get("data") if isinstance(answer, dict) else None
        token = answer.get("next_page_token") if isinstance(answer, dict) else None
        if not isinstance(data, list) or not isinstance(token, str | None):
            raise DataError(f"{where} answered JSON without a list of rows in «data»: {_shown(body)}")
        rows = []
        for record in data:
            try:
                rows.append(msgspec.convert(record, self._row))
            except msgspec.ValidationError as error:
                rejected.append(_reject(record, str(error)))
        return token, rows

    def _arrow(self, rows: list[Any]) -> pa.Table:
        arrays = []
        for i, kind in enumerate(self._kinds):
            values = [getattr(row, f"c{i}") for row in rows]
            if kind == "timestamp":
                values = [_utc(value) for value in values]
            elif kind == "json":
                values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
            elif kind == "decimal":
                values = [None if value is None else round(value, 6) for value in values]
            arrays.append(pa.array(values, ARROW[kind]))
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _arrow_one_by_one(self, rows: list[Any], rejected: list[Rejected]) -> pa.Table:
        """A number fits Python's type but not the column's: find the rows that hold one."""
        kept = []
        for row in rows:
            try:
                self._arrow([row])
                kept.append(row)
            except (pa.ArrowInvalid, OverflowError) as error:
                record = {name: getattr(row, f"c{i}") for i, name in enumerate(self._names)}
                rejected.append(_reject(record, f"Number out of range: {error}"))
        return self._arrow(kept)


def _utc(value: datetime | None) -> datetime | None:
    return value.astimezone(UTC).replace(tzinfo=None) if value is not None and value.tzinfo else value


def _reject(record: Any, message: str) -> Rejected:
    missing = "missing required field" in message
    return Rejected("missing column" if missing else "wrong type", message, msgspec.json.encode(record).decode())


def _shown(body: bytes) -> str:
    text = body[:_SHOWN].decode("utf-8", "replace").replace("\n", " ").strip()
    return f"«{text}{'…' if len(body) > _SHOWN else ''}»"
