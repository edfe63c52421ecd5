"""A made-up subscription programme whose churn follows two features and plain noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from ml import candidates
from ml.labels import ChurnRule

FIRST = datetime(2024, 1, 1)


@dataclass
class Company:
    features: pd.DataFrame
    orders: pd.DataFrame
    subscriptions: pd.DataFrame
    as_of: datetime
    rule: ChurnRule


def make_company(people: int = 900, months: int = 6, seed: int = 3, strength: float = 1.0) -> Company:
    """Subscribers from December on; the likelier to cancel the fewer orders and the more tickets they have."""
    random = np.random.default_rng(seed)
    ids = [f"c{number:05d}" for number in range(people)]
    dates = pd.date_range("2024-01-01", periods=months + 1, freq="MS")
    bought, tickets = random.poisson(3, people), random.poisson(1, people)
    cancelled = np.full(people, np.datetime64("NaT"), dtype="datetime64[us]")
    rows = []
    for day in dates:
        bought, tickets = bought + random.poisson(0.3, people), tickets + random.poisson(0.2, people)
        recency = random.exponential(30, people) / (1 + 0.05 * bought)
        rows.append(
            pd.DataFrame(
                {
                    "customer_id": ids,
                    "observation_date": day,
                    "count_orders": bought,
                    "count_tickets": tickets,
                    "days_since_last_order": recency,
                    "email_opens_30d": np.where(random.random(people) < 0.4, np.nan, random.poisson(2, people)),
                }
            )
        )
        odds = strength * (0.8 * tickets - 0.6 * bought) - 0.9
        leaves = np.isnat(cancelled) & (random.random(people) < 1 / (1 + np.exp(-odds)))
        moment = (day + pd.to_timedelta(random.uniform(0, 27, people), unit="D")).to_numpy(dtype="datetime64[us]")
        cancelled = np.where(leaves, moment, cancelled)
    return Company(
        features=pd.concat(rows, ignore_index=True),
        orders=pd.DataFrame({"customer_id": ids, "ordered_at": datetime(2023, 12, 5), "kind": "sale"}),
        subscriptions=pd.DataFrame(
            {
                "customer_id": ids,
                "subscription_id": [f"s{each}" for each in ids],
                "started_at": datetime(2023, 12, 10),
                "cancelled_at": cancelled,
            }
        ),
        as_of=dates[-1].to_pydatetime(),
        rule=ChurnRule("cancellation", horizon_days=28),
    )


@pytest.fixture(scope="session", autouse=True)
def cheap_candidates() -> Iterator[None]:
    """Two candidates and few trees by default; tests that are about a candidate name it themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "NAMES", ["logistic", "gradient_boosting"])
        patch.setitem(candidates.PARAMETERS["gradient_boosting"], "max_iter", 60)
        yield


@pytest.fixture(scope="session")
def company_of() -> Callable[..., Company]:
    return make_company


@pytest.fixture(scope="session")
def company() -> Company:
    return make_company()
