"""What happens in the tools while they run, and what they tell of it.

Belongs here: which calls follow which happening, and when. Does not belong here: shapes, sending.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from typing import Any

from sandbox.clock import iso
from sandbox.company.catalogue import PRODUCTS
from sandbox.hooks import calls
from sandbox.hooks.calls import Call, Row
from sandbox.hooks.outbox import Outbox
from sandbox.tools.store import Store

MAILINGS = {
    "Order Completed": ("order-confirmation", "Your order", "https://shop.example.com/orders"),
    "Subscription Cancelled": ("win-back", "We are sorry to see you go", "https://shop.example.com/club"),
}
"""Which events the e-mail tool answers with a mailing: campaign, subject, link. None that a mailing itself causes."""

_SUBSCRIPTIONS = "select * from payments_subscriptions where status = 'active' order by started_at desc, id limit ?"
_TICKETS = "select * from support_tickets order by created_at desc, id limit ?"
_ACTIVITIES = """select a.*, c.email, c.shop_user_id from crm_activities a join crm_contacts c on c.id = a.contact_id
    where a.kind = 'call' order by a.occurred_at desc, a.id limit ?"""
_CONTACTS = "select * from email_contacts where status = 'subscribed' order by created_at desc, id limit ?"
_PRODUCTS: list[Row] = [
    {"id": p.product_id, "sku": p.sku, "name": p.name, "price_cents": p.price_cents} for p in PRODUCTS
]


class Happenings:
    """The tools' life. `answer` is told of events that the e-mail tool received; `run` lets other things happen."""

    def __init__(self, store: Store, outbox: Outbox, pace: float = 1.0) -> None:
        self._store, self._outbox, self._pace = store, outbox, pace

    def answer(self, events: list[dict[str, Any]]) -> None:
        """Mailings that follow on events: sent and delivered at once, opened and clicked by most within seconds.

        A repeated event leads to the same calls with the same ids.
        """
        for event in events:
            mailing = MAILINGS.get(str(event.get("event")))
            if mailing:
                self._mail(event, *mailing)

    def run(self, stop: threading.Event, every: float) -> None:
        """About every so many seconds something happens in one of the other tools."""
        rng = random.Random()
        while not stop.wait(rng.uniform(0.5, 1.5) * every):
            found = recent_calls(self._store, 50, time.time_ns() // 1_000_000)
            if found:
                self._outbox.put(rng.choice(found))

    def _mail(self, event: dict[str, Any], campaign: str, subject: str, link: str) -> None:
        user = event.get("userId")
        address = event.get("email") or ((event.get("context") or {}).get("traits") or {}).get("email")
        if not address and user:
            rows = self._store.rows("select email from payments_customers where user_id = ? limit 1", (str(user),))
            address = rows[0]["email"] if rows else None
        if not address and not user:
            return
        delivery = "dlv_" + hashlib.sha256(str(event["messageId"]).encode()).hexdigest()[:24]
        at = time.time_ns() // 1_000_000
        about = {"campaign_id": campaign, "campaign_name": subject, "subject": subject}
        draw = int(delivery[-2:], 16) / 256  # of this mailing for good, however often it is asked for
        for metric, after, share in (("sent", 0, 1), ("delivered", 0.3, 1), ("opened", 1, 0.9), ("clicked", 2, 0.7)):
            if draw <= share:
                more = {"href": link} if metric == "clicked" else {}
                when = at + int(after * 1000)
                made = calls.email(metric, when, delivery, address=address, user_id=user, **about, **more)
                self._outbox.put(made, after * self._pace)


def recent_calls(store: Store, limit: int = 3, at: int = 0) -> list[Call]:
    """Calls about the latest records of every tool; the same records give the same calls.

    With `at` (milliseconds) such things happen once more, then, to the same people.
    """
    found: list[Call] = []
    for row in store.rows(_SUBSCRIPTIONS, (limit,)):
        customers = store.rows("select * from payments_customers where id = ?", (row["customer_id"],))
        found += [calls.invoice_paid(row, customer, at or calls.moment(row["started_at"])) for customer in customers]
    for row in store.rows(_TICKETS, (limit,)):
        opened = at or calls.moment(row["created_at"])
        found.append(calls.ticket("created", row | ({"id": f"{row['id']}-{at}"} if at else {}), opened))
        if row["satisfaction"]:
            rated = at or opened + 3_600_000
            found.append(calls.ticket("csat_received", row, rated, {"rating": row["satisfaction"]}))
            found.append(calls.survey(row, 5 if row["satisfaction"] == "good" else 2, rated))
    activities = store.rows(_ACTIVITIES, (limit,))
    if at:
        activities = [row | {"id": f"{row['id']}-{at}", "occurred_at": iso(at)} for row in activities[:1]]
    if activities:
        found.append(calls.sales_calls(activities[:5]))
    for row in store.rows(_CONTACTS, (limit,)):
        rng = random.Random(row["id"])
        lines = [(product, rng.randint(1, 2)) for product in rng.sample(_PRODUCTS, rng.randint(1, 3))]
        bought = at or calls.moment(row["created_at"])
        number = int(hashlib.sha256(f"{row['id']} {bought}".encode()).hexdigest()[:12], 16)
        found.append(calls.marketplace_order(number, row["email"], lines, bought))
    return found


def latest_mailing(store: Store, limit: int = 3) -> list[Call]:
    """Sent, delivered, opened and clicked for the latest subscribers."""
    found: list[Call] = []
    about = {"campaign_id": "welcome", "campaign_name": "Welcome", "subject": "Welcome"}
    for row in store.rows(_CONTACTS, (limit,)):
        at = calls.moment(row["created_at"])
        for number, metric in enumerate(("sent", "delivered", "opened", "clicked")):
            more = {"href": "https://shop.example.com/new"} if metric == "clicked" else {}
            when, delivery = at + number * 60_000, f"dlv_{row['id']}"
            found.append(calls.email(metric, when, delivery, address=row["email"], user_id=None, **about, **more))
    return found
