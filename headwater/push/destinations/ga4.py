"""Google Analytics 4 by the Measurement Protocol.

Sources: developers.google.com/analytics/devguides/collection/protocol/ga4/{reference,sending-events} («Limitations»)
and support.google.com/analytics/answer/9267744 (collection limits). Known there:

- one request is of one `client_id`; at most 25 events and 130 kB; `timestamp_micros` up to 72 hours back;
- event and parameter names at most 40 letters, digits and underscores, a letter first, none of the reserved ones;
  25 parameters an event (items apart), 200 items; values up to 100 characters (`page_title` 300, `page_referrer` 420,
  `page_location` 1,000); 25 user properties, names 24, values 36 characters;
- the answer is always 204, also for what is then thrown away: only `/debug/mp/collect` (which keeps nothing) tells.
  So the names and sizes are made right here, and `settings.debug: true` shows what GA4 thinks of them;
- GA4 knows nothing again by an id, but purchases by `transaction_id` (support.google.com/analytics/answer/12313109: of
  web streams; all with an empty one count as one): one without an order's number gets the message id;
- nothing that tells who a person is (e-mail, name, phone) may be sent: such traits are left out.

Read there: names, values, parameters, user properties, 72 hours, purchases. From memory, not verified here: 130 kB,
the 200 items, reserved names, the shape of the validation server's answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec

from headwater.errors import UnavailableError
from headwater.event import moment
from headwater.push import mapping, spec
from headwater.push.destinations.base import (
    Answer,
    Call,
    EventDestination,
    Outcome,
    Request,
    StreamEvent,
    Streaming,
)

EVENT_NAMES = mapping.by_key({
    "Products Searched": "search",
    "Product List Viewed": "view_item_list",
    "Product List Filtered": "view_item_list",
    "Product Clicked": "select_item",
    "Product Viewed": "view_item",
    "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Product Added to Wishlist": "add_to_wishlist",
    "Product Shared": "share",
    "Cart Viewed": "view_cart",
    "Cart Shared": "share",
    "Checkout Started": "begin_checkout",
    "Payment Info Entered": "add_payment_info",
    "Order Completed": "purchase",
    "Order Refunded": "refund",
    "Promotion Viewed": "view_promotion",
    "Promotion Clicked": "select_promotion",
    "Signed Up": "sign_up",
    "Signed In": "login",
    "page": "page_view",
    "screen": "screen_view",
    "group": "join_group",
})  # fmt: skip
PROPERTY_NAMES = {
    "order_id": "transaction_id",
    "query": "search_term",
    "list_id": "item_list_id",
    "list": "item_list_name",
    "payment_method": "payment_type",
    "promotion_name": "promotion_name",
    "creative": "creative_name",
}
ITEM_NAMES = {
    "product_id": "item_id",
    "sku": "item_id",
    "id": "item_id",
    "name": "item_name",
    "affiliation": "affiliation",
    "coupon": "coupon",
    "currency": "currency",
    "discount": "discount",
    "position": "index",
    "brand": "item_brand",
    "category": "item_category",
    "variant": "item_variant",
    "price": "price",
    "quantity": "quantity",
}
WORTH = frozenset({
    "purchase", "refund", "begin_checkout", "add_to_cart", "remove_from_cart", "add_to_wishlist", "view_item",
    "view_cart", "add_payment_info",
})  # fmt: skip
PERSONAL = frozenset({
    "email", "phone", "name", "firstname", "lastname", "first_name", "last_name", "username", "address", "birthday",
})  # fmt: skip
RESERVED_EVENTS = frozenset({
    "ad_activeview", "ad_click", "ad_exposure", "ad_impression", "ad_query", "ad_reward", "adunit_exposure",
    "app_clear_data", "app_exception", "app_install", "app_remove", "app_store_refund", "app_update", "app_upgrade",
    "dynamic_link_app_open", "dynamic_link_app_update", "dynamic_link_first_open", "error", "first_open",
    "first_visit", "in_app_purchase", "notification_dismiss", "notification_foreground", "notification_open",
    "notification_receive", "os_update", "session_start", "user_engagement",
})  # fmt: skip
RESERVED_USER_PROPERTIES = frozenset({
    "first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install",
})  # fmt: skip
RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag_")
LONGEST_VALUE = {"page_title": 300, "page_referrer": 420, "page_location": 1000}
EVENTS_IN_REQUEST, BYTES_IN_REQUEST = 25, 130_000
OLDEST = timedelta(hours=72)


class Settings(mapping.PricedWording, forbid_unknown_fields=True, kw_only=True):
    """`measurement_id` is the web stream's (`G-…`); the token is its API secret.

    Attributes:
        identify_event: what an identify is told as (`login`), its traits as user properties; empty: not at all.
        debug: ask the validation server, which keeps nothing; its complaints count as refusals.
    """

    measurement_id: str
    identify_event: str = ""
    debug: bool = False


class Ga4(EventDestination):
    """`POST /mp/collect`, requests of one client each. `integrations` name: Google Analytics 4."""

    type = "ga4"
    integrations_name = "Google Analytics 4"
    default_url = "https://www.google-analytics.com"
    Settings: ClassVar[Any] = Settings
    token_in = "query"  # noqa: S105
    streaming = Streaming(batch_size=1000, batch_bytes=1_000_000)
    rate_per_second = 200.0
    knows_repeats = False
    counted_types = ("track", "page", "screen")

    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json"}

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        kind = payload.get("type")
        if kind == "alias" or (kind == "identify" and not self.settings.identify_event):
            return f"GA4 has no {kind}" + (" (settings.identify_event names one)" if kind == "identify" else "")
        if not spec.any_id(payload):
            return "no userId or anonymousId"
        at, received = spec.happened_at(payload), moment(payload.get("receivedAt"))
        if at and received and received - at > OLDEST:
            return "happened more than 72 hours before it was received: GA4 takes no older events"
        return ""

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        """GA4's name: `purchase` for `Order Completed`."""
        if payload.get("type") == "identify":
            return event_name(self.settings.identify_event or "identify")
        return event_name(mapping.tool_event(payload, EVENT_NAMES, self.settings))

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        clients: dict[bytes, tuple[dict[str, Any], list[int], list[dict[str, Any]]]] = {}
        for index, event in enumerate(events):
            who = self._who(event.payload)
            _, indexes, listed = clients.setdefault(msgspec.json.encode(who), (who, [], []))
            indexes.append(index)
            listed.append(self._event(event.payload))
        calls = []
        for encoded, (who, indexes, listed) in clients.items():
            sizes = [mapping.encoded_size(one) for one in listed]
            room = BYTES_IN_REQUEST - len(encoded) - 20
            if max(sizes) > room:
                raise ValueError(f"an event of {max(sizes):,} bytes; GA4 takes {BYTES_IN_REQUEST:,} in a request")
            for part in mapping.chunks(listed, EVENTS_IN_REQUEST, room, sizes):
                calls.append(Call(self._request({**who, "events": listed[part]}), tuple(indexes[part])))  # noqa: PERF401
        return calls

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        """All taken, since GA4 says nothing; with `debug`, what the validation server names by `events[n]`.

        Raises:
            UnavailableError: the answer is not GA4's, which is empty.
        """
        is_known = isinstance(answer.json, dict) and "validationMessages" in answer.json
        if not (is_known if self.settings.debug else not answer.text):
            raise UnavailableError(f"{self.base_url} answered {answer.status} with something else: {answer.text}")
        outcomes = [Outcome(True, str(answer.status))] * len(call.events)
        for complaint in answer.json["validationMessages"] if self.settings.debug else []:
            code, words = str(complaint.get("validationCode")), str(complaint.get("description"))
            found = re.search(r"events\[(\d+)\]", f"{complaint.get('fieldPath')} {words}")
            at = int(found[1]) if found else -1
            for place in [at] if 0 <= at < len(outcomes) else range(len(outcomes)):
                outcomes[place] = Outcome(False, code, words)
        return outcomes

    def _request(self, body: dict[str, Any]) -> Request:
        query = urlencode({"measurement_id": self.settings.measurement_id, "api_secret": self.config.token})
        path = "/debug/mp/collect" if self.settings.debug else "/mp/collect"
        return Request("POST", f"{self.base_url}{path}?{query}", self.headers(), msgspec.json.encode(body))

    def _who(self, payload: spec.Payload) -> dict[str, Any]:
        user = spec.user_id(payload)
        who: dict[str, Any] = {"client_id": spec.anonymous_id(payload) or user}
        if user:
            who["user_id"] = user
        known = (
            {}
            if payload.get("type") == "group"
            else user_properties(mapping.renamed(spec.traits(payload), {}, self.settings))
        )
        if known:
            who["user_properties"] = known
        return who

    def _event(self, payload: spec.Payload) -> dict[str, Any]:
        name = self.tool_event(payload)
        event: dict[str, Any] = {"name": name}
        at = mapping.time_of(payload)
        if at:
            event["timestamp_micros"] = mapping.since_epoch(at, timedelta(microseconds=1))
        event["params"] = self._params(payload, name)
        return event

    def _params(self, payload: spec.Payload, name: str) -> dict[str, Any]:
        # the tool's own come first, so that the limit of 25 cuts the company's
        params: dict[str, Any] = {"engagement_time_msec": 1}
        session = spec.first(payload, "context.sessionId", "context.session_id", "properties.session_id")
        if isinstance(session, str | int) and not isinstance(session, bool):
            params["session_id"] = str(session)
        known = spec.properties(payload)
        items = spec.products(payload)
        if items and not isinstance(known.get("products"), list):
            known = {"currency": known.get("currency"), **mapping.without(known, *ITEM_NAMES, "url", "image_url")}
        if name in WORTH:
            params |= self._worth(payload, items)
        params |= page(payload)
        if payload.get("type") == "group":
            params["group_id"] = payload.get("groupId")
        if payload.get("type") == "screen" and payload.get("name"):
            params["screen_name"] = payload["name"]
        renamed = mapping.renamed(
            mapping.without(known, "products", "session_id", "revenue", "total", "value"), PROPERTY_NAMES, self.settings
        )
        if name not in WORTH:
            renamed |= {key: known[key] for key in ("revenue", "total", "value") if known.get(key) is not None}
        if name == "purchase":
            params["transaction_id"] = renamed.pop("transaction_id", None) or payload.get("messageId")
        params = limited({**params, **{key: value for key, value in renamed.items() if key not in params}})
        if items:
            params["items"] = [_item(item) for item in items[:200]]
        return params

    def _worth(self, payload: spec.Payload, items: list[dict[str, Any]]) -> dict[str, Any]:
        """`currency` and `value`: what the event says, else the sum over its products."""
        found: dict[str, Any] = {}
        value = spec.revenue(payload)
        if value is None:
            prices = [spec.number(item.get("price")) for item in items]
            if prices and None not in prices:
                counts = [spec.number(item.get("quantity")) for item in items]
                pairs = zip(prices, counts, strict=True)
                value = round(sum((p or 0) * (1 if c is None else c) for p, c in pairs), 6)
        currency = spec.currency(payload, self.settings.currency)
        if currency:
            found["currency"] = currency
        if value is not None:
            found["value"] = value
        return found


