"""Mixpanel's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.mixpanel import Mixpanel, insert_id
from sandbox.standins.mixpanel import Mixpanel as MixpanelStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

MILLIS = shop.AT_SECONDS * 1000


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(MixpanelStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> Mixpanel:
    return open_at(Mixpanel, url, settings)  # type: ignore[return-value]


def who(number: int) -> dict[str, Any]:
    return {"time": MILLIS, "distinct_id": "user-1", "$insert_id": f"m{number}", "$device_id": "device-1",
            "$user_id": "user-1"}  # fmt: skip


def test_shop_events_keep_the_specs_names_in_one_import() -> None:
    [body] = bodies(make(), *shop.ORDERS)
    assert body == [
        {"event": "Order Completed", "properties": who(1) | {
            "order_id": "O-1", "revenue": 55, "tax": 5.5, "shipping": 4, "total": 64.5, "currency": "EUR",
            "coupon": "TEN", "products": [shop.MUG, shop.POT]}},
        {"event": "Product Viewed", "properties": who(2) | shop.MUG | {"currency": "EUR"}},
        {"event": "Product Added", "properties": who(3) | shop.MUG | {"currency": "EUR", "cart_id": "C-1"}},
        {"event": "Checkout Started", "properties": who(4) | {
            "order_id": "O-1", "value": 55, "currency": "EUR", "products": [shop.MUG, shop.POT]}},
        {"event": "Products Searched", "properties": who(5) | {"query": "blue mug"}},
        {"event": "Order Refunded", "properties": who(6) | {
            "order_id": "O-1", "total": 30, "currency": "EUR", "products": [shop.POT]}},
    ]  # fmt: skip


def test_an_identify_joins_the_device_and_sets_the_profile() -> None:
    destination = make()
    [joined, people] = destination.calls(streamed(shop.IDENTIFY))
    assert joined.request.url == "http://127.0.0.1:9/import?strict=1"
    assert joined.request.headers["Authorization"] == "Basic c2FuZGJveF9kZW1vOg=="
    assert people.request.url == "http://127.0.0.1:9/engage?verbose=1"
    assert (joined.events, people.events) == ((0,), (0,))
    assert bodies(destination, shop.IDENTIFY) == [
        [{"event": "$identify", "properties": who(7)}],
        [{"$token": "sandbox_demo", "$distinct_id": "user-1", "$ip": "0", "$time": MILLIS, "$set": {
            "$email": "ana@example.com", "$first_name": "Ana", "$last_name": "Silva", "$phone": "+351912345678",
            "plan": "premium", "$city": "Porto", "$country_code": "PT"}}],
    ]  # fmt: skip
    [[event], _] = bodies(make(id_merge="original"), shop.IDENTIFY)
    assert event["properties"] == {
        "time": MILLIS, "distinct_id": "user-1", "$insert_id": "m7", "$identified_id": "user-1", "$anon_id": "device-1",
    }  # fmt: skip


def test_a_device_alone_a_page_an_alias_and_a_group() -> None:
    [[event]] = bodies(make(), shop.PAGE | {"userId": None})
    assert event["event"] == "$mp_web_page_view"
    assert event["properties"] == {
        "time": MILLIS, "distinct_id": "$device:device-1", "$insert_id": "m8", "$device_id": "device-1",
        "$current_url": "https://shop.example/?utm_source=x", "current_url_path": "/", "current_page_title": "Home",
        "$referrer": "https://search.example/", "name": "Home", "title": "Home",
    }  # fmt: skip
    [[event]] = bodies(make(), shop.ALIAS | {"anonymousId": None, "previousId": "old"})
    assert event["properties"] == {
        "time": MILLIS, "distinct_id": "user-1", "$insert_id": "m11", "$user_id": "user-1", "$device_id": "old",
    }  # fmt: skip
    assert "settings.group_key" in make().unsupported(shop.GROUP)
    people, groups = bodies(make(group_key="company"), shop.GROUP)
    assert people[0]["$union"] == {"company": ["acme"]}
    assert groups == [
        {"$token": "sandbox_demo", "$group_key": "company", "$group_id": "acme", "$time": MILLIS,
         "$set": {"name": "Acme", "seats": 12}}
    ]  # fmt: skip


def test_the_company_names_events_and_properties_otherwise() -> None:
    [[event]] = bodies(
        make(event_names={"Products Searched": "Search"}, property_names={"query": "words"}), shop.PRODUCTS_SEARCHED
    )
    assert (event["event"], event["properties"]["words"]) == ("Search", "blue mug")


def test_placeholders_and_ids_that_mixpanel_does_not_take_are_found_before() -> None:
    assert "placeholder" in make().unsupported(shop.PAGE | {"userId": "null"})
    assert insert_id("ajs-next-1700000000000-0b5e5b1e-7b1e-4b1e-8b1e-0b5e5b1e7b1e") != insert_id("ajs-next-2")
    assert len(insert_id("x" * 99)) == 36
    assert make(region="eu", id_merge="simplified").settings.region == "eu"
    assert open_at(Mixpanel, "", {"region": "in"}).base_url == "https://api-in.mixpanel.com"
    with pytest.raises(ConfigError, match="mixpanel"):
        make(region="moon")


def test_events_and_people_arrive_and_a_repeat_is_known_again(tool: StandinServer) -> None:
    events = [*shop.ORDERS, shop.IDENTIFY, shop.PAGE, shop.GROUP]
    for _ in range(2):
        assert accepted(deliver(make(tool.url, group_key="company"), *events)) == [True] * 9
    assert tool.counts()["Order Completed"] == 1
    assert tool.counts()["$identify"] == 1
    assert len(tool.kept()) == len(tool.counts())
    names = ("(profile update)", "(group membership)", "(group update)")
    assert [tool.counts()[name] for name in names] == [1, 1, 1]
    assert tool.kept()[0]["user"] == "user-1"


def test_the_tool_counts_each_identify_once_whatever_it_carries(tool: StandinServer) -> None:
    """Two devices, one without traits, one without a device, and the same traits a second time."""
    later = {"timestamp": "2026-01-05T10:00:00.000Z"}
    identifies = [
        shop.IDENTIFY, shop.IDENTIFY | {"messageId": "b"} | later, shop.IDENTIFY | {"messageId": "c", "traits": {}},
        shop.IDENTIFY | {"messageId": "d", "anonymousId": None, "userId": "user-2"},
    ]  # fmt: skip
    destination = make(tool.url)
    for _ in range(2):
        assert all(accepted(deliver(destination, *identifies)))
    assert {destination.tool_event(event) for event in identifies} == {"(profile update)"}
    assert tool.counts() == {"$identify": 3, "(profile update)": 4}
    assert destination.tool_event(shop.ALIAS) not in tool.counts()


def test_a_partial_refusal_finds_its_event(tool: StandinServer) -> None:
    future = shop.track(2, "Later", {}, timestamp="2999-01-01T00:00:00.000Z")
    events = [shop.PAGE, future, *[shop.track(n, "Seen", {}) for n in range(20, 30)], shop.IDENTIFY]
    found = deliver(make(tool.url), *events)
    assert accepted(found) == [True, False, *[True] * 11]
    assert found[1][0].code == "properties.time"
    assert not found[1][0].is_transient
    assert tool.counts()["Seen"] == 10


def test_a_full_batch_is_taken_and_a_wrong_token_is_a_mistake_of_ours(tool: StandinServer) -> None:
    assert all(accepted(deliver(make(tool.url), *[shop.track(n, "Seen", {}) for n in range(2000)])))
    assert tool.counts() == {"Seen": 2000}
    settings = {"project_token": "sandbox_demo", "project_id": "4242"}
    robot = open_at(Mixpanel, tool.url, settings, token="robot.sandbox:sandbox_demo")
    assert accepted(deliver(robot, shop.PAGE, shop.IDENTIFY)) == [True, True]
    with pytest.raises(ConfigError, match=r"needs settings\.project_token"):
        open_at(Mixpanel, tool.url, token="robot.sandbox:sandbox_demo")
    with pytest.raises(ConfigError, match="401"):
        deliver(open_at(Mixpanel, tool.url, token="wrong"), shop.PAGE)
    with pytest.raises(ConfigError, match="token, missing or empty"):
        deliver(open_at(Mixpanel, tool.url, token="wrong"), shop.IDENTIFY | {"anonymousId": None})


def test_counts_that_do_not_add_up_accept_nothing() -> None:
    destination = make()
    [call] = destination.calls(streamed(*shop.ORDERS))
    for body in ({"num_records_imported": 5}, {"failed_records": []}, [], None,
                 {"num_records_imported": 5, "failed_records": [{"index": 6}]}):  # fmt: skip
        with pytest.raises(UnavailableError):
            destination.call_outcomes(call, Answer(200, body, ""))
    assert destination.is_readable(Answer(400, {"failed_records": []}, ""))
    assert not destination.is_readable(Answer(400, {"error": "bad"}, ""))
