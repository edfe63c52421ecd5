"""Slack's messages as they go out, and what its stand-in makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer
from headwater.push.destinations.slack import Slack
from headwater.push.sender import Sender
from sandbox.standins.slack import Slack as SlackStandin
from tests.push.destinations import spec_events as shop
from tests.standin_server import StandinServer, accepted, bodies, deliver, open_at, streamed

HOOK = "T0SANDBOX/B0SANDBOX/sandbox_demo"


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[StandinServer]:
    with StandinServer(SlackStandin, tmp_path, rate=100.0) as server:
        yield server


def make(url: str = "http://127.0.0.1:9", token: str = HOOK, **settings: Any) -> Slack:
    return open_at(Slack, url, settings, token)  # type: ignore[return-value]


def test_an_event_is_a_message_with_its_plain_properties() -> None:
    [call] = make().calls(streamed(shop.ORDER_COMPLETED))
    assert (call.request.method, call.request.url) == ("POST", f"http://127.0.0.1:9/services/{HOOK}")
    assert call.request.headers == {"Content-Type": "application/json"}
    assert bodies(make(), shop.ORDER_COMPLETED) == [
        {
            "text": "*Order Completed* by user-1\n• order_id: O-1\n• revenue: 55\n• tax: 5.5\n• shipping: 4\n"
            "• total: 64.5\n• currency: EUR\n• coupon: TEN"
        }
    ]


def test_each_event_may_have_words_of_its_own_and_blocks() -> None:
    destination = make(
        text="{{ event }} {{ properties.nothing.deep }}",
        messages={
            "Order Completed": {
                "text": "Sold {{ properties.products | length }} for {{ '%.2f' | format(properties.revenue) }}",
                "blocks": [
                    {"type": "header", "text": {"type": "plain_text", "text": "Order {{ properties.order_id }}"}},
                    {"type": "divider"},
                    {"type": "section", "fields": [{"type": "mrkdwn", "text": "*{{ traits.email }}*"}]},
                ],
            }
        },
    )
    order = shop.ORDER_COMPLETED | {"context": {"traits": {"email": "ana@example.com"}}}
    assert bodies(destination, order, shop.PAGE) == [
        {
            "text": "Sold 2 for 55.00",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "Order O-1"}},
                {"type": "divider"},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*ana@example.com*"}]},
            ],
        },
        {"text": "page"},
    ]


def test_a_value_cannot_write_slacks_markup() -> None:
    destination = make(text="<https://crm.example|{{ properties.name }}> {{ '<!here>' | unescaped }}")
    [body] = bodies(destination, shop.track(1, "X", {"name": "<!channel> R&D", "nested": {"a": "<"}}))
    assert body["text"] == "<https://crm.example|&lt;!channel&gt; R&amp;D> <!here>"


def test_a_template_chooses_by_saying_nothing() -> None:
    destination = make(text="{% if properties.revenue > 50 %}Big order{% endif %}")
    assert destination.unsupported(shop.ORDER_COMPLETED) == ""
    small = shop.track(1, "Order Completed", {"revenue": 5})
    assert destination.unsupported(small) == "its template says nothing"
    odd = shop.track(1, "Order Completed", {"revenue": "much"})
    assert destination.unsupported(odd) == ""
    with pytest.raises(ValueError, match="template cannot be filled"):
        destination.calls(streamed(odd))


@pytest.mark.parametrize(
    "template", ["{{ ''.__class__.__mro__ }}", "{{ payload.update({'a': 1}) }}", "{{ range(10**9) | list }}"]
)
def test_a_template_is_kept_in_its_sandbox(template: str) -> None:
    try:
        [body] = bodies(make(text=f"x{template}"), shop.PAGE)
    except ValueError as error:
        assert "template cannot be filled" in str(error)
    else:
        assert body["text"] == "x"


def test_a_wrong_template_is_told_when_the_config_is_read() -> None:
    with pytest.raises(ConfigError, match="a template is wrong"):
        make(text="{{ event")
    with pytest.raises(ConfigError, match="a template is wrong"):
        make(blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "{% nope %}"}}])


def test_messages_arrive_one_by_one(tool: StandinServer) -> None:
    assert accepted(deliver(make(tool.url), *shop.ORDERS)) == [True] * 6
    assert [row["payload"]["text"].split("*")[1] for row in tool.kept()] == [e["event"] for e in shop.ORDERS]
    assert tool.counts() == {"message": 6}


def test_a_refused_message_is_told_in_slacks_word(tool: StandinServer) -> None:
    bad = {"blocks": [{"type": "nonsense"}]}
    found = deliver(make(tool.url, messages={"page": bad}), shop.ORDERS[0], shop.PAGE, shop.ORDERS[1])
    assert accepted(found) == [True, False, True]
    assert found[1][0].code == "invalid_blocks"
    long = shop.track(1, "X", {"long": "&" * 50_000})
    assert accepted(deliver(make(tool.url), long)) == [True], "cut to what Slack takes"


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("T0OTHER/B0SANDBOX/sandbox_demo", "no_team"),
        ("T0SANDBOX/B0OTHER/sandbox_demo", "no_service"),
        ("T0SANDBOX/B0ARCHIVED/sandbox_demo", "channel_is_archived"),
        ("T0SANDBOX/B0SANDBOX/wrong", "invalid_token"),
    ],
)
def test_a_place_that_takes_no_messages_is_no_fault_of_the_events(tool: StandinServer, token: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        deliver(make(tool.url, token), shop.PAGE)


def test_more_than_one_a_second_is_waited_for(tmp_path: Path) -> None:
    waits: list[float] = []
    with (
        StandinServer(SlackStandin, tmp_path, rate=0.02) as tool,
        Sender("slack", 1000, sleep=waits.append, attempts=2) as sender,
    ):
        destination = make(tool.url)
        [first, second] = destination.calls(streamed(shop.PAGE, shop.ORDER_COMPLETED))
        assert sender.send(first.request, destination).text == "ok"
        with pytest.raises(UnavailableError, match="rate_limited"):
            sender.send(second.request, destination)
    assert waits
    assert all(1 < wait <= 50 for wait in waits), "as Retry-After tells"


@pytest.mark.parametrize(("status", "word"), [(404, "<html>"), (302, ""), (405, "x"), (410, "channel_is_archived")])
def test_no_refusal_tells_the_address_which_is_the_secret(status: int, word: str) -> None:
    [call] = make().calls(streamed(shop.PAGE))
    answer = Answer(status, None, word)
    assert make().is_readable(answer)
    with pytest.raises(ConfigError) as told:
        make().call_outcomes(call, answer)
    assert HOOK not in str(told.value)


@pytest.mark.parametrize(("status", "text"), [(200, "<html>"), (200, ""), (204, ""), (200, "OK then")])
def test_only_ok_is_ok(status: int, text: str) -> None:
    [call] = make().calls(streamed(shop.PAGE))
    with pytest.raises(UnavailableError):
        make().call_outcomes(call, Answer(status, None, text))
