"""A company's own Python over each pulled row, before it is typed.

Belongs here: rows as events for the transformation's process and back. Does not belong here: that process
(`headwater.policy.transform`), what a row must look like (`rows`).

A transformation sees the event `Row Pulled`, whose `properties` are the row and whose `context.source` and
`context.table` say where it came from. What it leaves in `properties` is the row; None leaves the row out.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from headwater.configuration import Config, PulledTable
from headwater.land.casting import as_json
from headwater.land.objects import Rejected
from headwater.policy.transform import Transformer
from headwater.settings import Settings


class RowTransformer:
    """The transformation of one table; without one, rows stay as they are.

    Attributes:
        is_there: the table has a transformation.
    """

    def __init__(self, settings: Settings, config: Config, source: str, name: str, table: PulledTable) -> None:
        self.is_there = bool(table.transform)
        self._context = {"source": source, "table": name}
        self._chain = Transformer.of(settings, config, [table.transform] if table.transform else [])

    def run(self, records: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Rejected]]:
        """The rows afterwards, and those at which the transformation failed.

        Raises:
            UnavailableError: no process can be started on this machine.
        """
        sent = [
            {
                "type": "track",
                "event": "Row Pulled",
                "anonymousId": "row",
                "messageId": str(number),
                "context": self._context,
                "properties": {name: _plain(value) for name, value in record.items()},
            }
            for number, record in enumerate(records)
        ]
        kept, rejected = [], []
        for record, result in zip(records, self._chain.run(sent), strict=True):
            if result.status == "failed":
                rejected.append(Rejected("transformation failed", result.detail, as_json(record)))
            elif result.payload is not None:
                kept.append(dict(result.payload.get("properties") or {}))
        return kept, rejected

    def close(self) -> None:
        """End the transformation's process."""
        self._chain.close()


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z" if value.tzinfo is None else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
