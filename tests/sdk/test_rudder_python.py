"""PyPI `rudder-sdk-python`, unmodified."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from rudderstack.analytics.client import Client

from tests.sdk.journey import FAULTS, WRITE_KEY, Journey, check_calls, check_clock, check_once, python_calls

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def journey(begun: Journey) -> Iterator[Journey]:
    errors: list[object] = []

    def a_client() -> Client:
        return Client(
            WRITE_KEY, host=begun.front.url, on_error=lambda error, _: errors.append(error), upload_interval=0.05
        )

    client = a_client()
    python_calls(client)
    for n in range(150):
        client.track(f"u{n % 5}", "Counted", {"n": n})
    client.flush()
    client.join()
    begun.front.faults = list(FAULTS)
    client = a_client()
    for n in range(20):
        client.track("u1", "Retried", {"n": n})
    client.flush()
    client.join()
    assert errors == []
    begun.finish()
    yield begun


def test_every_call_arrives_as_it_was_made(journey: Journey) -> None:
    check_calls(journey, group_traits={"seats": 12})


def test_what_was_sent_again_after_faults_is_there_once(journey: Journey) -> None:
    check_once(journey, retried=20)
    assert [row.payload["properties"]["n"] for row in journey.named("Retried")] == list(range(20))


def test_the_clock_and_the_library_are_told(journey: Journey) -> None:
    check_clock(journey, "analytics-python")


def test_batches_come_compressed_and_in_order(journey: Journey) -> None:
    assert {seen.headers.get("content-encoding") for seen in journey.front.posts()} == {"gzip"}
    assert max(len(json.loads(gzip.decompress(seen.body))["batch"]) for seen in journey.front.posts()) > 50
    assert [row.payload["properties"]["n"] for row in journey.named("Counted")] == list(range(150))
