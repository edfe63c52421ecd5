"""Templates, and the recipes made of them: the requests that they become, the answers that they read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest

from headwater.configuration import Destination as DestinationConfig
from headwater.configuration import read_yaml
from headwater.errors import ConfigError, UnavailableError
from headwater.push import templates
from headwater.push.destinations.base import Answer, BatchRefusedError, Call
from headwater.push.destinations.http_template import HttpTemplate
from headwater.push.destinations.webhook import Webhook
from tests.contracts.streams import EXAMPLES, odd_events, wrapped
from tests.push.destinations import spec_events
from tests.push.destinations.spec_events import GROUP, IDENTIFY, ORDER_COMPLETED, PAGE, SCREEN

RECIPES = ("http_template", "segment_forward", "posthog", "iterable", "mailchimp")


def recipe(name: str) -> HttpTemplate:
    return HttpTemplate(read_yaml(EXAMPLES / f"{name}.yaml", DestinationConfig))


def made(**settings: Any) -> HttpTemplate:
    return HttpTemplate(DestinationConfig(type="http_template", base_url="http://t", token="tok", settings=settings))


def calls(destination: HttpTemplate, *payloads: dict[str, Any]) -> list[Call]:
    return destination.calls(wrapped(*payloads))


def body(call: Call) -> Any:
    return json.loads(call.request.body)


def answer(status: int, content: Any = None) -> Answer:
    return Answer(status, content, json.dumps(content))


def test_values_keep_their_type_and_what_is_not_there_is_left_out() -> None:
    item = {"n": "{{ event.properties.total }}", "t": "{{ event.properties.total }} EUR", "none": "{{ event.no.such }}",
            "list": ["{{ event.properties.products }}", "{{ event.no }}", "x"], "fixed": 3}  # fmt: skip
    [call] = calls(made(item=item), ORDER_COMPLETED)
    assert body(call) == {
        "n": 64.5, "t": "64.5 EUR", "list": [ORDER_COMPLETED["properties"]["products"], "x"], "fixed": 3,
    }  # fmt: skip
    assert call.request.headers["Authorization"] == "Bearer tok"


def test_a_value_cannot_break_out_of_its_place() -> None:
    nasty = {**ORDER_COMPLETED, "userId": '"},{"x":1\r\nX-Evil: 1', "messageId": "m"}
    [call] = calls(made(item={"u": "{{ event.userId }}"}, path="/u/{{ event.userId | urlencode }}",
                        headers={"X-User": "{{ event.userId }}"}), nasty)  # fmt: skip
    assert body(call) == {"u": nasty["userId"]}
    assert "\n" not in call.request.headers["X-User"]
    assert call.request.url == "http://t/u/%22%7D%2C%7B%22x%22%3A1%0D%0AX-Evil%3A%201"


def test_templates_run_in_a_sandbox_and_mistakes_are_the_configs() -> None:
    for attack in ("{{ ''.__class__.__mro__ }}", "{{ event.__class__ }}", "{{ cycler.__init__.__globals__ }}"):
        found = calls(made(item={"x": attack, "y": f"a{attack}"}), ORDER_COMPLETED)[0].request.body
        assert b"class" not in found
        assert b"globals" not in found
    with pytest.raises(ConfigError, match=r"settings\.item\.x"):
        made(item={"x": "{{ event. }}"})
    with pytest.raises(ConfigError, match="Valid keys: path, method"):
        made(no_such=1)
    with pytest.raises(ValueError, match=r"settings\.item\.x"):
        calls(made(item={"x": "{{ 1 / 0 }}"}), ORDER_COMPLETED)


def test_forms_and_lines_are_written_too() -> None:
    [form] = calls(made(format="form", item={"a b": "{{ event.event }}", "n": 1}), ORDER_COMPLETED)
    assert form.request.body == b"a+b=Order+Completed&n=1"
    assert form.request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    [lines] = calls(made(format="ndjson", batch_size=5, item={"e": "{{ event.event }}"}), *spec_events.ORDERS[:2])
    assert lines.request.body == b'{"e":"Order Completed"}\n{"e":"Product Viewed"}\n'


def test_events_of_other_targets_go_in_requests_of_their_own_in_order() -> None:
    destination = made(path="/{{ event.type }}", batch_size=10)
    found = calls(destination, ORDER_COMPLETED, ORDER_COMPLETED, PAGE, ORDER_COMPLETED)
    assert [(call.request.url, call.events) for call in found] == [
        ("http://t/track", (0, 1)), ("http://t/page", (2,)), ("http://t/track", (3,)),
    ]  # fmt: skip


def test_answers_are_read_as_the_settings_say() -> None:
    errors = {"list": "answer.json.bad", "index": "error.i", "code": "error.c", "message": "error.m"}
    destination = made(batch_size=3, errors=errors, success="answer.json.ok", retry="answer.json.busy",
                       refused="answer.status == 404")  # fmt: skip
    [call] = calls(destination, *spec_events.ORDERS[:3])
    outcomes = destination.call_outcomes(call, answer(200, {"ok": True, "bad": [{"i": 1, "c": "X", "m": "no"}]}))
    assert [(outcome.is_accepted, outcome.code) for outcome in outcomes] == [(True, "200"), (False, "X"), (True, "200")]
    with pytest.raises(BatchRefusedError):
        destination.call_outcomes(call, answer(200, {"ok": False}))
    with pytest.raises(UnavailableError, match="without saying which"):
        destination.call_outcomes(call, answer(200, {"ok": True, "bad": [{"i": 9}]}))
    assert destination.wait_seconds(answer(409, {"busy": True})) == 1.0
    assert destination.wait_seconds(answer(409, {})) is None
    assert destination.is_readable(answer(404))
    assert not destination.is_readable(answer(400, {"ok": False}))


@pytest.mark.parametrize("name", RECIPES)
def test_no_odd_value_is_a_defect_of_a_recipe(name: str) -> None:
    destination = recipe(name)
    for label, payload in odd_events().items():
        try:
            if destination.unsupported(payload):
                continue
            destination.tool_event(payload)
            found = calls(destination, payload)
        except ValueError as error:
            assert str(error), label
            continue
        assert [call.events for call in found] == [(0,)], label
        msgspec.json.decode(found[0].request.body)


def test_segment_gets_the_events_as_they_are_without_our_own_times() -> None:
    [call] = calls(recipe("segment_forward"), ORDER_COMPLETED, IDENTIFY)
    assert call.request.url == "https://api.segment.io/v1/batch"
    assert base64.b64decode(call.request.headers["Authorization"].removeprefix("Basic ")) == b"sandbox_demo:"
    expected = [{k: v for k, v in event.items() if k != "receivedAt"} for event in (ORDER_COMPLETED, IDENTIFY)]
    assert body(call) == {"batch": expected}


def test_posthog_gets_its_own_names_and_the_key_in_the_body() -> None:
    destination = recipe("posthog")
    [call] = calls(destination, ORDER_COMPLETED, PAGE, IDENTIFY, GROUP, SCREEN)
    assert "Authorization" not in call.request.headers
    told = body(call)
    assert told["api_key"] == "sandbox_demo"
    order, page, identify, group, screen = told["batch"]
    assert order == {
        "event": "Order Completed", "distinct_id": "user-1", "timestamp": spec_events.AT,
        "uuid": order["uuid"], "properties": {**ORDER_COMPLETED["properties"], "$lib": "headwater"},
    }  # fmt: skip
    assert (page["event"], page["properties"]["$current_url"]) == ("$pageview", "https://shop.example/?utm_source=x")
    assert identify["properties"] == {"$anon_distinct_id": "device-1", "$set": IDENTIFY["traits"]}
    assert (group["event"], group["properties"]["$group_key"]) == ("$groupidentify", "acme")
    assert (screen["event"], screen["properties"]["$screen_name"]) == ("$screen", "Basket")
    assert destination.tool_event(PAGE) == "$pageview"
    assert len({item["uuid"] for item in told["batch"]}) == 5


def test_iterable_gets_events_and_people_at_their_own_addresses_and_names_users_it_refused() -> None:
    destination = recipe("iterable")
    other = {**ORDER_COMPLETED, "userId": "user-2", "messageId": "other"}
    events, people = calls(destination, ORDER_COMPLETED, other, IDENTIFY)
    assert events.request.url == "https://api.eu.iterable.com/api/events/trackBulk"
    assert events.request.headers["Api-Key"] == "sandbox_demo"
    assert body(events)["events"][0] == {
        "userId": "user-1", "eventName": "Order Completed", "id": "m1", "createdAt": spec_events.AT_SECONDS,
        "dataFields": ORDER_COMPLETED["properties"],
    }  # fmt: skip
    assert people.request.url.endswith("/api/users/bulkUpdate")
    [user] = body(people)["users"]
    assert (user["userId"], user["email"], user["dataFields"]["plan"]) == ("user-1", "ana@example.com", "premium")
    assert "email" not in user["dataFields"]
    said = {"successCount": 1, "failCount": 1, "invalidEmails": [], "invalidUserIds": ["user-2"]}
    outcomes = destination.call_outcomes(events, answer(200, said))
    assert [outcome.is_accepted for outcome in outcomes] == [True, False]


def test_mailchimp_finds_a_member_by_the_digest_of_the_address() -> None:
    destination = recipe("mailchimp")
    track = {**ORDER_COMPLETED, "context": {"traits": {"email": " Ana@Example.com "}}}
    assert destination.unsupported(ORDER_COMPLETED)
    [event] = calls(destination, track)
    [member] = calls(destination, IDENTIFY)
    digest = hashlib.md5(b"ana@example.com", usedforsecurity=False).hexdigest()
    address = f"https://us21.api.mailchimp.com/3.0/lists/0123456789/members/{digest}"
    assert (member.request.method, member.request.url) == ("PUT", address)
    assert (event.request.method, event.request.url) == ("POST", f"{address}/events")
    assert body(event)["name"] == "order_completed"
    assert body(event)["properties"]["revenue"] == "55"
    assert body(member)["merge_fields"] == {"FNAME": "Ana", "LNAME": "Silva"}
    assert destination.is_readable(answer(404, {"title": "Resource Not Found"}))


def test_a_webhook_signs_its_bodies_and_sends_one_by_one_when_asked() -> None:
    decided = DestinationConfig(
        type="webhook", base_url="http://t/x", settings={"signing_secret": "s", "one_by_one": True, "method": "PUT"}
    )
    first, second = Webhook(decided).calls(wrapped(ORDER_COMPLETED, PAGE))
    assert body(first) == ORDER_COMPLETED
    assert (second.events, second.request.method) == ((1,), "PUT")
    expected = hmac.new(b"s", first.request.body, hashlib.sha256).hexdigest()
    assert first.request.headers["X-Signature"] == f"sha256={expected}"


def test_times_are_counted_without_rounding() -> None:
    count = templates.structure(["{{ event.t | millis }}", "{{ event.t | seconds }}"], "here")
    assert count({"event": {"t": "9999-12-31T23:59:59.999999Z"}}) == [253402300799999, 253402300799]
    assert count({"event": {"t": "1969-12-31T23:59:59.500Z"}}) == [-500, -1]
