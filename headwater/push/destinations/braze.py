"""Braze by `/users/track`.

Sources: braze.com/docs/api/endpoints/user_data/{post_user_track,post_user_identify}, /docs/api/objects_filters/
{user_attributes_object,event_object,purchase_object}, /docs/api/api_limits, /docs/user_guide/…/recommended_events.
Known there:

- at most 75 objects (attributes, events and purchases together; older contracts 75 of each) and 4 MB in a request;
  3,000 requests in 3 seconds; 429 tells the end by `X-RateLimit-Reset` (seconds since 1970);
- a known user is `external_id`; a device becomes a user alias, which `_update_existing_only: false` lets it create;
  `/users/identify` merges aliases into users, 50 in a request;
- 201 with `errors` names refused objects by `input_array` and `index`, the others are in; 400 refuses all;
- one purchase object for each product, quantity 1 to 100, revenue = price × quantity; for newer customers Braze has
  `ecommerce.*` events instead (`settings.orders: recommended`), which it holds to a schema;
- it knows nothing again by an id: a request repeated counts twice.

Read there: 75 objects, 3,000 requests in 3 seconds, 201 with `errors` also when some were refused; no field of an
event or purchase by which it would be known again (RudderStack's page on Braze says that repeats are counted). From
memory, not verified here: `input_array` and `index`, 50 aliases, quantities to 100, the schema of `ecommerce.*`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Literal

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
from headwater.push.destinations.packing import MOST_OF_ONE_EVENT, Listed, PackedCall, packed

EVENT_NAMES = mapping.by_key({"page": "Page Viewed", "screen": "Screen Viewed"})
RECOMMENDED = {
    "product viewed": "ecommerce.product_viewed",
    "product added": "ecommerce.cart_updated",
    "product removed": "ecommerce.cart_updated",
    "cart viewed": "ecommerce.cart_updated",
    "checkout started": "ecommerce.checkout_started",
    "order completed": "ecommerce.order_placed",
    "order refunded": "ecommerce.order_refunded",
    "order cancelled": "ecommerce.order_cancelled",
}
CART_ACTIONS = {"product added": "add", "product removed": "remove", "cart viewed": "replace"}
PRODUCT_NAMES = {
    "product_id": "product_id",
    "sku": "product_id",
    "name": "product_name",
    "variant": "variant_id",
    "price": "price",
    "quantity": "quantity",
    "image_url": "image_url",
    "url": "product_url",
}
ATTRIBUTE_NAMES = {
    "firstName": "first_name",
    "lastName": "last_name",
    "birthday": "dob",
    "avatar": "image_url",
}
ADDRESS_NAMES = {"city": "home_city", "country": "country"}
GENDERS = {"female": "F", "f": "F", "male": "M", "m": "M", "other": "O", "o": "O"}
ALIAS_LABEL = "anonymous_id"
OBJECTS, ALIASES, REQUEST_BYTES, MOST_OF_ONE = 75, 50, 4_000_000, 100


class Settings(mapping.PricedWording, forbid_unknown_fields=True, kw_only=True):
    """The token is a REST API key with `users.track` and `users.identify`; `base_url` the instance's REST endpoint.

    Attributes:
        orders: `purchases`: an order is one purchase for each product; `recommended`: Braze's `ecommerce.*` events.
        app_id: the app that events are counted for.
        source: where shop events come from, as `ecommerce.*` events want it.
    """

    orders: Literal["purchases", "recommended"] = "purchases"
    app_id: str = ""
    source: str = "web"


class Braze(EventDestination):
    """`POST /users/track`, after `POST /users/identify` where devices become known. `integrations` name: Braze."""

    type = "braze"
    integrations_name = "Braze"
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=OBJECTS, batch_bytes=REQUEST_BYTES)
    rate_per_second = 250.0
    knows_repeats = False

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        kind = payload.get("type")
        if kind == "group":
            return "Braze has no groups"
        if kind == "alias" and not (spec.user_id(payload) and payload.get("previousId")):
            return "an alias without userId or previousId"
        if not spec.any_id(payload):
            return "no userId or anonymousId"
        return "" if kind in ("identify", "alias") or mapping.time_of(payload) else "no timestamp"

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        """The event's name there; attributes, purchases and merges in brackets, since they are no events."""
        kind = payload.get("type")
        if kind in ("identify", "alias"):
            return "(attributes)" if kind == "identify" else "(identify)"
        known = mapping.key(spec.event_name(payload)) if kind == "track" else ""
        if self.settings.orders == "recommended" and known in RECOMMENDED:
            return self.settings.event_names.get(spec.event_name(payload)) or RECOMMENDED[known]
        if self._is_purchase(payload):
            return "(purchase)"
        return mapping.tool_event(payload, EVENT_NAMES, self.settings)

    def _is_purchase(self, payload: spec.Payload) -> bool:
        return (
            self.settings.orders == "purchases"
            and payload.get("type") == "track"
            and mapping.key(spec.event_name(payload)) == "order completed"
            and bool(spec.products(payload))
        )

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        joined, objects = Listed(), Listed()
        for index, event in enumerate(events):
            payload = event.payload
            device = payload.get("previousId") if payload.get("type") == "alias" else spec.anonymous_id(payload)
            user = spec.user_id(payload)
            if payload.get("type") in ("identify", "alias") and user and device:
                joined.add(index, {"external_id": user, "user_alias": _alias(str(device))})
            for one in self._objects(payload):
                objects.add(index, one)
        found: list[Call] = []
        body: dict[str, Any]
        whose: dict[str, list[int]]
        for aliases, owners in joined.parts(ALIASES, REQUEST_BYTES - 100):
            body = {"aliases_to_identify": aliases, "merge_behavior": "merge"}
            found.append(packed(self._post("/users/identify", body), {"aliases_to_identify": owners}))
        for part, owners in objects.parts(OBJECTS, REQUEST_BYTES - 100):
            body, whose = defaultdict(list), defaultdict(list)
            for (name, one), owner in zip(part, owners, strict=True):
                body[name].append(one)
                whose[name].append(owner)
            found.append(packed(self._post("/users/track", body), whose))
        return found

    def wait_seconds(self, answer: Answer) -> float | None:
        """Until `X-RateLimit-Reset`, by the tool's own clock."""
        if answer.status != 429 or "retry-after" in answer.headers:
            return None
        told = spec.number(answer.headers.get("x-ratelimit-retry-after"))
        if told is not None:
            return max(0.0, told)
        reset = spec.number(answer.headers.get("x-ratelimit-reset"))
        try:
            now = parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, ValueError):
            return None
        return None if reset is None else min(max(0.0, reset - now), 3600.0)

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        """All but those that `errors` names by list and place.

        Raises:
            UnavailableError: the answer is not Braze's, or an error names nothing of this request.
        """
        assert isinstance(call, PackedCall)
        body = answer.json
        if not isinstance(body, dict) or "message" not in body:
            raise UnavailableError(f"{self.base_url} answered {answer.status} with something else: {answer.text}")
        refused: dict[int, Outcome] = {}
        for error in body.get("errors") or []:
            known = isinstance(error, dict)
            owner = call.owner(str(error.get("input_array")), error.get("index")) if known else None
            if owner is None:
                raise UnavailableError(f"{self.base_url} refused objects without saying which: {answer.text}")
            refused[owner] = Outcome(False, str(error["input_array"]), str(error.get("type") or "refused"))
        return call.told(refused, Outcome(True, str(answer.status)))

    def _objects(self, payload: spec.Payload) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = payload.get("type")
        who = self._who(payload)
        if kind == "alias":
            return
        if kind == "identify":
            yield "attributes", {**who, **attributes(spec.traits(payload), self.settings)}
            return
        at = mapping.time_of(payload)
        when: dict[str, Any] = {"time": iso(at)} if at else {}
        if self.settings.app_id:
            when["app_id"] = self.settings.app_id
        known = mapping.key(spec.event_name(payload))
        products = spec.products(payload)
        if kind == "track" and self.settings.orders == "recommended" and known in RECOMMENDED:
            given = self._recommended(payload, known, products)
            yield "events", {**who, "name": self.tool_event(payload), **when, "properties": given}
        elif self._is_purchase(payload):
            for product in products:
                for purchase in self._purchases(payload, product):
                    yield "purchases", {**who, **when, **purchase}
        else:
            given = mapping.renamed(spec.properties(payload), {}, self.settings)
            if kind in ("page", "screen"):
                place = spec.at_path(payload, "context.page") if kind == "page" else None
                given = {**(place if isinstance(place, Mapping) else {}), **given}
                given |= {"name": payload["name"]} if payload.get("name") else {}
            yield "events", {**who, "name": self.tool_event(payload), **when, "properties": given}

    def _who(self, payload: spec.Payload) -> dict[str, Any]:
        user = spec.user_id(payload)
        if user:
            return {"external_id": user}
        return {"user_alias": _alias(spec.anonymous_id(payload) or ""), "_update_existing_only": False}

    def _purchases(self, payload: spec.Payload, product: spec.Payload) -> Iterator[dict[str, Any]]:
        """One purchase of a product; more where the quantity is over what one may have. A quantity that is not whole
        goes into the price, so that price × quantity stays what was paid."""
        given = product.get("quantity")
        quantity, price = spec.number(given), spec.number(product.get("price"))
        quantity = 1.0 if quantity is None else quantity
        if quantity < 0:
            raise ValueError(f"Braze takes no purchase with the quantity {given}")
        if quantity > MOST_OF_ONE * MOST_OF_ONE_EVENT:
            raise ValueError(f"quantity {given}: more than {MOST_OF_ONE_EVENT:,} purchases of at most {MOST_OF_ONE}")
        is_whole = quantity.is_integer()
        if not is_whole and price is not None:
            price = round(price * quantity, 6)
        left = int(quantity) if is_whole else 1
        order = spec.order_id(payload)
        known = {
            "product_id": spec.product_id(product) or spec.at_path(product, "name"),
            "currency": spec.currency(payload) or spec.at_path(product, "currency") or self.settings.currency or None,
            "price": price,
            "properties": mapping.renamed(
                {
                    **mapping.without(product, "product_id", "price", "quantity", "currency"),
                    "order_id": order,
                    **({} if is_whole else {"quantity": given}),
                },
                {},
                self.settings,
            ),
        }
        fixed = {name: value for name, value in known.items() if value is not None}
        while left > 0:
            yield {**fixed, "quantity": min(left, MOST_OF_ONE)}
            left -= MOST_OF_ONE

    def _recommended(self, payload: spec.Payload, known: str, products: list[dict[str, Any]]) -> dict[str, Any]:
        given = spec.properties(payload)
        shared = {"currency": spec.currency(payload, self.settings.currency) or None, "source": self.settings.source}
        listed = [_product(product) for product in products]
        if known == "product viewed":
            found = {**(mapping.without(listed[0], "quantity") if listed else {}), **shared}
        else:
            worth = spec.revenue(payload)
            if worth is None and listed:
                worth = round(sum((spec.number(p.get("price")) or 0) * p["quantity"] for p in listed), 6)
            found = {
                "cart_id": given.get("cart_id"), **shared, "total_value": worth, "products": listed,
                "action": CART_ACTIONS.get(known), "total_discounts": spec.number(given.get("discount")),
            }  # fmt: skip
            if known == "checkout started":
                found["checkout_id"] = spec.first(payload, "properties.checkout_id", "properties.order_id")
            elif known.startswith("order"):
                found["order_id"] = spec.order_id(payload)
            if known == "order cancelled":
                found["cancel_reason"] = given.get("reason")
        return {name: value for name, value in found.items() if value is not None}


