"""A stand-in of the Google Ads API: its token endpoint, conversion uploads and adjustments.

Belongs here: what Google refuses, conversion by conversion, in its words. Does not belong here: matching clicks.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json
from sandbox.tools.rules import TOKEN

MOST_CONVERSIONS, MOST_IDENTIFIERS = 2000, 5
FORM = {"grant_type": "refresh_token", "client_id": "sandbox-client", "client_secret": TOKEN, "refresh_token": TOKEN}
FAILURE = "type.googleapis.com/google.ads.googleads.v25.errors.GoogleAdsFailure"
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d")
_ACTION = re.compile(r"customers/(\d+)/conversionActions/\d+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
CLICKS = ("gclid", "gbraid", "wbraid")
FIELDS = {"conversionAction", "conversionDateTime", "orderId", "conversionEnvironment", "conversionValue",
          "currencyCode", "userIdentifiers", "consent", "cartData", *CLICKS}  # fmt: skip
Fault = tuple[str, str, str, str]


class GoogleAds(Standin):
    """A conversion is known again by action and order. Access tokens hold until the sandbox ends, or `/_expire`."""

    name = "google_ads"
    title = "Google Ads"
    rate = 20.0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._issued = 0

    def paths(self) -> list[tuple[str, str, Handler]]:
        customer = "/{version}/customers/{customer}"
        return [
            ("POST", "/token", self.token),
            ("POST", "/_expire", self.expire),
            ("POST", f"{customer}:uploadClickConversions", self.conversions),
            ("POST", f"{customer}:uploadConversionAdjustments", self.adjustments),
        ]

    def rate_limited(self, seconds: float) -> Response:
        delay = {
            "quotaErrorDetails": {
                "rateScope": "DEVELOPER",
                "rateName": "Requests",
                "retryDelay": f"{max(1, math.ceil(seconds))}s",
            }
        }
        error = {"errorCode": {"quotaError": "RESOURCE_TEMPORARILY_EXHAUSTED"}, "message": "Too many requests.",
                 "details": delay}  # fmt: skip
        return refused(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", [error])

    def token(self, _: Request, body: bytes) -> Response:
        """An access token for the refresh token, as OAuth 2 tells it."""
        form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        if form != FORM:
            content = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            return JSONResponse(content, 400)
        self._issued += 1
        return JSONResponse({"access_token": self._access(), "expires_in": 3599, "token_type": "Bearer",
                             "scope": "https://www.googleapis.com/auth/adwords"})  # fmt: skip

    def expire(self, _: Request, body: bytes) -> Response:
        """No access token so far holds any longer."""
        self._issued += 1
        return JSONResponse({})

    def conversions(self, request: Request, body: bytes) -> Response:
        """Each conversion by itself."""
        return self._upload(request, body, "conversions", wrong_conversion)

    def adjustments(self, request: Request, body: bytes) -> Response:
        """Each adjustment by itself."""
        return self._upload(request, body, "conversionAdjustments", wrong_adjustment)

    def _access(self) -> str:
        return f"ya29.sandbox-{self._issued}"

    def _upload(self, request: Request, body: bytes, field: str, wrong: Any) -> Response:
        if request.headers.get("authorization") != f"Bearer {self._access()}" or not self._issued:
            message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            return refused(401, "UNAUTHENTICATED", message)
        if request.headers.get("developer-token") != TOKEN:
            error = {"errorCode": {"authenticationError": "DEVELOPER_TOKEN_INVALID"},
                     "message": "The developer token is not valid."}  # fmt: skip
            return refused(401, "UNAUTHENTICATED", "The developer token is not valid.", [error])
        sent, customer = read_json(body), request.path_params["customer"]
        rows = sent.get(field) if isinstance(sent, dict) else None
        if not customer.isdigit() or not isinstance(rows, list) or sent.get("partialFailure") is not True:
            error = {
                "errorCode": {"requestError": "REQUIRED_FIELD_MISSING"},
                "message": "partial_failure must be true.",
            }
            return refused(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", [error])
        if len(rows) > MOST_CONVERSIONS:
            error = {"errorCode": {"conversionUploadError": "TOO_MANY_CONVERSIONS_IN_REQUEST"},
                     "message": "The request contained more than 2000 conversions."}  # fmt: skip
            return refused(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", [error])
        faults = self._faults_of(rows, customer, wrong)
        results = [{} if n in faults else _result(row) for n, row in enumerate(rows)]
        answer: dict[str, Any] = {"results": results, "jobId": "8421"}
        if faults:
            listed = "conversions" if field == "conversions" else "conversion_adjustments"
            errors = [_error(fault, listed, n) for n, fault in faults.items()]
            answer["partialFailureError"] = {
                "code": 3, "message": "Multiple errors in ‘details’.",
                "details": [{"@type": FAILURE, "errors": errors, "requestId": "q7Tt"}],
            }  # fmt: skip
        return JSONResponse(answer)

    def _faults_of(self, rows: list[Any], customer: str, wrong: Any) -> dict[int, Fault]:
        faults: dict[int, Fault] = {}
        orders = [(row.get("conversionAction"), row.get("orderId")) if isinstance(row, dict) else None for row in rows]
        for n, row in enumerate(rows):
            fault = wrong(row, customer)
            if fault is None and orders.count(orders[n]) > 1:
                fault = (
                    "conversionUploadError",
                    "DUPLICATE_ORDER_ID",
                    "order_id",
                    "Multiple conversions have the same order ID.",
                )
            if fault is None:
                event = row["conversionAction"] + (" RETRACTION" if "adjustmentType" in row else "")
                key = f"{event} {row['orderId']}"
                if not self.keep([(event, key, None, row)]):
                    code = "CONVERSION_ALREADY_RETRACTED" if "adjustmentType" in row else "ORDER_ID_ALREADY_IN_USE"
                    fault = ("conversionUploadError", code, "order_id", "The order ID is already in use.")
            if fault:
                faults[n] = fault
        return faults


def wrong_conversion(row: Any, customer: str) -> Fault | None:
    """Why Google would refuse a conversion."""
    upload = "conversionUploadError"
    if not isinstance(row, dict) or set(row) - FIELDS:
        return "requestError", "UNKNOWN", "conversion", f"Unknown fields: {sorted(set(row) - FIELDS)}."
    if fault := _wrong_head(row, customer, "conversionDateTime"):
        return fault
    clicks = [name for name in CLICKS if row.get(name)]
    people = row.get("userIdentifiers", [])
    if len(clicks) > 1:
        return "fieldError", "VALUE_MUST_BE_UNSET", clicks[1], "Only one click ID may be set."
    if not clicks and not people:
        return upload, "NO_CONVERSION_IDENTIFIERS", "gclid", "Neither a click ID nor user identifiers were given."
    if people and clicks and clicks[0] != "gclid":
        return "fieldError", "VALUE_MUST_BE_UNSET", "user_identifiers", "Not together with gbraid or wbraid."
    if row.get("gclid") and not re.fullmatch(r"[\w-]{10,}", row["gclid"]):
        return upload, "UNPARSEABLE_GCLID", "gclid", "This Google Click ID could not be decoded."
    at = datetime.fromisoformat(row["conversionDateTime"])
    if at < datetime.now(UTC) - timedelta(days=90):
        return upload, "EXPIRED_EVENT", "conversion_date_time", "The click occurred too long ago."
    return _wrong_people(people) or _wrong_value(row)


def wrong_adjustment(row: Any, customer: str) -> Fault | None:
    """Why Google would refuse an adjustment."""
    if not isinstance(row, dict) or row.get("adjustmentType") not in ("RETRACTION", "RESTATEMENT", "ENHANCEMENT"):
        return "requestError", "REQUIRED_FIELD_MISSING", "adjustment_type", "Required field is missing."
    return _wrong_head(row, customer, "adjustmentDateTime")


def _wrong_head(row: dict[str, Any], customer: str, time: str) -> Fault | None:
    action = _ACTION.fullmatch(str(row.get("conversionAction")))
    if not action:
        return "requestError", "REQUIRED_FIELD_MISSING", "conversion_action", "Required field is missing."
    if action[1] != customer:
        return "conversionUploadError", "INVALID_CONVERSION_ACTION", "conversion_action", "Not this customer's action."
    if not _TIME.fullmatch(str(row.get(time))):
        return "dateError", "INVALID_STRING_DATE_TIME_WITH_OFFSET", "date_time", "Use yyyy-mm-dd HH:mm:ss+|-HH:mm."
    return None if row.get("orderId") else ("requestError", "REQUIRED_FIELD_MISSING", "order_id", "Missing here.")


def _wrong_people(people: list[Any]) -> Fault | None:
    if len(people) > MOST_IDENTIFIERS:
        return "collectionSizeError", "TOO_MANY", "user_identifiers", "Too many elements in the collection."
    for person in people:
        address = person.get("addressInfo", {})
        hashed = [v for k, v in [*person.items(), *address.items()] if k.startswith("hashed")]
        if len(person) != 1 or not all(_DIGEST.fullmatch(str(value)) for value in hashed):
            return "userDataError", "INVALID_SHA256_FORMAT", "user_identifiers", "Values must be SHA-256 hashed."
    return None


def _wrong_value(row: dict[str, Any]) -> Fault | None:
    if not isinstance(row.get("conversionValue", 0), int | float):
        return "conversionUploadError", "INVALID_CONVERSION_VALUE", "conversion_value", "The value is not valid."
    if "currencyCode" in row and not re.fullmatch("[A-Z]{3}", row["currencyCode"]):
        return "currencyCodeError", "UNSUPPORTED", "currency_code", "The currency code is not supported."
    if set(row.get("consent", {}).values()) - {"GRANTED", "DENIED"}:
        return "enumError", "ENUM_VALUE_NOT_PERMITTED", "consent", "Enum value is not permitted."
    return None


def _result(row: dict[str, Any]) -> dict[str, Any]:
    shown = ("gclid", "conversionAction", "conversionDateTime", "orderId", "adjustmentType", "adjustmentDateTime")
    return {name: row[name] for name in shown if name in row}


def _error(fault: Fault, listed: str, index: int) -> dict[str, Any]:
    kind, code, field, words = fault
    path = [{"fieldName": listed, "index": index}, {"fieldName": field}]
    return {"errorCode": {kind: code}, "message": words, "location": {"fieldPathElements": path}}


def refused(status: int, word: str, message: str, errors: list[dict[str, Any]] | None = None) -> Response:
    """An error of the whole request, as Google writes it."""
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if errors:
        error["details"] = [{"@type": FAILURE, "errors": errors, "requestId": "q7Tt"}]
    return JSONResponse({"error": error}, status)
