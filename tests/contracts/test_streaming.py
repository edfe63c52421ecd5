"""What every class that takes events promises, held against each registered one, as its shipped example has it.

A new class is covered as soon as its file is there: it needs `config/examples/destinations/<type>.yaml`, and, to be
held against the tool's behaviour too, a stand-in of the same name in `sandbox/standins/`.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import re
import socket
from typing import Any

import msgspec
import pytest

from headwater.errors import UnavailableError
from headwater.push.destinations import CLASSES
from headwater.push.destinations.base import Answer, Direct, EventDestination, Request, Streamed
from tests.contracts.streams import HTTP, STREAMED, example, good_events, odd_events, opened, wrapped

TOKEN = "contract+secret/token"
by_type = pytest.mark.parametrize("cls", STREAMED, ids=lambda cls: cls.type)
by_http = pytest.mark.parametrize("cls", HTTP, ids=lambda cls: cls.type)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a class made a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def supported(destination: Streamed) -> list[dict[str, Any]]:
    return [payload for payload in good_events() if not destination.unsupported(payload)]


def test_classes_are_listed_in_the_order_of_their_names() -> None:
    assert list(CLASSES) == sorted(CLASSES)
    assert all(cls.type == name for name, cls in CLASSES.items())


@pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES.values() if issubclass(cls, Streamed)], ids=lambda cls: cls.type
)
def test_it_has_an_example(cls: type[Streamed]) -> None:
    assert example(cls).exists(), f"write config/examples/destinations/{cls.type}.yaml: the contract is held with it"


@by_type
def test_its_capabilities_are_data_and_its_example_loads(cls: type[Streamed]) -> None:
    assert issubclass(cls, EventDestination) != issubclass(cls, Direct)
    assert cls.__doc__
    assert cls.streaming.batch_size > 0
    assert cls.streaming.batch_bytes > 0
    assert cls.rate_per_second > 0
    assert set(cls.token_in.split()) <= {"header", "body", "query", "url"}
    destination = opened(cls)
    assert destination.config.type == cls.type
    assert destination.config.owner, f"{example(cls)} names no owner"
    assert destination.config.description, f"{example(cls)} has no description"
    text = example(cls).read_text()
    assert "#" in text, "an example explains itself"
    assert re.search(r"^token: \"?\$\{", text, re.MULTILINE) or "token:" not in text, "secrets stay in the environment"


@by_type
def test_most_spec_events_are_taken_and_named(cls: type[Streamed], no_network: None) -> None:
    destination = opened(cls)
    taken = supported(destination)
    assert taken
    assert all(destination.tool_event(payload) for payload in taken)


@by_http
def test_each_event_is_carried_and_requests_are_whole(cls: type[EventDestination], no_network: None) -> None:
    destination = opened(cls)
    limit = cls.streaming.batch_size
    taken = supported(destination)[:limit]
    calls = destination.calls(wrapped(*taken))
    assert {index for call in calls for index in call.events} == set(range(len(taken)))
    for call in calls:
        assert len(set(call.events)) == len(call.events) > 0
        assert list(call.events) == sorted(call.events), "events keep their order"
        check_request(call.request)


@by_http
def test_the_token_stands_where_the_class_says_and_nowhere_else(cls: type[EventDestination], no_network: None) -> None:
    destination = opened(cls, token=TOKEN)
    taken = supported(destination)[: cls.streaming.batch_size]
    is_exchanged = destination.login() is not None
    for call in destination.calls(wrapped(*taken)):
        found = places_of(TOKEN, call.request)
        assert found <= set(cls.token_in.split())
        assert found or is_exchanged or places_of_any_secret(call.request)


@by_http
def test_the_same_events_make_the_same_requests_and_are_left_as_they_were(
    cls: type[EventDestination], no_network: None
) -> None:
    destination = opened(cls)
    taken = supported(destination)[: cls.streaming.batch_size]
    before = copy.deepcopy(taken)
    first = destination.calls(wrapped(*taken))
    assert taken == before
    assert destination.calls(wrapped(*taken)) == first
    assert opened(cls).calls(wrapped(*before)) == first


@by_http
def test_a_full_batch_keeps_to_the_limits(cls: type[EventDestination], no_network: None) -> None:
    destination = opened(cls)
    taken = supported(destination)
    size = cls.streaming.batch_size
    batch = [{**taken[n % len(taken)], "messageId": f"full-{n}"} for n in range(size)]
    held = 0
    for kept, payload in enumerate(batch):
        held += len(msgspec.json.encode(payload)) + 1
        if held > cls.streaming.batch_bytes:
            batch = batch[:kept]
            break
    calls = destination.calls(wrapped(*batch))
    assert {index for call in calls for index in call.events} == set(range(len(batch)))
    assert all(len(call.events) <= size for call in calls)
    assert all(len(call.request.body) <= max(cls.streaming.batch_bytes, 1000) * 2 for call in calls)


@by_http
def test_odd_values_are_told_as_unsupported_or_refused_or_carried_but_never_a_defect(
    cls: type[EventDestination], no_network: None
) -> None:
    destination = opened(cls)
    for name, payload in odd_events().items():
        try:
            if destination.unsupported(payload):
                continue
            assert isinstance(destination.tool_event(payload), str)
            calls = destination.calls(wrapped(payload))
        except ValueError as error:
            assert str(error), name
            continue
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
        assert [call for call in calls if call.events == (0,)] == calls != [], name
        for call in calls:
            check_request(call.request)


ANSWERS: list[Any] = [
    None, [], {}, "ok", 12, {"errors": 3}, {"errors": [{"index": 99}]}, {"status": None}, [None, 1], {"a": []}
]  # fmt: skip


@by_http
@pytest.mark.parametrize("status", [200, 207])
def test_an_answer_tells_of_each_event_or_of_none(cls: type[EventDestination], status: int, no_network: None) -> None:
    destination = opened(cls)
    taken = supported(destination)[: min(3, cls.streaming.batch_size)]
    for call, body in itertools.product(destination.calls(wrapped(*taken)), ANSWERS):
        answer = Answer(status, body, json.dumps(body)[:300])
        try:
            destination.wait_seconds(answer)
            destination.follow_up(call, answer)
            outcomes = destination.call_outcomes(call, answer)
        except (UnavailableError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            continue  # the engine takes each of these as «not answered»
        assert len(outcomes) == len(call.events), body


def check_request(request: Request) -> None:
    assert request.method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    assert re.match(r"https?://[^/]+", request.url)
    assert request.url.isascii()
    assert " " not in request.url
    assert "//" not in request.url.partition("://")[2].partition("?")[0]
    assert all(isinstance(value, str) and "\n" not in value for value in request.headers.values())
    assert isinstance(request.body, bytes)


def places_of(token: str, request: Request) -> set[str]:
    """Where a request has the token: as it is, as a form or URL writes it, or in Basic credentials."""
    from urllib.parse import quote, quote_plus

    forms = {token, quote(token), quote(token, safe=""), quote_plus(token), json.dumps(token)[1:-1]}
    found = set()
    headers = " ".join(request.headers.values())
    for value in re.findall(r"Basic ([A-Za-z0-9+/=]+)", headers):
        headers += " " + base64.b64decode(value).decode(errors="replace")
    path, _, query = request.url.partition("?")
    for place, text in (("header", headers), ("url", path), ("query", query), ("body", request.body.decode())):
        if any(form in text for form in forms):
            found.add(place)
    return found


def places_of_any_secret(request: Request) -> bool:
    """Credentials that come from elsewhere than `token` (a key pair in the settings)."""
    return any(name.lower() in ("authorization", "x-api-key", "api-key") for name in request.headers)
