"""Lifts, on people whose behaviour is known."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from ml.lift import CONTROL, Cases, Lift, StudyBucket, lifts

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


def study(
    effect: float, *, control: float = 0.3, periods: int = 10, many: bool = False, seed: int = 5
) -> list[StudyBucket]:
    """A campaign of `effect` × 100 orders more each period among those who are shown it, 50 without, in 20 buckets;
    with `many`, each order is of somebody who orders four times."""
    rng, each = np.random.default_rng(seed), 4 if many else 1
    return [
        StudyBucket(
            *("search", "shopping", f"{period}", f"{bucket:02}"),
            *(
                int(rng.poisson(5000 * (1 - control))),
                each * int(rng.poisson((5 * effect + 2.5) * (1 - control) / each)),
            ),
            *(int(rng.poisson(5000 * control)), each * int(rng.poisson(2.5 * control / each))),
        )
        for period in range(periods)
        for bucket in range(20)
    ]


def test_an_experiment_tells_in_one_number_what_bounds_leave_open():
    opened = [Cases("visit", "harvest", "one", "unheard of", f"{bag:02}", 0, 0, 2) for bag in range(60)]
    found = lifts([*company(), *opened], study(0.6))
    shopping = of(found, "search", "shopping")
    assert shopping.comparison == "experiment" and shopping.is_incremental
    assert shopping.count_reached == sum(test.users_test for test in study(0.6))
    assert shopping.incremental_orders_at_least == shopping.incremental_orders_at_most == shopping.orders_by_experiment
    assert shopping.incremental_orders == pytest.approx(shopping.lift * shopping.count_reached)
    assert shopping.incremental_orders_low < 1000 * 0.6 * 0.7 < shopping.incremental_orders_high
    assert of(found, "harvest") == of(lifts([*company(), *opened]), "harvest")
    assert of(lifts([], study(0.6)), "search", "shopping") == shopping


@pytest.mark.slow
@pytest.mark.parametrize("many", [False, True])
def test_an_interval_of_an_experiment_holds_the_truth_about_as_often_as_it_says(many: bool):
    """Also where few people order much: the buckets tell, where counts of orders would not."""
    told = [of(lifts([], study(0.3, many=many, seed=seed), samples=400), "search") for seed in range(200)]
    held = sum(one.incremental_orders_low < 210 < one.incremental_orders_high for one in told) / 200
    assert 0.92 < held < 0.985
    nothing = [
        of(lifts([], study(0.0, many=many, seed=seed), samples=400), "search").is_incremental for seed in range(200)
    ]
    assert sum(nothing) / 200 < 0.05


def test_lots_drawn_once_for_all_periods_are_no_surer_than_what_they_are():
    """Who orders much then does so in each period, and stays in one bucket: more periods do not make it surer."""
    once = study(0.3, periods=1, many=True)
    often = [StudyBucket(**{**vars(one), "period": f"{period}"}) for one in once for period in range(10)]
    one, ten = (of(lifts([], tests), "search") for tests in (once, often))
    assert ten.incremental_orders == pytest.approx(10 * one.incremental_orders)
    widths = [found.incremental_orders_high - found.incremental_orders_low for found in (one, ten)]
    assert widths[1] == pytest.approx(10 * widths[0])


def test_periods_with_other_shares_held_out_are_compared_each_by_itself():
    """All else the same: pooled, the busier period's larger test group would pass for an effect."""
    quiet = study(0.0, control=0.5)
    busy = [
        StudyBucket("search", "shopping", "busy", f"{bucket:02}", users_test=9000, orders_test=90, users_control=1000,
            orders_control=10)
        for bucket in range(20)
    ]  # fmt: skip
    apart = of(lifts([], quiet), "search")
    assert of(lifts([], [*quiet, *busy]), "search").incremental_orders == pytest.approx(apart.incremental_orders)


def test_a_control_group_without_an_order_proves_nothing_by_itself():
    few = [StudyBucket("search", "shopping", "one", bucket, 35, 1, 15, 0) for bucket in "ab"]
    found = of(lifts([], few), "search", "shopping")
    assert found.incremental_orders == 2
    assert not found.is_incremental


def test_what_an_experiment_tells_and_what_the_rest_of_the_channel_shows_are_added_up():
    rest = [Cases(**{**vars(case), "channel": "search"}) for case in company() if case.channel == "cause"]
    control = [case for case in company() if case.channel == CONTROL]
    opened = [Cases("visit", "search", "one", "new", "00", 0, 0, 7)]
    apart = of(lifts([*rest, *control, *opened]), "search")
    whole = of(lifts([*rest, *control, *opened], study(0.6)), "search")
    told = whole.orders_by_experiment
    assert told > 0
    assert whole.incremental_orders_at_least == pytest.approx(apart.incremental_orders_at_least + told)
    assert whole.incremental_orders_at_most == pytest.approx(apart.incremental_orders_at_most + told)
    assert whole.incremental_orders_low > apart.incremental_orders_low
    # the two are independent, so the interval of both is wider than either and narrower than their sum
    width, one = (found.incremental_orders_high - found.incremental_orders_low for found in (whole, apart))
    other = of(lifts([], study(0.6)), "search")
    assert one < width < one + other.incremental_orders_high - other.incremental_orders_low
    assert (whole.comparison, whole.lift, whole.count_reached) == ("visit", apart.lift, apart.count_reached)
