"""Intercom: people as contacts, what they did as data events.

Belongs here: Intercom's names as tables, one request's JSON, its errors. Does not belong here: sending.

By Intercom's pages «Contacts» (create, update), «Data events», «Rate limiting», «Error objects» and «API versioning»:
everything goes one by one. `POST /contacts` answers `409 conflict` when the person is there already, with the contact's
id in the message, and is then repeated as `PUT /contacts/<id>`; an archived contact stays as it is. `POST /events`
answers 202 without a body, or 404 when the person is not there: the contact is then created first. Event names are
best «verb-noun» in the past (`placed-order`), at most 120 different ones; metadata is flat, a price is `{amount in
cents, currency}`. Errors are `{"type": "error.list", "errors": [{code, message}]}`. 10,000 requests a minute for an
app, let through in windows of ten seconds; 429 carries `X-RateLimit-Reset` as a Unix time. An event has no id; by
«Event de-duplication» Intercom «may detect and ignore» a second event of the same person, name and `created_at` (whole
seconds), and answers it with 202 too. So a repeat is known again, and of two different events of one name within a
second one may be lost there: nothing in the request tells them apart.

Read there: all of this but, from memory and not verified here, the 120 names, archived contacts, the codes of errors.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import UnavailableError
from headwater.event import moment
from headwater.push import mapping, spec
from headwater.push.destinations.base import Answer, Call, EventDestination, Outcome, Request, StreamEvent, Streaming

EVENTS = mapping.by_key({
    "Products Searched": "searched-products",
    "Product List Viewed": "viewed-product-list",
    "Product Viewed": "viewed-product",
    "Product Added": "added-product",
    "Product Removed": "removed-product",
    "Product Added to Wishlist": "added-to-wishlist",
    "Cart Viewed": "viewed-cart",
    "Checkout Started": "started-checkout",
    "Payment Info Entered": "entered-payment-info",
    "Coupon Applied": "applied-coupon",
    "Order Completed": "placed-order",
    "Order Updated": "updated-order",
    "Order Cancelled": "cancelled-order",
    "Order Refunded": "refunded-order",
    "Signed Up": "signed-up",
    "Signed In": "signed-in",
})  # fmt: skip
"""The spec's events → names as Intercom advises. Others keep their own."""

MOST_METADATA = 10
LONGEST_TEXT = 255
READABLE = frozenset({400, 404, 409, 422})
WITHOUT_CENTS = frozenset({"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV",
                           "XAF", "XOF", "XPF"})  # fmt: skip
_EXISTS = re.compile(r"\bid=([0-9a-f]+)")


class IntercomSettings(mapping.Wording, forbid_unknown_fields=True, kw_only=True):
    """Settings of Intercom.

    Attributes:
        version: `Intercom-Version`.
        create_contacts: create the person of an event whom Intercom does not know yet.
        property_names: our trait → a custom attribute (defined in Intercom; others are not sent), and our property →
            its name in an event's metadata.
    """

    version: str = "2.14"
    create_contacts: bool = True


@dataclass(frozen=True)
class ContactCall(Call):
    """Creates a contact; `then` goes out when it is there."""

    then: Call | None = None


@dataclass(frozen=True)
class EventCall(Call):
    """Tells an event; `contact` creates its person if need be."""

    contact: Request


