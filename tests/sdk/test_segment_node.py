"""npm `@segment/analytics-node`, unmodified, on Node from a wheel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk import npm
from tests.sdk.journey import FAULTS, WRITE_KEY, Journey, check_calls, check_clock, check_once

pytestmark = pytest.mark.slow
SCRIPT = str(Path(__file__).parent / "node" / "segment.cjs")


@pytest.fixture(scope="module")
def told() -> set[str]:
    """The message ids that the SDK told its caller are sent."""
    return set()


@pytest.fixture(scope="module")
def journey(begun: Journey, node_modules: Path, told: set[str]) -> Iterator[Journey]:
    for part, faults in (("calls", []), ("retries", list(FAULTS))):
        begun.front.faults = faults
        answer = json.loads(npm.node(SCRIPT, begun.front.url, WRITE_KEY, part, modules=node_modules))
        assert answer["errors"] == []
        told.update(answer["ids"])
    begun.finish()
    yield begun


def test_every_call_arrives_as_it_was_made(journey: Journey) -> None:
    check_calls(journey, group_traits={"seats": 12})


def test_what_was_sent_again_after_faults_is_there_once(journey: Journey, told: set[str]) -> None:
    check_once(journey, retried=10)
    assert {row.message_id for row in journey.rows} == told


def test_the_clock_and_the_library_are_told(journey: Journey) -> None:
    check_clock(journey, "@segment/analytics-node")


def test_batches_arrive_whole(journey: Journey) -> None:
    assert {seen.path for seen in journey.front.posts()} == {"/v1/batch"}
    assert sorted(row.payload["properties"]["n"] for row in journey.named("Counted")) == list(range(100))
