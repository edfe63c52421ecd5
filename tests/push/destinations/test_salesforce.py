"""Salesforce's requests as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.salesforce import Salesforce
from headwater.push.oauth import authenticator
from headwater.push.sender import RequestRefusedError, Sender
from sandbox.standins.salesforce import Salesforce as SalesforceStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox_demo"}
COLLECTIONS = "http://127.0.0.1:9/services/data/v64.0/composite/sobjects"


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(SalesforceStandin, tmp_path) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", **settings: Any) -> Salesforce:
    return open_at(Salesforce, url, CLIENT | settings, token="")  # type: ignore[return-value]


def person(number: int, **traits: Any) -> dict[str, Any]:
    return shop.event(number, "identify", userId=f"u{number}", traits={"lastName": f"Silva {number}"} | traits)


def test_an_identify_upserts_a_contact_or_lead_by_our_user_id() -> None:
    [call] = make(property_names={"plan": "Plan__c"}).calls(streamed(shop.IDENTIFY))
    assert (call.request.method, call.request.url) == ("PATCH", f"{COLLECTIONS}/Contact/Headwater_User_Id__c")
    assert "Authorization" not in call.request.headers, "the sender logs in"
    assert bodies(make(property_names={"plan": "Plan__c"}), shop.IDENTIFY) == [
        {
            "allOrNone": False,
            "records": [
                {
                    "attributes": {"type": "Contact"},
                    "Headwater_User_Id__c": "user-1",
                    "FirstName": "Ana",
                    "LastName": "Silva",
                    "Email": "ana@example.com",
                    "Phone": "+351912345678",
                    "MailingCity": "Porto",
                    "MailingCountry": "PT",
                    "Plan__c": "premium",
                }
            ],
        }
    ]
    [body] = bodies(make(person_object="Lead", person_constants={"Company": "Private"}), shop.IDENTIFY)
    assert body["records"][0] == {
        "attributes": {"type": "Lead"}, "Headwater_User_Id__c": "user-1", "Company": "Private", "FirstName": "Ana",
        "LastName": "Silva", "Email": "ana@example.com", "Phone": "+351912345678", "City": "Porto", "Country": "PT",
    }  # fmt: skip


def test_a_track_is_a_finished_task_and_an_order_an_opportunity() -> None:
    [task] = bodies(make(), shop.PRODUCTS_SEARCHED)
    assert task["records"] == [
        {
            "attributes": {"type": "Task"},
            "Headwater_Message_Id__c": "m5",
            "Status": "Completed",
            "Priority": "Normal",
            "Subject": "Products Searched",
            "Description": '{"query":"blue mug"}',
            "ActivityDate": "2026-11-20",
        }
    ]
    [call] = make(opportunities=True).calls(streamed(shop.ORDER_COMPLETED))
    assert call.request.url == f"{COLLECTIONS}/Opportunity/Headwater_Order_Id__c"
    [order] = bodies(make(opportunities=True), shop.ORDER_COMPLETED)
    assert order["records"] == [
        {
            "attributes": {"type": "Opportunity"},
            "Headwater_Order_Id__c": "O-1",
            "StageName": "Closed Won",
            "Name": "O-1",
            "Amount": 55.0,
            "CloseDate": "2026-11-20",
            "Description": "Mug, Pot",
        }
    ]


def test_a_rule_of_ones_own_names_object_fields_and_person() -> None:
    rule = {"object": "Visit__c", "id_field": "Ext__c", "id_from": "properties.visit", "person": "Contact__r",
            "fields": {"Url__c": "context.page.url", "At__c": "$time", "Raw__c": "context.page"}}  # fmt: skip
    destination = make(events={"page": rule, "Order Refunded": None}, default_event=None)
    page = shop.PAGE | {"properties": {"visit": 17}}
    [call] = destination.calls(streamed(page))
    assert call.request.url == f"{COLLECTIONS}/Visit__c/Ext__c"
    [record] = bodies(destination, page)[0]["records"]
    assert record.pop("Raw__c").startswith('{"url":')
    assert record == {
        "attributes": {"type": "Visit__c"}, "Ext__c": "17", "Url__c": "https://shop.example/?utm_source=x",
        "At__c": "2026-11-20T10:00:00.000Z",
        "Contact__r": {"attributes": {"type": "Contact"}, "Headwater_User_Id__c": "user-1"},
    }  # fmt: skip
    assert destination.unsupported(page) == ""
    assert destination.unsupported(shop.PAGE) == "no properties.visit for Ext__c"
    assert "no rule for «Order Refunded»" in destination.unsupported(shop.ORDER_REFUNDED)
    assert "no rule for «Product Viewed»" in destination.unsupported(shop.PRODUCT_VIEWED)


def test_what_salesforce_has_no_place_for_is_filtered() -> None:
    assert make().unsupported(shop.IDENTIFY | {"userId": None}) == "no userId for Headwater_User_Id__c"
    assert make().unsupported(shop.PAGE) == "no rule for «page» in settings.events"
    assert make().unsupported(shop.ORDER_COMPLETED) == ""
    told = [make().tool_event(event) for event in (shop.IDENTIFY, shop.PAGE, shop.ORDER_COMPLETED)]
    assert told == ["Contact", "page", "Task"]
    with pytest.raises(ConfigError, match="needs base_url"):
        make("")


def test_people_go_first_and_no_record_twice_in_a_request() -> None:
    again = person(1) | {"messageId": "again"}
    cancelled = shop.track(9, "Order Cancelled", {"order_id": "O-1"})
    calls = make(opportunities=True).calls(
        streamed(shop.ORDER_COMPLETED, person(1), shop.PRODUCT_VIEWED, again, cancelled)
    )
    assert [(call.request.url.split("/")[-2], call.events) for call in calls] == [
        ("Contact", (1,)), ("Contact", (3,)), ("Opportunity", (0,)), ("Opportunity", (4,)), ("Task", (2,)),
    ]  # fmt: skip


def test_everything_arrives_and_repeated_it_is_there_once(tool: StandinServer) -> None:
    people = [person(n) | {"messageId": f"i{n}"} for n in range(194)]
    for _ in range(2):
        found = deliver(make(tool.url, opportunities=True), *people, *shop.ORDERS)
        assert accepted(found) == [True] * 200
    assert tool.counts() == {"Contact": 194, "Opportunity": 1, "Task": 5}


def test_a_partial_failure_finds_its_record(tool: StandinServer) -> None:
    found = deliver(make(tool.url), person(1), person(2, email="a@b"), shop.ORDER_COMPLETED, person(3, lastName=""))
    assert accepted(found) == [True, False, True, False]
    assert (found[1][0].code, found[1][0].message) == (
        "INVALID_EMAIL_ADDRESS", "Email: invalid email address: a@b (Email)",
    )  # fmt: skip
    assert found[3][0].code == "REQUIRED_FIELD_MISSING"
    assert tool.counts() == {"Contact": 1, "Task": 1}
    later = deliver(make(tool.url), person(1, lastName="", phone="1"))
    assert accepted(later) == [True], "an update needs no name"


def test_a_field_that_is_not_there_refuses_the_whole_request(tool: StandinServer) -> None:
    with pytest.raises(RequestRefusedError, match="No such column 'Nope__c'"):
        deliver(make(tool.url, property_names={"lastName": "Nope__c"}), person(1))
    with pytest.raises(ConfigError, match="is not there"):
        deliver(make(tool.url, person_id_field="Other__c"), person(1))


def test_a_session_that_ended_is_begun_anew(tool: StandinServer) -> None:
    destination = make(tool.url)
    with Sender("salesforce", 100, auth=authenticator("salesforce", destination)) as sender:
        for n in range(3):
            [call] = destination.calls(streamed(person(n)))
            sender.send(call.request, destination)
            httpx.post(f"{tool.url}/_expire").raise_for_status()
    assert tool.counts() == {"Contact": 3}


def test_a_refused_login_is_no_fault_of_the_events(tool: StandinServer) -> None:
    with pytest.raises(ConfigError, match=r"does not let us log in .*invalid_client"):
        deliver(make(tool.url, client_secret="wrong"), person(1))
    plain = open_at(Salesforce, tool.url)
    assert accepted(deliver(plain, person(1))) == [True], "a session's own token"
    with pytest.raises(ConfigError, match="INVALID_SESSION_ID"):
        deliver(open_at(Salesforce, tool.url, token="old"), person(1))


def test_a_used_up_allowance_is_busy_not_forbidden() -> None:
    def wait(message: str, code: str = "REQUEST_LIMIT_EXCEEDED", status: int = 403) -> float | None:
        return make().wait_seconds(Answer(status, [{"message": message, "errorCode": code}], ""))

    assert wait("TotalRequests Limit exceeded.") == 900
    assert wait("ConcurrentRequests (Concurrent API Requests) Limit exceeded.") == 10
    assert wait("no", "INSUFFICIENT_ACCESS") is None
    assert wait("TotalRequests Limit exceeded.", status=200) is None


def test_a_busy_stand_in_is_waited_for(tmp_path: Path) -> None:
    waits: list[float] = []
    with StandinServer(SalesforceStandin, tmp_path, rate=0.02) as tool:
        destination = open_at(Salesforce, tool.url)
        with Sender("salesforce", 100, sleep=lambda told: _passes(tool, waits, told)) as sender:
            for n in range(2):
                [call] = destination.calls(streamed(person(n)))
                assert sender.send(call.request, destination).status == 200
    assert waits[0] == 10


def test_a_login_that_meets_a_busy_tool_is_tried_again(tmp_path: Path) -> None:
    waits: list[float] = []
    with StandinServer(SalesforceStandin, tmp_path, rate=0.02) as tool:
        destination = make(tool.url)
        for n in range(2):
            auth = authenticator("salesforce", destination)
            with Sender("salesforce", 100, auth=auth, sleep=lambda told: _passes(tool, waits, told)) as sender:
                [call] = destination.calls(streamed(person(n)))
                assert sender.send(call.request, destination).status == 200
    assert len(waits) == 3, "the first login met a tool at rest; the second, and each request after a login, a busy one"


def _passes(tool: StandinServer, waits: list[float], told: float) -> None:
    waits.append(told)
    tool.pass_time(50)


@pytest.mark.parametrize("json", [None, {}, [{"success": True}], [{"success": True}, {}]])
def test_an_answer_that_cannot_be_tied_to_records_accepts_none(json: Any) -> None:
    [call] = make().calls(streamed(person(1), person(2)))
    with pytest.raises(UnavailableError):
        make().call_outcomes(call, Answer(200, json, "…"))


def test_a_record_that_is_locked_may_pass_later() -> None:
    [call] = make().calls(streamed(person(1)))
    locked = [{"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "later"}]}]
    assert make().call_outcomes(call, Answer(200, locked, ""))[0].is_transient
