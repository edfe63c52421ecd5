"""A stand-in of Braze: `/users/track` and `/users/identify`.

As the real one it takes the good objects of a request and names the others by list and index in a 201, refuses a
request with too many objects, tells its limits in headers, and knows no event or purchase again: repeated, it counts
twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.standins.base import Handler, Standin, read_json

API_KEY = "sandbox_demo"
LISTS = ("attributes", "events", "purchases")
IDS = ("external_id", "user_alias", "braze_id", "email", "phone")
_ORDER = ("order_id", "currency", "total_value", "products", "source")
ECOMMERCE = {
    "ecommerce.product_viewed": ("product_id", "product_name", "variant_id", "price", "currency", "source"),
    "ecommerce.cart_updated": ("cart_id", "currency", "total_value", "products", "source"),
    "ecommerce.checkout_started": ("checkout_id", "currency", "total_value", "products", "source"),
    "ecommerce.order_placed": _ORDER,
    "ecommerce.order_refunded": _ORDER,
    "ecommerce.order_cancelled": (*_ORDER, "cancel_reason"),
}
_PRODUCT = ("product_id", "product_name", "variant_id", "quantity", "price")


class Braze(Standin):
    """`POST /users/track`, `POST /users/identify`."""

    name = "braze"
    title = "Braze"
    rate = 1000.0
    largest_body = 4_000_000

    def paths(self) -> list[tuple[str, str, Handler]]:
        return [("POST", "/users/track", self.track), ("POST", "/users/identify", self.identify)]

    def rate_limited(self, seconds: float) -> Response:
        headers = self._limits(0) | {"X-RateLimit-Reset": str(math.ceil(time.time() + seconds))}
        return JSONResponse({"message": "Rate limit exceeded."}, 429, headers)

    def track(self, request: Request, body: bytes) -> Response:
        """Keep what is right."""
        refusal = self._unauthorized(request)
        if refusal is not None:
            return refusal
        sent = read_json(body)
        lists = {name: sent[name] for name in LISTS if isinstance(sent, dict) and isinstance(sent.get(name), list)}
        if not any(lists.values()):
            words = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
            return self._answer({"message": words}, 400)
        if sum(map(len, lists.values())) > 75:
            return self._answer({"message": "The request must not hold more than 75 objects."}, 400)
        errors: list[dict[str, Any]] = []
        rows: list[tuple[str, str | None, str | None, Any]] = []
        done: dict[str, int] = {}
        for name, objects in lists.items():
            for place, one in enumerate(objects):
                fault = _fault(name, one)
                if fault:
                    errors.append({"type": fault, "input_array": name, "index": place})
                else:
                    what = one["name"] if name == "events" else "(purchase)" if name == "purchases" else "(attributes)"
                    rows.append((what, same(one) if name == "attributes" else None, _user(one), one))
                    done[f"{name}_processed"] = done.get(f"{name}_processed", 0) + 1
        self.keep(rows)
        return self._answer({"message": "success", **done, **({"errors": errors} if errors else {})}, 201)

    def identify(self, request: Request, body: bytes) -> Response:
        """Merge aliases into users."""
        refusal = self._unauthorized(request)
        if refusal is not None:
            return refusal
        sent = read_json(body)
        aliases = sent.get("aliases_to_identify") if isinstance(sent, dict) else None
        if not isinstance(aliases, list) or not 1 <= len(aliases) <= 50:
            return self._answer({"message": "'aliases_to_identify' must be a list of 1 to 50"}, 400)
        if any(not a.get("external_id") or not (a.get("user_alias") or {}).get("alias_name") for a in aliases):
            return self._answer({"message": "each alias needs an 'external_id' and a 'user_alias'"}, 400)
        self.keep([("(identify)", same(alias), alias["external_id"], alias) for alias in aliases])
        return self._answer({"aliases_processed": len(aliases), "message": "success"}, 201)

    def _unauthorized(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {API_KEY}":
            return None
        return self._answer({"message": "Invalid API key"}, 401)

    def _answer(self, body: dict[str, Any], status: int) -> Response:
        return JSONResponse(body, status, self._limits(int(self._bucket.tokens)))

    def _limits(self, left: int) -> dict[str, str]:
        reset = str(math.ceil(time.time()) + 3)
        return {"X-RateLimit-Limit": "3000", "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": reset}


def same(one: dict[str, Any]) -> str:
    """Attributes and merges that were told before change nothing."""
    return hashlib.sha256(json.dumps(one, sort_keys=True).encode()).hexdigest()


def _user(one: dict[str, Any]) -> str:
    alias = one.get("user_alias") or {}
    return str(one.get("external_id") or alias.get("alias_name") or one.get("braze_id") or one.get("email"))


def _fault(kind: str, one: Any) -> str | None:
    if not isinstance(one, dict) or not any(one.get(name) for name in IDS):
        return "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
    alias = one.get("user_alias")
    if alias is not None and not (isinstance(alias, dict) and alias.get("alias_name") and alias.get("alias_label")):
        return "'user_alias' must be an object with 'alias_name' and 'alias_label'"
    if kind == "attributes":
        email = one.get("email")
        return None if email is None or "@" in str(email) else "'email' must be a valid email address"
    if not isinstance(one.get("time"), str):
        return "'time' must be a valid ISO 8601 datetime"
    if kind == "events":
        if not isinstance(one.get("name"), str) or not one["name"]:
            return "'name' is required"
        return _schema_fault(one["name"], one.get("properties") or {})
    if not isinstance(one.get("product_id"), str) or not one["product_id"]:
        return "'product_id' is required"
    currency = one.get("currency")
    if not isinstance(currency, str) or len(currency) != 3 or not currency.isupper():
        return "'currency' must be a valid ISO 4217 currency code"
    if not isinstance(one.get("price"), int | float):
        return "'price' is required and must be a number"
    quantity = one.get("quantity", 1)
    return None if isinstance(quantity, int) and 1 <= quantity <= 100 else "'quantity' must be between 1 and 100"


def _schema_fault(name: str, properties: dict[str, Any]) -> str | None:
    for field in ECOMMERCE.get(name, ()):
        if properties.get(field) is None:
            return f"'{field}' is required for the event '{name}'"
    if name in ECOMMERCE and "products" in ECOMMERCE[name]:
        for product in properties["products"]:
            lacking = [field for field in _PRODUCT if product.get(field) is None]
            if lacking:
                return f"'products.{lacking[0]}' is required for the event '{name}'"
    return None
