"""Rows for the tables of which the hand-made company has none, so that no model is compared while it is empty.

Belongs here: rows that are plausible and that something else refers to. Does not belong here: values that nobody
expects (`test_spark`), and what the numbers should be.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

from .conftest import AS_OF, _event, _ordered, _track

Rows = list[dict[str, Any]]
NOW = datetime.fromisoformat(AS_OF)
VIOLATIONS = [
    {"type": "missing_required", "property": "properties.total", "message": "properties.total is missing"},
    {"type": "rule", "property": "properties.debug", "message": 'it says "yes", é'},
]


def other_rows() -> dict[str, Rows]:
    """Table → rows, events of a faithful customer and of one who is gone among them."""
    return {**_tools(), **_deliveries(), "identity.identifiers": _identifiers(), "raw.events": [*_fan(), *_gone()]}


def _identifiers() -> Rows:
    known = {"fan": ("user_id:u_fan", "crm_id:crm_fan", "payment_id:cus_fan"), "gone": ("user_id:u_gone",)}
    pairs = [(each.split(":"), who) for who, ids in known.items() for each in ids]
    return [{"id_type": kind, "id_value": value, "customer_id": who} for (kind, value), who in pairs]


def _fan() -> Rows:
    """Five orders above a hundred, and here in each of the last four weeks."""
    rows: Rows = []
    for week in range(5):
        at = str(NOW - timedelta(days=7 * week + 2))
        order = _ordered(f"fan{week}", 130 + week / 3, ("p1", "boots", 130.0, 1), coupon="SPRING")
        rows.append(_event(at, type="page", name="Home", userId="u_fan", anonymousId="d_fan"))
        rows.append(_track(at, "Order Completed", properties=order, userId="u_fan", anonymousId="d_fan"))
    return [*rows, {**_track(str(NOW), "Checkout Started", userId="u_fan"), "violations": json.dumps(VIOLATIONS)}]


def _gone() -> Rows:
    return [_track("2025-03-01 10:00:00", "Order Completed", properties=_ordered("g1", 20), userId="u_gone")]


def _tools() -> dict[str, Rows]:
    feb, mar = datetime(2026, 2, 1), datetime(2026, 3, 1)
    return {
        "raw.ads__campaigns": [
            {"id": "ac1", "platform": "google", "name": "Spring", "utm_source": "Google", "utm_medium": "cpc"},
            {"id": "ac2", "platform": "meta", "name": " ", "utm_source": "ig", "utm_medium": "paid", "created_at": feb},
        ],
        "raw.ads__ads": [
            {"id": "ad1", "campaign_id": "ac1", "name": "Boots", "utm_content": "boots"},
            {"id": "ad2", "campaign_id": "ac2", "name": "Socks", "_is_deleted": True},
        ],
        "raw.ads__daily_performance": [
            {"id": "d1", "day": date(2026, 1, 10), "campaign_id": "ac1", "ad_id": "ad1", "spend_cents": 1234,
             "currency": "usd", "impressions": 1000, "clicks": 7},
            {"id": "d2", "day": date(2026, 2, 28), "campaign_id": "ac2", "spend_cents": 999, "clicks": 0},
            {"id": "d3", "day": date(2026, 2, 28), "campaign_id": "ac1", "ad_id": "ad1", "spend_cents": None},
        ],
        "raw.ads__lift_results": [
            {"id": f"r{number}", "campaign_id": "ac1", "first_day": feb.date(), "last_day": date(2026, 2, 28),
             "study_group": group, "user_bucket": number // 2, "users": 7, "orders": orders, "updated_at": mar}
            for number, (group, orders) in enumerate((("test", 2), (" Control ", 1), ("test", None), ("control", 0)))
        ],
        "raw.crm__contacts": [
            {"id": "crm_fan", "email": "fan@example.com", "first_name": "Fay", "birth_date": datetime(1991, 3, 15)},
        ],
        "raw.crm__activities": [
            {"id": "a1", "contact_id": "crm_cat", "kind": "call", "note": "No answer.", "occurred_at": feb,
             "duration_seconds": 61, "owner": "Mia"},
            {"id": "a2", "contact_id": "crm_fan", "kind": "meeting", "occurred_at": mar},
        ],
        "raw.email__campaigns": [
            {"id": "nl1", "name": "News", "subject": "Spring", "coupon_code": "SPRING", "sent_at": feb},
            {"id": "nl2", "name": "", "sent_at": None},
        ],
        "raw.payments__coupons": [
            {"id": "k1", "code": "SPRING", "percent_off": 15, "valid_from": datetime(2026, 1, 1), "valid_until": mar},
            {"id": "k2", "code": "SPRING", "amount_off_cents": 500, "valid_from": mar},
        ],
        "raw.payments__customers": [{"id": "cus_fan", "email": "fan@example.com", "user_id": "u_fan"}],
        "raw.payments__order_lines": [
            {"id": "l1", "order_id": "o1", "product_id": "p1", "quantity": 1, "unit_price_cents": 10000},
            {"id": "l2", "order_id": "o1", "product_id": "p2", "quantity": 2, "unit_price_cents": None},
        ],
        "raw.payments__skus": [
            {"id": "s1", "sku": "BOOT-1", "product_id": "p1", "title": "Boots", "unit_price_cents": 10000,
             "currency": "usd"},
        ],
        "raw.payments__subscriptions": [
            {"id": "sub1", "customer_id": "cus_fan", "plan": "plus", "price_cents": 990, "currency": "usd",
             "status": "active", "started_at": feb, "updated_at": feb},
            {"id": "sub2", "customer_id": "cus_ann", "plan": "basic", "price_cents": 495, "currency": "USD",
             "status": "cancelled", "started_at": datetime(2026, 1, 31), "cancelled_at": mar, "updated_at": mar},
        ],
        "raw.payments__invoices": [
            {"id": "i1", "subscription_id": "sub1", "customer_id": "cus_fan", "amount_cents": 990, "currency": "usd",
             "status": "paid", "issued_at": feb, "paid_at": feb + timedelta(seconds=1)},
            {"id": "i2", "subscription_id": "sub1", "customer_id": "cus_fan", "amount_cents": 990, "status": "open",
             "issued_at": mar},
        ],
        "raw.shop__inventory": [
            {"id": "v1", "product_id": "p1", "available": 3, "updated_at": feb},
            {"id": "v2", "product_id": "p2", "available": 0, "_is_deleted": True},
        ],
        "raw.files__customers": [{"source": "shop", "user_id": "u_dan", "country": "GB", "first_seen_at": feb}],
        "raw.files__order_lines": [
            {"source": "shop", "order_id": "f1", "line_no": 1, "product_id": "P9", "quantity": 2,
             "unit_price_cents": 2500},
            {"source": "shop", "order_id": "C1", "line_no": 1, "product_id": "P9", "quantity": -1},
        ],
        "raw.files__products": [{"source": "shop", "product_id": "P9", "name": "Mug", "unit_price_cents": 2500}],
        "ml.churn_scores": [
            {"customer_id": who, "probability": chance, "percentile": chance, "reasons": json.dumps(reasons),
             "model_version": "v1", "scored_at": NOW}
            for who, chance, reasons in (("fan", 0.125, ['rare, "visits"', "é"]), ("cat", 0.875, []), ("ann", None, []))
        ],
        "identity.account_members": [{"account_id": "a1", "customer_id": "cat", "source_table": "raw.crm__contacts"}],
        "identity.successors": [
            {"former_id": "old", "customer_id": "ann", "id_type": "email", "id_value": "a@x.org", "since": feb},
        ],
    }  # fmt: skip


def _deliveries() -> dict[str, Rows]:
    known = {"source": "web", "type": "track", "event": "Order Completed"}
    at = datetime(2026, 3, 1, 12)
    told = {"destination": "ga4", "received_at": at, "at": at, "segment": "01", "tool_event": "purchase", "reason": ""}
    outcomes = [("m1", "delivered", "01", ""), ("m2", "rejected", "01", ""), ("m2", "delivered", "", "")]
    outcomes += [("m3", "filtered", "01", "consent"), ("m4", "rejected", "01", "")]
    arrived = {"segment": "01", "received_date": at.date(), **known}
    kept = {"message_id": "q1", "received_at": at, **known}
    return {
        "raw.deliveries": [
            {**told, **known, "seq": seq, "message_id": message, "status": status, "segment": segment, "reason": reason}
            for seq, (message, status, segment, reason) in enumerate(outcomes)
        ],
        "raw.delivery_counts": [{"destination": "ga4", "reason": "plan", "events": 2, **arrived}],
        "raw.delivery_places": [{"destination": "ga4", "segment": "01", "is_whole": True}],
        "raw.destinations": [{"destination": "ga4", "type": "ga4", "counted_types": ",track,"}],
        "raw.destination_counts": [{"destination": "ga4", "day": at.date(), "event": "purchase", "events": 3}],
        "raw.destination_reports": [{"destination": "ga4", "read_at": at + timedelta(hours=1)}],
        "raw.arrivals": [
            {**arrived, "lake_object": "01 accepted", "status": "accepted", "events": 6},
            {**arrived, "lake_object": "01 quarantined", "status": "quarantined", "events": 1},
        ],
        "raw.quarantine": [{**kept, "reason": "plan: rule", "violations": json.dumps(VIOLATIONS), "payload": "{}"}],
        "raw.dropped": [
            {**kept, "reason": "plan: rule", "payload": json.dumps({"context": {"violationErrors": VIOLATIONS}})}
        ],
    }
