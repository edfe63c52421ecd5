"""Meta Conversions API: what people did, for the ads that brought them.

Belongs here: Meta's event names and fields as tables, one request's JSON, its errors. Does not belong here: the rules
of hashing (`headwater.push.hashing`).

By Meta's pages «Conversions API» (using the API; server event, customer information and custom data parameters;
deduplicate pixel and server events) and «Graph API: handling errors, rate limits»:
`POST /<version>/<pixel id>/events` with `{"data": […], "access_token": …}`; at most 1,000 events; `event_time` in whole
seconds, at most 7 days back (62 for `physical_store`), or the whole request is refused; an event is known again by
`event_name` and `event_id` for 48 hours. There is no partial success: 200 tells `events_received`, an error is
`{"error": {message, type, code, error_subcode, is_transient, error_user_title, error_user_msg, fbtrace_id}}` for all.

Read there: the 7 days and that one older event refuses the request; that the later of two events of one `event_name`
and `event_id` within 48 hours is dropped, which these pages say of a pixel's and a server's. From memory, not verified
here: that it holds of a server's own repeat too, the 1,000 events, the 62 days, the numbers of error codes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.push import hashing, mapping, spec
from headwater.push.destinations.base import (
    Answer,
    BatchRefusedError,
    Call,
    EventDestination,
    Outcome,
    StreamEvent,
    Streaming,
)
from headwater.push.times import utc_now

EVENTS = mapping.by_key({
    "page": "PageView",
    "Product Viewed": "ViewContent",
    "Product List Viewed": "ViewContent",
    "Products Searched": "Search",
    "Product Added": "AddToCart",
    "Product Added to Wishlist": "AddToWishlist",
    "Checkout Started": "InitiateCheckout",
    "Payment Info Entered": "AddPaymentInfo",
    "Order Completed": "Purchase",
    "Signed Up": "CompleteRegistration",
    "Lead Generated": "Lead",
    "Subscription Started": "Subscribe",
    "Trial Started": "StartTrial",
})  # fmt: skip
"""The spec's events → Meta's standard events. Others go only where `settings.event_names` names one."""

PERSON = {
    "em": ("email",),
    "ph": ("phone",),
    "fn": ("firstName",),
    "ln": ("lastName",),
    "ge": ("gender",),
    "db": ("birthday",),
    "ct": ("city", "address.city"),
    "st": ("state", "address.state"),
    "zp": ("postalCode", "zip", "address.postalCode", "address.zip"),
    "country": ("country", "address.country"),
}
"""Meta's field → the traits that may hold it."""

CUSTOM = {
    "search_string": ("query",),
    "content_name": ("name", "list_name"),
    "content_category": ("category", "list_category"),
    "status": ("status",),
}
"""Field of `custom_data` → our properties."""

NEED_VALUE = frozenset({"Purchase"})
"""Events that Meta refuses without `value` and `currency`."""

BUSY = frozenset({1, 2, 4, 17, 32, 341, 613, 80000, 80003, 80004, 80008, 80014})
"""Codes of a tool that is overloaded or asked too often, whatever the status."""

CREDENTIALS = frozenset({10, 102, 190, 200})
"""Codes of a token or a permission: nothing that is in the events."""

_BUSY_SECONDS = 60.0
_DAYS = {"physical_store": 62}
Source = Literal["website", "app", "email", "phone_call", "chat", "physical_store", "system_generated", "other"]


class MetaSettings(mapping.Wording, forbid_unknown_fields=True, kw_only=True):
    """Settings of Meta.

    Attributes:
        pixel_id: the pixel (dataset) that the events belong to.
        version: of the Graph API.
        action_source: where events happen that do not show it themselves (by a page: `website`; by an app: `app`).
        currency: of values that come without one.
        calling_code: of phone numbers written without their country (`49`).
        hash_external_id: hash our user id too. Off by default, as Meta wants `EXTERN_ID` of customer lists plain and
            the two must be equal to match.
        data_processing_options, data_processing_country, data_processing_state: `[LDU]`, 0, 0 for limited data use
            (absent: none are sent); an event's own `context.dataProcessingOptions` `[[LDU], 0, 0]` wins.
        app_secret: sends `appsecret_proof`.
        test_event_code: shows the events under «Test events» and counts them nowhere.
    """

    pixel_id: str
    version: str = "v25.0"
    action_source: Source = "website"
    currency: str = ""
    calling_code: str = ""
    hash_external_id: bool = False
    data_processing_options: list[str] | None = None
    data_processing_country: int = 0
    data_processing_state: int = 0
    app_secret: str = ""
    test_event_code: str = ""


