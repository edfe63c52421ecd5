"""A stand-in of HubSpot: the contacts' batch upsert and custom events.

Belongs here: what HubSpot refuses, and whether one contact or the whole request. Does not belong here: its CRM.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, now, read_json
from sandbox.tools.rules import TOKEN, is_email

HUB_ID = "1234567"
MOST_CONTACTS, MOST_OCCURRENCES, MOST_PROPERTIES = 100, 500, 50
UNIQUE = {"email", "user_id"}
KNOWN = {"email", "user_id", "firstname", "lastname", "phone", "company", "jobtitle", "website", "address", "city",
         "state", "zip", "country", "date_of_birth", "gender", "lifecyclestage", "plan"}  # fmt: skip
STAGES = {"subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist",
          "other"}  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
_EVENT = re.compile(rf"pe{HUB_ID}_[a-z][a-z0-9_]*")


class HubSpot(Standin):
    """A contact is one by its address; an occurrence is kept each time it is told, as HubSpot does."""

    name = "hubspot"
    title = "HubSpot"
    rate = 19.0

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/crm/v3/objects/contacts/batch/upsert", self.contacts),
            ("POST", "/events/v3/send/batch", self.occurrences),
            ("POST", "/events/v3/send", self.occurrence),
        ]

    def rate_limited(self, seconds: float) -> Response:
        return JSONResponse(
            {"status": "error", "message": "You have reached your secondly limit.", "errorType": "RATE_LIMIT",
             "correlationId": "c033cdaa", "policyName": "SECONDLY"}, 429,
        )  # fmt: skip

    def contacts(self, request: Request, body: bytes) -> Response:
        """Create or update each, by itself where it can be told apart."""
        if refusal := unknown_caller(request):
            return refusal
        inputs = listed(body)
        if inputs is None:
            return refused(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required.")
        if len(inputs) > MOST_CONTACTS:
            return refused(400, "VALIDATION_ERROR", f"The maximum number of inputs is {MOST_CONTACTS}.")
        for one in inputs:
            if not isinstance(one, dict) or one.get("idProperty") not in UNIQUE or not one.get("id"):
                return refused(400, "VALIDATION_ERROR", "Each input needs id and an idProperty with unique values.")
            if strange := set(one.get("properties", {})) - KNOWN:
                words = f'Property values were not valid: [{{"isValid":false,"name":"{min(strange)}","error":'
                return refused(400, "VALIDATION_ERROR", words + '"PROPERTY_DOESNT_EXIST"}]')
            if not all(isinstance(value, str) for value in one["properties"].values()):
                return refused(400, "VALIDATION_ERROR", "Invalid input JSON: property values must be text.")
        ids = [one["id"].lower() for one in inputs]
        if len(set(ids)) < len(ids):
            return refused(400, "VALIDATION_ERROR", "Duplicate IDs found in batch input.")
        return self._upsert(inputs)

    def _upsert(self, inputs: list[dict[str, Any]]) -> Response:
        results, errors = [], []
        for one in inputs:
            words = wrong_contact(one)
            if words:
                trace = one.get("objectWriteTraceId")
                errors.append({"status": "error", "category": "VALIDATION_ERROR", "message": words,
                               "context": {"objectWriteTraceId": [trace]} if trace else {}})  # fmt: skip
                continue
            key = f"contact {one['id'].lower()}"
            is_new = bool(self.keep([("contact", key, one["id"], one)]))
            results.append({"id": str(abs(hash(key)) % 10**9), "properties": one["properties"], "new": is_new,
                            "createdAt": now(), "updatedAt": now(), "archived": False}
                           | ({"objectWriteTraceId": t} if (t := one.get("objectWriteTraceId")) else {}))  # fmt: skip
        answer: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now(), "completedAt": now()}
        if errors:
            return JSONResponse(answer | {"numErrors": len(errors), "errors": errors}, 207)
        return JSONResponse(answer)

    def occurrences(self, request: Request, body: bytes) -> Response:
        """All of the batch, or none."""
        if refusal := unknown_caller(request):
            return refusal
        inputs = listed(body)
        if not inputs:
            return refused(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required.")
        if len(inputs) > MOST_OCCURRENCES:
            return refused(400, "VALIDATION_ERROR", f"The maximum number of inputs is {MOST_OCCURRENCES}.")
        return self._send(inputs)

    def occurrence(self, request: Request, body: bytes) -> Response:
        """One."""
        return unknown_caller(request) or self._send([read_json(body)])

    def _send(self, inputs: list[Any]) -> Response:
        for one in inputs:
            if words := wrong_occurrence(one):
                return refused(400, "VALIDATION_ERROR", words)
        self.keep([(one["eventName"], None, one.get("email") or one.get("utk"), one) for one in inputs])
        return Response(status_code=204)


def unknown_caller(request: Request) -> Response | None:
    """The answer to a wrong token."""
    if request.headers.get("authorization") == f"Bearer {TOKEN}":
        return None
    words = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
    return refused(401, "INVALID_AUTHENTICATION", words)


def listed(body: bytes) -> list[Any] | None:
    """The inputs of a batch."""
    sent = read_json(body)
    found = sent.get("inputs") if isinstance(sent, dict) else None
    return found if isinstance(found, list) else None


def wrong_contact(one: dict[str, Any]) -> str:
    """Why HubSpot would refuse this contact alone."""
    properties = one["properties"]
    address = one["id"] if one["idProperty"] == "email" else properties.get("email", "a@b.cd")
    if not is_email(address):
        return f"Property values were not valid: Email address {address} is invalid"
    stage = properties.get("lifecyclestage")
    if stage is not None and stage not in STAGES:
        return f"Property values were not valid: {stage} was not one of the allowed options of lifecyclestage"
    return ""


def wrong_occurrence(one: Any) -> str:
    """Why HubSpot would refuse an occurrence, and with it the request."""
    if not isinstance(one, dict) or not _EVENT.fullmatch(str(one.get("eventName"))):
        name = one.get("eventName") if isinstance(one, dict) else None
        return f"No event definition found for event {name}."
    if not one.get("email") and not one.get("utk") and not one.get("objectId"):
        return "One of email, utk or objectId is required."
    properties = one.get("properties", {})
    if not isinstance(properties, dict) or len(properties) > MOST_PROPERTIES:
        return f"An event occurrence can contain data for up to {MOST_PROPERTIES} properties."
    for name, value in properties.items():
        if not _NAME.fullmatch(name):
            return f"Property name {name} is invalid."
        if not isinstance(value, str | int | float) or len(str(value)) > 1024:
            return f"Property value of {name} is invalid or longer than 1024 characters."
    return ""


def refused(status: int, category: str, message: str) -> Response:
    """An error as HubSpot writes it."""
    content = {"status": "error", "message": message, "correlationId": "aeb5f871", "category": category}
    return JSONResponse(content, status)
