"""A destination that is new gets what the log still holds, or, with `start: now`, only what comes after it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from headwater.configuration import Config, EventSource
from headwater.push.stream import Delivery, drain
from headwater.settings import Settings
from headwater.storage.deliveries import Deliveries, delivery_path
from headwater.storage.log import Envelope, LogWriter, encode_envelope, frame
from tests.push.log_events import track, write_events
from tests.tool_server import ToolServer


@pytest.fixture
def from_now(config: Config) -> Config:
    """The company, its destination `events` as one that wants no history."""
    stream = config.destinations["events"].stream
    assert stream is not None
    stream.start = "now"
    return config


def sent(tool: ToolServer) -> list[str]:
    return [event["messageId"] for event in tool.accepted]


def counted(settings: Settings) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in Deliveries(delivery_path(settings, "events"), read_only=True).filtered():
        found[row.reason] = found.get(row.reason, 0) + row.events
    return found


@contextmanager
def opened(settings: Settings, config: Config) -> Iterator[Delivery]:
    delivery = Delivery(settings, config, "events", sleep=lambda _: None)
    try:
        yield delivery
    finally:
        delivery.close()


def step_through(settings: Settings, config: Config) -> None:
    with opened(settings, config) as delivery:
        while delivery.step():
            pass


def test_a_new_destination_gets_what_the_log_holds(settings: Settings, config: Config, tool: ToolServer) -> None:
    write_events(settings.log_dir, track(1), track(2))
    drain(settings, config, "events")
    assert sent(tool) == ["m1", "m2"]


def test_with_start_now_what_came_before_is_counted_and_what_comes_after_delivered(
    settings: Settings, from_now: Config, tool: ToolServer
) -> None:
    write_events(settings.log_dir, track(1), track(2), track(3, "Product Viewed"))
    step_through(settings, from_now)
    assert sent(tool) == []
    write_events(settings.log_dir, track(4))
    step_through(settings, from_now)
    assert sent(tool) == ["m4"]
    assert counted(settings) == {"start": 2, "events": 1}


def test_the_start_is_where_the_log_ended_when_the_destination_was_first_opened_also_after_a_kill(
    settings: Settings, from_now: Config, tool: ToolServer
) -> None:
    write_events(settings.log_dir, track(1))
    with opened(settings, from_now):
        pass  # it ends before its first step
    write_events(settings.log_dir, track(2))
    step_through(settings, from_now)
    assert sent(tool) == ["m2"]
    assert counted(settings) == {"start": 1}


def test_a_start_in_the_middle_of_a_segment_parts_its_records(
    settings: Settings, from_now: Config, tool: ToolServer
) -> None:
    async def write() -> None:
        writer = LogWriter(settings.log_dir)
        writer.open()
        await append(writer, track(1), track(2))
        with opened(settings, from_now):
            pass
        await append(writer, track(3), track(4))
        await writer.close()

    asyncio.run(write())
    step_through(settings, from_now)
    assert sent(tool) == ["m3", "m4"]
    assert counted(settings) == {"start": 2}


def test_events_of_a_source_with_transformations_are_withheld_too(
    settings: Settings, from_now: Config, tool: ToolServer
) -> None:
    from_now.sources["web"] = EventSource(write_keys=["k"], transformations=["same"])
    folder = settings.config_dir / "transformations"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "same.py").write_text("def transform(event):\n    return event\n")
    write_events(settings.log_dir, track(1))
    step_through(settings, from_now)
    write_events(settings.log_dir, track(2))
    step_through(settings, from_now)
    assert sent(tool) == ["m2"]
    assert counted(settings) == {"start": 1}


def test_an_edit_to_now_changes_nothing_for_a_destination_that_has_begun(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    write_events(settings.log_dir, track(1))
    drain(settings, config, "events")
    stream = config.destinations["events"].stream
    assert stream is not None
    stream.start = "now"
    write_events(settings.log_dir, track(2))
    drain(settings, config, "events")
    assert sent(tool) == ["m1", "m2"]


def test_in_a_log_without_events_everything_that_comes_is_delivered(
    settings: Settings, from_now: Config, tool: ToolServer
) -> None:
    step_through(settings, from_now)
    write_events(settings.log_dir, track(1))
    step_through(settings, from_now)
    assert sent(tool) == ["m1"]


async def append(writer: LogWriter, *events: dict[str, Any]) -> None:
    received_at = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    data = encode_envelope(Envelope(source="web", route="live", received_at=received_at))
    await writer.append([frame(data, event["messageId"], json.dumps(event).encode()) for event in events])
