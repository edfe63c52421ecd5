"""Klaviyo by its JSON:API: events, profiles.

Sources: developers.klaviyo.com/en/reference/{create_event,bulk_create_events,create_or_update_profile}, /en/docs/
{rate_limits_and_error_handling,guide_to_integrating_a_platform_without_a_pre_built_klaviyo_integration}. Known there:

- `Authorization: Klaviyo-API-Key …`, and a `revision` header that fixes the API's version;
- `POST /api/events` takes one event (202; 350/s in bursts, 3,500 a minute), `POST /api/event-bulk-create-jobs` up to
  1,000 events and 5 MB (10/s, 150 a minute); `POST /api/profile-import` creates or updates one profile (75/s, 700 a
  minute); 429 has `Retry-After`;
- both event calls are taken in after they are answered; what is seen at once is the shape: 400 with `errors`, each with
  a `source.pointer`; it refuses the request as a whole;
- an event of one profile and metric is known again by `unique_id`; `value` and `value_currency` are what it is worth;
- phone numbers must be E.164; a profile needs one of id, email, phone_number, external_id, anonymous_id;
- the metrics of a shop have fixed names and properties (`Placed Order`: `OrderId`, `Items`, …).

Read there: the key and `revision` headers, the sizes of limits (75/s and 700 a minute, 350/s and 3,500, 10/s and 150),
5 MB. From memory, not verified here: which call has which limit, 1,000 events, `unique_id`, the pointers of errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import UnavailableError
from headwater.event import iso
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

EVENT_NAMES = mapping.by_key({
    "Products Searched": "Searched Site",
    "Product List Viewed": "Viewed Collection",
    "Product Viewed": "Viewed Product",
    "Product Added": "Added to Cart",
    "Checkout Started": "Started Checkout",
    "Order Completed": "Placed Order",
    "Order Fulfilled": "Fulfilled Order",
    "Order Cancelled": "Cancelled Order",
    "Order Refunded": "Refunded Order",
    "page": "Viewed Page",
    "screen": "Viewed Screen",
})  # fmt: skip
ORDER_NAMES = {
    "order_id": "OrderId",
    "checkout_id": "CheckoutId",
    "coupon": "DiscountCode",
    "discount": "DiscountValue",
    "query": "SearchQuery",
    "reason": "Reason",
}
ITEM_NAMES = {
    "product_id": "ProductID",
    "sku": "SKU",
    "name": "ProductName",
    "brand": "Brand",
    "quantity": "Quantity",
    "price": "ItemPrice",
    "url": "ProductURL",
    "image_url": "ImageURL",
}
PRODUCT_NAMES = {**ITEM_NAMES, "price": "Price", "url": "URL"}
ADDED_NAMES = {
    "product_id": "AddedItemProductID",
    "sku": "AddedItemSKU",
    "name": "AddedItemProductName",
    "price": "AddedItemPrice",
    "quantity": "AddedItemQuantity",
    "url": "AddedItemURL",
    "image_url": "AddedItemImageURL",
    "brand": "AddedItemBrand",
}
TRAIT_NAMES = {
    "firstName": "first_name",
    "first_name": "first_name",
    "lastName": "last_name",
    "last_name": "last_name",
    "company": "organization",
    "organization": "organization",
    "title": "title",
    "avatar": "image",
    "image": "image",
}
PLACE_NAMES = {
    "street": "address1",
    "city": "city",
    "state": "region",
    "region": "region",
    "country": "country",
    "postalCode": "zip",
    "postal_code": "zip",
    "zip": "zip",
}
ORDERED_PRODUCT = "Ordered Product"
WORTH = frozenset({"order completed", "order cancelled", "order refunded", "order fulfilled", "checkout started"})
BULK_EVENTS, REQUEST_BYTES = 1000, 5_000_000
BULK_RATE = 2.5
_PLACE = re.compile(r"/data/attributes/events-bulk-create/data/(\d+)(?:/|$)")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")


class Settings(mapping.PricedWording, forbid_unknown_fields=True, kw_only=True):
    """The token is a private API key with write access to events and profiles.

    Attributes:
        revision: the version of the API that requests are of.
        bulk: up to 1,000 events in a request, for large volumes; by default each event is a request of its own.
        ordered_products: beside `Placed Order` one `Ordered Product` for each product of the order.
    """

    revision: str = "2025-01-15"
    bulk: bool = False
    ordered_products: bool = False


class Klaviyo(EventDestination):
    """`POST /api/events` (or in bulk) and `POST /api/profile-import`. `integrations` name: Klaviyo."""

    type = "klaviyo"
    integrations_name = "Klaviyo"
    default_url = "https://a.klaviyo.com"
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=BULK_EVENTS, batch_bytes=REQUEST_BYTES)
    rate_per_second = 58.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        if self.settings.bulk and not config.rate_per_second:
            self.rate = BULK_RATE

    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/vnd.api+json",
            "Accept": "application/vnd.api+json",
            "Authorization": f"Klaviyo-API-Key {self.config.token}",
            "revision": self.settings.revision,
        }

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        kind = payload.get("type")
        if kind == "alias":
            return "Klaviyo merges profiles by its own ids only"
        if kind == "group":
            return "Klaviyo has no groups"
        return "" if spec.any_id(payload) else "no userId or anonymousId"

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        """The metric; an identify in brackets, since it is none."""
        if payload.get("type") == "identify":
            return "(profile)"
        return mapping.tool_event(payload, EVENT_NAMES, self.settings)

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        found: list[Call] = []
        waiting = Listed()
        for index, event in enumerate(events):
            if event.payload.get("type") == "identify":
                found += self._sent(waiting)
                waiting = Listed()
                profile = Listed()
                profile.add(index, {"data": {"type": "profile", "attributes": self._profile(event.payload)}})
                found += self._single("/api/profile-import", "profile", profile)
            else:
                for one in self._events(event):
                    waiting.add(index, one)
        return found + self._sent(waiting)

    def is_readable(self, answer: Answer) -> bool:
        """Also a 400 to a bulk request of which every error points to an event."""
        return super().is_readable(answer) or (answer.status == 400 and bool(_pointers(answer)))

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        """202: queued. 400 to a bulk request: the events that are pointed to are refused, the others go again.

        Raises:
            UnavailableError: the answer is not Klaviyo's.
        """
        if answer.status < 300:
            if answer.text and not (isinstance(answer.json, dict) and "data" in answer.json):
                raise UnavailableError(f"{self.base_url} answered {answer.status} with something else: {answer.text}")
            return [Outcome(True, str(answer.status))] * len(call.events)
        assert isinstance(call, PackedCall)
        refused = {}
        for place, error in _pointers(answer):
            owner = call.owner("events", place)
            if owner is not None:
                refused[owner] = Outcome(False, str(error.get("code")), f"{error.get('detail')} ({_pointer(error)})")
        # one that points to none of ours refuses everything: the same request would meet it again and again
        beside = Outcome(False, "400", "refused beside another event", True)
        return call.told(refused, beside if refused else Outcome(False, "400", answer.text))

    def _sent(self, listed: Listed) -> list[Call]:
        if not self.settings.bulk:
            single = Listed()
            for one, owner in zip(listed.items, listed.owners, strict=True):
                single.add(owner, {"data": {"type": "event", "attributes": _alone(one)}})
            return self._single("/api/events", "events", single)
        found: list[Call] = []
        for items, owners in listed.parts(BULK_EVENTS, REQUEST_BYTES - 200):
            attributes = {"events-bulk-create": {"data": items}}
            body = {"data": {"type": "event-bulk-create-job", "attributes": attributes}}
            found.append(packed(self._post("/api/event-bulk-create-jobs", body), {"events": owners}))
        return found

    def _single(self, path: str, name: str, listed: Listed) -> list[Call]:
        return [packed(self._post(path, items[0]), {name: owners}) for items, owners in listed.parts(1, REQUEST_BYTES)]

    def _events(self, event: StreamEvent) -> Iterator[dict[str, Any]]:
        payload = event.payload
        name = self.tool_event(payload)
        known = mapping.key(spec.event_name(payload)) if payload.get("type") == "track" else ""
        value = spec.revenue(payload) if known in WORTH else _price(spec.properties(payload), known)
        profile = self._profile(payload)
        yield self._event(payload, name, event.message_id, self._properties(payload, known), value, profile)
        if known == "order completed" and self.settings.ordered_products:
            order = spec.order_id(payload)
            metric = self.settings.event_names.get(ORDERED_PRODUCT, ORDERED_PRODUCT)
            for place, item in enumerate(_items(payload)):
                given = {"OrderId": order, **item} if order else item
                key = f"{event.message_id}-{place}"
                yield self._event(payload, metric, key, given, spec.number(item.get("RowTotal")), profile)

    def _event(
        self, payload: spec.Payload, metric: str, key: str, properties: dict[str, Any], value: float | None,
        profile: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        attributes: dict[str, Any] = {
            "metric": {"data": {"type": "metric", "attributes": {"name": metric}}},
            "properties": properties,
            "unique_id": key,
        }
        at = mapping.time_of(payload)
        if at:
            attributes["time"] = iso(at)
        if value is not None:
            attributes["value"] = value
            currency = spec.currency(payload, self.settings.currency)
            attributes |= {"value_currency": currency} if currency else {}
        owner = {"data": {"type": "profile", "attributes": profile}}
        events = {"data": [{"type": "event", "attributes": attributes}]}
        return {"type": "event-bulk-create", "attributes": {"profile": owner, "events": events}}

    def _properties(self, payload: spec.Payload, known: str) -> dict[str, Any]:
        given = spec.properties(payload)
        if known in ("product viewed", "product added"):
            table = ADDED_NAMES if known == "product added" else PRODUCT_NAMES
            found = mapping.renamed(mapping.without(given, "category"), table, self.settings)
            if given.get("category") is not None:
                found["AddedItemCategories" if known == "product added" else "Categories"] = _listed(given["category"])
            return found
        found = mapping.renamed(mapping.without(given, "products"), ORDER_NAMES, self.settings)
        if isinstance(given.get("products"), list):
            found["Items"] = items = _items(payload)
            found["ItemNames"] = [item["ProductName"] for item in items if "ProductName" in item]
        if payload.get("type") in ("page", "screen"):
            place = spec.at_path(payload, "context.page") if payload["type"] == "page" else None
            found = {**(place if isinstance(place, Mapping) else {}), **found}
            found |= {"name": payload["name"]} if payload.get("name") else {}
        return found

    def _profile(self, payload: spec.Payload) -> dict[str, Any]:
        traits = spec.traits(payload)
        phone = re.sub(r"[\s().-]", "", str(traits.get("phone") or ""))
        is_phone = bool(_PHONE.fullmatch(phone))
        found: dict[str, Any] = {
            "external_id": spec.user_id(payload),
            "anonymous_id": spec.anonymous_id(payload),
            "email": spec.email(payload),
            "phone_number": phone if is_phone else None,
        }
        found |= mapping.only(traits, TRAIT_NAMES)
        address = traits.get("address")
        place = mapping.only(address, PLACE_NAMES) if isinstance(address, Mapping) else {}
        ip = spec.at_path(payload, "context.ip")
        place |= {"ip": ip} if ip else {}
        if place:
            found["location"] = place
        own = {"email", *TRAIT_NAMES, *(["address"] if isinstance(address, Mapping) else [])}
        own |= {"phone"} if is_phone else set()
        rest = mapping.renamed(mapping.without(traits, *own), {}, self.settings)
        if rest:
            found["properties"] = rest
        return {name: value for name, value in found.items() if value is not None}


def _alone(one: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an event of the bulk call, as the call for one event wants them."""
    attributes = one["attributes"]
    return {**attributes["events"]["data"][0]["attributes"], "profile": attributes["profile"]}


