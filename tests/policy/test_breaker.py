"""When a chain that hangs is not asked any more, and when it is again."""

from __future__ import annotations

from headwater.policy.breaker import Breaker


def test_hangs_in_a_row_suspend_and_one_event_is_tried_after_the_pause() -> None:
    now = 100.0
    breaker = Breaker(hangs=2, pause_seconds=60, clock=lambda: now)
    breaker.hung("slow", "took longer than 1 s")
    breaker.passed()
    breaker.hung("slow", "took longer than 1 s")
    assert (breaker.most(), breaker.suspended) == (None, "")
    breaker.hung("slow", "took longer than 1 s")
    assert (breaker.most(), breaker.name) == (0, "slow")
    assert breaker.suspended == "suspended after 2 hangs in a row: took longer than 1 s"
    now = 159.0
    assert breaker.most() == 0
    now = 160.0
    assert breaker.most() == 1
    breaker.hung("slow", "took longer than 1 s")
    assert breaker.most() == 0
    now = 220.0
    breaker.passed()
    assert (breaker.most(), breaker.suspended) == (None, "")


def test_one_without_a_pause_stays_until_it_is_reset() -> None:
    breaker = Breaker.by_segment()
    for _ in range(3):
        assert breaker.most() is None
        breaker.hung("slow", "why")
    assert breaker.most() == 0
    breaker.reset()
    assert breaker.most() is None
