"""Customer.io by the Track API, version 2.

Sources: docs.customer.io/integrations/api/track/ (v2 batch), /journeys/{invalid-api-requests,merge-anonymous}. Known
there:

- `POST /api/v2/batch` with Basic `site_id:api_key`; 500 KB a request, 32 KB for each of its operations; fair use is
  100 requests a second;
- people are `id`, `email` or `cio_id`; events of nobody known carry `anonymous_id`, and become the person's who is
  identified with that `anonymous_id` within 30 days;
- an event is known again by `id`, which must be a ULID: one is made from its time and message id;
- 207 names the refused operations by `batch_index`, the others are in; 400 refuses all;
- an event's name at most 100 bytes; an identify at most 300 attributes, names 150 bytes, values 1,000 bytes;
- groups are objects of a type, related to people; hosts: track.customer.io, track-eu.customer.io.

Read in copies of these pages: path, credentials, hosts, 500 KB and 32 KB, 100 requests a second. From memory, not
verified here: the 207 with `batch_index`, the ULID, the 30 days, the lengths of names and values.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from headwater.errors import UnavailableError
from headwater.event import moment
from headwater.push import mapping, spec
from headwater.push.destinations.base import (
    Answer,
    Call,
    EventDestination,
    Outcome,
    StreamEvent,
    Streaming,
)
from headwater.push.destinations.packing import Listed, PackedCall, packed

# campaigns are triggered by the spec's own names
EVENT_NAMES = mapping.by_key({})
TRAIT_NAMES = {"createdAt": "created_at", "firstName": "first_name", "lastName": "last_name"}
REGIONS = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
OPERATIONS, REQUEST_BYTES, LARGEST = 1000, 500_000, 32_000
LONGEST_NAME, ATTRIBUTES, LONGEST_ATTRIBUTE, LONGEST_VALUE = 100, 300, 150, 1000
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


class Settings(mapping.Wording, forbid_unknown_fields=True, kw_only=True):
    """The token is the Tracking API key that belongs to `site_id`.

    Attributes:
        site_id: the workspace's.
        region: where the workspace lives (unless `base_url` says).
        object_type_id: what groups are in this workspace.
        merge_on_alias: an alias merges two people; by default it ties a device to a person.
    """

    site_id: str
    region: Literal["us", "eu"] = "us"
    object_type_id: str = "1"
    merge_on_alias: bool = False


class CustomerIo(EventDestination):
    """`POST /api/v2/batch` for everything, so that the order is kept. `integrations` name: Customer.io."""

    type = "customerio"
    integrations_name = "Customer.io"
    default_url = REGIONS
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=OPERATIONS, batch_bytes=REQUEST_BYTES)
    rate_per_second = 100.0

    def headers(self) -> dict[str, str]:
        who = f"{self.settings.site_id}:{self.config.token}"
        return {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": f"Basic {base64.b64encode(who.encode()).decode()}",
        }

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        kind = payload.get("type")
        user = spec.user_id(payload)
        if kind == "identify" and not user and not spec.email(payload):
            return "an identify without userId or e-mail address names nobody"
        if kind == "alias" and not (user and payload.get("previousId")):
            return "an alias without userId or previousId"
        if kind == "group" and not (user and payload.get("groupId")):
            return "a group without userId or groupId"
        return "" if user or spec.anonymous_id(payload) or kind == "identify" else "no userId or anonymousId"

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        """An event's name there; other operations in brackets, since they are no events."""
        kind = payload.get("type")
        if kind == "alias":
            return "(merge)" if self.settings.merge_on_alias else "(identify)"
        if kind in ("identify", "group"):
            return "(identify)" if kind == "identify" else "(object)"
        if kind in ("page", "screen"):
            named = self.settings.event_names.get(str(kind)) or payload.get("name")
            place = spec.first(payload, "properties.url", "context.page.url") if kind == "page" else None
            return mapping.cut(mapping.text(named or place or kind), LONGEST_NAME)
        return mapping.cut(mapping.tool_event(payload, EVENT_NAMES, self.settings).strip(), LONGEST_NAME)

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        operations = Listed()
        for index, event in enumerate(events):
            operations.add(index, self._operation(event))
        return [
            packed(self._post("/api/v2/batch", {"batch": items}), {"batch": owners})
            for items, owners in operations.parts(OPERATIONS, REQUEST_BYTES - 20, LARGEST)
        ]

    def is_readable(self, answer: Answer) -> bool:
        """Also a 400 of which every error names an operation."""
        errors = answer.json.get("errors") if isinstance(answer.json, dict) else None
        named = isinstance(errors, list) and all(isinstance(e, dict) and "batch_index" in e for e in errors)
        return super().is_readable(answer) or (answer.status == 400 and bool(errors) and named)

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        """All but those that `errors` names by `batch_index`.

        Raises:
            UnavailableError: the answer is not Customer.io's, or an error names nothing of this request.
        """
        assert isinstance(call, PackedCall)
        if not isinstance(answer.json, dict):
            raise UnavailableError(f"{self.base_url} answered {answer.status} with something else: {answer.text}")
        refused: dict[int, Outcome] = {}
        for error in answer.json.get("errors") or []:
            owner = call.owner("batch", error.get("batch_index")) if isinstance(error, dict) else None
            if owner is None:
                raise UnavailableError(f"{self.base_url} refused operations without saying which: {answer.text}")
            code = f"{error.get('reason')}: {error.get('field')}"
            refused[owner] = Outcome(False, code, str(error.get("message") or code))
        beside = Outcome(False, "400", "refused beside another event", True)
        return call.told(refused, Outcome(True, str(answer.status)) if answer.status < 300 else beside)

    def _operation(self, event: StreamEvent) -> dict[str, Any]:
        payload = event.payload
        kind = payload.get("type")
        user = spec.user_id(payload)
        person: dict[str, Any] = {"type": "person", "identifiers": {"id": user}}
        if kind == "alias":
            if self.settings.merge_on_alias:
                return {"type": "person", "action": "merge", "primary": {"id": user},
                        "secondary": {"id": payload["previousId"]}}  # fmt: skip
            return {**person, "action": "identify", "attributes": {"anonymous_id": payload["previousId"]}}
        if kind == "identify":
            if not user:
                person["identifiers"] = {"email": spec.email(payload)}
            device = spec.anonymous_id(payload)
            known = attributes({**({"anonymous_id": device} if device else {}), **spec.traits(payload)}, self.settings)
            return {**person, "action": "identify", "attributes": known}
        if kind == "group":
            group = {"object_type_id": self.settings.object_type_id, "object_id": str(payload["groupId"])}
            given = payload.get("traits")
            return {"type": "object", "identifiers": group, "action": "identify",
                    "attributes": attributes(given if isinstance(given, Mapping) else {}, self.settings),
                    "cio_relationships": [{"identifiers": {"id": user}}]}  # fmt: skip
        return self._event(event)

    def _event(self, event: StreamEvent) -> dict[str, Any]:
        payload = event.payload
        kind = payload.get("type")
        user = spec.user_id(payload)
        at = mapping.time_of(payload)
        given = mapping.renamed(spec.properties(payload), {}, self.settings)
        place = spec.at_path(payload, "context.page") if kind == "page" else None
        found: dict[str, Any] = {
            "type": "person",
            "identifiers": {"id": user} if user else {"anonymous_id": spec.anonymous_id(payload)},
            "action": kind if kind in ("page", "screen") else "event",
            "name": self.tool_event(payload),
            "id": ulid(event.message_id, at),
            "attributes": {**(place if isinstance(place, Mapping) else {}), **given},
        }
        return found | ({"timestamp": mapping.seconds(at)} if at else {})


def attributes(traits: Mapping[str, Any], wording: mapping.Wording) -> dict[str, Any]:
    """Traits as attributes that Customer.io takes: `created_at` in seconds, at most 300, names and values not too
    long."""
    found: dict[str, Any] = {}
    for name, value in list(mapping.renamed(traits, TRAIT_NAMES, wording).items())[:ATTRIBUTES]:
        if name == "created_at":
            at = moment(value)
            found[name] = mapping.seconds(at) if at else value
        elif name not in ("id", "cio_id"):
            long = isinstance(value, str)
            found[mapping.cut(name, LONGEST_ATTRIBUTE)] = mapping.cut(value, LONGEST_VALUE) if long else value
    return found


def ulid(message_id: str, at: datetime | None) -> str:
    """The message id if it is a ULID, else one that the same message always gets: its time and a digest."""
    if _ULID.fullmatch(message_id):
        return message_id
    moment_bits = (max(0, mapping.millis(at)) if at else 0) & ((1 << 48) - 1)
    number = (moment_bits << 80) | int.from_bytes(mapping.digest(message_id)[:10], "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
