"""What an ad brings later: the person comes back by another door and orders, and would not have done so without the ad.

Belongs here: those visits and their orders. Does not belong here: the visit that the ad itself led to (`shopping`).

So the last touch before an order is often not the one that it is owed to: search for the company's own name and the
affiliates' coupon pages are the last touch of some of these orders, and the cause of none. Only people take part whose
other life does not depend on one order more: passers-by, and repeat buyers without a subscription. Everything is drawn
from a stream of the ad's visit, after the life it belongs to, which stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.clock import DAY, iso
from sandbox.company.advertising import ECHO, Touch
from sandbox.company.catalogue import BY_CATEGORY, CURRENCY

if TYPE_CHECKING:
    from sandbox.company.life import Life
    from sandbox.company.person import Device
    from sandbox.company.visit import Visit

REPEAT_BUYER = 3
_ADDRESS = re.compile(r"[^@\s]+@[^@\s.][^@\s]*")
_DOORS = (
    ("direct", ""),
    ("google_organic", ""),
    ("google_cpc", "cmp_google_brand"),
    ("affiliate", "cmp_affiliate_lists"),
)
_SHARES = (0.5, 0.2, 0.2, 0.1)


@dataclass(frozen=True)
class AdVisit:
    """A visit by an ad, and what was true at its end: all that the echo may know of the person's life."""

    ended_at: int
    touch: Touch
    device: Device
    address: str
    payer: str | None


def note(visit: Visit) -> None:
    """A session is over: if it came by an ad and brought no order, it may bring one later."""
    life, device = visit.life, visit.device
    bought = bool(life.orders) and life.orders[-1].placed_at >= visit.started_at
    is_free = life.person.habit == "passer" or (life.purchases >= REPEAT_BUYER and life.subscription is None)
    address = life.email_used()
    # nobody could tie a guest's payment to an address that is none
    if visit.touch.ad_id and not bought and is_free and not device.is_shared and _ADDRESS.fullmatch(address):
        payer = life.payer if device.logged_in else None
        life.ad_visits.append(AdVisit(visit.now, visit.touch, replace(device), address, payer))


def tell(life: Life) -> None:
    """Everything that a person's ad visits brought later."""
    own = life.person.rng
    for seen in life.ad_visits:
        rng = life.world.stream(f"echo:{life.person.person_id}:{seen.ended_at}")
        if rng.random() < ECHO[seen.touch.ad_id]:
            start = seen.ended_at + int(rng.uniform(0.1, 3.6) * DAY)
            if start < life.book.as_of:
                life.person.rng = rng
                _come_back(life, rng, seen, start)
    life.person.rng = own


def _come_back(life: Life, rng: Random, seen: AdVisit, start: int) -> None:
    from sandbox.company.orders import Order
    from sandbox.company.shopping import arrive, as_properties, fill_basket, totals
    from sandbox.company.visit import Visit as Session

    channel, campaign = rng.choices(_DOORS, _SHARES)[0]
    visit = Session(life, replace(seen.device), start, channel, ad_campaign=campaign)
    arrive(visit)
    product = rng.choice(BY_CATEGORY[rng.choice(life.person.favourites)])
    path = f"/p/{product.slug}"
    visit.send("track", "Product Viewed", as_properties(product), path=path, title=product.name, pause=35)
    basket = fill_basket(visit, [product], True)
    visit.send("track", "Checkout Started", totals(basket), path="/checkout", title="Checkout", pause=20)
    if not visit.device.logged_in:
        traits = {"email": seen.address, "firstName": life.person.first, "lastName": life.person.last}
        visit.send("identify", traits=traits, path="/account", title="Your account", pause=9)
    lines = [(item.product_id, quantity, item.price_cents) for item, quantity in basket.items()]
    goods = sum(quantity * price for _, quantity, price in lines)
    coupon = "WELCOME10" if channel == "affiliate" else None
    discount = goods // 10 if coupon else 0
    shipping = 490 if goods - discount < 6000 else 0
    order = Order(
        order_id=f"EO-{rng.getrandbits(40):010x}",
        placed_at=visit.now + 2500,
        total_cents=goods - discount + shipping,
        discount_cents=discount,
        shipping_cents=shipping,
        coupon=coupon,
        source="web",
        cause="advertisement",
        customer_id=seen.payer or _guest(life, rng, visit.now, seen.address),
        lines=lines,
        touch=replace(seen.touch, is_incremental=True),
    )
    order.changes.append((order.placed_at, "paid"))
    life.orders.append(order)
    properties: dict[str, Any] = {"order_id": order.order_id, "total": order.total_cents / 100, "currency": CURRENCY}
    properties["products"] = [as_properties(item, quantity) for item, quantity in basket.items()]
    if coupon:
        properties.update(coupon=coupon, discount=discount / 100)
    if shipping:
        properties["shipping"] = shipping / 100
    visit.send("track", "Order Completed", properties, path="/checkout/thank-you", title="Thank you", pause=2)
    visit.close()


def _guest(life: Life, rng: Random, at: int, address: str) -> str:
    customer_id = f"cus_{rng.getrandbits(48):012x}"
    if life.book.row("payments_customers", at, customer_id, address, None, iso(at), iso(at)):
        life.identity.tie(("payment_id", customer_id), ("email", address.lower()))
    return customer_id
