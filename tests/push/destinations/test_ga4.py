"""GA4's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.push.destinations.ga4 import Ga4
from sandbox.standins.ga4 import Ga4 as Ga4Standin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

SETTINGS = {"measurement_id": "G-SANDBOX01"}
MUG = {"item_id": "P-1", "item_name": "Mug", "coupon": "TEN", "index": 1, "item_brand": "Clay",
       "item_category": "Kitchen", "item_variant": "white", "price": 12.5, "quantity": 2}  # fmt: skip
POT = {"item_id": "P-2", "item_name": "Pot", "price": 30, "quantity": 1}


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(Ga4Standin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> Ga4:
    return open_at(Ga4, url, SETTINGS | settings)  # type: ignore[return-value]


def test_shop_events_become_ga4s_own_in_one_request_of_one_client() -> None:
    [body] = bodies(make(), *shop.ORDERS)
    assert body["client_id"] == "device-1"
    assert body["user_id"] == "user-1"
    micros = shop.AT_SECONDS * 1_000_000
    assert {event["timestamp_micros"] for event in body["events"]} == {micros}
    assert [(event["name"], event["params"]) for event in body["events"]] == [
        ("purchase", {"engagement_time_msec": 1, "currency": "EUR", "value": 55.0, "transaction_id": "O-1", "tax": 5.5,
                      "shipping": 4, "coupon": "TEN", "items": [MUG, POT]}),
        ("view_item", {"engagement_time_msec": 1, "currency": "EUR", "value": 25.0,
                       "items": [MUG | {"currency": "EUR"}]}),
        ("add_to_cart", {"engagement_time_msec": 1, "currency": "EUR", "value": 25.0, "cart_id": "C-1",
                         "items": [MUG | {"currency": "EUR"}]}),
        ("begin_checkout", {"engagement_time_msec": 1, "currency": "EUR", "value": 55.0, "transaction_id": "O-1",
                            "items": [MUG, POT]}),
        ("search", {"engagement_time_msec": 1, "search_term": "blue mug"}),
        ("refund", {"engagement_time_msec": 1, "currency": "EUR", "value": 30.0, "transaction_id": "O-1",
                    "items": [POT]}),
    ]  # fmt: skip


def test_the_secret_is_in_the_query_and_the_page_in_the_parameters() -> None:
    [call] = make().calls(streamed(shop.PAGE | {"context": shop.PAGE["context"] | {"sessionId": 17}}))
    assert call.request.url == "http://127.0.0.1:9/mp/collect?measurement_id=G-SANDBOX01&api_secret=sandbox_demo"
    assert "Authorization" not in call.request.headers
    [body] = bodies(make(), shop.PAGE | {"context": shop.PAGE["context"] | {"sessionId": 17}})
    assert body["events"][0]["name"] == "page_view"
    assert body["events"][0]["params"] == {
        "engagement_time_msec": 1, "session_id": "17", "page_location": "https://shop.example/?utm_source=x",
        "page_referrer": "https://search.example/", "page_title": "Home", "title": "Home",
    }  # fmt: skip


def test_an_identify_is_told_only_when_named_and_never_who_the_person_is() -> None:
    assert "settings.identify_event" in make().unsupported(shop.IDENTIFY)
    assert make().unsupported(shop.ALIAS) == "GA4 has no alias"
    destination = make(identify_event="login")
    assert destination.unsupported(shop.IDENTIFY) == ""
    [body] = bodies(destination, shop.IDENTIFY)
    assert body["user_properties"] == {"plan": {"value": "premium"}}
    assert body["events"][0]["name"] == "login"
    [body] = bodies(destination, shop.GROUP)
    assert body["events"][0] | {"timestamp_micros": 0} == {
        "name": "join_group", "timestamp_micros": 0, "params": {"engagement_time_msec": 1, "group_id": "acme"},
    }  # fmt: skip


def test_what_is_older_than_72_hours_is_not_sent() -> None:
    late = shop.PRODUCT_VIEWED | {"timestamp": "2026-11-17T09:59:59.000Z"}
    assert "72 hours" in make().unsupported(late)
    assert make().unsupported(late | {"timestamp": "2026-11-17T10:00:00.000Z"}) == ""


def test_the_company_names_events_and_properties_otherwise() -> None:
    destination = make(event_names={"Order Completed": "sale", "Trial": "start trial"}, property_names={"tax": "vat"})
    [body] = bodies(destination, shop.ORDER_COMPLETED, shop.track(9, "Trial", {"tax": 1}))
    assert [event["name"] for event in body["events"]] == ["sale", "start_trial"]
    assert body["events"][1]["params"]["vat"] == 1


def test_each_client_has_requests_of_at_most_25_events() -> None:
    events = [shop.track(n, "Seen", {}, anonymousId=f"d{n % 2}", userId=None) for n in range(60)]
    calls = make().calls(streamed(*events))
    assert [len(call.events) for call in calls] == [25, 5, 25, 5]
    assert sorted(index for call in calls for index in call.events) == list(range(60))
    assert calls[0].events == tuple(range(0, 50, 2))


def test_names_values_and_sizes_are_made_to_fit(tool: StandinServer) -> None:
    wild = {
        "1st": "x", "ga_own": 1, "long" * 30: "y" * 500, "nested": {"a": {"b": True}}, "list": [1, "zwei"],
        "none": None,
    } | {f"more_{n}": n for n in range(40)}  # fmt: skip
    events = [shop.track(1, "first_open", wild), shop.track(2, "Größe gewählt!", {}), shop.track(3, "42", {})]
    [body] = bodies(make(), *events)
    names = [event["name"] for event in body["events"]]
    assert names == ["custom_first_open", "Gr_e_gew_hlt", "x_42"]
    params = body["events"][0]["params"]
    assert len(params) == 25
    assert params["x_1st"] == "x"
    assert params["x_ga_own"] == 1
    assert params["nested_a_b"] == "true"
    assert params["item_list_name"] == "1,zwei"
    assert len(params[("long" * 30)[:40]]) == 100
    assert accepted(deliver(make(tool.url), *events)) == [True] * 3
    assert [row["event"] for row in tool.kept()] == names
    assert accepted(deliver(make(tool.url, debug=True), *events)) == [True] * 3


def test_orders_arrive_and_a_purchase_repeated_is_one(tool: StandinServer) -> None:
    for _ in range(2):
        assert accepted(deliver(make(tool.url), *shop.ORDERS)) == [True] * 6
    assert tool.counts() == {
        "purchase": 1, "refund": 2, "view_item": 2, "add_to_cart": 2, "begin_checkout": 2, "search": 2,
    }  # fmt: skip
    assert tool.kept()[0]["user"] == "user-1"


def test_with_debug_the_complaint_finds_its_event(tool: StandinServer) -> None:
    bad = shop.track(2, "Order Refunded", {"total": 5})
    found = deliver(make(tool.url, debug=True), shop.PAGE, bad, shop.ORDER_REFUNDED)
    assert accepted(found) == [True, False, True]
    assert found[1][0].code == "VALUE_REQUIRED"
    assert tool.kept() == []
    assert accepted(deliver(make(tool.url), shop.PAGE, bad)) == [True, True]
    assert tool.counts() == {"page_view": 1, "refund": 1}


@pytest.mark.parametrize("order", [{}, {"order_id": ""}])
def test_a_purchase_without_an_orders_number_is_known_again_by_its_message(
    tool: StandinServer, order: dict[str, Any]
) -> None:
    orders = [shop.track(n, "Order Completed", {"revenue": 5, **order}) for n in (1, 2)]
    for _ in range(2):
        assert accepted(deliver(make(tool.url), *orders)) == [True, True]
    assert tool.counts() == {"purchase": 2}


def test_an_amount_has_the_events_currency_else_the_companys() -> None:
    events = [shop.track(n, "Product Viewed", shop.POT | {"currency": code}) for n, code in enumerate(("usd", None))]
    [body] = bodies(make(currency="EUR"), *events)
    assert [event["params"]["currency"] for event in body["events"]] == ["USD", "EUR"]
    [body] = bodies(make(), events[1])
    assert "currency" not in body["events"][0]["params"]


def test_a_wrong_secret_keeps_nothing_and_says_nothing(tool: StandinServer) -> None:
    destination = open_at(Ga4, tool.url, SETTINGS, token="wrong")
    assert accepted(deliver(destination, shop.PAGE)) == [True]
    assert tool.kept() == []


def test_an_event_larger_than_a_request_is_told_in_words() -> None:
    items = [{"product_id": f"P{n}" + "x" * 100, "name": "n" * 100, "brand": "b" * 100, "variant": "v" * 100,
              "category": "c" * 100, "coupon": "k" * 100, "affiliation": "a" * 100} for n in range(200)]  # fmt: skip
    with pytest.raises(ValueError, match="GA4 takes 130,000 in a request"):
        make().calls(streamed(shop.track(1, "Order Completed", {"products": items})))
