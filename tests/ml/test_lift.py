"""Lifts, on people whose behaviour is known."""

from __future__ import annotations

from random import Random

import pytest

from ml.lift import CONTROL, Cases, Lift, lifts

# Buyers order anyway, and ads reach more of them: only within strata is it seen that «harvest» causes nothing.
_HABIT = {"new": 0.02, "buyer": 0.3}
_REACHED = {
    "cause": {"new": 300, "buyer": 300},
    "harvest": {"new": 100, "buyer": 500},
    CONTROL: {"new": 900, "buyer": 900},
}


def company(seed: int = 3) -> list[Cases]:
    rng = Random(seed)
    found = []
    for channel, strata in _REACHED.items():
        for stratum, people in strata.items():
            chance = _HABIT[stratum] + (0.1 if channel == "cause" else 0.0)
            for bag in range(60):
                count = people // 60 + 1
                outcome = sum(rng.random() < chance for _ in range(count))
                found.append(Cases("visit", channel, "one" if bag % 2 else "two", stratum, f"{bag:02}", count, outcome))
    return found


def of(found: list[Lift], channel: str, campaign: str = "(all)") -> Lift:
    (lift,) = [one for one in found if (one.channel, one.campaign) == (channel, campaign)]
    return lift


def test_what_causes_orders_is_told_from_what_only_reaches_those_who_order_anyway():
    found = lifts(company())
    cause, harvest = of(found, "cause"), of(found, "harvest")
    assert cause.is_incremental
    assert cause.lift_low < 0.1 < cause.lift_high
    assert not harvest.is_incremental
    assert harvest.lift_low < 0 < harvest.lift_high
    assert cause.incremental_orders == pytest.approx(cause.lift * cause.count_reached)


def test_campaigns_sum_up_to_their_channel():
    found = lifts(company())
    parts = [of(found, "cause", name) for name in ("one", "two")]
    assert sum(part.incremental_orders for part in parts) == pytest.approx(of(found, "cause").incremental_orders)
    assert sum(part.count_reached for part in parts) == of(found, "cause").count_reached


def test_who_has_nobody_like_them_is_left_out():
    alone = [
        Cases("visit", "cause", "one", "unheard of", "01", 50, 50),
        Cases("visit", "cause", "one", "new", "01", 10, 5),
        Cases("visit", CONTROL, CONTROL, "new", "01", 10, 2),
    ]
    (whole, campaign) = lifts(alone)
    assert (whole.count_reached, whole.lift) == (10, pytest.approx(0.3))
    assert campaign.campaign == "one"
    assert lifts(alone[:1]) == []
    assert lifts([]) == []


def test_an_order_in_the_visit_itself_is_between_not_and_wholly_owed_to_the_ad():
    plain, opened = (
        company(),
        [Cases("visit", "harvest", "one", "unheard of", f"{bag:02}", 0, 0, 2) for bag in range(60)],
    )
    before, after = of(lifts(plain), "harvest"), of(lifts([*plain, *opened]), "harvest")
    assert after.orders_in_visits == 120
    assert after.incremental_orders_at_least == before.incremental_orders == before.incremental_orders_at_most
    assert after.incremental_orders_at_most == pytest.approx(before.incremental_orders + 120)
    assert after.incremental_orders == pytest.approx(before.incremental_orders + 60)
    assert after.incremental_orders_low == before.incremental_orders_low < 0
    assert after.incremental_orders_high > before.incremental_orders_high + 100
    assert not after.is_incremental


def test_comparisons_are_kept_apart_and_the_same_cases_give_the_same_answer():
    both = [
        *company(),
        Cases("mailing", "email", "(all)", "any", "01", 100, 30),
        Cases("mailing", CONTROL, CONTROL, "any", "01", 100, 10),
    ]
    found = lifts(both)
    assert found == lifts(both)
    assert of(found, "email").lift == pytest.approx(0.2)
    assert of(found, "cause") == of(lifts(company()), "cause")
