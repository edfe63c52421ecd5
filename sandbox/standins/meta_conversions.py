"""A stand-in of Meta's Conversions API: `/meta_conversions/<version>/<pixel>/events`.

Belongs here: what Meta refuses, and its words for it (always for the whole request). Does not belong here: matching
people to accounts, which nobody outside can see.
"""

from __future__ import annotations

import re
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json
from sandbox.tools.rules import TOKEN

MOST_EVENTS = 1000
DAY = 86_400
SOURCES = {"email", "website", "app", "phone_call", "chat", "physical_store", "system_generated", "other",
           "business_messaging"}  # fmt: skip
HASHED = {"em", "ph", "ge", "db", "ln", "fn", "ct", "st", "zp", "country"}
PLAIN = {"external_id", "client_ip_address", "client_user_agent", "fbc", "fbp", "subscription_id", "lead_id", "madid"}
TOO_WEAK = {"client_ip_address", "client_user_agent", "ct", "country", "st", "zp", "ge", "db"}
_DIGEST = re.compile(r"[0-9a-f]{64}")


class MetaConversions(Standin):
    """Knows an event again by its name and id."""

    name = "meta_conversions"
    title = "Meta Events Manager"
    rate = 50.0

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [("POST", "/{version}/{pixel}/events", self.events)]

    def rate_limited(self, seconds: float) -> Response:
        return refused(400, 4, "(#4) Application request limit reached", transient=True, kind="OAuthException")

    def too_large(self) -> Response:
        return refused(413, 1, "Please reduce the amount of data you're asking for, then retry your request")

    def events(self, request: Request, body: bytes) -> Response:
        """All of the events, or none."""
        if not re.fullmatch(r"v[0-9]+\.[0-9]+", request.path_params["version"]):
            return refused(400, 2635, "You are calling a version of the Ads API that is not available.")
        sent = read_json(body)
        if not isinstance(sent, dict):
            return refused(400, 100, "(#100) The parameter data is required.")
        token = sent.get("access_token") or request.query_params.get("access_token")
        if token != TOKEN:
            return refused(401, 190, "Invalid OAuth access token - Cannot parse access token", kind="OAuthException")
        events = sent.get("data")
        if not isinstance(events, list) or not events:
            return refused(400, 100, "(#100) The parameter data is required.")
        if len(events) > MOST_EVENTS:
            return refused(400, 100, "Invalid parameter", 2804006, "Too Many Events", "At most 1000 events at a time.")
        for event in events:
            fault = wrong(event)
            if fault:
                return refused(400, 100, "Invalid parameter", *fault)
        if not sent.get("test_event_code"):
            self.keep([row(event) for event in events])
        return JSONResponse({"events_received": len(events), "messages": [], "fbtrace_id": "AbCdEfGhIjKlMnOpQrStUv"})


def row(event: dict[str, Any]) -> tuple[str, str | None, str | None, Any]:
    """An event as it is kept."""
    name, number = event["event_name"], event.get("event_id")
    external = (event["user_data"].get("external_id") or [None])[0]
    return name, f"{name} {number}" if number else None, external, event


def wrong(event: Any) -> tuple[int, str, str] | None:
    """Sub-code, title and words when Meta would refuse an event."""
    if not isinstance(event, dict) or not isinstance(event.get("event_name"), str):
        return 2804008, "Missing Event Name", "The event_name parameter is required."
    at, source = event.get("event_time"), event.get("action_source")
    if not isinstance(at, int) or isinstance(at, bool) or at > 100_000_000_000:
        return 2804004, "Event Timestamp Invalid", "The event_time must be a Unix timestamp in seconds."
    if at > time.time() + 600:
        return 2804004, "Event Timestamp In The Future", "The timestamp for this event is in the future."
    if at < time.time() - DAY * (62 if source == "physical_store" else 7):
        return (
            2804003,
            "Event Timestamp Too Old",
            ("The timestamp for this event is too far in the past. Events must be sent within 7 days of happening."),
        )
    if source not in SOURCES:
        return 2804011, "Invalid Action Source", f"«{source}» is no action_source."
    person = event.get("user_data")
    if not isinstance(person, dict) or not set(person) - TOO_WEAK:
        return (
            2804050,
            "You Haven't Added Sufficient Customer Information Parameter Data For This Event",
            ("This event doesn't have enough customer information parameters to be matched."),
        )
    return wrong_person(person) or wrong_custom(event)


def wrong_person(person: dict[str, Any]) -> tuple[int, str, str] | None:
    """A field of the person that is unknown, or should have been hashed."""
    for field, value in person.items():
        if field not in HASHED | PLAIN:
            return 2804009, "Unknown Parameter", f"user_data has no parameter «{field}»."
        values = value if isinstance(value, list) else [value]
        if field in HASHED and not all(isinstance(v, str) and _DIGEST.fullmatch(v) for v in values):
            return 2804024, "Unhashed Customer Information", f"The value of {field} must be hashed with SHA-256."
    if "fbc" in person and not re.fullmatch(r"fb\.[0-9]\.[0-9]{13}\..+", str(person["fbc"])):
        return 2804012, "Invalid Click ID", "fbc has the form version.subdomainIndex.creationTime.fbclid."
    return None


def wrong_custom(event: dict[str, Any]) -> tuple[int, str, str] | None:
    """What a purchase must have, and what a value must be."""
    custom = event.get("custom_data", {})
    if not isinstance(custom, dict):
        return 2804010, "Invalid Custom Data", "custom_data must be an object."
    value, currency = custom.get("value"), custom.get("currency")
    if event["event_name"] == "Purchase" and (value is None or currency is None):
        return 2804014, "Missing Value Or Currency", "A Purchase event needs value and currency."
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        return 2804015, "Invalid Value", "value must be a number."
    if currency is not None and not re.fullmatch(r"[A-Z]{3}", str(currency)):
        return 2804016, "Invalid Currency", f"«{currency}» is no ISO 4217 currency."
    return None


def refused(
    status: int,
    code: int,
    message: str,
    subcode: int | None = None,
    title: str = "",
    words: str = "",
    *,
    transient: bool = False,
    kind: str = "OAuthException",
) -> Response:
    """An error as the Graph API writes it."""
    error: dict[str, Any] = {"message": message, "type": kind, "code": code, "is_transient": transient}
    if subcode is not None:
        error |= {"error_subcode": subcode, "error_user_title": title, "error_user_msg": words}
    return JSONResponse({"error": error | {"fbtrace_id": "AbCdEfGhIjKlMnOpQrStUv"}}, status)
