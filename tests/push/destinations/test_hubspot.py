"""HubSpot's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.hubspot import HubSpot, internal
from headwater.push.sender import RequestRefusedError
from sandbox.standins.hubspot import HubSpot as HubSpotStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

KNOWN = {"context": {"traits": {"email": "ana@example.com"}}}


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(HubSpotStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> HubSpot:
    return open_at(HubSpot, url, {"hub_id": "1234567"} | settings)  # type: ignore[return-value]


def person(number: int, **traits: Any) -> dict[str, Any]:
    return shop.event(number, "identify", traits={"email": f"p{number}@example.com"} | traits)


def test_an_identify_upserts_a_contact_by_address() -> None:
    [call] = make(property_names={"plan": "plan"}).calls(streamed(shop.IDENTIFY))
    assert (call.request.method, call.request.url) == (
        "POST", "http://127.0.0.1:9/crm/v3/objects/contacts/batch/upsert",
    )  # fmt: skip
    assert call.request.headers["Authorization"] == "Bearer sandbox_demo"
    assert bodies(make(property_names={"plan": "plan"}), shop.IDENTIFY) == [
        {
            "inputs": [
                {
                    "idProperty": "email",
                    "id": "ana@example.com",
                    "objectWriteTraceId": "0",
                    "properties": {
                        "firstname": "Ana",
                        "lastname": "Silva",
                        "phone": "+351912345678",
                        "city": "Porto",
                        "country": "PT",
                        "plan": "premium",
                        "email": "ana@example.com",
                    },
                }
            ]
        }
    ]
    [body] = bodies(make(id_property="user_id"), shop.IDENTIFY)
    assert (body["inputs"][0]["idProperty"], body["inputs"][0]["id"]) == ("user_id", "user-1")
    assert body["inputs"][0]["properties"]["user_id"] == "user-1"


def test_a_completed_order_is_an_occurrence_of_its_custom_event() -> None:
    page = {"url": "https://shop.example/thanks", "title": "Thanks"}
    context = KNOWN["context"] | {"page": page, "campaign": {"source": "mail"}, "userAgent": "Mozilla/5.0"}
    [call] = make().calls(streamed(shop.ORDER_COMPLETED | {"context": context}))
    assert call.request.url == "http://127.0.0.1:9/events/v3/send/batch"
    assert bodies(make(), shop.ORDER_COMPLETED | {"context": context}) == [
        {
            "inputs": [
                {
                    "eventName": "pe1234567_order_completed",
                    "uuid": "m1",
                    "email": "ana@example.com",
                    "occurredAt": "2026-11-20T10:00:00.000Z",
                    "properties": {
                        "order_id": "O-1",
                        "revenue": "55",
                        "tax": "5.5",
                        "shipping": "4",
                        "total": "64.5",
                        "currency": "EUR",
                        "coupon": "TEN",
                        "product_ids": "P-1;P-2",
                        "product_names": "Mug;Pot",
                        "num_products": "2",
                        "hs_page_url": "https://shop.example/thanks",
                        "hs_page_title": "Thanks",
                        "hs_user_agent": "Mozilla/5.0",
                        "hs_utm_source": "mail",
                    },
                }
            ]
        }
    ]


def test_names_become_internal_names() -> None:
    assert internal("Order Completed") == "order_completed"
    assert internal("cartId") == "cart_id"
    assert internal("Größe (cm)") == "gr_e_cm"
    assert internal("1st") == "x_1st"
    assert len(internal("a" * 80)) == 50


def test_what_hubspot_has_no_place_for_is_filtered() -> None:
    assert make().unsupported(shop.ORDER_COMPLETED) == "no e-mail address or HubSpot cookie (hutk)"
    assert make().unsupported(shop.ORDER_COMPLETED | {"context": {"hutk": "abc"}}) == ""
    assert make().unsupported(shop.PAGE) == "HubSpot takes no page"
    assert make().unsupported(shop.event(1, "identify", traits={})) == "no email to find the contact by"
    assert "set settings.hub_id" in make(hub_id="").unsupported(shop.ORDER_COMPLETED)
    named = make(hub_id="", event_names={"Order Completed": "pe9_sale", "page": "pe9_visit"})
    assert named.unsupported(shop.ORDER_COMPLETED | KNOWN) == ""
    assert named.unsupported(shop.PAGE | {"userId": "a@x.y"}) == ""
    assert (named.tool_event(shop.ORDER_COMPLETED), named.tool_event(shop.IDENTIFY)) == ("pe9_sale", "contact")


def test_contacts_go_before_what_they_did_and_none_twice_in_a_request() -> None:
    first, second = person(1), person(2)
    again = person(1, firstName="Ana") | {"messageId": "again"}
    calls = make().calls(streamed(shop.ORDER_COMPLETED | KNOWN, first, second, again))
    assert [call.events for call in calls] == [(1, 2), (3,), (0,)]


def test_everything_arrives(tool: StandinServer) -> None:
    orders = [event | KNOWN for event in shop.ORDERS]
    people = [person(n) | {"messageId": f"i{n}"} for n in range(94)]
    assert accepted(deliver(make(tool.url), *people, *orders)) == [True] * 100
    for _ in range(2):
        assert accepted(deliver(make(tool.url), *people)) == [True] * 94
    counts = tool.counts()
    assert counts["contact"] == 94, "one contact, however often it is told"
    assert counts["pe1234567_order_completed"] == 1
    assert [row["payload"]["uuid"] for row in tool.kept()[94:]] == [event["messageId"] for event in shop.ORDERS]


def test_a_partial_failure_finds_its_contact(tool: StandinServer) -> None:
    destination = make(tool.url, property_names={"stage": "lifecyclestage"})
    found = deliver(destination, person(1), person(2, stage="nonsense"), person(3, stage="lead"), shop.IDENTIFY)
    assert accepted(found) == [True, False, True, True]
    assert found[1][0].code == "VALIDATION_ERROR"
    assert "nonsense was not one of the allowed options" in found[1][0].message
    assert tool.counts() == {"contact": 3}


def test_a_property_or_event_that_hubspot_does_not_know_refuses_the_whole_request(tool: StandinServer) -> None:
    with pytest.raises(RequestRefusedError, match="PROPERTY_DOESNT_EXIST"):
        deliver(make(tool.url, property_names={"plan": "no_such"}), person(1), shop.IDENTIFY)
    with pytest.raises(RequestRefusedError, match="No event definition found for event pe9_sale"):
        deliver(make(tool.url, event_names={"Order Completed": "pe9_sale"}), shop.ORDER_COMPLETED | KNOWN)
    assert tool.counts() == {}


def test_a_wrong_token_is_told(tool: StandinServer) -> None:
    with pytest.raises(ConfigError, match="401"):
        deliver(open_at(HubSpot, tool.url, token="wrong"), person(1))


@pytest.mark.slow
def test_the_policy_tells_how_long_to_wait(tmp_path: Path) -> None:
    policies = {"SECONDLY": 1, "TEN_SECONDLY_ROLLING": 10, "DAILY": 3600, "OTHER": None}
    for policy, seconds in policies.items():
        assert make().wait_seconds(Answer(429, {"policyName": policy}, "")) == seconds
    with StandinServer(HubSpotStandin, tmp_path, rate=1.0) as tool:
        assert accepted(deliver(make(tool.url), person(1), shop.ORDER_COMPLETED | KNOWN)) == [True, True]


@pytest.mark.parametrize(
    "json",
    [
        None,
        {"results": [{}]},
        {"results": [{}], "errors": [{"category": "VALIDATION_ERROR", "message": "which?"}]},
        {"results": [{}], "errors": [{"context": {"objectWriteTraceId": ["77"]}}]},
    ],
)
def test_an_answer_that_cannot_be_tied_to_contacts_accepts_none(json: Any) -> None:
    [call] = make().calls(streamed(person(1), person(2)))
    with pytest.raises(UnavailableError):
        make().call_outcomes(call, Answer(207, json, "…"))


def test_wild_properties_are_made_to_fit(tool: StandinServer) -> None:
    wild = {f"Field {n}": n for n in range(80)} | {"nested": {"a": None, "b": [1]}, "long": "x" * 5000}
    payload = shop.track(1, "Wild ünï", {"long": "y" * 5000, "nested": {"list": [1, {"a": 2}]}} | wild) | KNOWN
    assert accepted(deliver(make(tool.url), payload)) == [True]
    [row] = tool.kept()
    assert len(row["payload"]["properties"]) == 50
    assert len(row["payload"]["properties"]["long"]) == 1024
