"""Google Ads: conversions with the click or the (hashed) person they came from.

Belongs here: conversion actions by event, one request's JSON, partial failures. Does not belong here: the rules of
hashing (`headwater.push.hashing`), fetching the access token (`headwater.push.oauth`).

By Google's pages «Upload offline conversions», «Enhanced conversions for leads», «Upload conversion adjustments»,
«Partial failures», «Rate limits and quotas» and the reference of `ConversionUploadService`:
`POST /v<n>/customers/<id>:uploadClickConversions` with `partialFailure: true` (anything else is refused) and at most
2,000 conversions; `conversionDateTime` is `yyyy-mm-dd HH:mm:ss+HH:mm`; one of `gclid`, `gbraid`, `wbraid`; at most five
`userIdentifiers`, none beside `gbraid` or `wbraid`, one identifier in each. 200 carries `results` in request order
(empty where refused) and `partialFailureError`, whose errors name the conversion by the index of
`location.fieldPathElements`. A conversion is known again by its action with `orderId`, else with click and time.

Read there (v24, v25; v26 is the newest): `partialFailure` must be true, one identifier in each `userIdentifiers`,
`results` empty where refused, other faults as an error of the whole call. From memory, not verified here: the 2,000,
the five identifiers, the names of error codes, what makes two conversions one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import UnavailableError
from headwater.policy.consent import allowed
from headwater.push import hashing, mapping, spec
from headwater.push.destinations.base import Answer, Call, EventDestination, Outcome, Request, StreamEvent, Streaming
from headwater.push.rounds import rounds

CLICK_IDS = ("gclid", "gbraid", "wbraid")
"""Google's click ids, the surest first: only one may go with a conversion."""

ADDRESS = {
    "hashedFirstName": ("firstName",),
    "hashedLastName": ("lastName",),
    "hashedStreetAddress": ("street", "address.street"),
    "city": ("city", "address.city"),
    "state": ("state", "address.state"),
    "countryCode": ("country", "address.country"),
    "postalCode": ("postalCode", "address.postalCode", "address.zip"),
}
"""Google's field → the traits that may hold it."""

ADDRESS_NEEDS = ("hashedFirstName", "hashedLastName", "countryCode", "postalCode")

THERE_ALREADY = frozenset(
    {"CLICK_CONVERSION_ALREADY_EXISTS", "ORDER_ID_ALREADY_IN_USE", "CONVERSION_ALREADY_RETRACTED"}
)
"""Refusals that say that this very conversion was taken before: a repeat, not a failure."""

MAY_PASS = frozenset({"TRANSIENT_ERROR", "INTERNAL_ERROR", "RESOURCE_EXHAUSTED", "RESOURCE_TEMPORARILY_EXHAUSTED",
                      "DEADLINE_EXCEEDED", "CONCURRENT_MODIFICATION", "TOO_RECENT_EVENT",
                      "TOO_RECENT_CONVERSION_ACTION"})  # fmt: skip


class GoogleAdsSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Settings of Google Ads.

    Attributes:
        customer_id: the account that owns the conversion actions, with or without dashes.
        login_customer_id: the manager account through which it is reached.
        conversion_actions: our event → the action's number, or its whole resource name.
        retractions: our event → the action whose conversion of the same `order_id` it takes back.
        client_id, client_secret, refresh_token: of the OAuth client; `token` is the developer token.
        ad_user_data, ad_personalization: the consent category of ours that decides each of Google's two.
        consent_when_absent: what is told of an event that carries no preferences at all; empty: nothing.
        merchant_id, feed_country, feed_language: of Merchant Center; with them the products go along.
        version: of the API.
    """

    customer_id: str
    conversion_actions: dict[str, str]
    client_id: str
    client_secret: str
    refresh_token: str
    login_customer_id: str = ""
    retractions: dict[str, str] = {}
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105
    currency: str = ""
    calling_code: str = ""
    ad_user_data: str = ""
    ad_personalization: str = ""
    consent_when_absent: Literal["", "GRANTED", "DENIED"] = ""
    merchant_id: str = ""
    feed_country: str = ""
    feed_language: str = ""
    version: str = "v25"


class GoogleAds(EventDestination):
    """`POST <base_url>/<version>/customers/<id>:uploadClickConversions`, by default at `https://googleads.googleapis.com`;
    `token` is the developer token."""  # fmt: skip

    type = "google_ads"
    integrations_name = "Google Ads Conversions"
    default_url = "https://googleads.googleapis.com"
    Settings = GoogleAdsSettings
    streaming = Streaming(batch_size=2000, batch_bytes=2_000_000)
    rate_per_second = 5.0
    answer_bytes = 10_000_000  # it repeats every conversion, and gives each refused one a page of words

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        self.customer = self.settings.customer_id.replace("-", "")

    def headers(self) -> dict[str, str]:
        found = {"Content-Type": "application/json", "Accept": "application/json", "developer-token": self.config.token}
        if self.settings.login_customer_id:
            found["login-customer-id"] = self.settings.login_customer_id.replace("-", "")
        return found

    def login(self) -> Request:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
            "refresh_token": self.settings.refresh_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", self.settings.token_url, headers, urlencode(form).encode())

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        return self._action(payload) or super().tool_event(payload)

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        name = spec.event_name(payload)
        if not self._action(payload):
            return f"no conversion action for «{name}»; settings.conversion_actions names them"
        if name in self.settings.retractions:
            return "" if spec.order_id(payload) else "a retraction needs the order_id of the conversion"
        if not _click(payload) and not self._people(payload):
            return "no click id (gclid, gbraid, wbraid) and nobody whom Google may be told"
        return ""

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        taken_back = [spec.event_name(event.payload) in self.settings.retractions for event in events]
        made = []
        for is_back, path, field, make in (
            (False, "uploadClickConversions", "conversions", self._conversion),
            (True, "uploadConversionAdjustments", "conversionAdjustments", self._retraction),
        ):
            items = {index: make(event) for index, event in enumerate(events) if taken_back[index] == is_back}
            for indexes in rounds((f"{item['conversionAction']} {item['orderId']}", n) for n, item in items.items()):
                body = {field: [items[index] for index in indexes], "partialFailure": True}
                path_ = f"/{self.settings.version}/customers/{self.customer}:{path}"
                made.append(Call(self._post(path_, body), indexes))
        return made

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        count = len(call.events)
        try:
            found = msgspec.convert(answer.json, _Answer)
        except msgspec.ValidationError as error:
            raise UnavailableError(f"Google Ads answered {answer.status} with something else: {error}.") from error
        outcomes = [Outcome(True, str(answer.status))] * count
        refused = found.partial.errors() if found.partial else []
        empty = [index for index, result in enumerate(found.results) if not result]
        for fault in refused:
            index = fault.index() if fault.index() is not None else (empty[0] if len(empty) == 1 else None)
            if index is None or not 0 <= index < count:
                raise UnavailableError(f"Google Ads refused conversions without saying which: {answer.text}")
            code = fault.code()
            outcomes[index] = Outcome(code in THERE_ALREADY, code, fault.message, code in MAY_PASS)
        if found.partial and not refused:
            raise UnavailableError(f"Google Ads refused conversions without saying which: {answer.text}")
        return outcomes

    def wait_seconds(self, answer: Answer) -> float | None:
        """By the `retryDelay` of a used-up quota."""
        if answer.status != 429 or not isinstance(answer.json, dict):
            return None
        for detail in spec.at_path(answer.json, "error.details") or []:
            for error in (detail.get("errors") if isinstance(detail, dict) else None) or []:
                told = spec.number(str(spec.at_path(error, "details.quotaErrorDetails.retryDelay")).rstrip("s"))
                if told is not None:
                    return told
        return None

    def _action(self, payload: Mapping[str, Any]) -> str:
        name = spec.event_name(payload)
        found = self.settings.retractions.get(name) or self.settings.conversion_actions.get(name) or ""
        return found if not found or "/" in found else f"customers/{self.customer}/conversionActions/{found}"

    def _conversion(self, event: StreamEvent) -> dict[str, Any]:
        payload = event.payload
        found: dict[str, Any] = {
            "conversionAction": self._action(payload),
            "conversionDateTime": _time(mapping.time_of(payload)),
            "orderId": spec.order_id(payload) or event.message_id,
            "conversionEnvironment": "APP" if spec.at_path(payload, "context.app.namespace") else "WEB",
        }
        if (value := spec.revenue(payload)) is not None:
            found["conversionValue"] = value
            if currency := spec.currency(payload, self.settings.currency or None):
                found["currencyCode"] = currency
        found |= _click(payload)
        if people := self._people(payload):
            found["userIdentifiers"] = people
        if consent := self._consent(payload):
            found["consent"] = consent
        if self.settings.merchant_id and (items := [item for p in spec.products(payload) if (item := _item(p))]):
            found["cartData"] = {
                "merchantId": self.settings.merchant_id,
                "feedCountryCode": self.settings.feed_country,
                "feedLanguageCode": self.settings.feed_language,
                "items": items,
            }
        return found

    def _retraction(self, event: StreamEvent) -> dict[str, Any]:
        return {
            "adjustmentType": "RETRACTION",
            "conversionAction": self._action(event.payload),
            "adjustmentDateTime": _time(mapping.time_of(event.payload)),
            "orderId": spec.order_id(event.payload) or event.message_id,
        }

    def _consent(self, payload: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for field, category in (
            ("adUserData", self.settings.ad_user_data),
            ("adPersonalization", self.settings.ad_personalization),
        ):
            given = allowed(payload, category) if category else None
            word = self.settings.consent_when_absent if given is None else ("GRANTED" if given else "DENIED")
            if word:
                found[field] = word
        return found

    def _people(self, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The person, hashed; nobody where the person said no, or beside a click id that forbids it."""
        if self._consent(payload).get("adUserData") == "DENIED" or {"gbraid", "wbraid"} & _click(payload).keys():
            return []
        values = {
            "hashedEmail": spec.email(payload),
            "hashedPhoneNumber": hashing.international(spec.person(payload, "phone"), self.settings.calling_code),
        }
        digests = {field: hashing.google(field, value) for field, value in values.items()}
        found: list[dict[str, Any]] = [{field: digest} for field, digest in digests.items() if digest]
        address = {field: hashing.google(field, spec.trait(payload, *names)) for field, names in ADDRESS.items()}
        if all(address[field] for field in ADDRESS_NEEDS):
            found.append({"addressInfo": {field: value for field, value in address.items() if value}})
        return found


