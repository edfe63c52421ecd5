"""Why subscribers cancel: the true hazard, of which the platform only ever sees traces.

Belongs here: the programme's cause and effect. Does not belong here: what the support team says (`support`).

Each cause adds to the logarithm of a monthly rate. Few purchases, a bad talk with support and a wish to cancel weigh
most, and the first two more together than each alone; price, rare visits and the person's own frailty (which nothing
records) less. Nothing decides alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp
from random import Random
from typing import TYPE_CHECKING

from sandbox.clock import DAY, iso
from sandbox.company.billing import write_invoices
from sandbox.company.catalogue import CURRENCY
from sandbox.company.person import at_hour

if TYPE_CHECKING:
    from sandbox.company.life import Life

BASE = -6.05
FEW = (2.9, 2.4, 1.7)
PRICE = {900: 0.0, 1900: 0.9, 3900: 2.1}
FEW_AND_TALKED = 0.8
TALKS_PER_DAY = 0.0062
_STATED = {
    "few_purchases": "not_using_it",
    "bad_support": "bad_service",
    "asked_to_cancel": "no_longer_needed",
    "price": "too_expensive",
    "low_engagement": "not_using_it",
    "other": "other",
}


@dataclass(slots=True)
class Subscription:
    """One subscription of one person."""

    subscription_id: str
    plan: str
    price_cents: int
    started_at: int
    cancelled_at: int | None = None
    cause: str = ""
    hazard: float = 0.0
    months: list[tuple[int, float]] = field(default_factory=list)


def causes(life: Life, now: int, *, bad_talk: int | None = None, wish: int | None = None) -> dict[str, float]:
    """What each cause adds to the log of the monthly rate on day `now`, after a last bad talk and wish to cancel."""
    subscription = life.subscription
    assert subscription is not None
    found = {"few_purchases": FEW[life.purchases] if life.purchases < 3 else 0.0}
    found["bad_support"] = 1.05 if life.talks or bad_talk is not None else 0.0
    if bad_talk is not None:
        found["bad_support"] += 2.7 * exp((bad_talk - now) / 110)
    if found["few_purchases"] and found["bad_support"]:
        found["bad_support"] += FEW_AND_TALKED
    found["asked_to_cancel"] = 2.2 * exp((wish - now) / 30) if wish is not None else 0.0
    found["price"] = PRICE[subscription.price_cents] * life.person.price_sensitivity
    found["low_engagement"] = 0.25 * min(1.6, max(0, now - life.last_visit - 4) / 30)
    return found


def monthly_rate(life: Life, now: int, *, bad_talk: int | None = None, wish: int | None = None) -> float:
    """Expected cancellations in 30 days at the rate of day `now`."""
    return exp(BASE + life.person.frailty + sum(causes(life, now, bad_talk=bad_talk, wish=wish).values()))


def probability_30d(life: Life, day: int) -> float:
    """The chance to cancel within 30 days of the start of `day`, given everything that is true then.

    Up to one more bad talk within the 30 days is allowed for, at the rate at which subscribers have them; visits and
    orders to come are not.
    """
    bad_talk, wish = life.last_bad_talk, life.last_cancel_wish

    def total(first: int, bad: int | None) -> float:
        return sum(monthly_rate(life, day + k, bad_talk=bad, wish=wish) for k in range(first, 30, 3)) / 10

    chance = TALKS_PER_DAY * 0.4 * 6
    stays = 0.0
    before = 0.0
    for begin in range(0, 30, 6):
        talks = exp(-chance * begin / 6) * (1 - exp(-chance))
        stays += talks * exp(-before - total(begin + 3, day + begin + 3))
        before += sum(monthly_rate(life, day + begin + k, bad_talk=bad_talk, wish=wish) for k in (0, 3)) / 10
    return 1 - stays - exp(-chance * 5) * exp(-before)


def live_day(life: Life, day: int) -> None:
    """A subscriber's day: perhaps talks to support, perhaps says so, perhaps cancels."""
    subscription = life.subscription
    assert subscription is not None
    rng = life.person.rng
    rate = monthly_rate(life, day, bad_talk=life.last_bad_talk, wish=life.last_cancel_wish) / 30
    draw = rng.random()
    if draw < TALKS_PER_DAY:
        topic = rng.choices(("subscription", "late_delivery", "payment", "product_question"), (0.4, 0.3, 0.15, 0.15))[0]
        life.ask_support_at(day, topic)
    elif draw < TALKS_PER_DAY + 0.25 * rate:
        life.ask_support_at(day, "cancel_subscription")
    if rng.random() < 1 - exp(-rate) and subscription.started_at < day * DAY:
        _cancel(life, day, rate)


def note_month(life: Life, day: int) -> None:
    """On the first of a month: the truth that a model is measured against."""
    if life.subscription and life.subscription.started_at < day * DAY:
        life.subscription.months.append((day, probability_30d(life, day)))


def _cancel(life: Life, day: int, rate: float) -> None:
    rng = life.person.rng
    subscription = life.subscription
    assert subscription is not None
    at = at_hour(rng, day, 6, 23.9)
    subscription.cancelled_at, subscription.hazard = at, rate * 30
    subscription.cause = _draw_cause(rng, causes(life, day, bad_talk=life.last_bad_talk, wish=life.last_cancel_wish))
    stated = _STATED[subscription.cause] if rng.random() < 0.6 else rng.choice(tuple(_STATED.values()))
    properties = {"subscription_id": subscription.subscription_id, "plan": subscription.plan}
    if rng.random() < 0.8:
        properties["reason"] = stated
    if rng.random() < 0.94:
        life.server_event(at, "Subscription Cancelled", properties)
    life.former_subscriptions.append(subscription)
    life.subscription = None


def _draw_cause(rng: Random, weights: dict[str, float]) -> str:
    return rng.choices((*weights, "other"), (*weights.values(), 0.5))[0]


def write_subscriptions(life: Life) -> None:
    """At the end of what is told: the payment tool's rows and the truth, as they stand."""
    book, as_of, person_id = life.book, life.book.as_of, life.person.person_id
    current = [life.subscription] if life.subscription else []
    for subscription in (*life.former_subscriptions, *current):
        if subscription.started_at >= as_of:
            continue
        cancelled = subscription.cancelled_at
        if cancelled is not None and cancelled >= as_of:
            cancelled = None
        write_invoices(book, subscription, life.payer)
        started, changed = iso(subscription.started_at), cancelled or subscription.started_at
        status, ended = ("cancelled", iso(cancelled)) if cancelled else ("active", None)
        book.rows["payments_subscriptions"].append(
            (
                subscription.subscription_id,
                life.payer,
                subscription.plan,
                subscription.price_cents,
                CURRENCY,
                status,
                started,
                ended,
                iso(changed),
            )
        )
        if cancelled:
            before = [o for o in life.orders if o.placed_at < cancelled]
            book.truth["cancellations"].append(
                (
                    person_id,
                    subscription.subscription_id,
                    started,
                    iso(cancelled),
                    subscription.cause,
                    round(subscription.hazard, 6),
                    len(before),
                    sum(at < cancelled for at in life.talk_times),
                )
            )
        for day, probability in subscription.months:
            if day * DAY < as_of or day * DAY == as_of:
                row = (person_id, subscription.subscription_id, iso(day * DAY)[:10], round(probability, 6))
                book.truth["churn_hazard"].append(row)
