"""A stand-in of Salesforce: OAuth client credentials, and upserts of sObject collections.

Belongs here: what Salesforce refuses, record by record, in its words. Does not belong here: its objects' many fields;
those of this org are in `ORG`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json
from sandbox.tools.rules import TOKEN, is_email

CLIENT = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": TOKEN}
MOST_RECORDS = 200
_PERSON = {"FirstName": 40, "LastName": 80, "Email": 80, "Phone": 40, "Title": 128, "Plan__c": 255}
_PLACE = {"Street": 255, "City": 40, "State": 80, "PostalCode": 20, "Country": 80}
ORG: dict[str, dict[str, Any]] = {
    "Contact": {"ids": {"Headwater_User_Id__c"}, "needs": ["LastName"],
                "fields": {**_PERSON, "Birthdate": 10, **{f"Mailing{k}": v for k, v in _PLACE.items()}}},
    "Lead": {"ids": {"Headwater_User_Id__c"}, "needs": ["LastName", "Company"],
             "fields": {**_PERSON, "Company": 255, "Website": 255, **_PLACE}},
    "Task": {"ids": {"Headwater_Message_Id__c"}, "needs": [],
             "fields": {"Subject": 255, "Description": 32_000, "ActivityDate": 10, "Status": 40, "Priority": 40,
                        "Who": None}},
    "Opportunity": {"ids": {"Headwater_Order_Id__c"}, "needs": ["Name", "StageName", "CloseDate"],
                    "fields": {"Name": 120, "Amount": None, "CloseDate": 10, "StageName": 255, "Description": 32_000}},
}  # fmt: skip
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Salesforce(Standin):
    """A record is one by its external id."""

    name = "salesforce"
    title = "Salesforce"
    rate = 25.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._sessions = 0

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [
            ("POST", "/services/oauth2/token", self.token),
            ("POST", "/_expire", self.expire),
            ("PATCH", "/services/data/{version}/composite/sobjects/{object}/{field}", self.upsert),
        ]

    def rate_limited(self, seconds: float) -> Response:
        words = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
        return refused(403, "REQUEST_LIMIT_EXCEEDED", words)

    def token(self, _: Request, body: bytes) -> Response:
        """An access token for the connected app."""
        form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        if form != CLIENT:
            content = {"error": "invalid_client", "error_description": "invalid client credentials"}
            return JSONResponse(content, 400)
        self._sessions += 1
        return JSONResponse({
            "access_token": self._session(), "signature": "c2ln", "scope": "api", "token_type": "Bearer",
            "instance_url": "https://sandbox.my.salesforce.com", "id": "https://login.salesforce.com/id/00D/005",
            "issued_at": "1795168800000",
        })  # fmt: skip

    def expire(self, _: Request, body: bytes) -> Response:
        """Every session so far ends."""
        self._sessions += 1
        return JSONResponse({})

    def upsert(self, request: Request, body: bytes) -> Response:
        """Each record by itself."""
        held = {f"Bearer {self._session()}", f"Bearer {TOKEN}"}
        if request.headers.get("authorization") not in held:
            return refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
        kind, field = request.path_params["object"], request.path_params["field"]
        known = ORG.get(kind)
        if known is None or not re.fullmatch(r"v\d+\.0", request.path_params["version"]):
            return refused(404, "NOT_FOUND", "The requested resource does not exist")
        if field not in known["ids"]:
            words = f"Provided external ID field does not exist or is not accessible: {field}"
            return refused(404, "NOT_FOUND", words)
        sent = read_json(body)
        records = sent.get("records") if isinstance(sent, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            return refused(400, "JSON_PARSER_ERROR", "The request body has no list of records.")
        if len(records) > MOST_RECORDS:
            words = f"record limit reached. cannot submit more than {MOST_RECORDS} records"
            return refused(400, "EXCEEDED_ID_LIMIT", words)
        for record in records:
            if record.get("attributes", {}).get("type") != kind:
                return refused(400, "INVALID_TYPE", "The type of a record differs from the one of the URI.")
            if strange := set(record) - {"attributes", field, *known["fields"]}:
                words = f"No such column '{min(strange)}' on sobject of type {kind}"
                return refused(400, "INVALID_FIELD", words)
        return JSONResponse(self._results(kind, field, records))

    def _session(self) -> str:
        return f"00Dsandbox!{self._sessions}"

    def _results(self, kind: str, field: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        numbers = [record.get(field) for record in records]
        results = []
        for record in records:
            key = f"{kind} {record.get(field)}"
            fault = wrong(kind, field, record, is_new=not self.memory.has(self.name, key))
            if fault is None and numbers.count(record[field]) > 1:
                fault = ("DUPLICATE_VALUE", f"Duplicate external id specified: {record[field]}", [field])
            if fault:
                told = dict(zip(("statusCode", "message", "fields"), fault, strict=True))
                results.append({"success": False, "errors": [told]})
                continue
            created = bool(self.keep([(kind, key, record.get(field), record)]))
            number = f"00Q{abs(hash(key)) % 10**12:012d}"
            results.append({"id": number, "success": True, "errors": [], "created": created})
        return results


def wrong(kind: str, field: str, record: dict[str, Any], *, is_new: bool) -> tuple[str, str, list[str]] | None:
    """Why Salesforce would refuse a record."""
    known = ORG[kind]
    if not isinstance(record.get(field), str) or not record[field]:
        return "MISSING_ARGUMENT", f"{field} not specified", [field]
    missing = [name for name in known["needs"] if is_new and not record.get(name)]
    if missing:
        return "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing
    for name, longest in known["fields"].items():
        value = record.get(name)
        if isinstance(value, str) and longest and len(value) > longest:
            return "STRING_TOO_LONG", f"{name}: data value too large: {value[:20]} (max length={longest})", [name]
        if name.endswith("Date") and value is not None and not _DATE.fullmatch(str(value)):
            return "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{name}: value not of required type: {value}", [name]
    if "Email" in record and not is_email(record["Email"]):
        return "INVALID_EMAIL_ADDRESS", f"Email: invalid email address: {record['Email']}", ["Email"]
    return None


def refused(status: int, code: str, message: str) -> Response:
    """An error of the whole request, as Salesforce writes it."""
    return JSONResponse([{"message": message, "errorCode": code}], status)