def _time(at: datetime | None) -> str:
    if at is None:
        raise ValueError("no time at which it happened")
    return f"{at:%Y-%m-%d %H:%M:%S}+00:00"


def _click(payload: Mapping[str, Any]) -> dict[str, str]:
    """The click id: a property, a part of the context, or in the page's address."""
    url = spec.first(payload, "context.page.url", "context.page.search", "properties.url")
    query: dict[str, list[str]] = {}
    with contextlib.suppress(ValueError):  # what cannot be read as an address has no click id
        query = parse_qs(urlsplit(url).query) if isinstance(url, str) else {}
    for name in CLICK_IDS:
        given = spec.first(payload, f"properties.{name}", f"context.{name}", f"context.campaign.{name}",
                           f"context.traits.{name}")  # fmt: skip
        found = given or next(iter(query.get(name, [])), None)
        if isinstance(found, str) and found:
            return {name: found}
    return {}


def _item(product: Mapping[str, Any]) -> dict[str, Any] | None:
    number = spec.product_id(product)
    if number is None:
        return None
    price = spec.number(product.get("price"))
    item: dict[str, Any] = {"productId": number, "quantity": max(1, int(spec.number(product.get("quantity")) or 1))}
    return item if price is None else item | {"unitPrice": price}


class _Element(msgspec.Struct, rename="camel"):
    field_name: str = ""
    index: int | None = None


class _Location(msgspec.Struct, rename="camel"):
    field_path_elements: list[_Element] = []


class _Error(msgspec.Struct, rename="camel"):
    error_code: dict[str, str] = {}
    message: str = ""
    location: _Location = msgspec.field(default_factory=_Location)

    def code(self) -> str:
        return next(iter(self.error_code.values()), "UNKNOWN")

    def index(self) -> int | None:
        lists = ("conversions", "conversion_adjustments", "operations")
        return next((e.index for e in self.location.field_path_elements if e.field_name in lists), None)


class _Failure(msgspec.Struct):
    errors: list[_Error] = []


class _Status(msgspec.Struct):
    details: list[_Failure] = []

    def errors(self) -> list[_Error]:
        return [error for detail in self.details for error in detail.errors]


class _Answer(msgspec.Struct):
    partial: _Status | None = msgspec.field(default=None, name="partialFailureError")
    results: list[dict[str, Any]] = []
