"""Amplitude by the HTTP V2 API.

Sources: amplitude.com/docs/apis/analytics/http-v2 and /http-api-batching-retries, /identify, /group-identify; the SDKs
send identifies as `$identify` and `$groupidentify` events to the same address, which keeps the order. Known there:

- `POST /2/httpapi`: under 2,000 events and 1 MB (Growth and Enterprise; Starter: 1,000 events/s); the key in the body;
- ids of fewer than 5 characters are refused (`options.min_id_length` lowers that), so are certain placeholders;
- 400 refuses the whole batch and names the events at fault by field and index: they are taken out, the rest go again;
- 429 names throttled devices and users (30 events/s each: pause 30 s) or those over their daily quota (500,000
  events), which are not waited for;
- an event is known again by `insert_id` and device for 7 days; text values are cut at 1,024 characters;
- revenue: `revenue`, or `price` × `quantity`, with `productId`, `revenueType`, `currency`; a refund is negative;
- regions: api2.amplitude.com, api.eu.amplitude.com.

Read there: the limits of a request (413 above them; newer pages allow 2,000), 30 events/s for a user or device,
`insert_id` for 7 days, the 400 that names events, the hosts. From memory, not verified here: the daily quota, the
placeholders, the cut at 1,024 characters, the fields of revenue, identifies and groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar, Literal

import msgspec

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

EVENT_NAMES = mapping.by_key({"page": "[Amplitude] Page Viewed", "screen": "[Amplitude] Screen Viewed"})
REVENUE_TYPES = {"order completed": ("Purchase", 1), "order refunded": ("Refund", -1)}
PRODUCT_EVENT = "Product Purchased"
CONTEXT_FIELDS = {
    "context.app.version": "app_version",
    "context.os.name": "os_name",
    "context.os.version": "os_version",
    "context.device.brand": "device_brand",
    "context.device.manufacturer": "device_manufacturer",
    "context.device.model": "device_model",
    "context.device.advertisingId": "adid",
    "context.network.carrier": "carrier",
    "context.location.country": "country",
    "context.location.region": "region",
    "context.location.city": "city",
    "context.location.latitude": "location_lat",
    "context.location.longitude": "location_lng",
    "context.locale": "language",
    "context.ip": "ip",
    "context.userAgent": "user_agent",
}
PAGE_PROPERTIES = {
    "url": "[Amplitude] Page URL",
    "path": "[Amplitude] Page Path",
    "title": "[Amplitude] Page Title",
    "referrer": "referrer",
}
REGIONS = {"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"}
NO_IDS = frozenset({
    "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "-1", "0", "true", "false", "[]", "{}",
    "00000000-0000-0000-0000-000000000000", "lmy47d",
})  # fmt: skip
FAULTS = ("events_with_invalid_fields", "events_with_missing_fields", "events_with_invalid_id_lengths")
QUOTAS = ("exceeded_daily_quota_users", "exceeded_daily_quota_devices")
EVENTS, REQUEST_BYTES, THROTTLED_SECONDS = 1000, 1_000_000, 30.0


class Settings(mapping.PricedWording, forbid_unknown_fields=True, kw_only=True):
    """The token is the project's API key.

    Attributes:
        region: where the project's data lives (unless `base_url` says).
        min_id_length: shorter ids than Amplitude's 5 characters are taken down to this.
        revenue_per_product: an order's revenue as one `Product Purchased` for each product instead of in one sum.
        group_type: the group type that `group` calls are about; empty: they stay out.
    """

    region: Literal["us", "eu"] = "us"
    min_id_length: int = 5
    revenue_per_product: bool = False
    group_type: str = ""


class Amplitude(EventDestination):
    """`POST /2/httpapi` for events, identifies and groups alike. `integrations` name: Amplitude."""

    type = "amplitude"
    integrations_name = "Amplitude"
    default_url = REGIONS
    Settings: ClassVar[Any] = Settings
    token_in = "body"  # noqa: S105
    streaming = Streaming(batch_size=EVENTS, batch_bytes=REQUEST_BYTES)
    rate_per_second = 10.0

    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Accept": "*/*"}

    def unsupported(self, payload: Mapping[str, Any]) -> str:
        kind = payload.get("type")
        if kind == "alias":
            return "Amplitude joins a device and a user by events that carry both, and has no alias"
        if kind == "group" and not (self.settings.group_type and payload.get("groupId")):
            return "no groupId" if self.settings.group_type else "settings.group_type says which type it is about"
        ids = {"userId": spec.user_id(payload), "anonymousId": _device(payload)}
        if not any(ids.values()):
            return "no userId or anonymousId"
        for name, value in ids.items():
            if value and value.lower() in NO_IDS:
                return f"{name} «{value}» is a placeholder that Amplitude refuses"
            if value and len(value) < self.settings.min_id_length:
                least = self.settings.min_id_length
                return f"{name} «{value}» is shorter than {least} characters (settings.min_id_length)"
        return ""

    def tool_event(self, payload: Mapping[str, Any]) -> str:
        """The event type there."""
        special = {"identify": "$identify", "group": "$groupidentify"}.get(str(payload.get("type")))
        return special or mapping.tool_event(payload, EVENT_NAMES, self.settings)

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        listed = Listed()
        for index, event in enumerate(events):
            for one in self._events(event):
                listed.add(index, one)
        body: dict[str, Any] = {"api_key": self.config.token}
        if self.settings.min_id_length < 5:
            body["options"] = {"min_id_length": self.settings.min_id_length}
        room = REQUEST_BYTES - mapping.encoded_size(body) - 20
        return [
            packed(self._post("/2/httpapi", {**body, "events": items}), {"events": owners})
            for items, owners in listed.parts(EVENTS, room)
        ]

    def wait_seconds(self, answer: Answer) -> float | None:
        """Half a minute when it throttles a device or user, as its documentation asks."""
        if answer.status != 429 or self.is_readable(answer) or "retry-after" in answer.headers:
            return None
        throttled = isinstance(answer.json, dict) and any(
            answer.json.get(name) for name in ("throttled_devices", "throttled_users", "throttled_events")
        )
        return THROTTLED_SECONDS if throttled else None

    def is_readable(self, answer: Answer) -> bool:
        body = answer.json if isinstance(answer.json, dict) else {}
        if answer.status == 400:
            return any(body.get(name) for name in (*FAULTS, "silenced_events")) or _is_about_key(body)
        if answer.status == 429:
            return any(body.get(name) for name in QUOTAS)
        return super().is_readable(answer)

    def call_outcomes(self, call: Call, answer: Answer) -> list[Outcome]:
        """200: all are in. 400 and a used-up quota: those named are refused, the others go again.

        Raises:
            UnavailableError: the answer cannot be read, or names no event of this request.
            ConfigError: the key is not Amplitude's.
        """
        assert isinstance(call, PackedCall)
        body = answer.json
        if not isinstance(body, dict):
            raise UnavailableError(f"{self.base_url} answered {answer.status} with something that is not JSON.")
        if _is_about_key(body):
            raise ConfigError(f"Amplitude does not accept our key: {body['error']}", hint="See destinations/*.yaml.")
        if answer.status < 300:
            return [Outcome(True, str(answer.status))] * len(call.events)
        refused = self._over_quota(call, body) if answer.status == 429 else _at_fault(call, body)
        if not refused:
            raise UnavailableError(f"{self.base_url} refused events without saying which: {answer.text}")
        return call.told(refused, Outcome(False, str(answer.status), "refused beside another event", True))

    def _over_quota(self, call: PackedCall, body: Mapping[str, Any]) -> dict[int, Outcome]:
        users, devices = (set(body.get(name) or ()) for name in QUOTAS)
        found = {}
        sent = msgspec.json.decode(call.request.body)["events"]
        for owner, event in zip(call.owners["events"], sent, strict=True):
            if event.get("user_id") in users or event.get("device_id") in devices:
                found[owner] = Outcome(False, "quota", "over the daily quota of events for one user or device")
        return found

    def _events(self, event: StreamEvent) -> Iterable[dict[str, Any]]:
        payload = event.payload
        base = self._base(payload)
        kind = payload.get("type")
        if kind == "identify":
            traits = mapping.renamed(spec.traits(payload), {}, self.settings)
            return [{**base, "event_type": "$identify", "insert_id": event.message_id,
                     "user_properties": {"$set": traits}}]  # fmt: skip
        if kind == "group":
            groups = {self.settings.group_type: str(payload["groupId"])}
            given = payload.get("traits")
            return [
                {**base, "event_type": "$identify", "insert_id": event.message_id, "groups": groups,
                 "user_properties": {"$set": groups}},
                {**base, "event_type": "$groupidentify", "insert_id": f"{event.message_id}-group", "groups": groups,
                 "group_properties": {"$set": _known(given) if isinstance(given, Mapping) else {}}},
            ]  # fmt: skip
        own = {
            **base,
            "event_type": self.tool_event(payload),
            "insert_id": event.message_id,
            "event_properties": self._properties(payload),
        }
        sold = REVENUE_TYPES.get(mapping.key(spec.event_name(payload))) if kind == "track" else None
        if sold is None:
            return [own]
        if self.settings.revenue_per_product:
            return chain([own], self._products(event, base, *sold))
        return [own | self._revenue(payload, *sold)]

    def _base(self, payload: spec.Payload) -> dict[str, Any]:
        found: dict[str, Any] = {"user_id": spec.user_id(payload), "device_id": _device(payload)}
        at = mapping.time_of(payload)
        if at:
            found["time"] = mapping.millis(at)
        session = spec.at_path(payload, "context.sessionId")
        if isinstance(session, int) and not isinstance(session, bool):
            found["session_id"] = session
        for path, name in CONTEXT_FIELDS.items():
            value = spec.at_path(payload, path)
            if value not in (None, ""):
                found[name] = value
        if payload.get("channel"):
            found["platform"] = payload["channel"]
        return {name: value for name, value in found.items() if value is not None}

    def _properties(self, payload: spec.Payload) -> dict[str, Any]:
        found = mapping.renamed(spec.properties(payload), {}, self.settings)
        if payload.get("type") == "page":
            place = spec.at_path(payload, "context.page")
            known = {**(place if isinstance(place, Mapping) else {}), **spec.properties(payload)}
            found = mapping.without(found, *PAGE_PROPERTIES) | mapping.only(known, PAGE_PROPERTIES)
        if payload.get("type") in ("page", "screen") and payload.get("name"):
            found["[Amplitude] Screen Name" if payload["type"] == "screen" else "name"] = payload["name"]
        return _known(found)

    def _revenue(self, payload: spec.Payload, kind: str, sign: int) -> dict[str, Any]:
        worth = spec.revenue(payload)
        if worth is None:
            return {}
        found: dict[str, Any] = {"revenue": sign * abs(worth), "revenueType": kind}
        currency = spec.currency(payload, self.settings.currency)
        return found | ({"currency": currency} if currency else {})

    def _products(self, event: StreamEvent, base: Mapping[str, Any], kind: str, sign: int) -> Iterator[dict[str, Any]]:
        order = spec.order_id(event.payload)
        currency = spec.currency(event.payload, self.settings.currency) or None
        for place, product in enumerate(spec.products(event.payload)):
            price = spec.number(product.get("price"))
            count = spec.number(product.get("quantity"))
            if price is None:
                continue
            count = 1.0 if count is None else count
            fields = {
                "event_type": self.settings.event_names.get(PRODUCT_EVENT, PRODUCT_EVENT),
                "insert_id": f"{event.message_id}-{place}",
                "event_properties": _known(product) | ({"order_id": order} if order else {}),
                "price": price,
                "quantity": int(count),
                "revenue": round(sign * price * count, 6),
                "productId": spec.product_id(product),
                "revenueType": kind,
                "currency": currency,
            }
            yield {**base, **{name: value for name, value in fields.items() if value is not None}}


def _device(payload: spec.Payload) -> str | None:
    known = spec.at_path(payload, "context.device.id")
    return spec.anonymous_id(payload) or (known if isinstance(known, str) and known else None)


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _at_fault(call: PackedCall, body: Mapping[str, Any]) -> dict[int, Outcome]:
    found: dict[int, Outcome] = {}
    words = str(body.get("error") or "refused")
    for name in FAULTS:
        fields = body.get(name)
        for field, places in fields.items() if isinstance(fields, Mapping) else ():
            for place in places:
                owner = call.owner("events", place)
                if owner is not None:
                    found[owner] = Outcome(False, f"{name.removeprefix('events_with_')}: {field}", f"{words} ({field})")
    for place in body.get("silenced_events") or ():
        owner = call.owner("events", place)
        if owner is not None:
            found[owner] = Outcome(False, "silenced", "Amplitude has silenced this device")
    return found


def _is_about_key(body: Mapping[str, Any]) -> bool:
    return "api key" in str(body.get("error") or "").lower() or body.get("missing_field") == "api_key"
