"""Stripe and tools that call as Stripe does: one event a call.

Signature: `Stripe-Signature: t=<unix>,v1=<hex>[,v1=…]`, HMAC-SHA256 of `<t>.<body>` with the endpoint's secret (Stripe
documentation, «Verify webhook signatures»). Amounts are in the currency's smallest unit; the spec's are in the unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from headwater.collect.webhooks import Unreadable
from headwater.collect.webhooks.common import hmac_hex, is_recent, is_same, person, track, unix

EVENTS = {
    "invoice.paid": "Invoice Paid",
    "invoice.payment_failed": "Invoice Payment Failed",
    "customer.subscription.created": "Subscription Started",
    "customer.subscription.deleted": "Subscription Cancelled",
    "charge.refunded": "Order Refunded",
}
ZERO_DECIMAL = frozenset(
    {
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
        *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"),
    }
)
"""Currencies without a smaller unit (Stripe documentation, «Zero-decimal currencies»)."""


class Stripe:
    """Invoices, subscriptions, refunds."""

    def verify(
        self, secret: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
    ) -> bool:
        """Any of the `v1` signatures, of a call at most five minutes old."""
        parts = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
        stamp = next((value for name, _, value in parts if name == "t"), "")
        if not secret or not is_recent(stamp, now):
            return False
        expected = hmac_hex(secret, f"{stamp}.", body)
        return any(is_same(expected, value) for name, _, value in parts if name == "v1")

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """The event, where it is one of `EVENTS`."""
        call = msgspec.json.decode(body, type=dict[str, Any])
        name, item = EVENTS.get(call["type"]), call["data"]["object"]
        if name is None:
            return [Unreadable(body, f"no event for {call['type']}"[:100])]
        metadata = item.get("metadata") or {}
        customer = item.get("customer")
        address = item.get("customer_email") or item.get("receipt_email")
        who = person(metadata.get("user_id"), address, f"stripe_{customer}" if customer else None)
        return [
            track(f"stripe_{call['id']}", name, who, _properties(item, customer), unix(call.get("created")), "stripe")
        ]


def _properties(item: Mapping[str, Any], customer: Any) -> dict[str, Any]:
    currency = item.get("currency")
    divisor = 1 if currency in ZERO_DECIMAL else 100
    amount = next((item[n] for n in ("amount_paid", "amount_refunded", "amount_due") if item.get(n) is not None), None)
    plan = item.get("plan") or {}
    return {
        "payment_id": customer,
        "invoice_id": item["id"] if item.get("object") == "invoice" else None,
        "subscription_id": item["id"] if item.get("object") == "subscription" else item.get("subscription"),
        "order_id": (item.get("metadata") or {}).get("order_id"),
        "revenue": amount / divisor if isinstance(amount, int) else None,
        "currency": currency.upper() if isinstance(currency, str) else None,
        "plan": plan.get("nickname") or plan.get("id"),
        "reason": (item.get("cancellation_details") or {}).get("reason"),
    }
