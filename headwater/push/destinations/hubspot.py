"""HubSpot: people as contacts, what they did as custom events.

Belongs here: HubSpot's names as tables, one request's JSON, its partial failures. Does not belong here: sending.

By HubSpot's pages «Contacts» (batch upsert, multi-status errors), «Send custom event occurrences», «Usage guidelines
and limits», «Error handling» and the changelog «New property limits for the Custom Behavioural Events API»:
`POST /crm/v3/objects/contacts/batch/upsert` with at most 100 `inputs`, none named twice; 200, or 207 with `results` and
`errors`, tied to inputs by `objectWriteTraceId`; one value that no property takes refuses the whole request (400), as a
conflict does (409): the batch is then halved until the one at fault is alone. `POST /events/v3/send/batch` with at most
500 occurrences answers 204 or refuses them all; names are `pe<hub id>_<name>` and must have been defined in HubSpot,
names of properties have at most 50 of a-z, 0-9 and _, an occurrence at most 50 of them. 100 to 190 requests in 10
seconds by plan; 429 tells the `policyName`. `uuid` is kept with an occurrence, but does not undo a repeat there.

Read there: both requests, 100 inputs, 207 with trace ids, the rates, names and 50 properties, 204; `uuid` is for
matching data with other systems, no word of repeats. The changelog of 2021 allows values 50 characters (addresses
200). From memory, not verified here: the 1,024 characters of today, the 500 occurrences, `policyName`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headwater.errors import UnavailableError
from headwater.event import iso
from headwater.push import mapping, spec
from headwater.push.destinations.base import Answer, Call, EventDestination, Outcome, StreamEvent, Streaming
from headwater.push.rounds import rounds

CONTACT = {
    "firstname": ("firstName",),
    "lastname": ("lastName",),
    "phone": ("phone",),
    "company": ("company.name", "company"),
    "jobtitle": ("title",),
    "website": ("website",),
    "address": ("street", "address.street"),
    "city": ("city", "address.city"),
    "state": ("state", "address.state"),
    "zip": ("postalCode", "address.postalCode", "address.zip"),
    "country": ("country", "address.country"),
    "date_of_birth": ("birthday",),
    "gender": ("gender",),
}
"""HubSpot's own contact properties → the traits that may hold them. Other traits go only where
`settings.property_names` gives them a property: HubSpot refuses those that it does not know."""

OCCURRENCE = {
    "hs_page_url": "context.page.url",
    "hs_page_title": "context.page.title",
    "hs_referrer": "context.page.referrer",
    "hs_user_agent": "context.userAgent",
    "hs_language": "context.locale",
    "hs_utm_source": "context.campaign.source",
    "hs_utm_medium": "context.campaign.medium",
    "hs_utm_campaign": "context.campaign.name",
    "hs_utm_term": "context.campaign.term",
    "hs_utm_content": "context.campaign.content",
}
"""The properties that every custom event has → where the event holds them."""

MOST_PROPERTIES, LONGEST_NAME, LONGEST_VALUE = 50, 50, 1024
WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
MAY_PASS = frozenset({"RATE_LIMITS", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "OBJECT_LOCKED"})


class HubSpotSettings(mapping.Wording, forbid_unknown_fields=True, kw_only=True):
    """Settings of HubSpot.

    Attributes:
        hub_id: the account's number: an event `Order Completed` is then sent as `pe<hub_id>_order_completed`. Without
            it only the events of `event_names` go out, under the fully qualified names that these give.
        id_property: the contact property with unique values that finds a contact: `email`, or one of your own that
            holds the user id.
        property_names: our trait or property → HubSpot's.
    """

    hub_id: str = ""
    id_property: str = "email"


@dataclass(frozen=True)
class ContactsCall(Call):
    """A call whose refusals name the contact by these trace ids."""

    traces: tuple[str, ...]


class HubSpot(EventDestination):
    """`POST <base_url>/crm/v3/objects/contacts/batch/upsert` and `POST <base_url>/events/v3/send/batch`, by default at
    `https://api.hubapi.com`; `token` is a private app's."""

    type = "hubspot"
    integrations_name = "HubSpot"
    default_url = "https://api.hubapi.com"
    Settings = HubSpotSettings
    streaming = Streaming(batch_size=100)
    knows_repeats = False
    rate_per_second = 10.0

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        return "contact" if payload.get("type") == "identify" else self._name(payload)

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        kind = payload.get("type")
        if kind == "identify":
            return "" if self._contact_id(payload) else f"no {self.settings.id_property} to find the contact by"
        if kind == "track" and not self._name(payload):
            return f"no HubSpot event for «{spec.event_name(payload)}»: set settings.hub_id or event_names"
        if kind != "track" and not self._name(payload):
            return f"HubSpot takes no {kind}"
        return "" if _who(payload) else "no e-mail address or HubSpot cookie (hutk)"

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        contacts = [n for n, event in enumerate(events) if event.payload.get("type") == "identify"]
        others = tuple(n for n, event in enumerate(events) if event.payload.get("type") != "identify")
        made: list[Call] = []
        # contacts first: HubSpot ties an occurrence to the contact of its address
        for group in rounds((self._contact_id(events[n].payload).lower(), n) for n in contacts):
            inputs = [self._contact(events[n], str(n)) for n in group]
            request = self._post("/crm/v3/objects/contacts/batch/upsert", {"inputs": inputs})
            made.append(ContactsCall(request, group, tuple(map(str, group))))
        if others:
            body = {"inputs": [self._occurrence(events[n]) for n in others]}
            made.append(Call(self._post("/events/v3/send/batch", body), others))
        return made

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        outcomes = [Outcome(True, str(answer.status))] * len(call.events)
        if not isinstance(call, ContactsCall):
            if answer.text:
                raise UnavailableError(f"HubSpot answered {answer.status} with something else: {answer.text}")
            return outcomes
        try:
            found = msgspec.convert(answer.json, _Answer)
        except msgspec.ValidationError as error:
            raise UnavailableError(f"HubSpot answered {answer.status} with something else: {error}.") from error
        for fault in found.errors:
            traces = fault.traces()
            if not traces or not set(traces) <= set(call.traces):
                raise UnavailableError(f"HubSpot refused contacts without saying which: {answer.text}")
            for trace in traces:
                place = call.traces.index(trace)
                outcomes[place] = Outcome(False, fault.category, fault.message, fault.category in MAY_PASS)
        accepted = sum(outcome.is_accepted for outcome in outcomes)
        if len(found.results) != accepted:
            raise UnavailableError(f"HubSpot tells of {len(found.results)} contacts; its errors leave {accepted}.")
        return outcomes

    def wait_seconds(self, answer: Answer) -> float | None:
        """By the policy that was reached; a day's is tried each hour."""
        if answer.status != 429 or not isinstance(answer.json, dict):
            return None
        return WAITS.get(str(answer.json.get("policyName")))

    def _name(self, payload: Mapping[str, Any]) -> str:
        name = spec.event_name(payload)
        if name in self.settings.event_names:
            return str(self.settings.event_names[name])
        is_named = payload.get("type") == "track" and self.settings.hub_id
        return f"pe{self.settings.hub_id}_{internal(name)}" if is_named else ""

    def _contact_id(self, payload: Mapping[str, Any]) -> str:
        if self.settings.id_property == "email":
            return spec.email(payload) or ""
        return spec.user_id(payload) or ""

    def _contact(self, event: StreamEvent, trace: str) -> dict[str, Any]:
        found = {name: spec.trait(event.payload, *traits) for name, traits in CONTACT.items()}
        found |= {
            theirs: spec.trait(event.payload, ours) for ours, theirs in self.settings.property_names.items()
        }  # fmt: skip
        if (address := spec.email(event.payload)) is not None:
            found["email"] = address
        number = self._contact_id(event.payload)
        if self.settings.id_property != "email":
            found[self.settings.id_property] = number
        properties = {name: mapping.text(value) for name, value in found.items() if value is not None}
        return {
            "idProperty": self.settings.id_property,
            "id": number,
            "objectWriteTraceId": trace,
            "properties": properties,
        }

    def _occurrence(self, event: StreamEvent) -> dict[str, Any]:
        payload, at = event.payload, mapping.time_of(event.payload)
        found: dict[str, Any] = {"eventName": self._name(payload), "uuid": event.message_id, **_who(payload)}
        if at is not None:
            found["occurredAt"] = iso(at)
        found["properties"] = self._properties(payload)
        return found

    def _properties(self, payload: Mapping[str, Any]) -> dict[str, str]:
        own = self.settings.property_names
        products = spec.products(payload)
        found: dict[str, Any] = {
            own.get(name) or internal(name): value
            for name, value in mapping.flat(mapping.without(spec.properties(payload), "products", "email"))
        }
        if products and "products" in spec.properties(payload):
            found["product_ids"] = ";".join(filter(None, map(spec.product_id, products)))
            found["product_names"] = ";".join(str(p["name"]) for p in products if p.get("name"))
            found["num_products"] = len(products)
        for name, path in OCCURRENCE.items():
            if (value := spec.first(payload, path)) is not None:
                found.setdefault(name, value)
        texts = {name: mapping.cut(mapping.text(value), LONGEST_VALUE) for name, value in found.items()}
        return dict(list(texts.items())[:MOST_PROPERTIES])


def internal(name: str) -> str:
    """A name as HubSpot's internal names are: `Order Completed` → `order_completed`."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    found = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return (found if found[:1].isalpha() else f"x_{found}")[:LONGEST_NAME].rstrip("_")


def _who(payload: Mapping[str, Any]) -> dict[str, str]:
    """Whom an occurrence belongs to: the address, else HubSpot's cookie."""
    if address := spec.email(payload):
        return {"email": address}
    cookie = spec.first(payload, "context.hutk", "context.hubspotutk", "properties.hutk", "properties.hubspotutk")
    return {"utk": cookie} if isinstance(cookie, str) else {}


class _Fault(msgspec.Struct):
    category: str = "UNKNOWN"
    message: str = ""
    context: dict[str, Any] = {}

    def traces(self) -> list[str]:
        found = self.context.get("objectWriteTraceId") or []
        return [str(trace) for trace in found] if isinstance(found, list) else [str(found)]


class _Answer(msgspec.Struct):
    results: list[dict[str, Any]]
    errors: list[_Fault] = []
