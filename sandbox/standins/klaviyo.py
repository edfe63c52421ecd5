"""A stand-in of Klaviyo: events one by one and in bulk, profiles.

As the real one it speaks JSON:API, refuses a request as a whole with a pointer to each fault, and knows an event again
by profile, metric and `unique_id`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json

API_KEY = "sandbox_demo"
REVISION = re.compile(r"\d{4}-\d{2}-\d{2}(\.pre)?")
PHONE = re.compile(r"\+[1-9]\d{6,14}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
IDS = ("id", "email", "phone_number", "external_id", "anonymous_id")
PROFILE_FIELDS = {*IDS, "first_name", "last_name", "organization", "locale", "title", "image", "location", "properties",
                  "_kx"}  # fmt: skip
JSON_API = "application/vnd.api+json"
Fault = tuple[str, str]


class Klaviyo(Standin):
    """`POST /api/events`, `POST /api/event-bulk-create-jobs`, `POST /api/profile-import`."""

    name = "klaviyo"
    title = "Klaviyo"
    rate = 350.0
    largest_body = 5_000_000

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/api/events", self.one),
            ("POST", "/api/event-bulk-create-jobs", self.bulk),
            ("POST", "/api/profile-import", self.profile),
        ]

    def rate_limited(self, seconds: float) -> Response:
        words = f"Request was throttled. Expected available in {max(1, math.ceil(seconds))} second."
        headers = {"Retry-After": str(max(1, math.ceil(seconds))), "RateLimit-Limit": "350, 350;w=1, 3500;w=60",
                   "RateLimit-Remaining": "0"}  # fmt: skip
        return _refuse(429, "throttled", [("/data/", words)], "Request was throttled.", headers)

    def too_large(self) -> Response:
        return _refuse(413, "payload_too_large", [("/data/", "The payload is larger than 5 MB.")])

    def one(self, request: Request, body: bytes) -> Response:
        """One event."""
        refusal = _unauthorized(request)
        if refusal is not None:
            return refusal
        attributes = _attributes(read_json(body), "event")
        if attributes is None:
            return _refuse(400, "invalid", [("/data", "The payload must be of type event with attributes.")])
        profile = _attributes(attributes.get("profile"), "profile")
        faults = _event_faults(attributes, "/data/attributes") + _profile_faults(
            profile, "/data/attributes/profile/data/attributes"
        )
        if faults:
            return _refuse(400, "invalid", faults)
        assert profile is not None
        self.keep([_row(profile, attributes)])
        return Response(status_code=202)

    def bulk(self, request: Request, body: bytes) -> Response:
        """Up to 1,000 events, all or none."""
        refusal = _unauthorized(request)
        if refusal is not None:
            return refusal
        attributes = _attributes(read_json(body), "event-bulk-create-job") or {}
        listed = (attributes.get("events-bulk-create") or {}).get("data")
        root = "/data/attributes/events-bulk-create/data"
        if not isinstance(listed, list) or not 1 <= len(listed) <= 1000:
            return _refuse(400, "invalid", [(root, "Between 1 and 1000 events can be created at a time.")])
        faults: list[Fault] = []
        rows = []
        for place, one in enumerate(listed):
            at = f"{root}/{place}/attributes"
            own = _attributes({"data": one}, "event-bulk-create")
            profile = _attributes((own or {}).get("profile"), "profile")
            events = ((own or {}).get("events") or {}).get("data")
            if own is None or not isinstance(events, list) or not events:
                faults.append((at, "Each entry needs a profile and events."))
                continue
            faults += _profile_faults(profile, f"{at}/profile/data/attributes")
            for number, event in enumerate(events):
                given = event.get("attributes") or {}
                faults += _event_faults(given, f"{at}/events/data/{number}/attributes")
                rows.append((profile or {}, given))
        if faults:
            return _refuse(400, "invalid", faults)
        self.keep([_row(profile, given) for profile, given in rows])
        return Response(status_code=202)

    def profile(self, request: Request, body: bytes) -> Response:
        """Create or update a profile."""
        refusal = _unauthorized(request)
        if refusal is not None:
            return refusal
        attributes = _attributes(read_json(body), "profile")
        faults = _profile_faults(attributes, "/data/attributes")
        if faults:
            return _refuse(400, "invalid", faults)
        assert attributes is not None
        who = _user(attributes)
        is_new = not any(row["event"] == "(profile)" and row["user"] == who for row in self.memory.rows(self.name))
        content = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode()).hexdigest()
        self.keep([("(profile)", content, who, attributes)])  # the same again changes nothing
        key = uuid.uuid5(uuid.NAMESPACE_URL, who).hex[:26].upper()
        data = {"type": "profile", "id": key, "attributes": attributes}
        return JSONResponse({"data": data}, 201 if is_new else 200, media_type=JSON_API)


def _unauthorized(request: Request) -> Response | None:
    if request.headers.get("authorization") != f"Klaviyo-API-Key {API_KEY}":
        return _refuse(401, "not_authenticated", [("/data/", "Missing or invalid private key.")],
                       "Authentication credentials were not provided.")  # fmt: skip
    if not REVISION.fullmatch(request.headers.get("revision", "")):
        return _refuse(400, "invalid", [("/data/", "Missing or invalid API revision.")])
    return None


def _attributes(document: Any, kind: str) -> dict[str, Any] | None:
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or data.get("type") != kind or not isinstance(data.get("attributes"), dict):
        return None
    found: dict[str, Any] = data["attributes"]
    return found


def _profile_faults(profile: dict[str, Any] | None, at: str) -> list[Fault]:
    if profile is None or not any(profile.get(name) for name in IDS):
        return [(at, "One of email, phone_number, external_id, anonymous_id or id is required.")]
    faults = [(f"{at}/{name}", f"'{name}' is not a valid field.") for name in profile if name not in PROFILE_FIELDS]
    if "email" in profile and not EMAIL.fullmatch(str(profile["email"])):
        faults.append((f"{at}/email", "Invalid email address"))
    if "phone_number" in profile and not PHONE.fullmatch(str(profile["phone_number"])):
        faults.append((f"{at}/phone_number", "Invalid phone number format (Example of a valid format: +12345678901)"))
    return faults


def _event_faults(event: dict[str, Any], at: str) -> list[Fault]:
    faults = []
    metric = _attributes(event.get("metric"), "metric")
    if not (metric or {}).get("name"):
        faults.append((f"{at}/metric", "'name' is a required field of the metric."))
    if not isinstance(event.get("properties"), dict):
        faults.append((f"{at}/properties", "'properties' must be an object."))
    elif len(event["properties"]) > 400:
        faults.append((f"{at}/properties", "There may be at most 400 properties."))
    if "value" in event and not isinstance(event["value"], int | float):
        faults.append((f"{at}/value", "'value' must be a number."))
    currency = event.get("value_currency")
    if currency is not None and not re.fullmatch(r"[A-Z]{3}", str(currency)):
        faults.append((f"{at}/value_currency", "'value_currency' must be an ISO 4217 code."))
    if "time" in event and not re.match(r"\d{4}-\d{2}-\d{2}T", str(event["time"])):
        faults.append((f"{at}/time", "Invalid datetime."))
    elif str(event.get("time", "2000")) >= "2100":
        faults.append((f"{at}/time", "'time' must not be in the future."))
    return faults


def _user(profile: dict[str, Any]) -> str:
    return str(next(profile[name] for name in ("external_id", "email", "phone_number", "anonymous_id", "id")
                    if profile.get(name)))  # fmt: skip


def _row(profile: dict[str, Any], event: dict[str, Any]) -> tuple[str, str | None, str, Any]:
    metric, who = event["metric"]["data"]["attributes"]["name"], _user(profile)
    key = f"{who}:{metric}:{event['unique_id']}" if event.get("unique_id") else None
    return metric, key, who, {**event, "profile": profile}


def _refuse(
    status: int, code: str, faults: list[Fault], title: str = "Invalid input.", headers: dict[str, str] | None = None
) -> Response:
    errors = [
        {"id": str(uuid.uuid4()), "status": status, "code": code, "title": title, "detail": detail,
         "source": {"pointer": pointer}}
        for pointer, detail in faults
    ]  # fmt: skip
    return JSONResponse({"errors": errors}, status, headers, media_type=JSON_API)
