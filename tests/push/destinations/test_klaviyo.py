"""Klaviyo's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.klaviyo import Klaviyo
from headwater.push.sender import RequestRefusedError
from sandbox.standins.klaviyo import Klaviyo as KlaviyoStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

MUG = {"ProductID": "P-1", "SKU": "MUG-W", "ProductName": "Mug", "Brand": "Clay", "Quantity": 2, "ItemPrice": 12.5,
       "ProductURL": "https://shop.example/p/mug", "ImageURL": "https://shop.example/i/mug.jpg", "RowTotal": 25.0,
       "Categories": ["Kitchen"]}  # fmt: skip
POT = {"ProductID": "P-2", "ProductName": "Pot", "Quantity": 1, "ItemPrice": 30, "RowTotal": 30.0}
PROFILE = {"data": {"type": "profile", "attributes": {"external_id": "user-1", "anonymous_id": "device-1"}}}


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(KlaviyoStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> Klaviyo:
    return open_at(Klaviyo, url, settings)  # type: ignore[return-value]


def metric(name: str) -> dict[str, Any]:
    return {"data": {"type": "metric", "attributes": {"name": name}}}


def test_shop_events_become_klaviyos_metrics_one_request_each() -> None:
    found = [body["data"] for body in bodies(make(), *shop.ORDERS)]
    assert {data["type"] for data in found} == {"event"}
    assert all(data["attributes"].pop("profile") == PROFILE for data in found)
    assert all(data["attributes"].pop("time") == shop.AT for data in found)
    assert [data["attributes"] for data in found] == [
        {"metric": metric("Placed Order"), "unique_id": "m1", "value": 55.0, "value_currency": "EUR", "properties": {
            "OrderId": "O-1", "revenue": 55, "tax": 5.5, "shipping": 4, "total": 64.5, "currency": "EUR",
            "DiscountCode": "TEN", "Items": [MUG, POT], "ItemNames": ["Mug", "Pot"]}},
        {"metric": metric("Viewed Product"), "unique_id": "m2", "properties": {
            "ProductID": "P-1", "SKU": "MUG-W", "ProductName": "Mug", "Brand": "Clay", "variant": "white",
            "Price": 12.5, "Quantity": 2, "coupon": "TEN", "position": 1, "URL": "https://shop.example/p/mug",
            "ImageURL": "https://shop.example/i/mug.jpg", "currency": "EUR", "Categories": ["Kitchen"]}},
        {"metric": metric("Added to Cart"), "unique_id": "m3", "value": 25.0, "value_currency": "EUR", "properties": {
            "AddedItemProductID": "P-1", "AddedItemSKU": "MUG-W", "AddedItemProductName": "Mug",
            "AddedItemBrand": "Clay", "variant": "white", "AddedItemPrice": 12.5, "AddedItemQuantity": 2,
            "coupon": "TEN", "position": 1, "AddedItemURL": "https://shop.example/p/mug",
            "AddedItemImageURL": "https://shop.example/i/mug.jpg", "currency": "EUR", "cart_id": "C-1",
            "AddedItemCategories": ["Kitchen"]}},
        {"metric": metric("Started Checkout"), "unique_id": "m4", "value": 55.0, "value_currency": "EUR",
         "properties": {"OrderId": "O-1", "value": 55, "currency": "EUR", "Items": [MUG, POT],
                        "ItemNames": ["Mug", "Pot"]}},
        {"metric": metric("Searched Site"), "unique_id": "m5", "properties": {"SearchQuery": "blue mug"}},
        {"metric": metric("Refunded Order"), "unique_id": "m6", "value": 30.0, "value_currency": "EUR",
         "properties": {"OrderId": "O-1", "total": 30, "currency": "EUR", "Items": [POT], "ItemNames": ["Pot"]}},
    ]  # fmt: skip


def test_an_order_without_a_currency_has_the_companys() -> None:
    order = shop.track(1, "Order Completed", {"order_id": "O-2", "total": 3})
    assert bodies(make(currency="EUR"), order)[0]["data"]["attributes"]["value_currency"] == "EUR"
    assert "value_currency" not in bodies(make(), order)[0]["data"]["attributes"]


def test_an_identify_is_a_profile_and_only_a_real_phone_number_a_phone() -> None:
    [call] = make().calls(streamed(shop.IDENTIFY))
    assert call.request.url == "http://127.0.0.1:9/api/profile-import"
    assert call.request.headers["Authorization"] == "Klaviyo-API-Key sandbox_demo"
    assert call.request.headers["revision"] == "2025-01-15"
    [body] = bodies(make(), shop.IDENTIFY)
    assert body == {"data": {"type": "profile", "attributes": {
        "external_id": "user-1", "anonymous_id": "device-1", "email": "ana@example.com",
        "phone_number": "+351912345678", "first_name": "Ana", "last_name": "Silva",
        "location": {"city": "Porto", "country": "PT"}, "properties": {"plan": "premium"}}}}  # fmt: skip
    [body] = bodies(make(), shop.IDENTIFY | {"traits": {"phone": "912 345 678"}})
    assert body["data"]["attributes"]["properties"] == {"phone": "912 345 678"}
    assert "phone_number" not in body["data"]["attributes"]
    assert make().unsupported(shop.GROUP) == "Klaviyo has no groups"
    assert "merges" in make().unsupported(shop.ALIAS)


def test_in_bulk_a_batch_is_one_request_and_identifies_keep_their_place() -> None:
    destination = make(bulk=True, ordered_products=True)
    assert destination.rate == 2.5
    calls = destination.calls(streamed(shop.PAGE, shop.ORDER_COMPLETED, shop.IDENTIFY, shop.PRODUCT_VIEWED))
    assert [call.request.url.rpartition("/")[2] for call in calls] == [
        "event-bulk-create-jobs", "profile-import", "event-bulk-create-jobs",
    ]  # fmt: skip
    assert [call.events for call in calls] == [(0, 1), (2,), (3,)]
    first = bodies(destination, shop.PAGE, shop.ORDER_COMPLETED)[0]["data"]
    assert first["type"] == "event-bulk-create-job"
    listed = first["attributes"]["events-bulk-create"]["data"]
    assert [one["type"] for one in listed] == ["event-bulk-create"] * 4
    assert listed[0]["attributes"]["profile"] == PROFILE
    events = [one["attributes"]["events"]["data"][0]["attributes"] for one in listed]
    assert [(e["metric"]["data"]["attributes"]["name"], e["unique_id"], e.get("value")) for e in events] == [
        ("Viewed Page", "m8", None), ("Placed Order", "m1", 55.0), ("Ordered Product", "m1-0", 25.0),
        ("Ordered Product", "m1-1", 30.0),
    ]  # fmt: skip
    assert events[3]["properties"] == {"OrderId": "O-1", **POT}


@pytest.mark.parametrize("bulk", [False, True])
def test_events_and_profiles_arrive_and_a_repeat_is_known_again(tool: StandinServer, bulk: bool) -> None:
    destination = make(tool.url, bulk=bulk, event_names={"page": "Active on Site"})
    for _ in range(2):
        assert accepted(deliver(destination, *shop.ORDERS, shop.IDENTIFY, shop.PAGE)) == [True] * 8
    assert tool.counts() == {
        "Placed Order": 1, "Viewed Product": 1, "Added to Cart": 1, "Started Checkout": 1, "Searched Site": 1,
        "Refunded Order": 1, "Active on Site": 1, "(profile)": 1,
    }  # fmt: skip
    names = [destination.tool_event(event) for event in (*shop.ORDERS, shop.IDENTIFY, shop.PAGE)]
    assert set(names) == set(tool.counts())


def test_in_bulk_the_event_pointed_to_is_refused_and_the_others_go_again(tool: StandinServer) -> None:
    destination = make(tool.url, bulk=True)
    far = shop.track(2, "Later", {}, timestamp="9999-01-01T00:00:00.000Z")
    found = deliver(destination, shop.ORDER_COMPLETED, far, shop.PAGE)
    assert [(one.is_accepted, one.is_transient) for [one] in found] == [(False, True), (False, False), (False, True)]
    assert found[1][0].message.startswith(
        "'time' must not be in the future. (/data/attributes/events-bulk-create/data/1"
    )
    assert tool.kept() == []
    assert accepted(deliver(destination, shop.ORDER_COMPLETED, shop.PAGE)) == [True, True]


def test_alone_a_bad_event_is_refused_with_klaviyos_words(tool: StandinServer) -> None:
    far = shop.track(2, "Later", {}, timestamp="9999-01-01T00:00:00.000Z")
    with pytest.raises(RequestRefusedError, match="must not be in the future"):
        deliver(make(tool.url), far)
    with pytest.raises(ConfigError, match="401"):
        deliver(open_at(Klaviyo, tool.url, token="wrong"), shop.PAGE)


def test_a_pointer_to_no_event_of_ours_refuses_without_trying_again() -> None:
    destination = make(bulk=True)
    [call] = destination.calls(streamed(shop.PAGE))
    error = {"code": "invalid", "detail": "no", "source": {"pointer": "/data/attributes/events-bulk-create/data/9/x"}}
    answer = Answer(400, {"errors": [error]}, "no")
    assert destination.is_readable(answer)
    assert [one.is_transient for one in destination.call_outcomes(call, answer)] == [False]
    assert not destination.is_readable(Answer(400, {"errors": [{"source": {"pointer": "/data"}}]}, ""))
    assert not destination.is_readable(Answer(400, {"errors": []}, ""))
    with pytest.raises(UnavailableError, match="something else"):
        destination.call_outcomes(call, Answer(200, None, "<html>"))
