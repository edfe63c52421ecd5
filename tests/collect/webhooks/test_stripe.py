"""Stripe's calls as its documentation shows them."""

from __future__ import annotations

from typing import Any

from headwater.collect.webhooks import Call
from headwater.collect.webhooks.stripe import Stripe
from tests.collect.webhooks.calls import BODY, EMAIL_ID, NOW, SECRET, event, no_event, signed


def test_stripe_sends_two_signatures_while_a_secret_is_renewed() -> None:
    (header,) = signed("stripe", BODY).values()
    stamp, good, _ = header.split(",")
    assert Stripe().verify(SECRET, Call({"stripe-signature": f"{stamp},v1=00ff,{good}"}, BODY, NOW))


def stripe(kind: str, item: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {
        "id": "evt_1", "object": "event", "created": 1777888800, "type": kind, "data": {"object": item, **data}
    }  # fmt: skip


INVOICE = {
    "id": "in_1", "object": "invoice", "amount_due": 2990, "amount_paid": 1990, "currency": "usd",
    "customer": "cus_1", "customer_email": "ann@example.com",
}  # fmt: skip


def test_a_paid_invoice_as_an_event_of_the_spec() -> None:
    parent = {"subscription_details": {"subscription": "sub_1", "metadata": {"user_id": "usr_1"}}}
    assert event("stripe", stripe("invoice.paid", INVOICE | {"parent": parent})) == {
        "type": "track",
        "event": "Invoice Paid",
        "messageId": "stripe_evt_1",
        "userId": "usr_1",
        "timestamp": "2026-05-04T10:00:00.000Z",
        "context": {"traits": {"email": "ann@example.com"}, "library": {"name": "webhook:stripe"}},
        "properties": {
            "payment_id": "cus_1",
            "invoice_id": "in_1",
            "subscription_id": "sub_1",
            "total": 19.9,
            "currency": "USD",
        },
    }


def test_an_unpaid_invoice_tells_what_is_due_in_the_currencys_own_unit() -> None:
    old = INVOICE | {"subscription": "sub_9", "currency": "jpy", "customer_email": None}
    found = event("stripe", stripe("invoice.payment_failed", old))
    assert (found["event"], found["anonymousId"]) == ("Invoice Payment Failed", "stripe_cus_1")
    properties = found["properties"]
    assert (properties["total"], properties["currency"], properties["subscription_id"]) == (2990, "JPY", "sub_9")


def test_subscriptions_start_and_end() -> None:
    price = {"id": "price_1", "nickname": "plus", "unit_amount": 1900, "currency": "usd"}
    item = {"id": "sub_1", "object": "subscription", "customer": "cus_1", "metadata": {"user_id": "usr_1"},
            "items": {"data": [{"price": price}]}}  # fmt: skip
    begun = event("stripe", stripe("customer.subscription.created", item))
    assert begun["event"] == "Subscription Started"
    assert begun["properties"] == {
        "payment_id": "cus_1", "subscription_id": "sub_1", "plan": "plus", "price": 19.0, "currency": "USD"
    }  # fmt: skip
    ended = event(
        "stripe",
        stripe("customer.subscription.deleted", item | {"cancellation_details": {"reason": "cancellation_requested"}}),
    )
    assert (ended["event"], ended["properties"]["reason"]) == ("Subscription Cancelled", "cancellation_requested")


def test_a_second_refund_of_a_charge_tells_only_its_own_money() -> None:
    charge = {"id": "ch_1", "object": "charge", "amount_refunded": 3000, "currency": "eur", "customer": None,
              "receipt_email": "ann@example.com", "metadata": {"order_id": "EO-1"}}  # fmt: skip
    found = event("stripe", stripe("charge.refunded", charge, previous_attributes={"amount_refunded": 1000}))
    assert found["event"] == "Order Refunded"
    assert found["properties"] == {"order_id": "EO-1", "refund_id": "evt_1", "total": 20.0, "currency": "EUR"}
    assert found["anonymousId"] == EMAIL_ID


def test_a_call_that_is_no_event_is_told_with_what_it_was() -> None:
    call = stripe("customer.updated", {"id": "cus_1", "object": "customer"})
    assert no_event("stripe", call) == "no event for customer.updated"