class MetaConversions(EventDestination):
    """`POST <base_url>/<version>/<pixel_id>/events`, by default at `https://graph.facebook.com`; `token` is the access
    token, which goes in the body as Meta documents it."""

    type = "meta_conversions"
    token_in = "body"  # noqa: S105
    integrations_name = "Facebook Conversions API"
    default_url = "https://graph.facebook.com"
    Settings = MetaSettings
    streaming = Streaming(batch_size=1000, batch_bytes=1_000_000)
    rate_per_second = 10.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        self.now = utc_now

    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Accept": "application/json"}

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        return self._name(payload) or super().tool_event(payload)

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        if not self._name(payload):
            return f"no Meta event for «{spec.event_name(payload)}»; settings.event_names can name one"
        happened = mapping.time_of(payload)
        days = _DAYS.get(self._source(payload), 7)
        if happened is not None and happened < self.now() - timedelta(days=days):
            return f"older than the {days} days that Meta takes"
        return ""

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        token = self.config.token
        body: dict[str, Any] = {"data": [self._event(event) for event in events], "access_token": token}
        if self.settings.app_secret:
            secret = self.settings.app_secret.encode()
            body["appsecret_proof"] = hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()
        if self.settings.test_event_code:
            body["test_event_code"] = self.settings.test_event_code
        request = self._post(f"/{self.settings.version}/{self.settings.pixel_id}/events", body)
        return [Call(request, tuple(range(len(events))))]

    def is_readable(self, answer: Answer) -> bool:
        return super().is_readable(answer) or (400 <= answer.status < 500 and _error(answer).code != 0)

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        if answer.status >= 400:
            found = _error(answer)
            if found.code in CREDENTIALS:
                words = f"Meta does not accept our token or pixel ({found.code} {found.message})."
                raise ConfigError(words, hint="See destinations/*.yaml.")
            raise BatchRefusedError(found.whole_code(), found.error_user_msg or found.message)
        said = answer.json.get("events_received") if isinstance(answer.json, dict) else None
        if said != len(call.events):
            raise UnavailableError(f"Meta received {said} of {len(call.events)} events: {answer.text}")
        return [Outcome(True, str(answer.status))] * len(call.events)

    def wait_seconds(self, answer: Answer) -> float | None:
        found = _error(answer)
        return _BUSY_SECONDS if found.code in BUSY or found.is_transient else None

    def _name(self, payload: Mapping[str, Any]) -> str:
        name = spec.event_name(payload)
        return self.settings.event_names.get(name) or EVENTS.get(mapping.key(name), "")

    def _source(self, payload: Mapping[str, Any]) -> str:
        if spec.first(payload, "context.page.url"):
            return "website"
        return "app" if spec.first(payload, "context.app.namespace") else self.settings.action_source

    def _event(self, event: StreamEvent) -> dict[str, Any]:
        payload = event.payload
        name, at = self._name(payload), min(mapping.time_of(payload) or self.now(), self.now())
        found: dict[str, Any] = {
            "event_name": name,
            "event_time": mapping.seconds(at),
            "event_id": event.message_id,
            "action_source": self._source(payload),
            "user_data": self._person(payload, at),
        }
        if url := spec.first(payload, "context.page.url"):
            found["event_source_url"] = mapping.text(url)
        if custom := self._custom(payload, name):
            found["custom_data"] = custom
        return found | self._processing(payload)

    def _processing(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        given = spec.at_path(payload, "context.dataProcessingOptions")
        if isinstance(given, list) and len(given) == 3:
            options, country, state = given
        elif self.settings.data_processing_options is not None:
            options = self.settings.data_processing_options
            country, state = self.settings.data_processing_country, self.settings.data_processing_state
        else:
            return {}
        return {
            "data_processing_options": options,
            "data_processing_options_country": country,
            "data_processing_options_state": state,
        }

    def _person(self, payload: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        values = {field: spec.trait(payload, *names) for field, names in PERSON.items()}
        values["em"] = spec.email(payload) or values["em"]
        values["ph"] = hashing.international(values["ph"], self.settings.calling_code)
        found: dict[str, Any] = {
            field: [digest] for field, value in values.items() if (digest := hashing.meta(field, value))
        }
        plain = {
            "client_ip_address": spec.first(payload, "context.ip"),
            "client_user_agent": spec.first(payload, "context.userAgent"),
            "fbp": spec.first(payload, "context.fbp", "properties.fbp"),
            "fbc": spec.first(payload, "context.fbc", "properties.fbc") or _click(payload, at),
            "madid": spec.first(payload, "context.device.advertisingId"),
        }
        if external := spec.any_id(payload):
            found["external_id"] = [hashing.sha256(external) if self.settings.hash_external_id else external]
        return found | {field: mapping.text(value) for field, value in plain.items() if value is not None}

    def _custom(self, payload: Mapping[str, Any], name: str) -> dict[str, Any]:
        known = spec.properties(payload)
        contents = [content for item in spec.products(payload) if (content := _content(item))]
        value = spec.revenue(payload)
        if value is None and contents and name != "PageView":
            value = _worth(contents)
        found: dict[str, Any] = {}
        if value is not None:
            found["value"] = value
            if currency := spec.currency(payload, self.settings.currency or None):
                found["currency"] = currency
        if name in NEED_VALUE and len(found) < 2:
            raise ValueError(f"Meta takes no {name} without a value and a currency")
        if contents:
            found["content_type"] = "product"
            found["content_ids"] = [content["id"] for content in contents]
            found["contents"] = contents
            found["num_items"] = sum(content["quantity"] for content in contents)
        if order := spec.order_id(payload):
            found["order_id"] = order
        for field, names in CUSTOM.items():
            if (text := spec.first(known, *names)) is not None:
                found[field] = mapping.text(text)
        own = self.settings.property_names.items()
        return found | {theirs: known[ours] for ours, theirs in own if known.get(ours) is not None}


def _content(product: Mapping[str, Any]) -> dict[str, Any] | None:
    """A product as Meta's `contents` want it."""
    number = spec.product_id(product)
    if number is None:
        return None
    price, quantity = spec.number(product.get("price")), spec.number(product.get("quantity"))
    found: dict[str, Any] = {"id": number, "quantity": max(1, int(quantity or 1))}
    return found if price is None else found | {"item_price": price}


def _worth(contents: Sequence[Mapping[str, Any]]) -> float | None:
    """What the products cost together, where every price is known."""
    if not all("item_price" in content for content in contents):
        return None
    return round(sum(content["item_price"] * content["quantity"] for content in contents), 2)


def _click(payload: Mapping[str, Any], at: datetime) -> str | None:
    """Meta's click id (`fbc`) from the `fbclid` of the page's address: `fb.1.<milliseconds>.<fbclid>`."""
    given = spec.first(payload, "properties.fbclid", "context.campaign.fbclid", "context.fbclid")
    for name in ("context.page.url", "context.page.search", "context.page.referrer"):
        text = spec.at_path(payload, name)
        if given is None and isinstance(text, str):
            given = next(iter(_query(text).get("fbclid", [])), None)
    return f"fb.1.{mapping.millis(at)}.{given}" if isinstance(given, str) else None


def _query(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(urlsplit(text).query)
    except ValueError:
        return {}


class _Error(msgspec.Struct):
    code: int = 0
    error_subcode: int | None = None
    message: str = ""
    error_user_msg: str = ""
    is_transient: bool = False

    def whole_code(self) -> str:
        """Code and sub-code, as Meta's lists of errors name them."""
        return f"{self.code}/{self.error_subcode}" if self.error_subcode else str(self.code)


def _error(answer: Answer) -> _Error:
    if answer.status < 400 or not isinstance(answer.json, dict):
        return _Error()
    try:
        return msgspec.convert(answer.json.get("error") or {}, _Error)
    except msgspec.ValidationError:
        return _Error()