def event_name(name: str) -> str:
    """A name that GA4 takes: letters, digits, underscores, a letter first, at most 40, and not one of its own."""
    found = _word(name, 40)
    return f"custom_{found}"[:40] if found in RESERVED_EVENTS else found


def limited(params: Mapping[str, Any]) -> dict[str, Any]:
    """At most 25 parameters with names and values that GA4 takes; nested objects by joined names, lists as text."""
    found: dict[str, Any] = {}
    for name, value in mapping.flat(params):
        word = _word(name, 40)
        if word not in found and len(found) < 25:
            found[word] = _value(word, value)
    return found


def user_properties(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Traits as user properties, without those that tell who the person is."""
    found: dict[str, Any] = {}
    for name, value in mapping.flat({k: v for k, v in traits.items() if k.lower() not in PERSONAL}):
        word = _word(name, 24)
        if word not in RESERVED_USER_PROPERTIES and word not in found and len(found) < 25:
            found[word] = {"value": _value(word, value, 36)}
    return found


def _item(product: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: _value(name, value) for name, value in mapping.only(product, ITEM_NAMES).items()}
    if "item_id" in found:
        found["item_id"] = mapping.text(found["item_id"])
    return found


def page(payload: spec.Payload) -> dict[str, Any]:
    """Where it happened."""
    places = {"page_location": "url", "page_referrer": "referrer", "page_title": "title"}
    is_page = payload.get("type") == "page"
    found = {}
    for name, key in places.items():
        value = spec.first(payload, *([f"properties.{key}"] if is_page else []), f"context.page.{key}")
        if value is not None:
            found[name] = value
    return found


def _word(name: str, longest: int) -> str:
    word = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "unnamed"
    if not word[0].isalpha() or word.lower().startswith(RESERVED_PREFIXES):
        word = f"x_{word}"
    return word[:longest]


def _value(name: str, value: Any, longest: int = 100) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        value = ",".join(mapping.text(one) for one in value)
    return mapping.text(value)[: LONGEST_VALUE.get(name, longest)]
