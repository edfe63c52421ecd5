"""Amplitude's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.amplitude import Amplitude
from headwater.push.destinations.base import Answer
from sandbox.standins.amplitude import Amplitude as AmplitudeStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

BASE = {"user_id": "user-1", "device_id": "device-1", "time": shop.AT_SECONDS * 1000}


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(AmplitudeStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> Amplitude:
    return open_at(Amplitude, url, settings)  # type: ignore[return-value]


def test_shop_events_go_in_one_upload_with_the_revenue_apart() -> None:
    [body] = bodies(make(), *shop.ORDERS)
    own = [{"insert_id": f"m{n}", **BASE} for n in range(1, 7)]
    assert body == {"api_key": "sandbox_demo", "events": [
        own[0] | {"event_type": "Order Completed", "event_properties": shop.ORDER_COMPLETED["properties"],
                  "revenue": 55.0, "revenueType": "Purchase", "currency": "EUR"},
        own[1] | {"event_type": "Product Viewed", "event_properties": shop.MUG | {"currency": "EUR"}},
        own[2] | {"event_type": "Product Added",
                  "event_properties": shop.MUG | {"currency": "EUR", "cart_id": "C-1"}},
        own[3] | {"event_type": "Checkout Started", "event_properties": shop.CHECKOUT_STARTED["properties"]},
        own[4] | {"event_type": "Products Searched", "event_properties": {"query": "blue mug"}},
        own[5] | {"event_type": "Order Refunded", "event_properties": shop.ORDER_REFUNDED["properties"],
                  "revenue": -30.0, "revenueType": "Refund", "currency": "EUR"},
    ]}  # fmt: skip
    [call] = make().calls(streamed(*shop.ORDERS))
    assert call.request.url == "http://127.0.0.1:9/2/httpapi"
    assert "Authorization" not in call.request.headers


def test_revenue_for_each_product_when_asked() -> None:
    [body] = bodies(make(revenue_per_product=True), shop.ORDER_COMPLETED)
    order, mug, pot = body["events"]
    assert "revenue" not in order
    assert mug == {
        **BASE, "event_type": "Product Purchased", "insert_id": "m1-0", "price": 12.5, "quantity": 2, "revenue": 25.0,
        "productId": "P-1", "revenueType": "Purchase", "currency": "EUR",
        "event_properties": shop.MUG | {"order_id": "O-1"},
    }  # fmt: skip
    assert (pot["insert_id"], pot["revenue"]) == ("m1-1", 30.0)


def test_an_order_without_a_currency_has_the_companys() -> None:
    order = shop.track(1, "Order Completed", {"order_id": "O-2", "total": 3, "products": [shop.POT]})
    assert bodies(make(currency="EUR"), order)[0]["events"][0]["currency"] == "EUR"
    assert bodies(make(currency="EUR", revenue_per_product=True), order)[0]["events"][1]["currency"] == "EUR"
    assert "currency" not in bodies(make(), order)[0]["events"][0]


def test_identify_group_page_and_screen() -> None:
    context = {"page": shop.PAGE["context"]["page"], "os": {"name": "iOS"}, "sessionId": 1700000000000}
    [body] = bodies(
        make(group_type="company"), shop.IDENTIFY, shop.GROUP, shop.PAGE | {"context": context}, shop.SCREEN
    )
    identify, member, group, page, screen = body["events"]
    assert identify == {
        **BASE, "event_type": "$identify", "insert_id": "m7", "user_properties": {"$set": shop.IDENTIFY["traits"]},
    }  # fmt: skip
    assert member == {
        **BASE, "event_type": "$identify", "insert_id": "m10", "groups": {"company": "acme"},
        "user_properties": {"$set": {"company": "acme"}},
    }  # fmt: skip
    assert group == {
        **BASE, "event_type": "$groupidentify", "insert_id": "m10-group", "groups": {"company": "acme"},
        "group_properties": {"$set": {"name": "Acme", "seats": 12}},
    }  # fmt: skip
    assert page == {
        **BASE, "event_type": "[Amplitude] Page Viewed", "insert_id": "m8", "session_id": 1700000000000,
        "os_name": "iOS", "event_properties": {
            "[Amplitude] Page URL": "https://shop.example/?utm_source=x", "[Amplitude] Page Path": "/",
            "[Amplitude] Page Title": "Home", "referrer": "https://search.example/", "name": "Home"},
    }  # fmt: skip
    assert screen["event_type"] == "[Amplitude] Screen Viewed"
    assert screen["event_properties"] == {"[Amplitude] Screen Name": "Basket"}


def test_what_amplitude_cannot_take_is_found_before() -> None:
    assert "no alias" in make().unsupported(shop.ALIAS)
    assert "settings.group_type" in make().unsupported(shop.GROUP)
    assert "shorter than 5" in make().unsupported(shop.PAGE | {"userId": "u1"})
    assert make(min_id_length=1).unsupported(shop.PAGE | {"userId": "u1"}) == ""
    assert "placeholder" in make().unsupported(shop.PAGE | {"anonymousId": "undefined"})
    assert open_at(Amplitude, "", {"region": "eu"}).base_url == "https://api.eu.amplitude.com"


def test_events_arrive_and_a_repeat_is_known_again(tool: StandinServer) -> None:
    destination = make(tool.url, group_type="company", min_id_length=2, revenue_per_product=True)
    short = shop.track(20, "Seen", {}, userId="u1")
    for _ in range(2):
        assert accepted(deliver(destination, *shop.ORDERS, shop.IDENTIFY, shop.GROUP, short)) == [True] * 9
    assert tool.counts() == {
        "Order Completed": 1, "Product Viewed": 1, "Product Added": 1, "Checkout Started": 1, "Products Searched": 1,
        "Order Refunded": 1, "Product Purchased": 3, "$identify": 2, "$groupidentify": 1, "Seen": 1,
    }  # fmt: skip


def test_a_bad_event_is_named_and_the_others_go_again(tool: StandinServer) -> None:
    destination = make(tool.url, revenue_per_product=True)
    far = shop.track(2, "Later", {}, timestamp="9999-01-01T00:00:00.000Z")
    events = [shop.ORDER_COMPLETED, far, shop.PAGE]
    found = deliver(destination, *events)
    assert [(one.is_accepted, one.is_transient) for [one] in found] == [(False, True), (False, False), (False, True)]
    assert found[1][0].code == "invalid_fields: time"
    assert tool.kept() == []
    assert accepted(deliver(destination, events[0], events[2])) == [True, True]


def test_a_used_up_quota_refuses_only_that_user(tmp_path: Path) -> None:
    with StandinServer(AmplitudeStandin, tmp_path, daily_quota=2) as tool:
        destination = make(tool.url)
        mine = [shop.track(n, "Seen", {}) for n in range(3)]
        other = shop.track(9, "Seen", {}, userId="user-2")
        found = deliver(destination, *mine, other)
        assert [one.is_transient for [one] in found] == [False, False, False, True]
        assert accepted(deliver(destination, other)) == [True]


def test_a_throttled_user_is_waited_for_half_a_minute() -> None:
    throttled = {"code": 429, "eps_threshold": 30, "throttled_users": {"user-1": 40}, "throttled_events": [0]}
    destination = make()
    assert destination.wait_seconds(Answer(429, throttled, "")) == 30
    assert not destination.is_readable(Answer(429, throttled, ""))
    assert destination.wait_seconds(Answer(429, {"code": 429}, "")) is None
    assert destination.wait_seconds(Answer(429, throttled, "", {"retry-after": "3"})) is None


def test_a_wrong_key_is_a_mistake_of_ours(tool: StandinServer) -> None:
    with pytest.raises(ConfigError, match="Invalid API key"):
        deliver(open_at(Amplitude, tool.url, token="wrong"), shop.PAGE)


def test_a_refusal_that_names_no_event_of_ours_accepts_nothing() -> None:
    destination = make()
    [call] = destination.calls(streamed(shop.PAGE))
    for answer in (Answer(200, None, ""), Answer(400, {"events_with_invalid_fields": {"time": [7]}}, "")):
        with pytest.raises(UnavailableError):
            destination.call_outcomes(call, answer)


def test_a_request_never_holds_more_than_a_megabyte(tool: StandinServer) -> None:
    events = [shop.track(n, "Seen", {"words": "é" * 1000}) for n in range(1000)]
    calls = make().calls(streamed(*events))
    assert len(calls) == 3
    assert max(len(call.request.body) for call in calls) <= 1_000_000
    assert sorted(index for call in calls for index in call.events) == list(range(1000))
    with pytest.raises(ValueError, match="the tool takes"):
        make().calls(streamed(shop.track(1, "Seen", {"words": "x" * 1_000_001})))
