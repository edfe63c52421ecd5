"""npm `@rudderstack/rudder-sdk-node`, unmodified, on Node from a wheel. It sends gzip and calls it a form."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sdk import npm
from tests.sdk.journey import FAULTS, WRITE_KEY, Journey, check_calls, check_clock, check_once

pytestmark = pytest.mark.slow
SCRIPT = str(Path(__file__).parent / "node" / "rudder.cjs")


@pytest.fixture(scope="module")
def journey(begun: Journey, node_modules: Path) -> Iterator[Journey]:
    for part, calls, faults in (("calls", 106, []), ("retries", 10, list(FAULTS))):
        begun.front.faults = faults
        answer = json.loads(npm.node(SCRIPT, begun.front.url, WRITE_KEY, part, modules=node_modules))
        assert answer == {"sent": calls, "errors": []}
    begun.finish()
    yield begun


def test_every_call_arrives_as_it_was_made(journey: Journey) -> None:
    check_calls(journey, group_traits={"seats": 12})


def test_what_was_sent_again_after_faults_is_there_once(journey: Journey) -> None:
    check_once(journey, retried=10)


def test_the_clock_and_the_library_are_told(journey: Journey) -> None:
    check_clock(journey, "analytics-node")


def test_batches_come_compressed_whatever_their_content_type_says(journey: Journey) -> None:
    posts = journey.front.posts()
    assert {seen.headers["content-type"] for seen in posts} == {"application/x-www-form-urlencoded"}
    assert max(len(json.loads(gzip.decompress(seen.body))["batch"]) for seen in posts) > 10
    assert sorted(row.payload["properties"]["n"] for row in journey.named("Counted")) == list(range(100))
