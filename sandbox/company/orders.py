"""An order and what becomes of it: paid, cancelled, sent back in part or whole, complained about.

Belongs here: orders of the shop and their rows in the payment tool. Does not belong here: wholesale (`wholesale`), and
what the support team answers (`support`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.clock import DAY, HOUR, iso
from sandbox.company import advertising
from sandbox.company.advertising import DIRECT, Touch
from sandbox.company.catalogue import CURRENCY, Product

if TYPE_CHECKING:
    from sandbox.company.life import Life
    from sandbox.company.visit import Visit

_PROBLEMS = ("late_delivery", "damaged", "wrong_size", "product_question", "payment")


@dataclass(slots=True)
class Order:
    """One order; amounts in cents. `changes` are (at, status), `refunds` are (at, refund id, amount); `touch` is what
    its visit began with."""

    order_id: str
    placed_at: int
    total_cents: int
    discount_cents: int
    shipping_cents: int
    coupon: str | None
    source: str
    cause: str
    customer_id: str | None
    lines: list[tuple[str, int, int]]
    in_events: bool = True
    in_payments: bool = True
    touch: Touch = DIRECT
    cancelled_at: int | None = None
    changes: list[tuple[int, str]] = field(default_factory=list)
    refunds: list[tuple[int, str, int]] = field(default_factory=list)


def place_order(life: Life, visit: Visit, basket: dict[Product, int], coupon: str | None, cause: str) -> Order:
    """The person pays for a basket; a few orders never reach the events (blocked script), a few not the payments."""
    rng = life.person.rng
    lines = [(product.product_id, quantity, product.price_cents) for product, quantity in basket.items()]
    goods = sum(quantity * price for _, quantity, price in lines)
    discount = goods * (15 if coupon and coupon != "WELCOME10" else 10) // 100 if coupon else 0
    shipping = 490 if goods - discount < 6000 else 0
    in_events = rng.random() >= 0.03
    in_payments = rng.random() >= 0.012 or not in_events
    order = Order(
        order_id=f"EO-{rng.getrandbits(40):010x}",
        placed_at=visit.now + 2500,
        total_cents=goods - discount + shipping,
        discount_cents=discount,
        shipping_cents=shipping,
        coupon=coupon,
        source="mobile" if visit.device.kind == 1 else "web",
        cause=cause,
        customer_id=payer(life, visit.now, guest=not visit.device.logged_in) if in_payments else None,
        lines=lines,
        in_events=in_events,
        in_payments=in_payments,
        touch=visit.touch,
    )
    order.changes.append((order.placed_at, "paid"))
    life.remember(order)
    _draw_fate(life, order)
    return order


def payer(life: Life, at: int, *, guest: bool = False) -> str:
    """The payment tool's customer id of the person, made at the first payment; a guest is a customer of its own."""
    kept = life.guest_payer if guest else life.payer
    if kept:
        return kept
    rng = life.person.rng
    customer_id = f"cus_{rng.getrandbits(48):012x}"
    draw = rng.random()
    email = life.email_used() if draw >= 0.03 else None
    user_id = None if guest or rng.random() < 0.08 else life.person.user_id
    if email is None and user_id is None and draw >= 0.008:
        email = life.email_used()
    if life.book.row("payments_customers", at, customer_id, email, user_id, iso(at), iso(at)):
        life.identity.saw(("payment_id", customer_id))
        if email:
            life.identity.tie(("payment_id", customer_id), ("email", email.lower()))
        if user_id:
            life.identity.tie(("payment_id", customer_id), ("user_id", user_id))
    if guest:
        life.guest_payer = customer_id
    else:
        life.payer = customer_id
    return customer_id


