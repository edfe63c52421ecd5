"""A stand-in of Customer.io's Track API, version 2.

As the real one it takes the good operations of a batch and names the others in a 207, and knows an event again by its
ULID.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json

SITE_ID, API_KEY = "sandbox", "sandbox_demo"
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
LATEST = 4_102_444_800
PERSON_ACTIONS = {"identify", "event", "page", "screen", "delete", "merge", "add_relationships"}
Fault = tuple[str, str, str]


class CustomerIo(Standin):
    """`POST /api/v2/batch` and `POST /api/v2/entity`."""

    name = "customerio"
    title = "Customer.io"
    rate = 100.0
    largest_body = 500_000

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [("POST", "/api/v2/batch", self.batch), ("POST", "/api/v2/entity", self.entity)]

    def rate_limited(self, seconds: float) -> Response:
        return JSONResponse({"meta": {"error": "too many requests"}}, 429)

    def too_large(self) -> Response:
        return JSONResponse({"meta": {"error": "request body too large"}}, 413)

    def batch(self, request: Request, body: bytes) -> Response:
        """Many operations; the good ones are taken."""
        if not _authorized(request):
            return JSONResponse({"meta": {"error": "Unauthorized request"}}, 401)
        sent = read_json(body)
        operations = sent.get("batch") if isinstance(sent, dict) else None
        if not isinstance(operations, list) or not operations:
            return JSONResponse(
                {"errors": [{"reason": "required", "field": "batch", "message": "batch is required"}]}, 400
            )
        errors = []
        rows = []
        for place, operation in enumerate(operations):
            fault = _fault(operation)
            if fault:
                reason, field, words = fault
                errors.append({"batch_index": place, "reason": reason, "field": field, "message": words})
            else:
                rows.append(_row(operation))
        self.keep(rows)
        return JSONResponse({"errors": errors}, 207) if errors else JSONResponse({})

    def entity(self, request: Request, body: bytes) -> Response:
        """One operation."""
        if not _authorized(request):
            return JSONResponse({"meta": {"error": "Unauthorized request"}}, 401)
        operation = read_json(body)
        fault = _fault(operation)
        if fault:
            reason, field, words = fault
            return JSONResponse({"errors": [{"reason": reason, "field": field, "message": words}]}, 400)
        self.keep([_row(operation)])
        return JSONResponse({})


def _authorized(request: Request) -> bool:
    expected = base64.b64encode(f"{SITE_ID}:{API_KEY}".encode()).decode()
    return request.headers.get("authorization") == f"Basic {expected}"


def _fault(operation: Any) -> Fault | None:
    if not isinstance(operation, dict):
        return "parse_error", "", "operation must be an object"
    if len(json.dumps(operation)) > 32_768:
        return "invalid", "", "operation must be smaller than 32kb"
    kind, action = operation.get("type"), operation.get("action")
    if kind == "object":
        ids = operation.get("identifiers") or {}
        for field in ("object_type_id", "object_id"):
            if not ids.get(field):
                return "required", f"identifiers.{field}", f"{field} is required"
        return None
    if kind != "person":
        return "invalid", "type", "type must be person or object"
    if action not in PERSON_ACTIONS:
        return "invalid", "action", f"unknown action {action}"
    if action == "merge":
        for field in ("primary", "secondary"):
            if not any((operation.get(field) or {}).get(name) for name in ("id", "email", "cio_id")):
                return "required", field, f"{field} is required"
        return None
    return _person_fault(operation, action)


def _person_fault(operation: dict[str, Any], action: str) -> Fault | None:
    ids = operation.get("identifiers") or {}
    named = [name for name in ("id", "email", "cio_id") if ids.get(name)]
    if not named and not (action != "identify" and ids.get("anonymous_id")):
        return "required", "identifiers", "identifiers must hold one of id, email or cio_id"
    if any(not isinstance(value, str) or len(value.encode()) > 150 for value in ids.values()):
        return "invalid", "identifiers", "identifiers must be strings of at most 150 bytes"
    given = operation.get("attributes", {})
    if not isinstance(given, dict):
        return "invalid", "attributes", "attributes must be an object"
    if action == "identify":
        if len(given) > 300:
            return "invalid", "attributes", "cannot identify more than 300 attributes in one request"
        for name, value in given.items():
            if len(name.encode()) > 150:
                return "invalid", "attributes", "attribute name cannot be longer than 150 bytes"
            if isinstance(value, str) and len(value.encode()) > 1000:
                return "invalid", f"attributes.{name}", f"value for attribute '{name}' cannot be longer than 1000 bytes"
        return None
    name = operation.get("name")
    if not isinstance(name, str) or not name.strip():
        return "required", "name", "name cannot be blank"
    if len(name.encode()) > 100:
        return "invalid", "name", "event name cannot be longer than 100 bytes"
    if "id" in operation and not ULID.fullmatch(str(operation["id"])):
        return "invalid", "id", "id must be a valid ULID"
    at = operation.get("timestamp", 0)
    if not isinstance(at, int) or not 0 <= at < LATEST:
        return "invalid", "timestamp", "timestamp must be a valid Unix timestamp in seconds"
    return None


def _row(operation: dict[str, Any]) -> tuple[str, str | None, str | None, Any]:
    action = operation.get("action")
    same = hashlib.sha256(json.dumps(operation, sort_keys=True).encode()).hexdigest()  # twice the same changes nothing
    if operation["type"] == "object":
        return "(object)", same, operation["identifiers"]["object_id"], operation
    if action == "merge":
        return "(merge)", same, next(iter(operation["primary"].values())), operation
    who = next(iter(operation["identifiers"].values()))
    if action in ("event", "page", "screen"):
        return operation["name"], operation.get("id"), who, operation
    return f"({action})", same, who, operation
