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


def test_hangs_with_others_between_them_suspend_by_the_time_that_they_take() -> None:
    now = 100.0
    breaker = Breaker(pause_seconds=60, clock=lambda: now)
    asked = 0
    while breaker.most() is None and asked < 60:
        asked += 1
        now += 1.0
        breaker.hung("slow", "took longer than 1 s", 1.0)
        if breaker.most() is None:
            breaker.passed()
            breaker.passed()
    assert asked == 7
    assert breaker.suspended == "suspended as it hung for 7 of the last 60 seconds: took longer than 1 s"
    now += 60.0
    assert breaker.most() == 1
    breaker.hung("slow", "took longer than 1 s", 1.0)
    assert breaker.most() == 0
    now += 60.0
    breaker.passed()
    assert (breaker.most(), breaker.suspended) == (None, "")


def test_one_that_hangs_now_and_then_is_not_suspended() -> None:
    now = 100.0
    breaker = Breaker(clock=lambda: now)
    for _ in range(50):
        now += 15.0
        breaker.hung("slow", "took longer than 1 s", 1.0)
        breaker.passed()
    assert breaker.most() is None
