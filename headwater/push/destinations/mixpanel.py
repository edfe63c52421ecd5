"""Mixpanel: events by `/import`, people by `/engage`, groups by `/groups`.

Sources: docs.mixpanel.com/reference/{import-events,profile-set,group-set-property} and
/troubleshooting/errors/{400-bad-request,413-payload-too-large,429}, /docs/tracking-methods/id-management. Known there:

- `/import?strict=1`: 2,000 events, 10 MB of JSON (2 MB in older pages, which is kept here), 1 MB an event; 400 is a
  partial success: `failed_records` names the refused by index, all others are in;
- Basic auth: the project token as user name, or a service account with `project_id`;
- an event is known again by event, distinct_id, time and `$insert_id` (36 letters, digits and hyphens at most);
- certain placeholders (`null`, `anonymous`, …) are refused as distinct_id; names up to 255 characters;
- «simplified» id merge joins people by events with both `$device_id` and `$user_id`; «original» by `$identify`;
- `/engage` and `/groups` take 2,000 updates, the token in each, and answer `{"status": 1|0, "error": …}`; updates are
  applied in the order of their `$time` (milliseconds, as its own SDKs send), so that a late one undoes no newer one;
- regions: api.mixpanel.com, api-eu.mixpanel.com, api-in.mixpanel.com.

Read there (and in «Event deduplication»): 2,000 events, the older 2 MB, 1 MB an event, the 400 with `failed_records`,
placeholders, the four fields by which an event is known again, 36 characters, 2,000 updates. From memory, not verified
here: the 10 MB, id merge, the order by `$time`, the answers of `/engage` and `/groups`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
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

# Mixpanel has no names of its own for shop events: the spec's are what its templates expect
EVENT_NAMES = mapping.by_key({"page": "$mp_web_page_view", "screen": "Screen Viewed"})
CONTEXT_PROPERTIES = {
    "context.page.url": "$current_url",
    "context.page.path": "current_url_path",
    "context.page.title": "current_page_title",
    "context.page.referrer": "$referrer",
    "context.ip": "ip",
    "context.locale": "$locale",
    "context.os.name": "$os",
    "context.os.version": "$os_version",
    "context.device.model": "$model",
    "context.device.manufacturer": "$manufacturer",
    "context.app.version": "$app_version_string",
    "context.library.name": "mp_lib",
    "context.screen.width": "$screen_width",
    "context.screen.height": "$screen_height",
    "context.campaign.source": "utm_source",
    "context.campaign.medium": "utm_medium",
    "context.campaign.name": "utm_campaign",
    "context.campaign.term": "utm_term",
    "context.campaign.content": "utm_content",
}
TRAIT_NAMES = {
    "email": "$email",
    "firstName": "$first_name",
    "first_name": "$first_name",
    "lastName": "$last_name",
    "last_name": "$last_name",
    "name": "$name",
    "phone": "$phone",
    "avatar": "$avatar",
    "createdAt": "$created",
    "created_at": "$created",
}
ADDRESS_NAMES = {"city": "$city", "state": "$region", "region": "$region", "country": "$country_code"}
REGIONS = {
    "us": "https://api.mixpanel.com",
    "eu": "https://api-eu.mixpanel.com",
    "in": "https://api-in.mixpanel.com",
}
NO_IDS = frozenset({
    "", "-1", "0", "00000000-0000-0000-0000-000000000000", "[]", "{}", "<nil>", "anon", "anonymous", "false",
    "lmy47d", "n/a", "na", "nil", "none", "null", "true", "undefined", "unknown", "zz", "nan",
})  # fmt: skip
RECORDS, LARGEST_RECORD, REQUEST_BYTES = 2000, 1_000_000, 2_000_000


class Settings(mapping.Wording, forbid_unknown_fields=True, kw_only=True):
    """The token is the project's, or a service account's `username:secret`.

    Attributes:
        project_token: stands in updates of people and groups, as it does in every web page (by default the token).
        region: where the project lives (unless `base_url` says).
        id_merge: the project's setting: `simplified` (projects since 2023) or `original`.
        project_id: must be told with a service account.
        group_key: the group analytics key that `group` calls are about; empty: they stay out.
    """

    project_token: str = ""
    region: Literal["us", "eu", "in"] = "us"
    id_merge: Literal["simplified", "original"] = "simplified"
    project_id: str = ""
    group_key: str = ""


class Mixpanel(EventDestination):
    """Events, people and groups, each in requests of their own. `integrations` name: Mixpanel."""

    type = "mixpanel"
    integrations_name = "Mixpanel"
    default_url = REGIONS
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=RECORDS, batch_bytes=REQUEST_BYTES)
    token_in = "header body"  # noqa: S105
    rate_per_second = 20.0
    counted_types = ("track", "identify")

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        self.project_token = self.settings.project_token or config.token
        if ":" in self.project_token:
            raise ConfigError(
                "A destination of type mixpanel whose token is a service account's needs settings.project_token."
            )

    def headers(self) -> dict[str, str]:
        who = self.config.token if ":" in self.config.token else f"{self.config.token}:"
        return {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": f"Basic {base64.b64encode(who.encode()).decode()}",
        }

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        who = spec.any_id(payload)
        if who.lower() in NO_IDS:
            return f"«{who}» is a placeholder that Mixpanel takes for nobody" if who else "no userId or anonymousId"
        kind = payload.get("type")
        if kind == "group" and not (self.settings.group_key and payload.get("groupId")):
            return "no groupId" if self.settings.group_key else "settings.group_key says which group key it is about"
        if kind == "alias" and not payload.get("previousId"):
            return "an alias without previousId"
        return "" if mapping.time_of(payload) else "no timestamp"

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        """The event's name there; profiles and groups in brackets, since they are no events. Each identify makes one
        profile update; `$identify` is no name to count by, since aliases and those identifies that link share it."""
        kind = payload.get("type")
        if kind == "identify":
            return "(profile update)"
        if kind == "alias":
            return "(alias)"
        return "(group update)" if kind == "group" else mapping.tool_event(payload, EVENT_NAMES, self.settings)[:255]

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        records, people, groups = Listed(), Listed(), Listed()
        for index, event in enumerate(events):
            payload = event.payload
            kind = payload.get("type")
            if kind == "identify":
                if _links(payload):
                    records.add(index, self._record(event, "$identify", self._link(payload, "anonymousId")))
                people.add(index, self._update(payload, {"$set": profile(spec.traits(payload), self.settings)}))
            elif kind == "alias":
                records.add(index, self._record(event, "$identify", self._link(payload, "previousId")))
            elif kind == "group":
                group = str(payload["groupId"])
                groups.add(index, {
                    "$token": self.project_token, "$group_key": self.settings.group_key, "$group_id": group,
                    "$time": _millis(payload), "$set": dict(payload.get("traits") or {}),
                })  # fmt: skip
                people.add(index, self._update(payload, {"$union": {self.settings.group_key: [group]}}))
            else:
                records.add(index, self._record(event, self.tool_event(payload), self._properties(payload)))
        project = f"&project_id={self.settings.project_id}" if self.settings.project_id else ""
        return [
            *self._packed(f"/import?strict=1{project}", "import", records),
            *self._packed("/engage?verbose=1", "engage", people),
            *self._packed("/groups?verbose=1", "groups", groups),
        ]

    def is_readable(self, answer: Answer) -> bool:
        if answer.status == 400 and isinstance(answer.json, dict):
            return isinstance(answer.json.get("failed_records"), list)
        return super().is_readable(answer)

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        """`failed_records` by index; all others are in. People and groups stand or fall together.

        Raises:
            UnavailableError: the answer is not Mixpanel's, or its counts do not add up.
            ConfigError: it does not know the token.
        """
        assert isinstance(call, PackedCall)
        body = answer.json
        if "import" not in call.owners:
            said = body.get("status") if isinstance(body, dict) else body
            if said not in (0, 1):
                raise UnavailableError(f"{self.base_url} answered {answer.status} with something else: {answer.text}")
            error = str(body.get("error") if isinstance(body, dict) else "") or "refused without a reason"
            if not said and error.startswith("token"):
                raise ConfigError(f"Mixpanel does not accept our token ({error}).", hint="See destinations/*.yaml.")
            return [Outcome(True, "200") if said else Outcome(False, "status 0", error)] * len(call.events)
        imported = body.get("num_records_imported") if isinstance(body, dict) else None
        if not isinstance(imported, int):
            raise UnavailableError(f"{self.base_url} answered {answer.status} with something else: {answer.text}")
        refused: dict[int, Outcome] = {}
        failed: set[int] = set()
        for record in body.get("failed_records") or []:
            owner = call.owner("import", record.get("index"))
            if owner is None:
                raise UnavailableError(f"{self.base_url} refused records without saying which: {answer.text}")
            failed.add(record["index"])
            refused[owner] = Outcome(False, str(record.get("field") or "invalid"), str(record.get("message")))
        if imported + len(failed) != len(call.owners["import"]):
            raise UnavailableError(
                f"{self.base_url} says that it imported {imported} records and names {len(failed)} of "
                f"{len(call.owners['import'])}."
            )
        return call.told(refused, Outcome(True, "200"))

    def _packed(self, path: str, name: str, listed: Listed) -> list[Call]:
        return [
            packed(self._post(path, items), {name: owners})
            for items, owners in listed.parts(RECORDS, REQUEST_BYTES - 2, LARGEST_RECORD)
        ]

    def _who(self, payload: spec.Payload) -> str:
        user = spec.user_id(payload)
        device = spec.anonymous_id(payload) or ""
        if self.settings.id_merge == "simplified" and not user:
            return f"$device:{device}"
        return user or device

    def _record(self, event: StreamEvent, name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        fixed: dict[str, Any] = {
            "time": _millis(event.payload),
            "distinct_id": self._who(event.payload),
            "$insert_id": insert_id(event.message_id),
        }
        if self.settings.id_merge == "simplified":
            ids = {"$device_id": spec.anonymous_id(event.payload), "$user_id": spec.user_id(event.payload)}
            fixed |= {key: value for key, value in ids.items() if value}
        return {"event": name, "properties": {**fixed, **{k: v for k, v in properties.items() if k not in fixed}}}

    def _link(self, payload: spec.Payload, field: str) -> dict[str, Any]:
        """What joins a device (or an old id) to the user."""
        user, other = spec.user_id(payload), payload.get(field)
        if self.settings.id_merge == "original":
            return {"$identified_id": user, "$anon_id": other}
        return {"$device_id": other, "$user_id": user} if field == "previousId" else {}

    def _properties(self, payload: spec.Payload) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path, name in CONTEXT_PROPERTIES.items():
            value = spec.at_path(payload, path)
            if value not in (None, ""):
                found[name] = value
        if payload.get("type") in ("page", "screen") and payload.get("name"):
            found["name"] = payload["name"]
        found.update(mapping.renamed(mapping.without(spec.properties(payload), "token"), {}, self.settings))
        return found

    def _update(self, payload: spec.Payload, change: dict[str, Any]) -> dict[str, Any]:
        # «0» keeps Mixpanel from taking our server's address for the person's place
        ip = spec.at_path(payload, "context.ip") or "0"
        who = {"$distinct_id": self._who(payload), "$ip": ip, "$time": _millis(payload)}
        return {"$token": self.project_token, **who, **change}


def _millis(payload: spec.Payload) -> int:
    at = mapping.time_of(payload)
    return mapping.millis(at) if at else 0


def _links(payload: spec.Payload) -> bool:
    """Whether it ties a device to a user."""
    return bool(spec.user_id(payload) and spec.anonymous_id(payload))


def insert_id(message_id: str) -> str:
    """The message id where Mixpanel takes it, else one made from it."""
    return message_id if re.fullmatch(r"[A-Za-z0-9-]{1,36}", message_id) else mapping.digest(message_id).hex()[:36]


def profile(traits: Mapping[str, Any], wording: mapping.Wording) -> dict[str, Any]:
    """Traits as Mixpanel's profile properties."""
    address = traits.get("address")
    place = mapping.renamed(address, ADDRESS_NAMES) if isinstance(address, Mapping) else {}
    known = {name: value for name, value in place.items() if name.startswith("$")}
    rest = mapping.without(traits, "address") if isinstance(address, Mapping) else dict(traits)
    return {**mapping.renamed(rest, TRAIT_NAMES, wording), **known}