def _items(payload: spec.Payload) -> list[dict[str, Any]]:
    found = []
    for product in spec.products(payload):
        item = mapping.only(product, ITEM_NAMES)
        price, count = spec.number(product.get("price")), spec.number(product.get("quantity"))
        if price is not None:
            item["RowTotal"] = round(price * (1 if count is None else count), 6)
        if product.get("category") is not None:
            item["Categories"] = _listed(product["category"])
        found.append(item)
    return found


def _price(properties: Mapping[str, Any], known: str) -> float | None:
    """What a product put into the cart is worth."""
    price, count = spec.number(properties.get("price")), spec.number(properties.get("quantity"))
    if known != "product added" or price is None:
        return None
    return round(price * (1 if count is None else count), 6)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _pointer(error: Mapping[str, Any]) -> str:
    source = error.get("source")
    return str(source.get("pointer") or "") if isinstance(source, Mapping) else ""


def _pointers(answer: Answer) -> list[tuple[int, Mapping[str, Any]]]:
    """(place of the event, error) of each error; nothing unless every error points to an event."""
    errors = answer.json.get("errors") if isinstance(answer.json, dict) else None
    found = []
    for error in errors if isinstance(errors, list) else ():
        place = _PLACE.match(_pointer(error)) if isinstance(error, Mapping) else None
        if place is None:
            return []
        found.append((int(place[1]), error))
    return found
