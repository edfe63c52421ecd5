"""Stripe and tools that call as Stripe does: one event a call.

Signature: `Stripe-Signature: t=<unix>,v1=<hex>[,v1=…]`, HMAC-SHA256 of `<t>.<body>` with the endpoint's secret (Stripe
documentation, «Verify webhook signatures»). Amounts are in the currency's smallest unit; the spec's are in the unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headwater.collect.webhooks import Call, Unreadable
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

    def verify(self, secret: str, call: Call) -> bool:
        """Any of the `v1` signatures, of a call at most five minutes old."""
        parts = [part.strip().partition("=") for part in call.headers.get("stripe-signature", "").split(",")]
        stamp = next((value for name, _, value in parts if name == "t"), "")
        if not secret or not is_recent(stamp, call.at):
            return False
        expected = hmac_hex(secret, f"{stamp}.", call.body)
        return any(is_same(expected, value) for name, _, value in parts if name == "v1")

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        """The event, where it is one of `EVENTS`."""
        call = msgspec.json.decode(body, type=dict[str, Any])
        name, item = EVENTS.get(call["type"]), call["data"]["object"]
        if name is None:
            return [Unreadable(body, f"no event for {call['type']}"[:100])]
        customer = item.get("customer")
        address = item.get("customer_email") or item.get("receipt_email")
        known = (item.get("metadata") or {}).get("user_id") or (_billed(item).get("metadata") or {}).get("user_id")
        who = person(known, address, f"stripe_{customer}" if customer else None)
        properties = {"payment_id": customer, **_OF[item["object"]](item, call)}
        return [track(f"stripe_{call['id']}", name, who, properties, unix(call.get("created")), "stripe")]


def _invoice(item: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    amount = item.get("amount_paid") if call["type"] == "invoice.paid" else item.get("amount_due")
    return {
        "invoice_id": item["id"],
        "subscription_id": _billed(item).get("subscription"),
        **_money("total", amount, item),
    }


def _subscription(item: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    line: Mapping[str, Any] = next(iter((item.get("items") or {}).get("data") or []), {})
    plan = item.get("plan") or line.get("plan") or line.get("price") or {}
    return {
        "subscription_id": item["id"],
        "plan": plan.get("nickname") or plan.get("id"),
        **_money("price", plan.get("amount", plan.get("unit_amount")), {"currency": plan.get("currency")}),
        "reason": (item.get("cancellation_details") or {}).get("reason"),
    }


def _charge(item: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    before = (call["data"].get("previous_attributes") or {}).get("amount_refunded") or 0
    refunds = (item.get("refunds") or {}).get("data") or []
    return {
        "order_id": (item.get("metadata") or {}).get("order_id") or item["id"],
        "refund_id": refunds[0]["id"] if refunds else call["id"],
        **_money("total", item["amount_refunded"] - before, item),  # a charge tells the sum of all its refunds
    }


_OF = {"invoice": _invoice, "subscription": _subscription, "charge": _charge}


def _billed(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The subscription that an invoice is of, with its metadata: under `parent` since API version 2025-03-31."""
    details = (item.get("parent") or {}).get("subscription_details") or item.get("subscription_details") or {}
    return {"subscription": item.get("subscription")} | details


def _money(name: str, amount: Any, item: Mapping[str, Any]) -> dict[str, Any]:
    currency = item.get("currency")
    if not isinstance(amount, int) or not isinstance(currency, str):
        return {}
    return {name: amount / (1 if currency in ZERO_DECIMAL else 100), "currency": currency.upper()}
