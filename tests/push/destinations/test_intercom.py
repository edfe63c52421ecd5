"""Intercom's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.intercom import Intercom
from sandbox.standins.intercom import Intercom as IntercomStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

PAST = "2025-11-20T10:00:00.000Z"
ORDERS = [event | {"timestamp": PAST} for event in shop.ORDERS]


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(IntercomStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> Intercom:
    return open_at(Intercom, url, settings)  # type: ignore[return-value]


def test_an_identify_is_a_contact() -> None:
    traits = shop.IDENTIFY["traits"] | {"createdAt": "2026-01-02T03:04:05Z", "unsubscribedFromEmails": False}
    destination = make(property_names={"plan": "plan"})
    [call] = destination.calls(streamed(shop.IDENTIFY))
    assert (call.request.method, call.request.url) == ("POST", "http://127.0.0.1:9/contacts")
    assert call.request.headers["Authorization"] == "Bearer sandbox_demo"
    assert call.request.headers["Intercom-Version"] == "2.14"
    assert bodies(destination, shop.IDENTIFY | {"traits": traits}) == [
        {
            "role": "user",
            "external_id": "user-1",
            "email": "ana@example.com",
            "name": "Ana Silva",
            "phone": "+351912345678",
            "signed_up_at": 1767323045,
            "unsubscribed_from_emails": False,
            "custom_attributes": {"plan": "premium"},
        }
    ]


def test_a_completed_order_is_a_placed_order_with_its_price_in_cents() -> None:
    [call] = make().calls(streamed(shop.ORDER_COMPLETED))
    assert (call.request.method, call.request.url) == ("POST", "http://127.0.0.1:9/events")
    assert bodies(make(), shop.ORDER_COMPLETED) == [
        {
            "event_name": "placed-order",
            "created_at": shop.AT_SECONDS,
            "user_id": "user-1",
            "metadata": {
                "message_id": "m1",
                "price": {"amount": 5500, "currency": "eur"},
                "order_id": "O-1",
                "products": "Mug, Pot",
                "revenue": 55,
                "tax": 5.5,
                "shipping": 4,
                "total": 64.5,
                "currency": "EUR",
                "coupon": "TEN",
            },
        }
    ]
    [yen] = bodies(make(), shop.track(1, "Order Completed", {"revenue": 5500, "currency": "jpy"}))
    assert yen["metadata"]["price"] == {"amount": 5500, "currency": "jpy"}


def test_the_shops_events_have_intercoms_names() -> None:
    assert [make().tool_event(event) for event in shop.ORDERS] == [
        "placed-order", "viewed-product", "added-product", "started-checkout", "searched-products", "refunded-order",
    ]  # fmt: skip
    assert make(event_names={"Order Completed": "bought"}).tool_event(shop.ORDER_COMPLETED) == "bought"
    assert make().tool_event(shop.IDENTIFY) == "contact"
    assert make().tool_event(shop.track(1, "Demo Requested", {})) == "Demo Requested"


def test_what_intercom_has_no_place_for_is_filtered() -> None:
    assert "takes no page" in make().unsupported(shop.PAGE)
    assert make(event_names={"page": "visited"}).unsupported(shop.PAGE) == ""
    assert make().unsupported(shop.ORDER_COMPLETED | {"userId": None}) == "no userId or e-mail address"


def test_a_contact_that_is_there_is_updated(tool: StandinServer) -> None:
    for traits in ({"firstName": "Ana"}, {"firstName": "Anna", "email": "anna@example.com"}, {"phone": "1"}):
        assert accepted(deliver(make(tool.url), shop.event(1, "identify", traits=traits))) == [True]
    assert tool.counts() == {"contact": 1}


def test_events_arrive_one_by_one_and_their_person_is_created(tool: StandinServer) -> None:
    assert accepted(deliver(make(tool.url), *ORDERS)) == [True] * 6
    assert tool.counts() == {"contact": 1, "placed-order": 1, "viewed-product": 1, "added-product": 1,
                             "started-checkout": 1, "searched-products": 1, "refunded-order": 1}  # fmt: skip
    assert [row["payload"]["metadata"]["message_id"] for row in tool.kept()[1:]] == [e["messageId"] for e in ORDERS]


def test_an_event_told_again_is_known_by_its_person_name_and_second(tool: StandinServer) -> None:
    destination = make(tool.url)
    for _ in range(2):  # as after an answer that was lost
        assert accepted(deliver(destination, shop.ORDER_COMPLETED | {"timestamp": PAST})) == [True]
    later = shop.ORDER_COMPLETED | {"messageId": "later", "timestamp": "2025-11-20T10:00:01.000Z"}
    assert accepted(deliver(destination, later)) == [True]
    assert tool.counts()["placed-order"] == 2


def test_an_event_of_nobody_known_is_refused_where_no_contact_may_be_made(tool: StandinServer) -> None:
    [[outcome]] = deliver(make(tool.url, create_contacts=False), ORDERS[0])
    assert (outcome.is_accepted, outcome.code, outcome.message) == (False, "not_found", "User Not Found")


def test_a_refusal_finds_its_event_with_intercoms_words(tool: StandinServer) -> None:
    bad = shop.event(2, "identify", traits={"plan": "x"})
    found = deliver(make(tool.url, property_names={"plan": "no_such"}), ORDERS[0], bad, ORDERS[1])
    assert accepted(found) == [True, False, True]
    assert (found[1][0].code, found[1][0].message) == (
        "parameter_invalid", "Custom attribute 'no_such' does not exist",
    )  # fmt: skip


def test_a_conflict_with_an_archived_contact_is_told() -> None:
    [call] = make().calls(streamed(shop.IDENTIFY))
    words = "An archived contact matching those details already exists with id=5da6f18e3d7cf967e4582d05"
    answer = Answer(409, {"type": "error.list", "errors": [{"code": "conflict", "message": words}]}, "")
    assert make().follow_up(call, answer) is None
    assert make().call_outcomes(call, answer)[0].message == words


def test_a_wrong_token_is_told(tool: StandinServer) -> None:
    with pytest.raises(ConfigError, match="401"):
        deliver(open_at(Intercom, tool.url, token="wrong"), shop.IDENTIFY)


@pytest.mark.slow
def test_the_limits_end_is_waited_for(tmp_path: Path) -> None:
    destination = make()
    destination.now = lambda: 1000.0
    assert destination.wait_seconds(Answer(429, None, "", {"x-ratelimit-reset": "1007"})) == 7
    assert destination.wait_seconds(Answer(429, None, "")) is None
    assert destination.wait_seconds(Answer(202, None, "", {"x-ratelimit-reset": "1007"})) is None
    with StandinServer(IntercomStandin, tmp_path, rate=1.0) as tool:
        assert accepted(deliver(make(tool.url), shop.IDENTIFY, ORDERS[0])) == [True, True]
        assert tool.counts() == {"contact": 1, "placed-order": 1}


def test_an_error_that_is_none_of_intercoms_accepts_nothing() -> None:
    [call] = make().calls(streamed(shop.IDENTIFY))
    assert not make().is_readable(Answer(404, {"message": "no such page"}, ""))
    assert not make().is_readable(Answer(400, None, "<html>"))
    with pytest.raises(UnavailableError):
        make().call_outcomes(call, Answer(404, {"type": "error.list", "errors": []}, ""))
