"""Pace, patience and the meaning of statuses, on a clock that the test turns."""

from __future__ import annotations

import email.utils
import time

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Answer, Request
from headwater.push.pace import LONGEST_WAIT, AskedToWaitError, TokenBucket
from headwater.push.sender import RequestRefusedError, Sender, retry_after
from tests.tool_server import TOKEN, Failure, ToolServer


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def request(tool: ToolServer, path: str = "/webhook", token: str = TOKEN) -> Request:
    return Request("POST", f"{tool.url}{path}", {"Authorization": f"Bearer {token}"}, b'{"events": []}')


def test_a_bucket_lets_a_second_of_requests_through_and_then_keeps_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(10, clock, clock.sleep)
    for _ in range(10):
        bucket.take()
    assert clock.now == 0
    for _ in range(20):
        bucket.take()
    assert clock.now == pytest.approx(2.0, abs=0.05)
    clock.now += 100
    for _ in range(11):
        bucket.take()
    assert clock.now == pytest.approx(102.1, abs=0.05)


def test_a_rate_below_one_a_second_is_kept_too() -> None:
    clock = Clock()
    bucket = TokenBucket(0.5, clock, clock.sleep)
    for _ in range(3):
        bucket.take()
    assert clock.now == pytest.approx(4.0, abs=0.01)


def test_waiting_as_told_is_no_failed_attempt_but_ends_at_the_longest_wait(tool: ToolServer) -> None:
    clock = Clock()
    tool.failures.extend([Failure(429, {"Retry-After": "30"})] * 8)
    with Sender("tool", 1000, attempts=3, clock=clock, sleep=clock.sleep) as sender:
        assert sender.send(request(tool)).status == 201
        assert clock.slept == [30.0] * 8
        tool.failures.extend([Failure(429, {"Retry-After": "30"})] * 100)
        with pytest.raises(AskedToWaitError, match="tool asks to wait 30 s: 429") as caught:
            sender.send(request(tool))
    assert caught.value.seconds == 30
    assert sum(clock.slept[8:]) == pytest.approx(LONGEST_WAIT, rel=0.05)


def test_backing_off_grows(tool: ToolServer) -> None:
    clock = Clock()
    tool.failures.extend([Failure(500)] * 4)
    with Sender("tool", 1000, clock=clock, sleep=clock.sleep) as sender:
        sender.send(request(tool))
    assert [0 <= slept <= longest for slept, longest in zip(clock.slept, (0.2, 0.4, 0.8, 1.6), strict=True)] == [
        True
    ] * 4
    assert len(set(clock.slept)) == 4


def test_nobody_listening_is_one_sentence() -> None:
    clock = Clock()
    with (
        Sender("crm", 1000, attempts=2, clock=clock, sleep=clock.sleep) as sender,
        pytest.raises(UnavailableError, match=r"crm did not take the request after 2 attempts: .*refused"),
    ):
        sender.send(Request("POST", "http://127.0.0.1:9/", {}, b""))


@pytest.mark.parametrize(
    ("path", "token", "kind", "says"),
    [
        ("/webhook", "wrong", ConfigError, "tool does not accept our token"),
        ("/nothing", TOKEN, ConfigError, "/nothing is not there"),
    ],
)
def test_what_only_a_person_can_mend_is_not_tried_again(
    tool: ToolServer, path: str, token: str, kind: type[Exception], says: str
) -> None:
    with Sender("tool", 1000) as sender, pytest.raises(kind, match=says):
        sender.send(request(tool, path, token))
    assert len(tool.statuses) == 1


def test_a_request_refused_for_what_it_holds_is_told_apart(tool: ToolServer) -> None:
    tool.failures.append(Failure(422, body=b"  no\n such   field"))
    with Sender("tool", 1000) as sender, pytest.raises(RequestRefusedError, match="422: no such field"):
        sender.send(request(tool))


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after("7") == 7
    for invalid in ("-3", "inf", "nan", "1e999", "-inf", "soon", "", "Fri, 99 Nov 20260 99:99:99 GMT"):
        assert retry_after(invalid) is None
    assert retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0
    assert retry_after(None) is None


def test_a_tool_that_asks_for_a_century_is_asked_again_after_an_hour(tool: ToolServer) -> None:
    for asked in ("Fri, 31 Dec 2099 23:59:59 GMT", "3000000000", "1e300"):
        assert retry_after(asked) == 3600

    class Patient:
        answer_bytes = 1000

        def is_readable(self, answer: Answer) -> bool:
            return False

        def wait_seconds(self, answer: Answer) -> float | None:
            return float(answer.headers["x-wait"])

    for asked in ("1e9", "inf"):
        tool.failures.append(Failure(429, {"X-Wait": asked, "Retry-After": "1e9"}))
        with Sender("tool", 1000) as sender, pytest.raises(AskedToWaitError) as caught:
            sender.send(request(tool), Patient())
        assert caught.value.seconds == 3600
