"""What every HTTP destination with a stand-in promises, held against the tool's behaviour over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import UnavailableError
from headwater.push.carrying import Batch, HttpCarrier
from headwater.push.destinations.base import EventDestination, Outcome
from headwater.push.oauth import authenticator
from headwater.push.sender import Sender
from tests.contracts.streams import STANDIN_OF, STOOD_IN, good_events, odd_events, opened, wrapped
from tests.standin_server import StandinServer

by_type = pytest.mark.parametrize("cls", STOOD_IN, ids=lambda cls: cls.type)


@pytest.fixture
def standin(cls: type[EventDestination], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandinServer]:
    tool = STANDIN_OF[cls.type]
    with StandinServer(tool, tmp_path, rate=max(tool.rate, 50.0)) as server:
        monkeypatch.setenv("SANDBOX_URL", server.url.removesuffix(f"/{cls.type}"))
        yield server


def carry(destination: EventDestination, payloads: list[dict[str, Any]], timeout: float = 60) -> list[Outcome]:
    """As the engine does, in batches of the class's size; waits are cut short."""
    sender = Sender(
        "tool", 100_000, timeout=timeout, auth=authenticator("tool", destination),
        sleep=lambda seconds: time.sleep(min(seconds, 0.25)),
    )  # fmt: skip
    carrier = HttpCarrier(destination, sender)
    outcomes: list[Outcome] = []
    try:
        for start in range(0, len(payloads), destination.streaming.batch_size):
            batch = Batch(wrapped(*payloads[start : start + destination.streaming.batch_size]))
            carrier.carry(batch)
            outcomes += [outcome for outcome in batch.outcomes if outcome is not None]
    finally:
        carrier.close()
    return outcomes


def taken(destination: EventDestination) -> list[dict[str, Any]]:
    return [payload for payload in good_events() if not destination.unsupported(payload)]


@by_type
def test_spec_events_are_delivered_and_the_tool_reports_them_by_the_name_that_the_class_told(
    cls: type[EventDestination], standin: StandinServer
) -> None:
    destination = opened(cls)
    payloads = taken(destination)
    assert [outcome for outcome in carry(destination, payloads) if not outcome.is_accepted] == []
    told = standin.counts()
    assert {destination.tool_event(payload) for payload in payloads if payload["type"] == "track"} <= set(told)
    again = carry(destination, payloads)  # as after a kill
    assert [outcome for outcome in again if not outcome.is_accepted] == []
    if cls.knows_repeats:
        assert standin.counts() == told, "an event that comes again is known again"


@by_type
@pytest.mark.parametrize(
    "fault",
    [
        {"times": 2, "status": 500},
        {"times": 1, "status": 429, "retry_after": "1"},
        {"times": 1, "status": 503, "retry_after": "date:1"},
        {"times": 1, "status": 502, "html": True},
        pytest.param({"times": 1, "status": 200, "hang_seconds": 3}, marks=pytest.mark.slow),
    ],
    ids=["500", "429", "503 until a date", "HTML", "silence"],
)
def test_nothing_is_lost_or_refused_while_the_tool_is_unwell(
    cls: type[EventDestination], standin: StandinServer, fault: dict[str, Any]
) -> None:
    destination = opened(cls)
    payloads = taken(destination)[: max(1, min(3, cls.streaming.batch_size))]
    carry(destination, payloads)
    expected = standin.counts()
    standin.standin.memory.forget(cls.type)
    standin.fault(**fault)
    # only silence is cut short: a slow machine's answer that is not waited for would count twice
    outcomes = carry(destination, payloads, timeout=1 if "hang_seconds" in fault else 60)
    assert [outcome for outcome in outcomes if not outcome.is_accepted] == []
    assert standin.counts() == expected


@by_type
def test_html_in_place_of_an_answer_accepts_nothing(cls: type[EventDestination], standin: StandinServer) -> None:
    destination = opened(cls)
    standin.fault(times=1000, status=200, html=True)
    payloads = taken(destination)[:1]
    with pytest.raises(UnavailableError):
        carry(destination, payloads)


@pytest.mark.slow
@by_type
def test_an_odd_event_never_sinks_the_good_ones_beside_it(cls: type[EventDestination], standin: StandinServer) -> None:
    destination = opened(cls, rate_per_second=50.0)
    pair = [payload for payload in taken(destination) if payload["type"] in ("track", "identify")][:2]
    size = max(1, min(cls.streaming.batch_size, 25))
    odd = list(odd_events().items())
    for start in range(0, len(odd), 40):
        mixed: list[tuple[str, dict[str, Any]]] = []
        for place, (name, payload) in enumerate(odd[start : start + 40]):
            if place % size == 0:
                mixed.append(("", {**pair[place % len(pair)], "messageId": f"good-{start}-{place}"}))
            if not destination.unsupported(payload):
                mixed.append((name, payload))
        outcomes = carry(destination, [payload for _, payload in mixed])
        refused = [
            outcome for (name, _), outcome in zip(mixed, outcomes, strict=True) if not name and not outcome.is_accepted
        ]
        assert refused == []
