"""A bucket of tokens, with time given."""

from __future__ import annotations

from sandbox.tools.limits import Bucket


def test_a_burst_is_taken_and_then_the_rate_holds() -> None:
    bucket = Bucket(rate=2)
    assert [bucket.take(100.0) for _ in range(2)] == [0.0, 0.0]
    assert bucket.take(100.0) == 0.5
    assert bucket.take(100.5) == 0.0
    assert bucket.take(100.5) == 0.5


def test_waiting_never_saves_up_more_than_the_burst() -> None:
    bucket = Bucket(rate=1, burst=3)
    assert [bucket.take(1e6) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_a_slow_tool_still_takes_one_request_at_once() -> None:
    bucket = Bucket(rate=0.1)
    assert bucket.take(5.0) == 0.0
    assert bucket.take(5.0) == 10.0
