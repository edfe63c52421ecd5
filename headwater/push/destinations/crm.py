"""A CRM with a batch upsert: 200, or 207 with the refused records by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from headwater.push.destinations.base import Answer, Record, RecordDestination, Request, SyncObject


class Crm(RecordDestination):
    """`POST <base_url>/contacts/batch/upsert`; contacts are found by the tool's own id or by e-mail address."""

    type = "crm"
    objects: ClassVar[dict[str, SyncObject]] = {"contacts": SyncObject(batch_size=100, identifiers=("id", "email"))}
    rate_per_second = 10.0

    def sync_request(self, object_: str, id_field: str, records: Sequence[Record]) -> Request:
        inputs = []
        for record in records:
            properties = msgspec.json.decode(record.fields, type=dict[str, msgspec.Raw])
            properties.pop(id_field, None)
            inputs.append({"id_property": id_field, "id": record.key, "properties": properties})
        return self._post(f"/{object_}/batch/upsert", {"inputs": inputs})

    def accepted_count(self, answer: Answer) -> int | None:
        results = answer.json.get("results")
        return len(results) if isinstance(results, list) else None