def _draw_fate(life: Life, order: Order) -> None:
    rng, at = life.person.rng, order.placed_at
    draw = rng.random()
    if draw < 0.02:
        life.schedule(at + int(rng.uniform(0.7, 20) * HOUR), _cancel, order)
        return
    if draw < 0.075:
        life.schedule(at + int(rng.uniform(4, 24) * DAY), _refund, order, order.total_cents, "return")
    elif draw < 0.105:
        share = order.total_cents * rng.randrange(15, 60) // 100
        first = at + int(rng.uniform(3, 15) * DAY)
        life.schedule(first, _refund, order, share, "partial_return")
        if rng.random() < 0.12:
            later = first + int(rng.uniform(1, 9) * DAY)
            life.schedule(later, _refund, order, order.total_cents - share, "rest_returned")
    if rng.random() < 0.17:
        topic = rng.choices(_PROBLEMS, (0.34, 0.18, 0.22, 0.16, 0.1))[0]
        life.schedule(at + int(rng.uniform(0.5, 9) * DAY), life.ask_support, topic, order)


def _cancel(life: Life, at: int, order: Order) -> None:
    order.cancelled_at = at
    life.purchases -= 1
    order.changes.append((at, "cancelled"))
    properties: dict[str, Any] = {"order_id": order.order_id, "total": order.total_cents / 100, "currency": CURRENCY}
    life.server_event(at, "Order Cancelled", properties)


def _refund(life: Life, at: int, order: Order, amount: int, reason: str) -> None:
    refund_id = f"re_{life.person.rng.getrandbits(48):012x}"
    order.refunds.append((at, refund_id, amount))
    whole = sum(refund[2] for refund in order.refunds) >= order.total_cents
    order.changes.append((at, "refunded" if whole else "partially_refunded"))
    if order.in_payments:
        life.book.row("payments_refunds", at, refund_id, order.order_id, amount, CURRENCY, iso(at), iso(at))
    if life.person.rng.random() < 0.85 or not order.in_payments:
        properties = {"order_id": order.order_id, "refund_id": refund_id, "total": amount / 100, "currency": CURRENCY}
        life.server_event(at, "Order Refunded", {**properties, "reason": reason})


def write_orders(life: Life) -> None:
    """At the end of what is told: the payment tool's rows and the truth, as they stand."""
    book, as_of = life.book, life.book.as_of
    for order in life.orders:
        if order.placed_at >= as_of:
            continue
        updated, status = book.latest(order.changes)
        total = order.total_cents
        odd = int(order.order_id[-4:], 16)
        if odd % 331 == 0 and abs(total - 10000) > 100:
            total += 1 + odd % 3
        if order.in_payments:
            placed, code = iso(order.placed_at), order.coupon
            row = (order.order_id, order.customer_id, total, CURRENCY, code, order.discount_cents, status)
            book.rows["payments_orders"].append((*row, placed, iso(updated)))
            for number, (product_id, quantity, price) in enumerate(order.lines, 1):
                line_id = f"{order.order_id}-{number}"
                book.rows["payments_order_lines"].append((line_id, order.order_id, product_id, quantity, price, placed))
        for product_id, quantity, _ in order.lines:
            book.sold[product_id].append((order.placed_at, quantity))
        advertising.note_order(book, order)
        refunds = [refund for refund in order.refunds if refund[0] < as_of]
        cancelled = order.cancelled_at if order.cancelled_at and order.cancelled_at < as_of else None
        refunded = order.total_cents if cancelled else sum(amount for _, _, amount in refunds)
        last = cancelled or (max(at for at, _, _ in refunds) if refunds else None)
        book.truth["orders"].append(
            (
                life.person.person_id,
                order.order_id,
                iso(order.placed_at),
                order.total_cents,
                CURRENCY,
                order.source,
                int(order.in_events),
                int(order.in_payments),
                refunded,
                iso(last) if last else "",
                iso(cancelled) if cancelled else "",
                order.cause,
                order.touch.channel,
                order.touch.campaign,
                order.touch.ad_id,
                int(order.touch.is_incremental),
            )
        )
        for at, refund_id, amount in refunds:
            book.truth["refunds"].append((life.person.person_id, order.order_id, refund_id, iso(at), amount))
