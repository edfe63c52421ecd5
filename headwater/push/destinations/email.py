"""An e-mail marketing tool: contacts in batches (201 with errors by index), and events that start its campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from headwater.event import TYPES
from headwater.push.destinations.base import (
    Answer,
    BatchDestination,
    Record,
    RecordDestination,
    Request,
    Streaming,
    SyncObject,
)


class Email(RecordDestination, BatchDestination):
    """`POST <base_url>/contacts/batch` and `POST <base_url>/events`; the tool knows an event again by `messageId`."""

    type = "email"
    objects: ClassVar[dict[str, SyncObject]] = {"contacts": SyncObject(batch_size=75, identifiers=("email",))}
    streaming = Streaming(batch_size=100)
    rate_per_second = 10.0
    counted_types = tuple(sorted(TYPES))

    def sync_request(self, object_: str, id_field: str, records: Sequence[Record]) -> Request:
        contacts = []
        for record in records:
            attributes = msgspec.json.decode(record.fields, type=dict[str, msgspec.Raw])
            attributes.pop(id_field, None)
            contacts.append({id_field: record.key, "attributes": attributes})
        return self._post(f"/{object_}/batch", {object_: contacts})

    def stream_request(self, events: Sequence[msgspec.Raw]) -> Request:
        return self._post("/events", {"events": events})

    def accepted_count(self, answer: Answer) -> int | None:
        said = answer.json.get("accepted")
        return said if isinstance(said, int) else None
