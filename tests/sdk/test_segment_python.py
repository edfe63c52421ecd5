"""PyPI `segment-analytics-python`, unmodified."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from segment.analytics.client import Client

from tests.sdk.journey import FAULTS, WRITE_KEY, Journey, check_calls, check_clock, check_once, python_calls

pytestmark = pytest.mark.slow
EARLIER = datetime.now(UTC) - timedelta(hours=1)


def a_client(journey: Journey, errors: list[object], **options: object) -> Client:
    return Client(
        WRITE_KEY,
        host=journey.front.url,
        on_error=lambda error, _: errors.append(error),
        upload_interval=0.05,
        **options,
    )


@pytest.fixture(scope="module")
def journey(begun: Journey) -> Iterator[Journey]:
    errors: list[object] = []
    client = a_client(begun, errors, gzip=True)
    python_calls(client)
    client.track("u1", "Remembered", timestamp=EARLIER, anonymous_id="a1", context={"page": {"path": "/"}})
    for n in range(250):
        client.track(f"u{n % 5}", "Counted", {"n": n})
    client.shutdown()
    begun.front.faults = list(FAULTS)
    client = a_client(begun, errors)
    for n in range(20):
        client.track("u1", "Retried", {"n": n})
    client.shutdown()
    assert errors == []
    begun.finish()
    yield begun


def test_every_call_arrives_as_it_was_made(journey: Journey) -> None:
    check_calls(journey, group_traits={"seats": 12})


def test_what_was_sent_again_after_faults_is_there_once(journey: Journey) -> None:
    check_once(journey, retried=20)
    assert [row.payload["properties"]["n"] for row in journey.named("Retried")] == list(range(20))


def test_the_clock_and_the_library_are_told(journey: Journey) -> None:
    rows, journey.rows = journey.rows, [row for row in journey.rows if row.event != "Remembered"]
    check_clock(journey, "analytics-python")
    journey.rows = rows


def test_the_time_that_the_caller_gave_stands(journey: Journey) -> None:
    (row,) = journey.named("Remembered")
    assert abs(row.timestamp - EARLIER.replace(tzinfo=None)) < timedelta(seconds=5)
    assert row.anonymous_id == "a1"
    assert row.payload["context"]["page"] == {"path": "/"}


def test_batches_come_compressed_and_in_order(journey: Journey) -> None:
    zipped = [seen for seen in journey.front.posts() if seen.headers.get("content-encoding") == "gzip"]
    assert max(len(json.loads(gzip.decompress(seen.body))["batch"]) for seen in zipped) > 50
    assert {seen.path for seen in journey.front.posts()} == {"/v1/batch"}
    assert [row.payload["properties"]["n"] for row in journey.named("Counted")] == list(range(250))
