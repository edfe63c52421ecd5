"""What a person does in a session: look, search, log in, fill a basket, pay.

Belongs here: the course of a session and its orders. Does not belong here: whether there is one (`life`), the shape
of events (`visit`), what happens to an order later (`orders`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.clock import DAY
from sandbox.company import echoes
from sandbox.company.catalogue import BY_CATEGORY, CURRENCY, PLANS, PRODUCTS, Product
from sandbox.company.orders import place_order
from sandbox.company.person import Device, uuid
from sandbox.company.phones import written
from sandbox.company.visit import Visit

if TYPE_CHECKING:
    from sandbox.company.calendar import Campaign
    from sandbox.company.life import Life

_SEARCHES = (
    "rain jacket",
    "merino",
    "tent 2 person",
    "gift",
    "boots wide",
    "headlamp",
    "sale",
    "stove",
    "backpack 30l",
)
_BY_AD = ("facebook", "instagram", "google_cpc")
_LENGTH = {"passer": 1.1, "occasional": 1.7, "regular": 1.3, "loyal": 0.75}


def choose_device(life: Life) -> Device:
    """The device of this session; a browser forgets its anonymous id now and then."""
    person, rng = life.person, life.person.rng
    shared = [d for d in person.devices if d.is_shared]
    if shared and rng.random() < 0.3:
        shared[0].logged_in = False
        return shared[0]
    apps = [d for d in person.devices if d.kind == 1]
    if apps and rng.random() < person.app_share:
        device = apps[0]
    else:
        browsers = [d for d in person.devices if d.kind == 0 and not d.is_shared]
        device = browsers[1] if len(browsers) > 1 and rng.random() < 0.3 else browsers[0]
    if rng.random() < (0.012 if device.kind == 0 else 0.002):
        device.anonymous_id, device.logged_in = uuid(rng), False
    return device


def go_shopping(life: Life, start: int, channel: str, campaign: Campaign | None = None) -> None:
    """One session from its first page to its end, perhaps with an order or a subscription."""
    person, rng = life.person, life.person.rng
    visit = Visit(life, choose_device(life), start, channel, campaign)
    if visit.touch.stays_away:
        return
    device = visit.device
    arrive(visit)
    if life.registered and not device.logged_in and rng.random() < (0.85 if device.is_shared else 0.5):
        log_in(visit)
    elif device.logged_in and rng.random() < 0.1:
        _identify(visit)
    seen = _look_around(visit)
    chance = person.conversion * (1.7 if campaign and campaign.coupon else 1.25 if campaign else 1.0)
    chance *= life.appetite(start // DAY)
    buys = rng.random() < chance
    if buys or rng.random() < 0.16:
        basket = fill_basket(visit, seen, buys)
        if buys:
            _check_out(visit, basket, campaign)
        elif rng.random() < 0.3:
            visit.send("track", "Checkout Started", totals(basket), path="/checkout", title="Checkout")
    if not life.registered and person.habit != "passer" and rng.random() < 0.16:
        life.register(visit.now)
        log_in(visit)
    elif not life.opted_in and not life.registered and rng.random() < 0.05:
        life.leave_email(visit.now)
        _identify(visit)
    if device.logged_in:
        _consider_subscription(visit)
    visit.close()
    echoes.note(visit)
    life.visited(start)


def log_in(visit: Visit) -> None:
    """From here on the device's events carry the user id."""
    device = visit.device
    if visit.rng.random() < 0.05 and device.kind == 1:
        visit.send("alias", extra={"previousId": device.anonymous_id, "userId": visit.life.person.user_id})
    device.logged_in = True
    _identify(visit)
    life = visit.life
    if life.account_id and visit.rng.random() < 0.6:
        visit.send("group", traits={"name": life.account_name}, extra={"groupId": life.account_id}, path="/account")


def _identify(visit: Visit) -> None:
    person, rng = visit.life.person, visit.rng
    traits: dict[str, Any] = {"email": visit.life.email_used(), "firstName": person.first, "lastName": person.last}
    if rng.random() < 0.5:
        traits["name"] = f"{person.first} {person.last}"
    if rng.random() < 0.3:
        traits["phone"] = written(person.phone, person.phone_style)
    if rng.random() < 0.7:
        traits["address"] = {"country": person.country}
    if rng.random() < 0.08 and visit.device.logged_in:
        del traits["email"]
    visit.send("identify", traits=traits, path="/account", title="Your account", pause=9)


def arrive(visit: Visit) -> None:
    """The first events of a session."""
    if visit.device.kind == 1:
        visit.send("track", "Application Opened", {"from_background": visit.rng.random() < 0.4, "version": "4.8.0"})
        if visit.rng.random() < 0.5:
            visit.send("screen", "Home", {}, pause=4)
    else:
        landing = visit.rng.random()
        if landing < 0.55:
            visit.send("page", "Home")
        else:
            category = visit.rng.choice(visit.life.person.favourites)
            visit.send("page", "Category", {"category": category}, path=f"/c/{category}", title=category.title())


