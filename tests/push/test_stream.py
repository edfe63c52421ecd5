"""One streaming destination: what reaches it, what is kept aside, what happens while it is down."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from headwater.configuration import Config, Destination, Stream
from headwater.errors import ConfigError, UnavailableError
from headwater.push.progress import exclusive, load_progress
from headwater.push.stream import Delivery, drain
from headwater.settings import Settings
from headwater.storage.deliveries import Deliveries, delivery_path
from tests.push.log_events import track, write_events
from tests.tool_server import TOKEN, Failure, ToolServer


def quick(settings: Settings, config: Config, **more) -> Delivery:
    return Delivery(settings, config, "events", sleep=lambda _: None, **more)


def store(settings: Settings, name: str = "events") -> Deliveries:
    return Deliveries(delivery_path(settings, name), read_only=True)


def test_what_the_filter_names_is_delivered_once_and_in_order(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    chosen = [track(number) for number in range(250)]
    others = [track(900, "Product Viewed"), {"messageId": "p", "type": "page", "userId": "u"}]
    write_events(settings.log_dir, *chosen, *others, {"messageId": "i", "type": "identify", "userId": "u"})
    write_events(settings.log_dir, track(901), route="import")
    report = drain(settings, config, "events")
    assert (report.delivered, report.failed, report.filtered, report.requests) == (251, 0, 3, 3)
    assert [event["messageId"] for event in tool.accepted] == [f"m{number}" for number in range(250)] + ["i"]
    assert [len(events) for _, events in tool.received] == [100, 100, 51]
    again = drain(settings, config, "events")
    assert (again.delivered, again.requests) == (0, 0)
    assert load_progress(settings, "events").delivered == 251


def test_events_arrive_completed_by_the_clock_rule(settings: Settings, config: Config, tool: ToolServer) -> None:
    sent = track(1, timestamp="2026-01-01T10:00:00Z", sentAt="2026-01-01T10:00:05Z", userId=17850)
    write_events(settings.log_dir, sent)
    drain(settings, config, "events")
    event = tool.accepted[0]
    skewed = dt.datetime.fromisoformat(event["receivedAt"]) - dt.datetime.fromisoformat(event["timestamp"])
    assert skewed == dt.timedelta(seconds=5)
    assert (event["originalTimestamp"], event["userId"]) == ("2026-01-01T10:00:00Z", "17850")


def test_a_refused_event_is_kept_with_the_reason_and_the_rest_goes_on(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    tool.refuse = lambda event: ("NO_CONTACT", "nobody by this id") if event["messageId"] == "m1" else None
    write_events(settings.log_dir, *[track(number) for number in range(3)])
    report = drain(settings, config, "events")
    assert (report.delivered, report.failed) == (2, 1)
    [letter] = store(settings).dead_letters()
    assert (letter.message_id, letter.code, letter.answer) == ("m1", "NO_CONTACT", "nobody by this id")
    assert letter.reason == "refused"
    assert json.loads(letter.body)["messageId"] == "m1"
    assert drain(settings, config, "events").requests == 0


def test_a_request_refused_as_a_whole_loses_only_the_event_at_fault(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    answer = tool.answer
    tool.answer = lambda path, token, body: (  # type: ignore[method-assign]
        (413, {}, b"too large") if b'"m5"' in body else answer(path, token, body)
    )
    write_events(settings.log_dir, *[track(number) for number in range(20)])
    report = drain(settings, config, "events")
    assert (report.delivered, report.failed) == (19, 1)


def test_a_tool_that_is_down_keeps_its_place_and_goes_on_where_it_was(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    write_events(settings.log_dir, *[track(number) for number in range(150)])
    tool.failures.append(Failure(503, keeps_records=True))
    tool.failures.extend([Failure(503)] * 10)
    delivery = quick(settings, config)
    with pytest.raises(UnavailableError, match="events did not take the request"):
        delivery.step()
    progress = load_progress(settings, "events")
    assert (progress.delivered, progress.requests) == (0, 5)
    assert progress.failing_since is not None
    tool.failures.clear()
    delivery.step()
    delivery.close()
    assert {event["messageId"] for event in tool.accepted} == {f"m{number}" for number in range(150)}
    assert (delivery.progress.delivered, delivery.progress.failing_since) == (150, None)


def test_after_three_days_of_failing_a_request_is_given_up_into_the_dead_letters(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    write_events(settings.log_dir, track(1))
    tool.failures.extend([Failure(500)] * 10)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(seconds=5)
    delivery = quick(settings, config, now=lambda: now)
    with pytest.raises(UnavailableError):
        delivery.step()
    now += dt.timedelta(hours=72)
    assert delivery.step() == 1
    delivery.close()
    assert (delivery.progress.failed, delivery.progress.delivered) == (1, 0)
    [letter] = store(settings).dead_letters()
    assert letter.reason == "gave up"
    assert "told to fail" in letter.answer


def test_batches_also_keep_to_the_limit_of_bytes(settings: Settings, config: Config, tool: ToolServer) -> None:
    write_events(settings.log_dir, *[track(number, properties={"note": "x" * 200_000}) for number in range(5)])
    assert drain(settings, config, "events").delivered == 5
    assert [len(events) for _, events in tool.received] == [2, 2, 1]


def test_while_another_process_delivers_a_drain_does_nothing(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    write_events(settings.log_dir, track(1))
    with exclusive(settings, "events") as is_ours:
        assert is_ours
        assert drain(settings, config, "events").is_elsewhere
    assert tool.received == []
    assert drain(settings, config, "events").delivered == 1


def test_a_webhook_takes_events_of_every_kind_when_no_filter_is_set(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    config.destinations["hook"] = Destination(
        type="webhook", base_url=f"{tool.url}/webhook", token=TOKEN, stream=Stream(routes=[])
    )
    write_events(settings.log_dir, track(1), {"messageId": "p", "type": "page", "anonymousId": "a"})
    write_events(settings.log_dir, track(2), route="import")
    assert drain(settings, config, "hook").delivered == 3


def test_a_destination_that_takes_no_events_says_so(settings: Settings, config: Config) -> None:
    with pytest.raises(ConfigError, match=r"destinations/crm\.yaml has no `stream:` part"):
        drain(settings, config, "crm")
    config.destinations["crm"].stream = Stream()
    with pytest.raises(ConfigError, match="type crm, which takes no events"):
        drain(settings, config, "crm")


def test_a_folder_that_cannot_be_written_is_one_sentence(settings: Settings, config: Config) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "push").write_text("in the way")
    with pytest.raises(UnavailableError, match=r"/push cannot be written"):
        drain(settings, config, "events")


def test_where_it_is_worth_it_events_are_gathered_and_a_drain_does_not_wait(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    time = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    delivery = quick(settings, config, lingers=True, now=lambda: time)
    delivery.linger = dt.timedelta(seconds=60)
    write_events(settings.log_dir, track(1))
    assert delivery.step() == 0
    write_events(settings.log_dir, track(2))
    assert delivery.step() == 0
    time += dt.timedelta(seconds=61)
    while delivery.step():
        pass
    delivery.close()
    assert [event["messageId"] for event in tool.accepted] == ["m1", "m2"]
    write_events(settings.log_dir, track(3))
    assert drain(settings, config, "events").delivered == 1
