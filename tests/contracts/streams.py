"""What the contracts of streaming destinations are held with: the shipped examples, good events and odd ones."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.configuration import read_yaml
from headwater.event import iso
from headwater.push.destinations import CLASSES
from headwater.push.destinations.base import Destination, EventDestination, Streamed, StreamEvent
from headwater.settings import CHECKOUT
from sandbox.standins import STANDINS
from tests.push.destinations import spec_events

EXAMPLES = CHECKOUT / "config" / "examples" / "destinations"
# one without its example fails in one test, which says so
STREAMED: list[type[Streamed]] = [
    cls for cls in CLASSES.values() if issubclass(cls, Streamed) and (EXAMPLES / f"{cls.type}.yaml").exists()
]
HTTP: list[type[EventDestination]] = [cls for cls in STREAMED if issubclass(cls, EventDestination)]
STANDIN_OF = {cls.name: cls for cls in STANDINS}
STOOD_IN = [cls for cls in HTTP if cls.type in STANDIN_OF]


def example(cls: type[Destination]) -> Path:
    """The class's shipped example."""
    return EXAMPLES / f"{cls.type}.yaml"


def opened(cls: type[Destination], **changes: Any) -> Any:
    """The class as its shipped example configures it."""
    return cls(msgspec.structs.replace(read_yaml(example(cls), DestinationConfig), **changes))


def fresh(payload: dict[str, Any], number: int) -> dict[str, Any]:
    """A spec event as of a minute ago, with a message id of its own: some tools refuse old ones."""
    at = iso(dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0) - dt.timedelta(seconds=60))
    context = {
        "ip": "203.0.113.7",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
        "traits": {"email": f"person{number}@example.org"},
        "page": {"url": "https://shop.example/?gclid=Cj0KCQiAtJeNBhCVARIsAJdef456&fbclid=IwAR0def456ghi789"},
        **payload.get("context", {}),
    }
    return json.loads(json.dumps({**payload, "messageId": f"contract-{number}", "timestamp": at, "receivedAt": at,
                                  "originalTimestamp": at, "context": context}))  # fmt: skip


def good_events() -> list[dict[str, Any]]:
    """One of each spec event."""
    given = [
        *spec_events.ORDERS, spec_events.IDENTIFY, spec_events.PAGE, spec_events.SCREEN, spec_events.GROUP,
        spec_events.ALIAS, spec_events.track(12, "Newsletter Joined", {"list": "weekly"}),
    ]  # fmt: skip
    return [fresh(payload, number) for number, payload in enumerate(given, 1)]


def wrapped(*payloads: dict[str, Any]) -> list[StreamEvent]:
    """Payloads as the delivery loop hands them over."""
    return [
        StreamEvent(str(payload["messageId"]), "web", payload, msgspec.Raw(msgspec.json.encode(payload)))
        for payload in payloads
    ]


def _deep(levels: int) -> Any:
    found: Any = "bottom"
    for level in range(levels):
        found = {"d": found} if level % 2 else [found]
    return found


ODD: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1.5,
    "huge number": 2**80,
    "text for a number": "12,5",
    "empty text": "",
    "blank": "   ",
    "unicode": "Ünï — 名前 🦄 \u202e \u0000 \n",
    "long text": "x" * 70_000,
    "list": [None, 1, "a", {}],
    "empty list": [],
    "object": {"$set": {"a": 1}, "": 2, "a.b": 3, "Ünï": [1]},
    "deep": _deep(120),
}


def odd_events() -> dict[str, dict[str, Any]]:
    """Each odd value in every place of every kind of event where a sender can put one; ids and times stay what
    the collector and the clock rule promise."""
    found = {}
    number = 1000
    for name, odd in ODD.items():
        for payload in (*spec_events.ORDERS[:2], spec_events.IDENTIFY, spec_events.PAGE, spec_events.GROUP):
            number += 1
            good = fresh(payload, number)
            fields = "traits" if payload["type"] in ("identify", "group") else "properties"
            label = f"{name} in {payload.get('event') or payload['type']}"
            values = dict.fromkeys(good.get(fields) or {}, odd)
            found[f"{label}'s fields"] = {**good, fields: values}
            found[f"{label}'s {fields}"] = {**good, "messageId": f"contract-{number}b", fields: odd}
            found[f"{label}'s context"] = {**good, "messageId": f"contract-{number}c", "context": odd}
        items = {**fresh(spec_events.ORDER_COMPLETED, number), "messageId": f"contract-{number}d"}
        items["properties"] = {**items["properties"], "products": [odd, {"product_id": odd, "price": odd}]}
        found[f"{name} in products"] = items
    return found
