"""A stand-in of Mixpanel: `/import` with strict validation, `/engage` and `/groups`.

As the real one it takes the good events of a batch and names the others in a 400, and knows an event again by name,
person, time and `$insert_id`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json

PROJECT_TOKEN, PROJECT_ID, SERVICE_ACCOUNT = "sandbox_demo", "4242", "robot.sandbox:sandbox_demo"
INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
NOBODY = {"anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "0", "-1", "true", "false"}
HOUR_MS, FIRST_MS = 3_600_000, 31_536_000_000


class Mixpanel(Standin):
    """`POST /import`, `POST /engage`, `POST /groups`."""

    name = "mixpanel"
    title = "Mixpanel"

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/import", self.take_events),
            ("POST", "/engage", lambda request, body: self.take_updates(body, "$distinct_id", "profile update")),
            ("POST", "/groups", lambda request, body: self.take_updates(body, "$group_id", "group update")),
        ]

    def rate_limited(self, seconds: float) -> Response:
        words = "Project exceeded rate limits. Please retry the request with exponential backoff."
        return _answer(429, "Too Many Requests", error=words)

    def too_large(self) -> Response:
        return _answer(413, "Request Entity Too Large", error=f"request exceeds max limit of {self.largest_body} bytes")

    def take_events(self, request: Request, body: bytes) -> Response:
        """Import the good ones."""
        account = _credentials(request)
        if account == SERVICE_ACCOUNT and request.query_params.get("project_id") != PROJECT_ID:
            return _answer(400, "Bad Request", error="project_id is required with a service account")
        if account not in (SERVICE_ACCOUNT, f"{PROJECT_TOKEN}:"):
            return _answer(401, "Unauthorized", error="Invalid credentials")
        events = read_json(body)
        if not isinstance(events, list):
            return _answer(400, "Bad Request", error="request body must be a JSON array")
        if len(events) > 2000:
            return _answer(400, "Bad Request", error="request exceeds the limit of 2000 events")
        failed = []
        rows: list[tuple[str, str | None, str | None, Any]] = []
        for index, event in enumerate(events):
            fault = event_fault(event)
            if fault:
                known = event.get("properties", {}).get("$insert_id", "") if isinstance(event, dict) else ""
                failed.append({"index": index, "insert_id": known, "field": fault[0], "message": fault[1]})
            else:
                rows.append((event["event"], _once(event), event["properties"]["distinct_id"], event))
        self.keep(rows)
        if failed and request.query_params.get("strict") == "1":
            words = "some data points in the request failed validation"
            return _answer(400, "Bad Request", error=words, num_records_imported=len(rows), failed_records=failed)
        return _answer(200, "OK", num_records_imported=len(rows))

    def take_updates(self, body: bytes, field: str, kind: str) -> Response:
        """Profile or group updates: all or none."""
        updates = read_json(body)
        if not isinstance(updates, list) or len(updates) > 2000:
            return JSONResponse({"status": 0, "error": "data must be a list of at most 2000 updates"})
        for update in updates:
            if not isinstance(update, dict) or update.get("$token") != PROJECT_TOKEN:
                return JSONResponse({"status": 0, "error": "token, missing or empty"})
            if not update.get(field):
                return JSONResponse({"status": 0, "error": f"{field}, missing or empty"})
            if not any(operation in update for operation in ("$set", "$set_once", "$union", "$add", "$unset")):
                return JSONResponse({"status": 0, "error": "no operation in update"})
        self.keep([(_named(update, kind), same(update), update[field], update) for update in updates])
        return JSONResponse({"status": 1, "error": None})


def _named(update: dict[str, Any], kind: str) -> str:
    """A person's place in a group is told apart from what is set on the person."""
    return "(group membership)" if kind == "profile update" and "$union" in update else f"({kind})"


def same(update: dict[str, Any]) -> str:
    """An update that was made before changes nothing."""
    return hashlib.sha256(json.dumps(update, sort_keys=True).encode()).hexdigest()


def event_fault(event: Any) -> tuple[str, str] | None:
    """The field at fault and what is wrong with it."""
    if not isinstance(event, dict) or not isinstance(event.get("event"), str) or not event["event"]:
        return "event", "'event' is required and must be a string"
    if len(event["event"]) > 255:
        return "event", "'event' is longer than 255 characters"
    properties = event.get("properties")
    if not isinstance(properties, dict):
        return "properties", "'properties' must be an object"
    at = properties.get("time")
    if not isinstance(at, int) or isinstance(at, bool):
        return "properties.time", "'properties.time' is invalid: must be specified as seconds since epoch"
    millis = at if at > 10_000_000_000 else at * 1000
    if not FIRST_MS <= millis <= time.time() * 1000 + HOUR_MS:
        return "properties.time", "'properties.time' is invalid: before 1971 or more than an hour in the future"
    if not isinstance(properties.get("distinct_id"), str):
        return "properties.distinct_id", "'properties.distinct_id' is required and must be a string"
    if properties["distinct_id"].removeprefix("$device:").lower() in NOBODY:
        return "properties.distinct_id", f"'properties.distinct_id' is invalid: {properties['distinct_id']}"
    if not isinstance(properties.get("$insert_id"), str) or not INSERT_ID.fullmatch(properties["$insert_id"]):
        return "properties.$insert_id", "'properties.$insert_id' is invalid: must be at most 36 of [A-Za-z0-9-]"
    if len(properties) > 255:
        return "properties", "'properties' has more than 255 keys"
    return None


def _once(event: dict[str, Any]) -> str:
    known = event["properties"]
    parts = (event["event"], known["distinct_id"], str(known["time"]), known["$insert_id"])
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _credentials(request: Request) -> str:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        return base64.b64decode(encoded).decode() if scheme == "Basic" else ""
    except ValueError:
        return ""


def _answer(code: int, status: str, **more: Any) -> Response:
    return JSONResponse({"code": code, "status": status, **more}, code)
