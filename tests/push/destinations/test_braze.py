"""Braze's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.braze import Braze
from sandbox.standins.braze import Braze as BrazeStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

WHO = {"external_id": "user-1", "time": shop.AT}


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(BrazeStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> Braze:
    return open_at(Braze, url, settings)  # type: ignore[return-value]


def test_an_order_becomes_purchases_and_the_rest_custom_events() -> None:
    [body] = bodies(make(), *shop.ORDERS)
    assert body == {
        "purchases": [
            {**WHO, "product_id": "P-1", "currency": "EUR", "price": 12.5, "quantity": 2, "properties": {
                "sku": "MUG-W", "name": "Mug", "brand": "Clay", "category": "Kitchen", "variant": "white",
                "coupon": "TEN", "position": 1, "url": "https://shop.example/p/mug",
                "image_url": "https://shop.example/i/mug.jpg", "order_id": "O-1"}},
            {**WHO, "product_id": "P-2", "currency": "EUR", "price": 30.0, "quantity": 1,
             "properties": {"name": "Pot", "order_id": "O-1"}},
        ],
        "events": [
            {**WHO, "name": "Product Viewed", "properties": shop.MUG | {"currency": "EUR"}},
            {**WHO, "name": "Product Added", "properties": shop.MUG | {"currency": "EUR", "cart_id": "C-1"}},
            {**WHO, "name": "Checkout Started", "properties": shop.CHECKOUT_STARTED["properties"]},
            {**WHO, "name": "Products Searched", "properties": {"query": "blue mug"}},
            {**WHO, "name": "Order Refunded", "properties": shop.ORDER_REFUNDED["properties"]},
        ],
    }  # fmt: skip


def test_the_recommended_events_hold_to_brazes_schema(tool: StandinServer) -> None:
    [body] = bodies(make(orders="recommended", app_id="app"), *shop.ORDERS)
    mug = {"product_id": "P-1", "product_name": "Mug", "variant_id": "white", "price": 12.5, "quantity": 2,
           "image_url": "https://shop.example/i/mug.jpg", "product_url": "https://shop.example/p/mug"}  # fmt: skip
    pot = {"product_id": "P-2", "product_name": "Pot", "variant_id": "P-2", "price": 30, "quantity": 1}
    shared = {"currency": "EUR", "source": "web"}
    viewed = {key: value for key, value in mug.items() if key != "quantity"}
    assert [(event["name"], event["properties"]) for event in body["events"]] == [
        ("ecommerce.order_placed", {"order_id": "O-1", "total_value": 55.0, "products": [mug, pot], **shared}),
        ("ecommerce.product_viewed", {**viewed, **shared}),
        ("ecommerce.cart_updated",
         {"cart_id": "C-1", "action": "add", "total_value": 25.0, "products": [mug], **shared}),
        ("ecommerce.checkout_started", {"checkout_id": "O-1", "total_value": 55.0, "products": [mug, pot], **shared}),
        ("Products Searched", {"query": "blue mug"}),
        ("ecommerce.order_refunded", {"order_id": "O-1", "total_value": 30.0, "products": [pot], **shared}),
    ]  # fmt: skip
    assert body["events"][0]["app_id"] == "app"
    no_currency = shop.track(9, "Order Completed", {"order_id": "O-2", "total": 3, "products": [shop.POT]})
    found = deliver(make(tool.url, orders="recommended"), *shop.ORDERS, no_currency)
    assert accepted(found) == [True] * 6 + [False]
    assert found[6][0].message == "'currency' is required for the event 'ecommerce.order_placed'"


def test_an_identify_merges_the_device_before_it_sets_attributes() -> None:
    destination = make()
    joined, track = destination.calls(streamed(shop.IDENTIFY))
    assert (joined.request.url, track.request.url) == (
        "http://127.0.0.1:9/users/identify", "http://127.0.0.1:9/users/track",
    )  # fmt: skip
    assert joined.request.headers["Authorization"] == "Bearer sandbox_demo"
    alias = {"alias_name": "device-1", "alias_label": "anonymous_id"}
    assert bodies(destination, shop.IDENTIFY) == [
        {"aliases_to_identify": [{"external_id": "user-1", "user_alias": alias}], "merge_behavior": "merge"},
        {"attributes": [{
            "external_id": "user-1", "email": "ana@example.com", "first_name": "Ana", "last_name": "Silva",
            "phone": "+351912345678", "plan": "premium", "home_city": "Porto", "country": "PT"}]},
    ]  # fmt: skip
    [body] = bodies(destination, shop.ALIAS)
    assert body["aliases_to_identify"][0]["user_alias"]["alias_name"] == "device-1"


def test_a_device_alone_is_an_alias_and_a_page_an_event() -> None:
    [body] = bodies(make(event_names={"page": "Visit"}, property_names={"title": "headline"}),
                    shop.PAGE | {"userId": None})  # fmt: skip
    assert body == {"events": [{
        "user_alias": {"alias_name": "device-1", "alias_label": "anonymous_id"}, "_update_existing_only": False,
        "name": "Visit", "time": shop.AT, "properties": {
            "url": "https://shop.example/?utm_source=x", "path": "/", "referrer": "https://search.example/",
            "title": "Home", "headline": "Home", "name": "Home"}}]}  # fmt: skip
    assert make().unsupported(shop.GROUP) == "Braze has no groups"


def test_an_order_of_many_products_takes_several_requests_of_75() -> None:
    many = shop.track(1, "Order Completed", {
        "currency": "EUR", "products": [{"product_id": f"P{n}", "price": 1, "quantity": 1} for n in range(160)]
    })  # fmt: skip
    calls = make().calls(streamed(many, shop.PRODUCTS_SEARCHED))
    assert [call.events for call in calls] == [(0,), (0,), (0, 1)]
    [body] = bodies(make(), shop.track(1, "Order Completed", {
        "currency": "EUR", "products": [{"product_id": "P", "price": 1, "quantity": 250}]
    }))  # fmt: skip
    assert [purchase["quantity"] for purchase in body["purchases"]] == [100, 100, 50]


def bought(*quantities: Any) -> dict[str, Any]:
    products = [{"product_id": f"P{n}", "price": 3, "quantity": given} for n, given in enumerate(quantities)]
    return shop.track(1, "Order Completed", {"currency": "EUR", "products": products})


@pytest.mark.parametrize(
    ("quantities", "words"),
    [
        ([1e12], "more than 1,000 purchases"),
        (["100001"], "more than 1,000 purchases"),
        ([60_000, 60_000], "more than 1,000 things"),
        ([1] * 1001, "more than 1,000 things"),
        ([-1], "no purchase with the quantity -1"),
    ],
)
def test_a_quantity_beyond_reason_is_refused_before_it_fills_the_memory(quantities: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make().calls(streamed(bought(*quantities)))


def test_what_was_paid_stays_exact_for_quantities_that_are_not_whole() -> None:
    [body] = bodies(make(), bought(0.25, "2", 0, "1e999"))
    assert [(one["price"], one["quantity"]) for one in body["purchases"]] == [(0.75, 1), (3, 2), (3, 1)]
    assert body["purchases"][0]["properties"]["quantity"] == 0.25
    assert [len(call.events) for call in make().calls(streamed(bought(100_000)))] == [1] * 14


def test_everything_arrives_and_a_repeat_counts_twice_as_braze_has_no_ids(tool: StandinServer) -> None:
    for _ in range(2):
        assert accepted(deliver(make(tool.url), *shop.ORDERS, shop.IDENTIFY, shop.ALIAS)) == [True] * 8
    assert tool.counts() == {
        "(purchase)": 4, "Product Viewed": 2, "Product Added": 2, "Checkout Started": 2, "Products Searched": 2,
        "Order Refunded": 2, "(identify)": 1, "(attributes)": 1,
    }  # fmt: skip


def test_a_partial_refusal_finds_its_event(tool: StandinServer) -> None:
    bad = [
        shop.track(20, "Order Completed", {"products": [shop.POT]}),
        shop.IDENTIFY | {"messageId": "m21", "traits": {"email": "nobody"}},
    ]
    found = deliver(make(tool.url), shop.PAGE, bad[0], shop.ORDER_COMPLETED, bad[1], shop.PRODUCT_VIEWED)
    assert accepted(found) == [True, False, True, False, True]
    assert (found[1][0].code, found[1][0].message) == ("purchases", "'currency' must be a valid ISO 4217 currency code")
    assert [one.is_accepted for one in found[3]] == [True, False]
    assert accepted(deliver(make(tool.url, currency="EUR"), bad[0])) == [True]


def test_a_limit_is_waited_for_as_the_headers_say(tmp_path: Path) -> None:
    with StandinServer(BrazeStandin, tmp_path, rate=0.05) as tool:
        deliver(make(tool.url), shop.PAGE)
        answer = tool.client.post("/users/track", json={})
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert answer.status_code == 429
    told = make().wait_seconds(Answer(429, answer.json(), "", headers))
    assert told is not None
    assert 10 <= told <= 30
    assert make().wait_seconds(Answer(429, None, "", {"x-ratelimit-retry-after": "7"})) == 7
    assert make().wait_seconds(Answer(429, None, "")) is None


def test_a_wrong_key_an_empty_answer_and_an_error_of_nothing(tool: StandinServer) -> None:
    with pytest.raises(ConfigError, match="Invalid API key"):
        deliver(open_at(Braze, tool.url, token="wrong"), shop.PAGE)
    destination = make()
    [call] = destination.calls(streamed(shop.PAGE))
    error = {"type": "bad", "input_array": "events", "index": 3}
    for body in (None, {}, {"message": "success", "errors": [error]}, {"message": "success", "errors": ["bad"]}):
        with pytest.raises(UnavailableError):
            destination.call_outcomes(call, Answer(201, body, ""))
    assert not destination.is_readable(Answer(400, {"message": "no"}, ""))
