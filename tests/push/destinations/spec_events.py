"""One spec event of each kind that every tool maps: what the golden requests are made from."""

from __future__ import annotations

from typing import Any

MUG = {"product_id": "P-1", "sku": "MUG-W", "name": "Mug", "brand": "Clay", "category": "Kitchen", "variant": "white",
       "price": 12.5, "quantity": 2, "coupon": "TEN", "position": 1, "url": "https://shop.example/p/mug",
       "image_url": "https://shop.example/i/mug.jpg"}  # fmt: skip
POT = {"product_id": "P-2", "name": "Pot", "price": 30, "quantity": 1}
AT = "2026-11-20T10:00:00.000Z"
AT_SECONDS = 1795168800


def event(number: int, kind: str = "track", **fields: Any) -> dict[str, Any]:
    """An event `m<number>` of a known user at `AT`."""
    return {
        "messageId": f"m{number}",
        "type": kind,
        "userId": "user-1",
        "anonymousId": "device-1",
        "timestamp": AT,
        "receivedAt": AT,
        **fields,
    }


def track(number: int, name: str, properties: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A track call."""
    return event(number, "track", event=name, properties=properties, **fields)


ORDER_COMPLETED = track(
    1, "Order Completed",
    {"order_id": "O-1", "revenue": 55, "tax": 5.5, "shipping": 4, "total": 64.5, "currency": "EUR", "coupon": "TEN",
     "products": [MUG, POT]},
)  # fmt: skip
PRODUCT_VIEWED = track(2, "Product Viewed", {**MUG, "currency": "EUR"})
PRODUCT_ADDED = track(3, "Product Added", {**MUG, "currency": "EUR", "cart_id": "C-1"})
CHECKOUT_STARTED = track(
    4, "Checkout Started", {"order_id": "O-1", "value": 55, "currency": "EUR", "products": [MUG, POT]}
)
PRODUCTS_SEARCHED = track(5, "Products Searched", {"query": "blue mug"})
ORDER_REFUNDED = track(
    6, "Order Refunded", {"order_id": "O-1", "total": 30, "currency": "EUR", "products": [POT]}
)  # fmt: skip
IDENTIFY = event(
    7, "identify",
    traits={"email": "ana@example.com", "firstName": "Ana", "lastName": "Silva", "phone": "+351912345678",
            "plan": "premium", "address": {"city": "Porto", "country": "PT"}},
)  # fmt: skip
PAGE = event(
    8, "page", name="Home", properties={"title": "Home"},
    context={"page": {"url": "https://shop.example/?utm_source=x", "path": "/", "referrer": "https://search.example/",
                      "title": "Home"}},
)  # fmt: skip
SCREEN = event(9, "screen", name="Basket", properties={})
GROUP = event(10, "group", groupId="acme", traits={"name": "Acme", "seats": 12})
ALIAS = event(11, "alias", previousId="device-1")
ORDERS = (ORDER_COMPLETED, PRODUCT_VIEWED, PRODUCT_ADDED, CHECKOUT_STARTED, PRODUCTS_SEARCHED, ORDER_REFUNDED)
