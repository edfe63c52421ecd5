"""Tools that are unwell, for an instant or for days, on clocks that the test turns."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from headwater.configuration import Config, Destination, Stream
from headwater.errors import UnavailableError
from headwater.push.destinations.base import Request
from headwater.push.pace import AskedToWaitError
from headwater.push.progress import load_progress
from headwater.push.sender import Sender
from headwater.push.stream import Delivery, drain
from headwater.settings import Settings
from headwater.storage.deliveries import Deliveries, delivery_path
from headwater.storage.log import Envelope
from tests.push.log_events import track, write_events, write_record
from tests.tool_server import TOKEN, Failure, ToolServer


class Time:
    """A clock for everything: the day's and the stopwatch's. Sleeping moves it."""

    def __init__(self) -> None:
        self.start = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(seconds=5)
        self.passed = 0.0

    def now(self) -> dt.datetime:
        return self.start + dt.timedelta(seconds=self.passed)

    def clock(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


def delivery(settings: Settings, config: Config, time: Time, timeout: float = 30) -> Delivery:
    return Delivery(
        settings, config, "events", timeout=timeout, clock=time.clock, sleep=time.sleep, now=time.now
    )  # fmt: skip


def run(loop: Delivery, time: Time, until: Callable[[], bool]) -> int:
    """Step after step as the worker does, with its pauses; answers how many steps failed."""
    failed, pause = 0, 0.0
    for _ in range(5000):
        if until():
            return failed
        try:
            time.passed += pause
            pause = 0.0 if loop.step() else 0.1
        except UnavailableError as error:
            failed += 1
            pause = error.seconds if isinstance(error, AskedToWaitError) else min(60.0, max(1.0, pause * 2))
    raise AssertionError("it did not happen")


def dead(settings: Settings) -> dict[str, str]:
    store = Deliveries(delivery_path(settings, "events"), read_only=True)
    try:
        return {letter.message_id: letter.reason for letter in store.dead_letters()}
    finally:
        store.close()


def test_an_hour_of_500s_loses_nothing_and_asks_less_and_less_often(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    time = Time()
    answer = tool.answer
    tool.answer = lambda *given: (500, {}, b"oops") if time.passed < 3600 else answer(*given)  # type: ignore[method-assign]
    write_events(settings.log_dir, *[track(number) for number in range(250)])
    loop = delivery(settings, config, time)
    run(loop, time, lambda: len(tool.accepted) == 250 or time.passed > 2 * 3600)
    assert [event["messageId"] for event in tool.accepted] == [f"m{number}" for number in range(250)]
    assert time.passed < 3600 + 120
    assert tool.statuses.count(500) < 500
    assert loop.progress.failing_since is None
    loop.close()
    assert dead(settings) == {}


@pytest.mark.slow
def test_each_event_is_given_up_by_its_own_age_and_what_is_fresh_waits(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    config.destinations["events"].stream = Stream(give_up_after_hours=2)
    time = Time()
    tool.failures.extend([Failure(503)] * 100_000)
    write_events(settings.log_dir, track(1))
    loop = delivery(settings, config, time)
    run(loop, time, lambda: time.passed > 3600)
    write_record(settings.log_dir, Envelope("web", "live", time.now()), track(2))
    run(loop, time, lambda: loop.progress.failed == 1)
    assert dead(settings) == {"m1": "gave up"}
    waited = time.now()
    run(loop, time, lambda: time.now() > waited + dt.timedelta(minutes=30))
    tool.failures.clear()
    run(loop, time, lambda: bool(tool.accepted))
    assert [event["messageId"] for event in tool.accepted] == ["m2"]
    loop.close()


def test_retry_after_is_followed_as_seconds_and_as_a_date(settings: Settings, config: Config, tool: ToolServer) -> None:
    time = Time()
    ahead = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100), usegmt=True)
    tool.failures.extend([Failure(429, {"Retry-After": "40"}), Failure(503, {"Retry-After": ahead})])
    write_events(settings.log_dir, track(1))
    loop = delivery(settings, config, time)
    assert loop.step() == 1
    loop.close()
    assert time.passed == pytest.approx(140, abs=5)
    assert len(tool.accepted) == 1


def test_a_tool_that_asks_for_an_hour_is_left_alone_for_an_hour(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    time = Time()
    tool.failures.append(Failure(429, {"Retry-After": "3600"}))
    write_events(settings.log_dir, track(1))
    loop = delivery(settings, config, time)
    assert run(loop, time, lambda: bool(tool.accepted)) == 1
    loop.close()
    assert tool.statuses == [429, 201]
    assert time.passed == pytest.approx(3600, abs=5)


@contextmanager
def rude_server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Accepts connections and does as told with each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        ending = threading.Event()

        def serve() -> None:
            while not ending.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.recv(65536)
                    behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        finally:
            ending.set()
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    "behave",
    [
        lambda connection: None,
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        lambda connection: connection.sendall(b"\x00\x01 rubbish \r\n\r\n"),
        lambda connection: threading.Event().wait(0.5) and None,
    ],
    ids=["closes", "closes in the middle", "speaks no HTTP", "says nothing"],
)
def test_a_connection_that_breaks_is_tried_again_and_nothing_counts_as_delivered(
    settings: Settings, config: Config, tool: ToolServer, behave: Callable[[socket.socket], None]
) -> None:
    time = Time()
    write_events(settings.log_dir, track(1))
    with rude_server(behave) as url:
        config.destinations["events"] = Destination(type="email", base_url=url, token=TOKEN, stream=Stream())
        loop = delivery(settings, config, time, timeout=0.2)
        with pytest.raises(UnavailableError, match="did not take the request after 5 attempts"):
            loop.step()
        loop.close()
    there = load_progress(settings, "events")
    assert (there.delivered, there.requests) == (0, 5)
    config.destinations["events"].base_url = f"{tool.url}/email"
    assert drain(settings, config, "events").delivered == 1


def trickle(connection: socket.socket, start: bytes) -> None:
    """Begin an answer and go on with it byte by byte, until nobody listens."""
    with contextlib.suppress(OSError):
        connection.sendall(start)
        while True:
            connection.sendall(b"x")
            time.sleep(0.01)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"],
                         ids=["in the headers", "in the body"])  # fmt: skip
def test_a_tool_that_trickles_its_answer_is_cut_off(start: bytes) -> None:
    with (
        rude_server(lambda connection: trickle(connection, start)) as url,
        Sender("slow", 1000, attempts=2, deadline=0.5, sleep=lambda _: None) as sender,
        pytest.raises(UnavailableError, match=r"slow did not .* after 2 attempts: no whole answer within 0\.5 s"),
    ):
        sender.send(Request("POST", url, {}, b"{}"))


def test_an_endless_answer_is_not_read_to_its_end_packed_or_not() -> None:
    def behave(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
            while True:
                connection.sendall(b"1," * 10_000)

    def packed(connection: socket.socket) -> None:
        body = gzip.compress(b" " * 20_000_000)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        with contextlib.suppress(OSError):
            connection.sendall(head.encode() + body)

    for tool in (behave, packed):
        with (
            rude_server(tool) as url,
            Sender("wordy", 1000, attempts=1) as sender,
            pytest.raises(UnavailableError, match="its answer has over 1,000,008 bytes"),
        ):
            sender.send(Request("POST", url, {}, b"{}"))


def test_a_setting_that_cannot_read_an_answer_is_shown_and_given_up_like_any_other_problem(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    config.destinations["events"] = Destination(
        type="http_template", base_url=f"{tool.url}/x", token=TOKEN, stream=Stream(give_up_after_hours=1),
        settings={"retry": "answer.json.code > 5"},
    )  # fmt: skip
    time = Time()
    tool.failures.extend([Failure(400, {"Content-Type": "text/plain"}, b"no JSON")] * 10_000)
    write_events(settings.log_dir, track(1))
    loop = delivery(settings, config, time)
    with pytest.raises(UnavailableError, match="cannot be read"):
        loop.step()
    assert "answered 400 with something that cannot be read" in load_progress(settings, "events").last_error
    run(loop, time, lambda: loop.progress.failed == 1)
    loop.close()
    assert dead(settings) == {"m1": "gave up"}


def test_one_request_of_several_that_is_answered_is_stored_before_the_next(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    config.destinations["events"] = Destination(
        type="webhook", base_url=f"{tool.url}/webhook", token=TOKEN, stream=Stream(), settings={"one_by_one": True}
    )
    seen: list[int] = []

    def answer(path: str, token: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
        store = Deliveries(delivery_path(settings, "events"), read_only=True)
        seen.append(sum(store.counts().values()))
        store.close()
        return 200, {}, b"{}"

    tool.answer = answer  # type: ignore[method-assign]
    write_events(settings.log_dir, *[track(number) for number in range(4)])
    assert drain(settings, config, "events").delivered == 4
    assert seen == [0, 1, 2, 3]
