"""The body of each tool's call, made of the company's own records.

Belongs here: shapes. Does not belong here: signatures (`signing`), when what is sent (`happenings`).

An id is made of what the call is about, so the same happening always has the same id.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sandbox.clock import iso, parse

Row = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One call. `source` is what the receiver calls the tool, `scheme` how the tool signs."""

    source: str
    scheme: str
    body: bytes


def email(metric: str, at: int, delivery: str, *, address: str | None, user_id: str | None, **data: Any) -> Call:
    """Customer.io's shape. Most e-mail tools know a person by the address; `user_id` is told without one only."""
    identifiers: Row = {"email": address} if address else {"id": user_id}
    body = {
        "data": {"delivery_id": delivery, "identifiers": identifiers, "recipient": address, **data},
        "event_id": _id(metric, delivery),
        "object_type": "email",
        "metric": metric,
        "timestamp": at // 1000,
    }
    return Call("email_activity", "customerio", _json(body))


def invoice_paid(subscription: Row, customer: Row, at: int) -> Call:
    """Stripe's shape: a subscription's month is paid."""
    key = _id(subscription["id"], str(at // 86_400_000))
    metadata = {"user_id": customer["user_id"]} if customer["user_id"] else {}
    invoice = {
        "id": f"in_{key}",
        "object": "invoice",
        "amount_due": subscription["price_cents"],
        "amount_paid": subscription["price_cents"],
        "currency": subscription["currency"].lower(),
        "customer": customer["id"],
        "customer_email": customer["email"],
        "parent": {"subscription_details": {"subscription": subscription["id"], "metadata": metadata}},
    }
    body = {"id": f"evt_{key}", "object": "event", "created": at // 1000, "type": "invoice.paid"}
    return Call("payment_activity", "stripe", _json(body | {"data": {"object": invoice}}))


def ticket(kind: str, row: Row, at: int, event: Row | None = None) -> Call:
    """Zendesk's shape, with the requester as a trigger adds it."""
    detail = {
        "id": row["id"],
        "subject": row["subject"],
        "status": row["status"].upper(),
        "requester": {"external_id": row["user_id"], "email": row["requester_email"]},
        "via": {"channel": "web_service"},
    }
    body = {"id": _id(kind, row["id"], str(at)), "type": f"zen:event-type:ticket.{kind}", "time": iso(at)}
    return Call("ticket_activity", "zendesk", _json(body | {"detail": detail, "event": event or {}}))


def sales_calls(activities: list[Row]) -> Call:
    """The CRM's shape: several a call. Rows are activities with their contact's e-mail and shop_user_id."""
    events = [
        {
            "id": row["id"],
            "type": "sales_call.logged",
            "occurred_at": row["occurred_at"],
            "note": row["note"],
            "contact": {"id": row["contact_id"], "email": row["email"], "shop_user_id": row["shop_user_id"]},
        }
        for row in activities
    ]
    return Call("sales_activity", "crm", _json({"events": events}))


def marketplace_order(number: int, address: str, lines: list[tuple[Row, int]], at: int) -> Call:
    """Shopify's shape: an order on the second shop, which knows its buyers by address. Lines are (product, count)."""
    total = sum(product["price_cents"] * count for product, count in lines)
    body = {
        "id": number,
        "email": address,
        "created_at": iso(at),
        "cancelled_at": None,
        "currency": "USD",
        "total_price": _money(total),
        "subtotal_price": _money(total),
        "total_tax": "0.00",
        "total_discounts": "0.00",
        "customer": {"id": int(_id(address)[:12], 16), "email": address},
        "line_items": [
            {
                "product_id": product["id"],
                "sku": product["sku"],
                "title": product["name"],
                "price": _money(product["price_cents"]),
                "quantity": count,
            }
            for product, count in lines
        ],
    }
    return Call("marketplace", "shopify", _json(body))


def survey(row: Row, rating: int, at: int) -> Call:
    """A form tool's own shape, which nobody has a translation for."""
    answers = [{"question": "How did we do?", "value": rating}]
    body = {
        "response_id": _id("survey", row["id"], str(at)),
        "submitted": iso(at),
        "respondent": row["requester_email"],
    }
    return Call("survey", "token", _json(body | {"answers": answers}))


def moment(text: str) -> int:
    """A record's time in milliseconds."""
    return parse(text)


def _money(cents: int) -> str:
    return f"{cents / 100:.2f}"


def _id(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
