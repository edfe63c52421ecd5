"""What people order because something reached them, as far as watching them, or an experiment, can tell.

Belongs here: the comparison within strata, the bounds, and how sure they are (a bootstrap over bags of people). Does
not belong here: who counts as reached, who as like them, and what is compared (dbt's `int_lift_counted`).

The orders of the days after are compared with those of people like them, whom nothing reached: selection on what is
observed, as in any study without an experiment. An order in the very visit that an ad led to is another matter. Had
the person come anyway, by another door, the ad brought nothing; had they stayed away, all of it. The two leave the
same trace, so no estimator tells them apart from visits and orders alone: search for the own name looks like the best
of ads, and brings next to nothing (Blake, Nosko, Tadelis 2015, Econometrica 83:155; Gordon et al. 2019, Marketing
Science 38:193, hold such estimators against experiments). What can be told are bounds (Manski 1990, American Economic
Review 80:319), under one assumption: an ad keeps nobody from ordering.

* at least: as if everybody would have come anyway: only what the days after have more;
* at most: as if nobody would have: that, and every order in the visits.

The interval covers both bounds (Horowitz, Manski 2000, JASA 95:77). Their middle is no estimate of the effect: it is
the number whose greatest error is smallest while nothing more is known. Where a mailing is compared with who did not
get it, all orders are compared, whichever way they came: there is one estimate, and no bounds.

An experiment tells more. In a platform's lift study a lot says who is kept from a campaign, and the platform counts
the orders both of those whom it reached and of those whom it would have reached (Johnson, Lewis, Nubbemeyer 2017,
Journal of Marketing Research 54:867; Gordon et al., above). What the test group ordered more than the control group,
scaled by the users that were reached in each, is what the campaign brought: one number for the covered days, bounds for
the rest. A study decides for its campaign: what visits seem to show of it is not asked any more. How sure it is comes
from buckets that the platform puts users into by chance (Chamandy et al. 2012, «Estimating uncertainty for massive data
streams»): a few people order much, so sums vary by more than single orders would (Poisson), and never by less; half an
order more in each group keeps one without any from passing for certain (Jeffreys).

Each interval is one of 95 % by itself, whatever number of campaigns is looked at: of forty campaigns without any
effect, one is shown to have some by mere chance. Whoever decides on many at once asks for more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONTROL = "(control)"
ALL = "(all)"
VISIT, EXPERIMENT = "visit", "experiment"
Floats = NDArray[np.float64]
_SAMPLES, _SEED, _INTERVAL = 1000, 20_240_229, (2.5, 97.5)


@dataclass(frozen=True)
class Cases:
    """So many cases of one group (or the control) in one stratum and bag of people, and the sum of their outcomes;
    `open_orders` are those in the visits themselves, of which none can see what brought them."""

    comparison: str
    channel: str
    campaign: str
    stratum: str
    bag: str
    count: int
    outcome: float
    open_orders: int = 0


@dataclass(frozen=True)
class StudyBucket:
    """One period of one campaign's lift study in one bucket of users: how many were reached, or would have been, and
    their orders. Whether lots and buckets are drawn anew for each period, or once for all, makes no difference."""

    channel: str
    campaign: str
    period: str
    bucket: str
    users_test: int
    orders_test: int
    users_control: int
    orders_control: int


@dataclass(frozen=True)
class Lift:
    """One channel, or one campaign of it: orders more in the days after for each case that was reached, with a 95 %
    interval; and all that it brought, at least, at most, the middle of the two, and an interval that covers both.
    Incremental when that lies above zero; otherwise it is not shown, which does not mean shown to be without effect.
    `orders_by_experiment` are those of them that a study tells. A campaign under study has the study's cases and lift;
    a channel has those of its visits, if any are compared."""

    channel: str
    campaign: str
    comparison: str
    count_reached: int
    lift: float
    lift_low: float
    lift_high: float
    orders_in_visits: int
    orders_by_experiment: float
    incremental_orders_at_least: float
    incremental_orders_at_most: float
    incremental_orders: float
    incremental_orders_low: float
    incremental_orders_high: float
    is_incremental: bool


def lifts(
    cases: Sequence[Cases], studies: Sequence[StudyBucket] = (), *, samples: int = _SAMPLES, seed: int = _SEED
) -> list[Lift]:
    """The lift of each channel and of each campaign; those in strata without a control are left out.

    Args:
        cases: counted, without what the studies cover; the same cases in the same order give the same answer.
        studies: each period has users in both groups, each campaign at least two buckets.
        samples: how often the bags are drawn anew, with replacement, for the intervals.
        seed: of those draws.
    """
    found: list[Lift] = []
    for comparison in sorted({case.comparison for case in cases} | ({VISIT} if studies else set())):
        these = [case for case in cases if case.comparison == comparison]
        tests = studies if comparison == VISIT else ()
        compared = _Compared(comparison, these, tests, samples, seed)
        reached = [(case.channel, case.campaign) for case in these if case.channel != CONTROL]
        reached += [(test.channel, test.campaign) for test in tests]
        groups = {(channel, ALL) for channel, _ in reached} | {group for group in reached if group[1] != ALL}
        found += [lift for group in sorted(groups) if (lift := compared.lift(*group)) is not None]
    return found


class _Compared:
    """One comparison: its control's mean outcome in each stratum, as observed and in each draw."""

    def __init__(
        self, comparison: str, cases: list[Cases], studies: Sequence[StudyBucket], samples: int, seed: int
    ) -> None:
        self.comparison, self.cases, self.studies, self.seed = comparison, cases, studies, seed
        self.strata = {name: index for index, name in enumerate(sorted({case.stratum for case in cases}))}
        self.bags = {name: index for index, name in enumerate(sorted({case.bag for case in cases} or {""}))}
        size = len(self.bags)
        drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=samples)
        # the first row is what was observed: every bag once
        self.weights = np.vstack([np.ones(size), drawn.astype(float)])
        counts, outcomes = self._summed([case for case in cases if case.channel == CONTROL])
        self.has_control = counts > 0
        self.control = np.divide(outcomes, counts, out=np.zeros_like(outcomes), where=self.has_control)

    def lift(self, channel: str, campaign: str) -> Lift | None:
        cases = [case for case in self.cases if case.channel == channel and campaign in (ALL, case.campaign)]
        counts, outcomes = self._summed(cases)
        comparable = np.where(self.has_control, counts, 0.0)
        reached = comparable.sum(axis=1)
        more = (np.where(self.has_control, outcomes, 0.0) - comparable * self.control).sum(axis=1)
        tests = [test for test in self.studies if test.channel == channel and campaign in (ALL, test.campaign)]
        if not reached[0] and not tests:
            return None
        told = self._told(tests)
        each = np.divide(more, reached, out=np.zeros_like(more), where=reached > 0)
        opened = self._open_orders(cases)
        highest = np.divide(more + opened, reached, out=opened.copy(), where=reached > 0)
        highest *= np.where(reached > 0, reached[0], 1.0)
        comparison = self.comparison
        # orders of the compared visits, of the study, and those that nobody can see: drawn apart, and added up
        at_least, at_most = each * reached[0] + told, highest + told
        if tests and (campaign != ALL or not reached[0]):
            comparison, reached = EXPERIMENT, np.full_like(reached, sum(test.users_test for test in tests))
            each = told / reached
        low, high = np.percentile(each[1:], _INTERVAL)
        lowest = float(np.percentile(at_least[1:], _INTERVAL[0]))
        return Lift(
            channel=channel,
            campaign=campaign,
            comparison=comparison,
            count_reached=int(reached[0]),
            lift=float(each[0]),
            lift_low=float(low),
            lift_high=float(high),
            orders_in_visits=int(opened[0]),
            orders_by_experiment=float(told[0]),
            incremental_orders_at_least=float(at_least[0]),
            incremental_orders_at_most=float(at_most[0]),
            incremental_orders=float((at_least[0] + at_most[0]) / 2),
            incremental_orders_low=lowest,
            incremental_orders_high=float(np.percentile(at_most[1:], _INTERVAL[1])),
            is_incremental=lowest > 0,
        )

    def _told(self, tests: list[StudyBucket]) -> Floats:
        """What the studies tell of the test group: as observed, then drawn as often as the bags are."""
        told = np.zeros(len(self.weights))
        for campaign in sorted({(test.channel, test.campaign) for test in tests}):
            brought, error, freedom = _told_by([test for test in tests if (test.channel, test.campaign) == campaign])
            told += brought
            # the same campaign is drawn the same, by itself and in its channel
            rng = np.random.default_rng([self.seed, *"".join(campaign).encode()])
            told[1:] += error * rng.standard_t(freedom, size=len(told) - 1)
        return told

    def _summed(self, cases: list[Cases]) -> tuple[Floats, Floats]:
        """Counts and outcomes for each draw and stratum."""
        counts = np.zeros((len(self.bags), len(self.strata)))
        outcomes = np.zeros_like(counts)
        for case in cases:
            place = self.bags[case.bag], self.strata[case.stratum]
            counts[place] += case.count
            outcomes[place] += case.outcome
        return self.weights @ counts, self.weights @ outcomes

    def _open_orders(self, cases: list[Cases]) -> Floats:
        """Orders in the visits themselves, for each draw: also of visits that have nobody to compare with."""
        orders = np.zeros(len(self.bags))
        for case in cases:
            orders[self.bags[case.bag]] += case.open_orders
        return np.asarray(self.weights @ orders, dtype=np.float64)