def _look_around(visit: Visit) -> list[Product]:
    person, rng = visit.life.person, visit.rng
    if rng.random() < 0.16:
        query = rng.choice(_SEARCHES)
        visit.send("track", "Products Searched", {"query": query}, path="/search", title="Search")
    seen: list[Product] = []
    count = 1 + min(7, int(rng.expovariate(1 / _LENGTH[person.habit])))
    for _ in range(count):
        product = _interesting(visit)
        seen.append(product)
        path = f"/p/{product.slug}"
        if visit.device.kind == 0 and rng.random() < 0.15:
            visit.send("page", "Product", {"product_id": product.product_id}, path=path, title=product.name)
        visit.send("track", "Product Viewed", as_properties(product), path=path, title=product.name, pause=35)
    return seen


def _interesting(visit: Visit) -> Product:
    person, rng = visit.life.person, visit.rng
    pool = BY_CATEGORY[rng.choice(person.favourites)] if rng.random() < 0.7 else PRODUCTS
    product = rng.choice(pool)
    if product.price_cents > 15000 * person.spending and rng.random() < 0.6:
        product = rng.choice(pool)
    return product


def as_properties(product: Product, quantity: int = 1) -> dict[str, Any]:
    """A product as the spec's events name it."""
    return {
        "product_id": product.product_id,
        "sku": product.sku,
        "name": product.name,
        "category": product.category,
        "price": product.price_cents / 100,
        "quantity": quantity,
    }


def fill_basket(visit: Visit, seen: list[Product], buys: bool) -> dict[Product, int]:
    """What goes into the basket, with its events."""
    rng = visit.rng
    wanted = 1 + min(4, int(rng.expovariate(1 / (0.85 * visit.life.person.spending)))) if buys else 1
    basket: dict[Product, int] = {}
    for number in range(wanted):
        product = seen[-1 - number] if number < len(seen) else _interesting(visit)
        quantity = 2 if rng.random() < 0.12 else 1
        basket[product] = basket.get(product, 0) + quantity
        path = f"/p/{product.slug}"
        properties = as_properties(product, quantity)
        visit.send("track", "Product Added", properties, path=path, title=product.name, pause=15)
    if len(basket) > 1 and rng.random() < 0.08:
        removed = next(iter(basket))
        visit.send("track", "Product Removed", as_properties(removed, basket.pop(removed)), path="/cart", title="Cart")
    if rng.random() < 0.6:
        visit.send("track", "Cart Viewed", totals(basket), path="/cart", title="Cart", pause=12)
    return basket


def totals(basket: dict[Product, int]) -> dict[str, Any]:
    """A basket as the spec's events sum it up."""
    value = sum(product.price_cents * quantity for product, quantity in basket.items())
    return {"value": value / 100, "currency": CURRENCY, "product_ids": [p.product_id for p in basket]}


def _check_out(visit: Visit, basket: dict[Product, int], campaign: Campaign | None) -> None:
    life, rng, device = visit.life, visit.rng, visit.device
    visit.send("track", "Checkout Started", totals(basket), path="/checkout", title="Checkout", pause=20)
    if not device.logged_in:
        if life.registered and rng.random() < 0.85:
            log_in(visit)
        elif not life.registered and life.person.habit != "passer" and rng.random() < 0.75:
            life.register(visit.now)
            log_in(visit)
        else:
            life.leave_email(visit.now)
            _identify(visit)
    coupon = campaign.coupon if campaign and campaign.coupon and rng.random() < 0.75 else None
    if coupon is None and rng.random() < 0.04:
        coupon = "WELCOME10"
    order = place_order(life, visit, basket, coupon, _cause(visit, campaign, coupon))
    if order.in_events:
        products = [as_properties(product, quantity) for product, quantity in basket.items()]
        properties: dict[str, Any] = {"order_id": order.order_id, "total": order.total_cents / 100}
        properties.update(currency=CURRENCY, products=products)
        if coupon:
            properties.update(coupon=coupon, discount=order.discount_cents / 100)
        if order.shipping_cents:
            properties["shipping"] = order.shipping_cents / 100
        if rng.random() < 0.015:
            del properties["currency"]
        if order.in_payments and rng.random() < 0.006:
            del properties["total"]
        visit.send("track", "Order Completed", properties, path="/checkout/thank-you", title="Thank you", pause=2)


def _cause(visit: Visit, campaign: Campaign | None, coupon: str | None) -> str:
    if coupon:
        return "coupon"
    if campaign:
        return "email"
    # who is held out from an ad draws as they would have by it
    if (visit.touch.door or visit.channel in _BY_AD) and visit.rng.random() < 0.5 and not visit.touch.door:
        return "advertisement"
    return "habit" if visit.life.person.habit == "loyal" else "need"


def _consider_subscription(visit: Visit) -> None:
    life, rng = visit.life, visit.rng
    day = visit.now // DAY
    if day < life.world.programme or life.subscription or life.person.habit == "passer":
        return
    chance = {"occasional": 0.30, "regular": 0.15, "loyal": 0.03}[life.person.habit]
    if life.former_subscriptions:
        chance *= 0.08
    if rng.random() < chance:
        name, price = rng.choices(PLANS, (0.45, 0.35, 0.2))[0]
        subscription_id = f"sub_{rng.getrandbits(48):012x}"
        properties = {"subscription_id": subscription_id, "plan": name, "price": price / 100, "currency": CURRENCY}
        at = visit.send("track", "Subscription Started", properties, path="/club/welcome", title="Welcome to the club")
        life.start_subscription(subscription_id, name, price, at)
