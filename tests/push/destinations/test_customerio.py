"""Customer.io's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.customerio import CustomerIo, ulid
from sandbox.standins.customerio import CustomerIo as CustomerIoStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

SETTINGS = {"site_id": "sandbox"}
PERSON = {"type": "person", "identifiers": {"id": "user-1"}}


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(CustomerIoStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> CustomerIo:
    return open_at(CustomerIo, url, SETTINGS | settings)  # type: ignore[return-value]


def test_shop_events_keep_the_specs_names_in_one_batch() -> None:
    [body] = bodies(make(), *shop.ORDERS)
    at = datetime(2026, 11, 20, 10)
    assert body == {"batch": [
        {**PERSON, "action": "event", "name": event["event"], "id": ulid(event["messageId"], at),
         "timestamp": shop.AT_SECONDS, "attributes": event["properties"]}
        for event in shop.ORDERS
    ]}  # fmt: skip
    assert body["batch"][0]["name"] == "Order Completed"
    assert body["batch"][0]["attributes"]["revenue"] == 55
    [call] = make().calls(streamed(shop.PAGE))
    assert call.request.url == "http://127.0.0.1:9/api/v2/batch"
    assert call.request.headers["Authorization"] == "Basic c2FuZGJveDpzYW5kYm94X2RlbW8="


def test_everything_of_a_person_goes_in_its_order() -> None:
    anonymous = shop.PAGE | {"userId": None}
    [body] = bodies(make(event_names={"Order Completed": "purchase"}, property_names={"revenue": "amount"}),
                    anonymous, shop.IDENTIFY, shop.GROUP, shop.ALIAS, shop.SCREEN, shop.ORDER_COMPLETED)  # fmt: skip
    page, identify, group, alias, screen, order = body["batch"]
    assert (page["identifiers"], page["action"], page["name"]) == ({"anonymous_id": "device-1"}, "page", "Home")
    assert page["attributes"]["url"] == "https://shop.example/?utm_source=x"
    assert identify == {**PERSON, "action": "identify", "attributes": {
        "email": "ana@example.com", "first_name": "Ana", "last_name": "Silva", "phone": "+351912345678",
        "plan": "premium", "address": {"city": "Porto", "country": "PT"}, "anonymous_id": "device-1"}}  # fmt: skip
    assert group == {
        "type": "object", "action": "identify", "identifiers": {"object_type_id": "1", "object_id": "acme"},
        "attributes": {"name": "Acme", "seats": 12}, "cio_relationships": [{"identifiers": {"id": "user-1"}}],
    }  # fmt: skip
    assert alias == {**PERSON, "action": "identify", "attributes": {"anonymous_id": "device-1"}}
    assert (screen["action"], screen["name"]) == ("screen", "Basket")
    assert (order["name"], order["attributes"]["amount"]) == ("purchase", 55)
    [body] = bodies(make(merge_on_alias=True), shop.ALIAS)
    assert body["batch"] == [
        {"type": "person", "action": "merge", "primary": {"id": "user-1"}, "secondary": {"id": "device-1"}}
    ]


def test_what_names_nobody_is_found_before() -> None:
    assert "names nobody" in make().unsupported(shop.event(1, "identify", userId=None, traits={}))
    by_email = shop.event(1, "identify", userId=None, traits={"email": "a@b.c", "createdAt": "2026-01-01T00:00:00Z"})
    assert make().unsupported(by_email) == ""
    [body] = bodies(make(), by_email)
    assert body["batch"][0]["identifiers"] == {"email": "a@b.c"}
    assert body["batch"][0]["attributes"]["created_at"] == 1767225600
    assert "groupId" in make().unsupported(shop.GROUP | {"userId": None})
    assert open_at(CustomerIo, "", SETTINGS | {"region": "eu"}).base_url == "https://track-eu.customer.io"


def test_a_message_gets_the_same_ulid_each_time_and_keeps_its_own() -> None:
    at = datetime(2026, 11, 20, 10)
    assert ulid("01ARZ3NDEKTSV4RRFFQ69G5FAV", at) == "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    assert ulid("m1", at) == ulid("m1", at) != ulid("m2", at)
    assert ulid("m1", at)[:10] == ulid("m2", at)[:10] == "01M7W6C380"
    assert len(ulid("m1", None)) == 26


def test_everything_arrives_and_a_repeat_is_known_again(tool: StandinServer) -> None:
    events = [*shop.ORDERS, shop.IDENTIFY, shop.PAGE, shop.SCREEN, shop.GROUP, shop.ALIAS]
    destination = make(tool.url)
    for _ in range(2):
        assert accepted(deliver(destination, *events)) == [True] * 11
    counts = tool.counts()
    assert counts.pop("(identify)") == 2
    assert counts.pop("(object)") == 1
    assert set(counts.values()) == {1}
    assert set(counts) == {destination.tool_event(e) for e in events} - {"(identify)", "(object)"}


def test_a_partial_refusal_finds_its_event(tool: StandinServer) -> None:
    far = shop.track(2, "Later", {}, timestamp="9999-01-01T00:00:00.000Z")
    long = shop.track(3, "Seen", {}, userId="u" * 151)
    found = deliver(make(tool.url), shop.PAGE, far, shop.ORDER_COMPLETED, long)
    assert accepted(found) == [True, False, True, False]
    assert (found[1][0].code, found[3][0].message) == (
        "invalid: timestamp",
        "identifiers must be strings of at most 150 bytes",
    )
    assert len(tool.kept()) == 2


def test_sizes_are_kept(tool: StandinServer) -> None:
    events = [shop.track(n, "Ü" * 80, {"words": "é" * 700}) for n in range(1000)]
    calls = make().calls(streamed(*events))
    assert max(len(call.request.body) for call in calls) <= 500_000
    assert sorted(index for call in calls for index in call.events) == list(range(1000))
    traits = {f"trait{n}": n for n in range(400)} | {"n" * 200: 1}
    long = {"email": "a@b.c", "x" * 200: "ä" * 900, **traits}
    assert all(accepted(deliver(make(tool.url), *events, shop.IDENTIFY | {"traits": long})))
    assert tool.counts()["Ü" * 50] == 1000
    with pytest.raises(ValueError, match="the tool takes 32,000"):
        make().calls(streamed(shop.track(1, "Seen", {"words": "x" * 33_000})))


def test_wrong_credentials_and_answers_that_cannot_be_read(tool: StandinServer) -> None:
    with pytest.raises(ConfigError, match="401"):
        deliver(open_at(CustomerIo, tool.url, SETTINGS, token="wrong"), shop.PAGE)
    destination = make(tool.url)
    [call] = destination.calls(streamed(shop.PAGE))
    for answer in (Answer(200, None, "<html>"), Answer(207, {"errors": [{"batch_index": 4}]}, "")):
        with pytest.raises(UnavailableError):
            destination.call_outcomes(call, answer)
    empty = tool.client.post("/api/v2/batch", json={}, headers=destination.headers())
    assert empty.status_code == 400
    assert not destination.is_readable(Answer(400, empty.json(), ""))
