"""Shopify and shops that call as Shopify does: one order or refund a call.

Signature: `X-Shopify-Hmac-Sha256`, Base64 of the HMAC-SHA256 of the body with the app's secret (Shopify documentation,
«Verify webhook deliveries»). The topic stands in a header; what a body is shows in its fields too: a refund has
`refund_line_items`, an order `line_items`, a cancelled one `cancelled_at`.

Shopify's customer id is Shopify's own, so it is a property; the company's user id is taken from the cart attribute
`user_id` (`note_attributes`), if the shop sets it. Else the address tells the customer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headwater.collect.webhooks import Call, Unreadable
from headwater.collect.webhooks.common import hmac_base64, is_same, person, track
from headwater.event import identifier


class Shopify:
    """Orders created and cancelled, refunds."""

    def verify(self, secret: str, call: Call) -> bool:
        """The HMAC of the body."""
        return bool(secret) and is_same(hmac_base64(secret, call.body), call.headers.get("x-shopify-hmac-sha256", ""))

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """`Order Completed`, `Order Cancelled` or `Order Refunded`."""
        item = msgspec.json.decode(body, type=dict[str, Any])
        if "refund_line_items" in item:
            return [_refund(item)]
        if "line_items" in item:
            return [_order(item)]
        return [Unreadable(body, "neither an order nor a refund")]


def _order(item: Mapping[str, Any]) -> dict[str, Any]:
    customer = item.get("customer") or {}
    cancelled = item.get("cancelled_at")
    attributes = {one.get("name"): one.get("value") for one in item.get("note_attributes") or []}
    who = person(attributes.get("user_id"), item.get("email") or customer.get("email"), f"shopify_order_{item['id']}")
    properties = {
        "order_id": str(item["id"]),
        "customer_id": identifier(customer.get("id")),
        "total": _number(item.get("total_price")),
        "revenue": _number(item.get("subtotal_price")),
        "tax": _number(item.get("total_tax")),
        "discount": _number(item.get("total_discounts")),
        "currency": item.get("currency"),
        "coupon": next((code.get("code") for code in item.get("discount_codes") or []), None),
        "products": [_product(line) for line in item["line_items"]],
        "reason": item.get("cancel_reason"),
    }
    name = "Order Cancelled" if cancelled else "Order Completed"
    key = f"shopify_{item['id']}_{'cancelled' if cancelled else 'created'}"
    return track(key, name, who, properties, cancelled or item.get("created_at"), "shopify")


def _refund(item: Mapping[str, Any]) -> dict[str, Any]:
    lines = item["refund_line_items"]
    paid_back = [_number(one.get("amount")) or 0.0 for one in item.get("transactions") or []]
    properties = {
        "order_id": str(item["order_id"]),
        "refund_id": str(item["id"]),
        "total": round(sum(paid_back), 2) if paid_back else None,
        "products": [_product(line["line_item"]) | {"quantity": line.get("quantity")} for line in lines],
    }
    who = person(other=f"shopify_order_{item['order_id']}")
    return track(f"shopify_refund_{item['id']}", "Order Refunded", who, properties, item.get("created_at"), "shopify")


def _product(line: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "product_id": str(line["product_id"]) if line.get("product_id") is not None else None,
        "sku": line.get("sku"),
        "name": line.get("title"),
        "variant": line.get("variant_title"),
        "price": _number(line.get("price")),
        "quantity": line.get("quantity"),
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
