"""Reading a spec event the way every tool needs it: who, what was bought, for how much.

Belongs here: where the Segment/RudderStack spec allows a value to stand, in which order it is looked for. Does not
belong here: what any tool calls it (`destinations/`). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headwater.event import identifier, moment

Payload = Mapping[str, Any]


def at_path(payload: Any, path: str) -> Any:
    """The value at a dotted path (`context.campaign.source`); None when there is none."""
    for step in path.split("."):
        if not isinstance(payload, Mapping):
            return None
        payload = payload.get(step)
    return payload


def first(payload: Payload, *paths: str) -> Any:
    """The first value at any of the paths that is neither absent, null nor empty."""
    for path in paths:
        found = at_path(payload, path)
        if found is not None and found != "":
            return found
    return None


def user_id(payload: Payload) -> str | None:
    """The known user's id."""
    return identifier(payload.get("userId"))


def anonymous_id(payload: Payload) -> str | None:
    """The device's id."""
    return identifier(payload.get("anonymousId"))


def any_id(payload: Payload) -> str:
    """The user's id, else the device's. An accepted event has one of them."""
    return user_id(payload) or anonymous_id(payload) or ""


def traits(payload: Payload) -> dict[str, Any]:
    """Everything known of the user in this event: `traits` (identify), else `context.traits`; the former win."""
    found: dict[str, Any] = {}
    for part in (at_path(payload, "context.traits"), payload.get("traits") if payload.get("type") != "group" else None):
        if isinstance(part, Mapping):
            found.update(part)
    return found


def properties(payload: Payload) -> dict[str, Any]:
    """The event's properties; empty when they are no object."""
    found = payload.get("properties")
    return dict(found) if isinstance(found, Mapping) else {}


def person(payload: Payload, name: str) -> Any:
    """A trait of the person (`email`, `phone`, `firstName`, …), wherever the event may carry it; snake_case too."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    known = traits(payload)
    for key in dict.fromkeys((name, snake)):
        if known.get(key) not in (None, ""):
            return known[key]
    return first(payload, *(f"properties.{key}" for key in dict.fromkeys((name, snake))))


def trait(payload: Payload, *names: str) -> Any:
    """The first of these traits of the person that is neither absent nor empty; a dotted name (`address.city`) goes
    into nested traits."""
    known = traits(payload)
    for name in names:
        found = at_path(known, name) if "." in name else person(payload, name)
        if found not in (None, ""):
            return found
    return None


def email(payload: Payload) -> str | None:
    """The person's e-mail address as sent (a userId that is an address counts)."""
    found = person(payload, "email")
    if isinstance(found, str) and "@" in found:
        return found.strip()
    known = user_id(payload)
    return known if known and "@" in known else None


def happened_at(payload: Payload) -> datetime | None:
    """When it happened, UTC."""
    return moment(payload.get("timestamp"))


def number(value: Any) -> float | None:
    """A finite number, also one written as text; None for anything else (true and false too)."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value if isinstance(value, int | float) else str(value).strip())
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def revenue(payload: Payload) -> float | None:
    """What the event is worth: `revenue`, else `total`, else `value` (the spec's order for order events)."""
    for name in ("revenue", "total", "value"):
        found = number(at_path(payload, f"properties.{name}"))
        if found is not None:
            return found
    return None


def currency(payload: Payload, default: str | None = None) -> str | None:
    """ISO 4217 code in capitals."""
    found = at_path(payload, "properties.currency")
    return found.strip().upper() if isinstance(found, str) and found.strip() else default


def order_id(payload: Payload) -> str | None:
    """The order that it is about; `checkout_id` before there is an order."""
    return identifier(first(payload, "properties.order_id", "properties.orderId", "properties.checkout_id"))


def products(payload: Payload) -> list[dict[str, Any]]:
    """The products of an order or cart event; of a single-product event (`Product Viewed`) the one."""
    known = properties(payload)
    listed = known.get("products")
    if isinstance(listed, list):
        return [dict(item) for item in listed if isinstance(item, Mapping)]
    single = {"product_id", "sku"} & known.keys()
    return [known] if single else []


def product_id(product: Payload) -> str | None:
    """A product's id: `product_id`, else `sku`, else `id`."""
    for name in ("product_id", "sku", "id"):
        found = identifier(product.get(name))
        if found:
            return found
    return None


def event_name(payload: Payload) -> str:
    """The track's name, or the type's (`page`, `identify`, …)."""
    return (identifier(payload.get("event")) if payload.get("type") == "track" else None) or str(payload.get("type"))
