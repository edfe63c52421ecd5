"""Shopify's calls as its documentation shows them."""

from __future__ import annotations

from tests.collect.webhooks.calls import EMAIL_ID, event, no_event

LINE = {"product_id": 788032119674292922, "sku": "JAC-1", "title": "Rain Jacket", "variant_title": "",
        "price": "129.90", "quantity": 2}  # fmt: skip
ORDER = {
    "id": 820982911946154508, "email": "ann@example.com", "created_at": "2026-05-04T06:00:00-04:00",
    "cancelled_at": None, "cancel_reason": None, "currency": "USD", "total_price": "259.80",
    "subtotal_price": "249.80", "total_tax": "0.00", "total_discounts": "10.00",
    "discount_codes": [{"code": "WELCOME10", "amount": "10.00"}],
    "customer": {"id": 115310627314723954, "email": "ann@example.com"}, "line_items": [LINE],
}  # fmt: skip


def test_an_order_as_an_event_of_the_spec() -> None:
    assert event("shopify", ORDER) == {
        "type": "track",
        "event": "Order Completed",
        "messageId": "shopify_820982911946154508_created",
        "anonymousId": EMAIL_ID,
        "timestamp": "2026-05-04T06:00:00-04:00",
        "context": {"traits": {"email": "ann@example.com"}, "library": {"name": "webhook:shopify"}},
        "properties": {
            "order_id": "820982911946154508",
            "customer_id": "115310627314723954",
            "total": 259.8,
            "revenue": 249.8,
            "tax": 0.0,
            "discount": 10.0,
            "currency": "USD",
            "coupon": "WELCOME10",
            "products": [
                {
                    "product_id": "788032119674292922",
                    "sku": "JAC-1",
                    "name": "Rain Jacket",
                    "price": 129.9,
                    "quantity": 2,
                }
            ],
        },
    }


def test_an_order_is_the_users_whom_the_cart_names() -> None:
    named = {"note_attributes": [{"name": "gift", "value": "yes"}, {"name": "user_id", "value": "usr_1"}]}
    assert event("shopify", ORDER | named)["userId"] == "usr_1"


def test_a_cancelled_order_and_a_refund() -> None:
    gone = event("shopify", ORDER | {"cancelled_at": "2026-05-05T06:00:00-04:00", "cancel_reason": "customer"})
    assert (gone["event"], gone["timestamp"], gone["properties"]["reason"]) == (
        "Order Cancelled",
        "2026-05-05T06:00:00-04:00",
        "customer",
    )
    assert gone["messageId"] != event("shopify", ORDER)["messageId"]
    refund = {
        "id": 890088186047892319, "order_id": ORDER["id"], "created_at": "2026-05-06T06:00:00-04:00",
        "refund_line_items": [{"quantity": 1, "line_item": LINE}],
        "transactions": [{"amount": "100.00", "currency": "USD"}, {"amount": "29.90", "currency": "USD"}],
    }  # fmt: skip
    back = event("shopify", refund)
    assert back["event"] == "Order Refunded"
    assert back["anonymousId"] == "shopify_order_820982911946154508"
    assert back["properties"]["total"] == 129.9
    assert back["properties"]["refund_id"] == "890088186047892319"
    assert back["properties"]["products"][0]["quantity"] == 1


def test_a_call_that_is_no_event_is_told_with_what_it_was() -> None:
    assert no_event("shopify", {"id": 1, "title": "a product"}) == "neither an order nor a refund"
