"""The payment tool's coupons and the monthly invoices of the club.

Belongs here: what is billed and what a code is worth. Does not belong here: who subscribes or orders.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from sandbox.clock import DAY, HOUR, day_number, iso, to_date
from sandbox.company.catalogue import CURRENCY

if TYPE_CHECKING:
    from sandbox.company.book import Book
    from sandbox.company.calendar import World
    from sandbox.company.subscriptions import Subscription

VALID_DAYS = 45


def write_coupons(world: World, book: Book, as_of_day: int) -> None:
    """One code per promotion, two that are always there, and a test code a month that is removed after three days."""
    begun = iso(world.opened * DAY - DAY)
    book.row("payments_coupons", 0, "cpn_welcome", "WELCOME10", 10, None, begun, None, begun)
    book.row("payments_coupons", 0, "cpn_sorry", "SORRY5", None, 500, begun, None, begun)
    for day, campaign in world.campaigns.items():
        if day >= as_of_day + 5:
            break
        if campaign.coupon is not None:
            at = day * DAY + 6 * HOUR
            month = f"{to_date(day):%Y-%m}"
            worth = (f"cpn_{month}", campaign.coupon, 15, None)
            book.row("payments_coupons", at, *worth, iso(at), iso((day + VALID_DAYS) * DAY), iso(at))
            tested = (day - 5) * DAY + 9 * HOUR
            if tested + 3 * DAY >= book.as_of:
                book.row("payments_coupons", tested, f"cpn_test_{month}", "TEST100", 100, None, iso(tested), None,
                         iso(tested))  # fmt: skip


def write_invoices(book: Book, subscription: Subscription, customer_id: str | None) -> None:
    """One invoice a month from the start on; a few are paid days late, very few never."""
    number, at = 0, subscription.started_at
    ended = subscription.cancelled_at if subscription.cancelled_at is not None else book.as_of
    while at < min(ended, book.as_of):
        invoice_id = f"in_{subscription.subscription_id.removeprefix('sub_')}_{number:03d}"
        rng = Random(f"{invoice_id}:paid")
        draw = rng.random()
        after = rng.uniform(0.01, 2) * HOUR if draw < 0.95 else rng.uniform(2, 9) * DAY
        closed_at, status = at + int(after), "paid"
        if draw > 0.993:
            closed_at, status = at + 21 * DAY, "uncollectible"
        is_closed = closed_at < book.as_of
        paid = iso(closed_at) if is_closed and status == "paid" else None
        row = (invoice_id, subscription.subscription_id, customer_id, subscription.price_cents, CURRENCY)
        updated = closed_at if is_closed else at
        book.row("payments_invoices", at, *row, status if is_closed else "open", iso(at), paid, iso(updated))
        number += 1
        at = _months_later(subscription.started_at, number)


def _months_later(at: int, months: int) -> int:
    """The same day and time some months on; the 29th to 31st count as the 28th."""
    day, rest = divmod(at, DAY)
    when = to_date(day)
    index = when.year * 12 + when.month - 1 + months
    return day_number(when.replace(year=index // 12, month=index % 12 + 1, day=min(when.day, 28))) * DAY + rest
