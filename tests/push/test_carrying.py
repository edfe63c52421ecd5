"""A batch until each of its events has its outcome: several requests, splitting, resuming, answers of every kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import UnavailableError
from headwater.push.carrying import Batch, HttpCarrier
from headwater.push.destinations.base import (
    Answer,
    Call,
    EventDestination,
    Outcome,
    StreamEvent,
    Streaming,
)
from headwater.push.destinations.http_template import HttpTemplate
from headwater.push.destinations.webhook import Webhook
from headwater.push.pace import AskedToWaitError
from headwater.push.sender import Sender
from tests.tool_server import TOKEN, Failure, ToolServer


class Two(EventDestination):
    """People and events in requests of their own; ids that begin with `!` are more than it can put into a request."""

    type = "two"
    streaming = Streaming(batch_size=100)

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        if any(event.message_id.startswith("!") for event in events):
            raise ValueError("an id with !")
        everything = tuple(range(len(events)))
        people = tuple(place for place in everything if events[place].payload.get("person"))
        found = [self._call("/email/contacts/batch", people, events)] if people else []
        return [*found, self._call("/email/events", everything, events)]

    def _call(self, path: str, places: Sequence[int], events: Sequence[StreamEvent]) -> Call:
        return Call(self._post(path, {"records": [events[place].payload for place in places]}), tuple(places))


class Outspoken(Two):
    """Also reads a 400 that names the refused, and a wait in its own words; a code `BUSY` may pass."""

    def is_readable(self, answer: Answer) -> bool:
        return super().is_readable(answer) or (answer.status == 400 and isinstance(answer.json, Mapping)
                                               and "errors" in answer.json)  # fmt: skip

    def wait_seconds(self, answer: Answer) -> float | None:
        return 7.0 if answer.status == 403 and "slow down" in answer.text else None

    def is_transient(self, code: str) -> bool:
        return code == "BUSY"


class Stumbling(Two):
    """Expects JSON of every answer, and more memory than there is for ids that begin with `?`."""

    stumbles_in = ""

    def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
        if any(event.message_id.startswith("?") for event in events):
            raise MemoryError
        return super().calls(events)

    def is_readable(self, answer: Answer) -> bool:
        return bool(answer.json["n"]) if self.stumbles_in == "is_readable" else super().is_readable(answer)

    def wait_seconds(self, answer: Answer) -> float | None:
        return float(answer.json["n"]) if self.stumbles_in == "wait_seconds" else None

    def follow_up(self, call: Call, answer: Answer) -> Call | None:
        return answer.json["n"] if self.stumbles_in == "follow_up" else None  # type: ignore[no-any-return]


def batch(*ids: str, people: bool = False) -> Batch:
    payloads: list[dict[str, Any]] = [{"messageId": id_, "person": people} for id_ in ids]
    return Batch(
        [StreamEvent(p["messageId"], "web", p, msgspec.Raw(json.dumps(p).encode())) for p in payloads]
    )  # fmt: skip


def carrier(tool: ToolServer, cls: type[EventDestination] = Two, slept: list[float] | None = None) -> HttpCarrier:
    sleep = (lambda _: None) if slept is None else slept.append
    destination = cls(DestinationConfig(type="two", base_url=tool.url, token=TOKEN))
    return HttpCarrier(destination, Sender("two", 10_000, sleep=sleep))


def accepted(found: Batch) -> list[bool | None]:
    return [None if outcome is None else outcome.is_accepted for outcome in found.outcomes]


def test_an_event_that_one_of_its_requests_refuses_is_refused(tool: ToolServer) -> None:
    def refuse(record: Mapping[str, Any]) -> tuple[str, str] | None:
        is_contact = tool.received[-1][0] == "/email/contacts/batch"
        return ("BAD", "no such person") if is_contact and record["messageId"] == "b" else None

    tool.refuse = refuse
    found = batch("a", "b", "c", people=True)
    carrier(tool).carry(found)
    assert accepted(found) == [True, False, True]
    assert found.outcomes[1] == Outcome(False, "BAD", "no such person")
    assert found.attempts == [2, 2, 2]
    assert len(tool.received) == 2


def test_what_was_answered_is_not_sent_again_after_a_failure(tool: ToolServer) -> None:
    found = batch("a", "b", people=True)
    tool.failures.extend([Failure(201, keeps_records=True, body=b'{"accepted": 2}'), *[Failure(500)] * 10])
    both = carrier(tool)
    with pytest.raises(UnavailableError):
        both.carry(found)
    assert accepted(found) == [None, None]
    tool.failures.clear()
    both.carry(found)
    assert accepted(found) == [True, True]
    assert [path for path, _ in tool.received] == ["/email/contacts/batch", "/email/events"]


def test_a_refused_batch_is_split_until_the_one_at_fault_is_alone(tool: ToolServer) -> None:
    answer = tool.answer
    tool.answer = lambda path, token, body: (  # type: ignore[method-assign]
        (400, {}, b'{"message": "one is bad"}') if b'"x"' in body and "events" in path else answer(path, token, body)
    )
    found = batch("a", "b", "c", "x", "d", "e", people=True)
    carrier(tool).carry(found)
    assert accepted(found) == [True, True, True, False, True, True]
    assert "one is bad" in (found.outcomes[3] or Outcome(True)).message
    told = [
        record["messageId"] for path, records in tool.received if path == "/email/contacts/batch" for record in records
    ]
    assert sorted(told) == ["a", "b", "c", "d", "e", "x"], "people, who were taken, are not told again"


def test_an_event_that_cannot_be_put_into_a_request_is_refused_alone(tool: ToolServer) -> None:
    found = batch("a", "!", "b")
    carrier(tool).carry(found)
    assert accepted(found) == [True, False, True]
    assert found.outcomes[1] == Outcome(False, "not deliverable", "an id with !")


def test_a_partial_success_by_400_is_read_and_what_may_pass_is_tried_again_alone(tool: ToolServer) -> None:
    times = {"n": 0}

    def refuse(record: Mapping[str, Any]) -> tuple[str, str] | None:
        if record["messageId"] == "b" and times["n"] < 2:
            times["n"] += 1
            return "BUSY", "in a moment"
        return ("BAD", "never") if record["messageId"] == "c" else None

    tool.refuse = refuse
    answer = tool.answer

    def strict(path: str, token: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, headers, content = answer(path, token, body)
        return (400 if json.loads(content)["errors"] else status), headers, content

    tool.answer = strict  # type: ignore[method-assign]
    found = batch("a", "b", "c", "d")
    carrier(tool, Outspoken).carry(found)
    assert accepted(found) == [True, True, False, True]
    assert [[record["messageId"] for record in records] for _, records in tool.received] == [
        ["a", "b", "c", "d"], ["b"], ["b"],
    ]  # fmt: skip
    assert found.attempts == [1, 3, 1, 1]


def test_one_that_stays_busy_holds_the_batch_and_keeps_what_was_accepted(tool: ToolServer) -> None:
    tool.refuse = lambda record: ("BUSY", "in a moment") if record["messageId"] == "b" else None
    found = batch("a", "b", "c")
    with pytest.raises(UnavailableError, match="does not take 1 of 3 events yet: in a moment"):
        carrier(tool, Outspoken).carry(found)
    assert accepted(found) == [True, None, True]


def test_a_tools_own_words_for_waiting_are_followed(tool: ToolServer) -> None:
    slept: list[float] = []
    tool.failures.extend([Failure(403, body=b"slow down")] * 2)
    found = batch("a")
    carrier(tool, Outspoken, slept).carry(found)
    assert slept == [7.0, 7.0]
    assert accepted(found) == [True]


def test_a_wait_that_is_too_long_is_told_to_the_loop(tool: ToolServer) -> None:
    tool.failures.append(Failure(429, {"Retry-After": "3600"}))
    with pytest.raises(AskedToWaitError) as caught:
        carrier(tool).carry(batch("a"))
    assert caught.value.seconds == 3600


@pytest.mark.parametrize(
    "failure",
    [
        Failure(200, {"Content-Type": "text/html"}, b"<html>maintenance</html>"),
        Failure(200, {}, b"<html>maintenance</html>"),
        Failure(201, {}, b'{"accepted": 1, "errors": "all'),
        Failure(200, {}, b""),
        Failure(201, {}, b'{"errors": [{"index": 7}]}'),
    ],
    ids=["HTML", "HTML without saying so", "cut off", "nothing", "an index of nobody"],
)
def test_an_answer_that_cannot_be_read_accepts_nothing(tool: ToolServer, failure: Failure) -> None:
    tool.failures.append(failure)
    found = batch("a", "b")
    with pytest.raises(UnavailableError):
        carrier(tool).carry(found)
    assert accepted(found) == [None, None]


def test_outcomes_are_passed_on_as_soon_as_they_are_known(tool: ToolServer) -> None:
    class OneByOne(Two):
        """Each event in a request of its own."""

        def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
            return [self._call("/email/events", [place], events) for place in range(len(events))]

    found = batch("a", "b", "c")
    seen: list[list[bool | None]] = []
    carrier(tool, OneByOne).carry(found, lambda: seen.append(accepted(found)))
    assert seen == [[True, None, None], [True, True, None], [True, True, True]]


def test_one_event_that_no_memory_is_enough_for_is_refused_alone(tool: ToolServer) -> None:
    found = batch("a", "?", "b")
    carrier(tool, Stumbling).carry(found)
    assert accepted(found) == [True, False, True]
    assert found.outcomes[1] == Outcome(False, "not deliverable", "MemoryError: ")


def test_one_event_that_no_request_carries_is_refused(tool: ToolServer) -> None:
    class Silent(Two):
        """Has nothing to say of any event."""

        def calls(self, events: Sequence[StreamEvent]) -> list[Call]:
            return []

    found = batch("a")
    carrier(tool, Silent).carry(found)
    assert found.outcomes[0] == Outcome(
        False, "not deliverable", "no request of this destination's class carries it"
    )  # fmt: skip
    assert tool.received == []


@pytest.mark.parametrize(
    ("where", "status"), [("is_readable", 400), ("wait_seconds", 400), ("wait_seconds", 500), ("follow_up", 200)]
)
def test_a_class_that_stumbles_over_an_answer_makes_the_tool_one_that_is_down(
    tool: ToolServer, where: str, status: int
) -> None:
    tool.failures.append(Failure(status, {"Content-Type": "text/plain"}, b"no such thing"))
    cls = type("At", (Stumbling,), {"stumbles_in": where})
    with pytest.raises(UnavailableError, match=rf"answered {status} with something that cannot be read.*no such thing"):
        carrier(tool, cls).carry(batch("a"))


@pytest.mark.parametrize("bad", ["!", "x"], ids=["cannot be put into a request", "refused with the whole request"])
def test_what_a_tool_says_is_told_after_a_batch_was_split_too(tool: ToolServer, bad: str) -> None:
    tool.refuse = lambda record: ("BUSY", "in a moment") if record["messageId"] == "b" else None
    answer = tool.answer
    tool.answer = lambda path, token, body: (  # type: ignore[method-assign]
        (422, {}, b"{}") if b'"x"' in body else answer(path, token, body)
    )
    with pytest.raises(UnavailableError, match="does not take 1 of 4 events yet: in a moment"):
        HttpCarrier(
            Outspoken(DestinationConfig(type="two", base_url=tool.url, token=TOKEN)), Sender("two", 10_000, attempts=1)
        ).carry(batch("b", "a", bad, "c"))


def test_a_page_is_nobodys_answer_but_of_those_who_say_so(tool: ToolServer) -> None:
    page = Failure(200, {"Content-Type": "Text/HTML; charset=utf-8"}, b"<html>log in</html>")
    for cls in (Webhook, HttpTemplate):
        config = DestinationConfig(type=cls.type, base_url=f"{tool.url}/webhook", token=TOKEN)
        tool.failures.append(page)
        with pytest.raises(UnavailableError, match="answered 200 with a page: <html>log in"):
            HttpCarrier(cls(config), Sender("two", 10_000, sleep=lambda _: None)).carry(batch("a"))
        config.settings = {"accept_html": True}
        tool.failures.append(page)
        found = batch("a")
        HttpCarrier(cls(config), Sender("two", 10_000, sleep=lambda _: None)).carry(found)
        assert accepted(found) == [True]