class Intercom(EventDestination):
    """`POST <base_url>/contacts` and `POST <base_url>/events`, by default at `https://api.intercom.io`
    (`https://api.eu.intercom.io`, `https://api.au.intercom.io` for those regions)."""

    type = "intercom"
    integrations_name = "Intercom"
    default_url = "https://api.intercom.io"
    Settings = IntercomSettings
    streaming = Streaming(batch_size=1)
    rate_per_second = 150.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        self.now = time.time

    def headers(self) -> dict[str, str]:
        return super().headers() | {"Intercom-Version": self.settings.version}

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        if payload.get("type") == "identify":
            return "contact"
        return mapping.tool_event(payload, EVENTS, self.settings)

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        kind = payload.get("type")
        if kind not in ("identify", "track") and spec.event_name(payload) not in self.settings.event_names:
            return f"Intercom takes no {kind} (settings.event_names can name it)"
        return "" if _who(payload) else "no userId or e-mail address"

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        made: list[Call] = []
        for index, event in enumerate(events):
            contact = self._post("/contacts", self._contact(event.payload))
            if event.payload.get("type") == "identify":
                made.append(ContactCall(contact, (index,)))
            else:
                made.append(EventCall(self._post("/events", self._event(event)), (index,), contact))
        return made

    def is_readable(self, answer: Answer) -> bool:
        return super().is_readable(answer) or (answer.status in READABLE and _fault(answer) is not None)

    def follow_up(self, call: Call, answer: Answer) -> Call | None:
        fault = _fault(answer)
        if isinstance(call, EventCall):
            if answer.status == 404 and self.settings.create_contacts:
                return ContactCall(call.contact, call.events, Call(call.request, call.events))
            return None
        if not isinstance(call, ContactCall):
            return None
        is_there = answer.status == 409 and call.request.method == "POST" and fault and "archived" not in fault.message
        if is_there and fault and (there := _EXISTS.search(fault.message)):
            url = f"{self.base_url}/contacts/{there[1]}"
            return ContactCall(Request("PUT", url, self.headers(), call.request.body), call.events, call.then)
        return call.then if _is_accepted(answer) else None

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        if _is_accepted(answer):
            return [Outcome(True, str(answer.status))] * len(call.events)
        fault = _fault(answer)
        if fault is None:
            raise UnavailableError(f"Intercom answered {answer.status} with something else: {answer.text}")
        return [Outcome(False, fault.code, fault.message)] * len(call.events)

    def wait_seconds(self, answer: Answer) -> float | None:
        reset = spec.number(answer.headers.get("x-ratelimit-reset")) if answer.status == 429 else None
        return None if reset is None else max(0.1, reset - self.now())

    def _contact(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"role": "user", "external_id": spec.user_id(payload), "email": spec.email(payload)}
        if payload.get("type") == "identify":
            names = [spec.trait(payload, name) for name in ("firstName", "lastName")]
            created = moment(spec.trait(payload, "createdAt"))
            wanted = {theirs: spec.trait(payload, ours) for ours, theirs in self.settings.property_names.items()}
            attributes = {name: _flat(value) for name, value in wanted.items() if value is not None}
            found |= {
                "name": spec.trait(payload, "name") or " ".join(str(name) for name in names if name) or None,
                "phone": spec.trait(payload, "phone"),
                "avatar": spec.trait(payload, "avatar"),
                "signed_up_at": mapping.seconds(created) if created else None,
                "unsubscribed_from_emails": spec.trait(payload, "unsubscribedFromEmails"),
                "custom_attributes": attributes or None,
            }
        return {name: value for name, value in found.items() if value is not None}

    def _event(self, event: StreamEvent) -> dict[str, Any]:
        payload, at = event.payload, mapping.time_of(event.payload)
        found: dict[str, Any] = {"event_name": self.tool_event(payload), **_who(payload)}
        if at is not None:
            found["created_at"] = mapping.seconds(at)
        return found | {"metadata": self._metadata(event)}

    def _metadata(self, event: StreamEvent) -> dict[str, Any]:
        """The order first, so that the limit cuts what matters less."""
        payload, own = event.payload, self.settings.property_names
        known = spec.properties(payload)
        found: dict[str, Any] = {"message_id": event.message_id}
        value, currency = spec.revenue(payload), spec.currency(payload)
        if value is not None and currency:
            amount = round(value if currency in WITHOUT_CENTS else value * 100)
            found["price"] = {"amount": amount, "currency": currency.lower()}
        if order := spec.order_id(payload):
            found["order_id"] = order
        if isinstance(known.get("products"), list):
            found["products"] = ", ".join(str(p["name"]) for p in spec.products(payload) if p.get("name"))
        for name, value in mapping.flat(mapping.without(known, "products", "price")):
            found.setdefault(own.get(name, name), _flat(value))
        return dict(list(found.items())[:MOST_METADATA])


def _flat(value: Any) -> Any:
    """A value as Intercom takes it: numbers and truth as they are, the rest as short text."""
    return value if isinstance(value, bool | int | float) else mapping.text(value)[:LONGEST_TEXT]


def _who(payload: Mapping[str, Any]) -> dict[str, str]:
    """Whom an event belongs to."""
    found = {"user_id": spec.user_id(payload), "email": spec.email(payload)}
    return {name: value for name, value in found.items() if value}


def _is_accepted(answer: Answer) -> bool:
    """An event is answered with 202 and nothing, a contact with itself."""
    has_contact = isinstance(answer.json, dict) and "id" in answer.json
    return (answer.status == 202 and not answer.text) or (200 <= answer.status < 300 and has_contact)


class _Fault(msgspec.Struct):
    code: str = "unknown"
    message: str = ""


class _Faults(msgspec.Struct, tag_field="type", tag="error.list"):
    errors: list[_Fault]


def _fault(answer: Answer) -> _Fault | None:
    """The first error of a list of them."""
    try:
        found = msgspec.convert(answer.json, _Faults).errors if answer.status >= 400 else []
    except msgspec.ValidationError:
        return None
    return found[0] if found else None
