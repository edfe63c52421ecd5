"""A stand-in of Intercom: contacts and data events.

Belongs here: what Intercom refuses, in its words. Does not belong here: conversations.
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json
from sandbox.tools.rules import TOKEN, is_email

MOST_METADATA = 10
FIELDS = {"role", "external_id", "email", "phone", "name", "avatar", "signed_up_at", "last_seen_at", "owner_id",
          "unsubscribed_from_emails", "custom_attributes"}  # fmt: skip
ATTRIBUTES = {"plan", "company_size"}


class Intercom(Standin):
    """A contact is one by its external id or address; an event by its person, name and second."""

    name = "intercom"
    title = "Intercom"
    rate = 160.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._ids: dict[str, str] = {}
        for row in reversed(self.memory.rows(self.name, 1_000_000)):
            if row["event"] == "contact":
                self._learn(row["payload"]["id"], row["payload"])

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/contacts", self.create),
            ("PUT", "/contacts/{id}", self.update),
            ("POST", "/events", self.event),
        ]

    def rate_limited(self, seconds: float) -> Response:
        answer = refused(429, "rate_limit_exceeded", "Exceeded rate limit of 10000 in 60000 ms")
        answer.headers["X-RateLimit-Reset"] = str(int(time.time() + seconds) + 1)
        return answer

    def create(self, request: Request, body: bytes) -> Response:
        """A contact that was not there."""
        sent = read_json(body)
        if refusal := unknown_caller(request) or wrong_contact(sent):
            return refusal
        there = self._find(sent)
        if there:
            words = f"A contact matching those details already exists with id={there}"
            return refused(409, "conflict", words)
        number = hashlib.sha256(body).hexdigest()[:24]
        contact = {"type": "contact", "id": number, **sent}
        self.keep([("contact", f"contact {number}", sent.get("external_id") or sent.get("email"), contact)])
        self._learn(number, sent)
        return JSONResponse(contact)

    def update(self, request: Request, body: bytes) -> Response:
        """A contact that was there."""
        sent, number = read_json(body), request.path_params["id"]
        if refusal := unknown_caller(request) or wrong_contact(sent):
            return refusal
        if not self.memory.has(self.name, f"contact {number}"):
            return refused(404, "not_found", "User Not Found")
        self._learn(number, sent)
        return JSONResponse({"type": "contact", "id": number, **sent})

    def event(self, request: Request, body: bytes) -> Response:
        """One event of a contact."""
        sent = read_json(body)
        if refusal := unknown_caller(request) or wrong_event(sent):
            return refusal
        who = self._find({"external_id": sent.get("user_id"), "email": sent.get("email")})
        if not who:
            return refused(404, "not_found", "User Not Found")
        once = f"event {who} {sent['event_name']} {sent['created_at']}"
        self.keep([(sent["event_name"], once, sent.get("user_id") or sent.get("email"), sent)])
        return Response(status_code=202)

    def _find(self, sent: dict[str, Any]) -> str | None:
        keys = [f"{name} {sent[name]}".lower() for name in ("external_id", "email") if sent.get(name)]
        numbers = (self._ids[key] for key in keys if key in self._ids)
        return next((number for number in numbers if self.memory.has(self.name, f"contact {number}")), None)

    def _learn(self, number: str, sent: dict[str, Any]) -> None:
        for name in ("external_id", "email"):
            if sent.get(name):
                self._ids[f"{name} {sent[name]}".lower()] = number


def unknown_caller(request: Request) -> Response | None:
    """The answer to a wrong token or version."""
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return refused(401, "unauthorized", "Access Token Invalid")
    if not re.fullmatch(r"(1|2)\.\d+", request.headers.get("intercom-version", "2.14")):
        return refused(400, "intercom_version_invalid", "The requested version could not be found")
    return None


def wrong_contact(sent: Any) -> Response | None:
    """Why Intercom would refuse a contact."""
    if not isinstance(sent, dict) or not (sent.get("external_id") or sent.get("email")):
        return refused(400, "parameter_not_found", "Please provide one of the following: external_id, email")
    if sent.get("role", "user") not in ("user", "lead"):
        return refused(400, "parameter_invalid", "role must be one of user or lead")
    if strange := set(sent) - FIELDS:
        return refused(400, "parameter_invalid", f"Unknown parameter {min(strange)}")
    if "email" in sent and not is_email(sent["email"]):
        return refused(400, "parameter_invalid", "email is invalid")
    if not isinstance(sent.get("signed_up_at", 0), int):
        return refused(400, "parameter_invalid", "signed_up_at must be a Unix timestamp")
    if strange := set(sent.get("custom_attributes", {})) - ATTRIBUTES:
        return refused(400, "parameter_invalid", f"Custom attribute '{min(strange)}' does not exist")
    return None


def wrong_event(sent: Any) -> Response | None:
    """Why Intercom would refuse an event."""
    if not isinstance(sent, dict) or not sent.get("event_name"):
        return refused(400, "parameter_not_found", "event_name is required")
    at = sent.get("created_at")
    if not isinstance(at, int) or not 0 < at < time.time() + 86_400:
        return refused(400, "parameter_invalid", "created_at must be a Unix timestamp in seconds")
    metadata = sent.get("metadata", {})
    if not isinstance(metadata, dict) or len(metadata) > MOST_METADATA:
        return refused(422, "parameter_invalid", f"metadata may have at most {MOST_METADATA} keys")
    for name, value in metadata.items():
        is_price = isinstance(value, dict) and set(value) == {"amount", "currency"} and isinstance(value["amount"], int)
        if isinstance(value, dict | list) and not is_price:
            return refused(422, "parameter_invalid", f"metadata {name}: nested values are not supported")
    return None


def refused(status: int, code: str, message: str) -> Response:
    """A list of errors as Intercom writes it."""
    content = {"type": "error.list", "request_id": "000f1qrk", "errors": [{"code": code, "message": message}]}
    return JSONResponse(content, status)
