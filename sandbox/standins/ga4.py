"""A stand-in of Google Analytics 4's Measurement Protocol.

As the real one it answers 204 whatever it is sent, keeps only what is right, and tells what is wrong only at
`/debug/mp/collect`, where nothing is kept. Purchases are known again by `transaction_id`; nothing else is.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json

MEASUREMENT_ID, API_SECRET = "G-SANDBOX01", "sandbox_demo"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
RESERVED = {"ad_click", "app_remove", "error", "first_open", "first_visit", "session_start", "user_engagement"}
PREFIXES = ("firebase_", "ga_", "google_", "gtag.")
LONGEST = {"page_title": 300, "page_referrer": 420, "page_location": 1000}
NEEDS_CURRENCY = ("purchase", "refund", "begin_checkout", "add_to_cart", "view_item")


class Ga4(Standin):
    """`POST /mp/collect` and `POST /debug/mp/collect`."""

    name = "ga4"
    title = "Google Analytics 4"
    rate = 1000.0
    largest_body = 130_000

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [("POST", "/mp/collect", self.collect), ("POST", "/debug/mp/collect", self.debug)]

    def too_large(self) -> Response:
        return Response(status_code=413)

    def collect(self, request: Request, body: bytes) -> Response:
        """Keep what is right; 204 in any case."""
        hit = read_json(body)
        query = request.query_params
        if query.get("measurement_id") != MEASUREMENT_ID or query.get("api_secret") != API_SECRET:
            return Response(status_code=204)
        if request_faults(hit):
            return Response(status_code=204)
        good = [event for place, event in enumerate(hit["events"]) if not event_faults(event, place)]
        self.keep([_row(hit, event) for event in good])
        return Response(status_code=204)

    def debug(self, _: Request, body: bytes) -> Response:
        """What is wrong."""
        hit = read_json(body)
        faults = request_faults(hit)
        if not faults:
            for place, event in enumerate(hit["events"]):
                faults += event_faults(event, place) or shop_faults(event, place)
        return JSONResponse({"validationMessages": faults})


def _row(hit: dict[str, Any], event: dict[str, Any]) -> tuple[str, str | None, str, dict[str, Any]]:
    transaction = event.get("params", {}).get("transaction_id")
    known = f"purchase:{transaction}" if transaction and event["name"] == "purchase" else None
    return event["name"], known, hit.get("user_id") or hit["client_id"], {**hit, "events": [event]}


def _fault(path: str, code: str, words: str) -> dict[str, str]:
    return {"fieldPath": path, "description": words, "validationCode": code}


def request_faults(hit: Any) -> list[dict[str, str]]:
    """What makes the whole request worthless."""
    if not isinstance(hit, dict):
        return [_fault("", "VALUE_INVALID", "Unable to parse Measurement Protocol JSON payload.")]
    if not isinstance(hit.get("client_id"), str) or not hit["client_id"]:
        return [_fault("client_id", "VALUE_REQUIRED", "Measurement requires a client_id.")]
    events = hit.get("events")
    if not isinstance(events, list) or not events:
        return [_fault("events", "VALUE_REQUIRED", "Measurement requires at least one event.")]
    if len(events) > 25:
        return [_fault("events", "EXCEEDED_MAX_ENTITIES", "Measurement is limited to 25 events.")]
    faults = []
    for name, value in (hit.get("user_properties") or {}).items():
        if not NAME.fullmatch(name) or len(name) > 24 or not isinstance(value, dict) or "value" not in value:
            faults.append(
                _fault("user_properties", "NAME_INVALID", f"User property at index has invalid name [{name}].")
            )
        elif isinstance(value["value"], str) and len(value["value"]) > 36:
            faults.append(_fault("user_properties", "VALUE_OUT_OF_BOUNDS", f"User property [{name}] is too long."))
    if len(hit.get("user_properties") or {}) > 25:
        faults.append(_fault("user_properties", "EXCEEDED_MAX_ENTITIES", "There may be at most 25 user properties."))
    return faults


def event_faults(event: Any, place: int) -> list[dict[str, str]]:
    """What is wrong with one event of a request."""
    at = f"events[{place}]"
    name = event.get("name") if isinstance(event, dict) else None
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > 40:
        words = f"Event at index: [{place}] has invalid name [{name}]. Only alphanumeric characters are allowed."
        return [_fault(at, "NAME_INVALID", words)]
    if name in RESERVED or name.startswith(PREFIXES):
        return [_fault(at, "NAME_RESERVED", f"Event at index: [{place}] has name [{name}] which is reserved.")]
    params = event.get("params") or {}
    plain = {key: value for key, value in params.items() if key != "items"}
    faults = []
    if len(plain) > 25:
        faults.append(_fault(at, "EXCEEDED_MAX_ENTITIES", f"Event [{name}] has more than 25 parameters."))
    for key, value in plain.items():
        if not NAME.fullmatch(key) or len(key) > 40 or key.startswith(PREFIXES):
            faults.append(_fault(at, "NAME_INVALID", f"Event [{name}] has a parameter with an invalid name [{key}]."))
        elif not isinstance(value, str | int | float):
            faults.append(_fault(f"{at}.params.{key}", "VALUE_INVALID", f"Parameter [{key}] has an unsupported type."))
        elif isinstance(value, str) and len(value) > LONGEST.get(key, 100):
            faults.append(_fault(f"{at}.params.{key}", "VALUE_OUT_OF_BOUNDS", f"Parameter [{key}] is too long."))
    items = params.get("items")
    if items is not None and (not isinstance(items, list) or len(items) > 200):
        faults.append(_fault(f"{at}.params.items", "VALUE_INVALID", "[items] must be an array of at most 200."))
    elif any(not isinstance(i, dict) or not (i.get("item_id") or i.get("item_name")) for i in items or []):
        faults.append(_fault(f"{at}.params.items", "VALUE_REQUIRED", "Each of [items] needs item_id or item_name."))
    return faults


def shop_faults(event: Any, place: int) -> list[dict[str, str]]:
    """What the validation server finds lacking in a shop event; it is kept all the same."""
    name, params, at = event.get("name"), event.get("params") or {}, f"events[{place}]"
    faults = []
    if name in NEEDS_CURRENCY and "value" in params and "currency" not in params:
        faults.append(_fault(f"{at}.params.currency", "VALUE_REQUIRED", f"[{name}] with a value needs [currency]."))
    if name in ("purchase", "refund") and not params.get("transaction_id"):
        faults.append(_fault(f"{at}.params.transaction_id", "VALUE_REQUIRED", f"[{name}] needs [transaction_id]."))
    return faults