def _told_by(tests: list[StudyBucket]) -> tuple[float, float, float]:
    """What one campaign's study tells it brought, the standard error of that, and its degrees of freedom (Welch)."""
    places = {name: index for index, name in enumerate(sorted({test.bucket for test in tests}))}
    residuals = np.zeros((2, len(places)))
    brought, least = 0.0, np.zeros(2)
    for period in sorted({test.period for test in tests}):
        its = [test for test in tests if test.period == period]
        users = [sum(test.users_test for test in its), sum(test.users_control for test in its)]
        orders = [sum(test.orders_test for test in its), sum(test.orders_control for test in its)]
        scale, usual = users[0] / users[1], orders[1] / users[1]
        brought += orders[0] - scale * orders[1]
        least += [orders[0], scale**2 * orders[1]]
        for test in its:
            residuals[0, places[test.bucket]] += test.orders_test - usual * test.users_test
            residuals[1, places[test.bucket]] += scale * (test.orders_control - usual * test.users_control)
    scale = sum(test.users_test for test in tests) / sum(test.users_control for test in tests)
    variances = np.maximum(len(places) * residuals.var(axis=1, ddof=1), least + np.array([0.5, scale**2 * 0.5]))
    freedom = variances.sum() ** 2 / (variances**2).sum() * (len(places) - 1)
    return brought, float(np.sqrt(variances.sum())), float(freedom)
