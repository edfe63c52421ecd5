"""What people order because something reached them, as far as watching them can tell.

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
the number whose greatest error is smallest while nothing more is known. An experiment, people or regions from whom the
ads are kept, is what narrows them. Where a mailing is compared with who did not get it, all orders are compared,
whichever way they came: there is one estimate, and no bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONTROL = "(control)"
ALL = "(all)"
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
class Lift:
    """One channel, or one campaign of it: orders more in the days after for each case that was reached, with a 95 %
    interval; and all that it brought, at least, at most, the middle of the two, and an interval that covers both.
    Incremental when that lies above zero; otherwise it is not shown, which does not mean shown to be without effect."""

    channel: str
    campaign: str
    comparison: str
    count_reached: int
    lift: float
    lift_low: float
    lift_high: float
    orders_in_visits: int
    incremental_orders_at_least: float
    incremental_orders_at_most: float
    incremental_orders: float
    incremental_orders_low: float
    incremental_orders_high: float
    is_incremental: bool


def lifts(cases: Sequence[Cases], *, samples: int = _SAMPLES, seed: int = _SEED) -> list[Lift]:
    """The lift of each channel and of each campaign; those in strata without a control are left out.

    Args:
        cases: counted; the same cases in the same order give the same answer.
        samples: how often the bags are drawn anew, with replacement, for the intervals.
        seed: of those draws.
    """
    found: list[Lift] = []
    for comparison in sorted({case.comparison for case in cases}):
        these = [case for case in cases if case.comparison == comparison]
        compared = _Compared(these, samples, seed)
        reached = [case for case in these if case.channel != CONTROL]
        groups = {(case.channel, ALL) for case in reached} | {
            (case.channel, case.campaign) for case in reached if case.campaign != ALL
        }
        found += [lift for group in sorted(groups) if (lift := compared.lift(*group)) is not None]
    return found


class _Compared:
    """One comparison: its control's mean outcome in each stratum, as observed and in each draw."""

    def __init__(self, cases: list[Cases], samples: int, seed: int) -> None:
        self.cases = cases
        self.strata = {name: index for index, name in enumerate(sorted({case.stratum for case in cases}))}
        self.bags = {name: index for index, name in enumerate(sorted({case.bag for case in cases}))}
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
        if not reached[0]:
            return None
        each = np.divide(more, reached, out=np.zeros_like(more), where=reached > 0)
        low, high = np.percentile(each[1:], _INTERVAL)
        opened = self._open_orders(cases)
        at_most = more + opened
        highest = np.divide(at_most, reached, out=np.zeros_like(more), where=reached > 0) * reached[0]
        return Lift(
            channel=channel,
            campaign=campaign,
            comparison=self.cases[0].comparison,
            count_reached=int(reached[0]),
            lift=float(each[0]),
            lift_low=float(low),
            lift_high=float(high),
            orders_in_visits=int(opened[0]),
            incremental_orders_at_least=float(more[0]),
            incremental_orders_at_most=float(at_most[0]),
            incremental_orders=float(more[0] + opened[0] / 2),
            incremental_orders_low=float(low * reached[0]),
            incremental_orders_high=float(np.percentile(highest[1:], _INTERVAL[1])),
            is_incremental=bool(low > 0),
        )

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