def attributes(traits: Mapping[str, Any], wording: mapping.Wording) -> dict[str, Any]:
    """Traits as Braze's attributes: its own by their names, the rest as custom attributes."""
    address = traits.get("address")
    place = mapping.only(address, ADDRESS_NAMES) if isinstance(address, Mapping) else {}
    rest = mapping.without(traits, "address") if isinstance(address, Mapping) else dict(traits)
    found = {**mapping.renamed(rest, ATTRIBUTE_NAMES, wording), **place}
    gender = found.get("gender")
    if isinstance(gender, str) and gender.lower() in GENDERS:
        found["gender"] = GENDERS[gender.lower()]
    if isinstance(found.get("dob"), str):
        found["dob"] = found["dob"][:10]
    return mapping.without(found, "external_id", "user_alias", "braze_id", "_update_existing_only")


def _product(product: spec.Payload) -> dict[str, Any]:
    found = mapping.only(product, PRODUCT_NAMES)
    found["quantity"] = int(spec.number(found.get("quantity")) or 1)
    if "product_id" in found:
        found["product_id"] = str(found["product_id"])
        found.setdefault("variant_id", found["product_id"])
    return found


def _alias(device: str) -> dict[str, str]:
    return {"alias_name": device, "alias_label": ALIAS_LABEL}
