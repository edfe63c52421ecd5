"""The sales team: contacts, leads, accounts and deals in the CRM, and the wholesale orders that follow.

Belongs here: everything the CRM shows. Its best prospects are long-time repeat buyers of the shop; others come from
fairs and were never seen on the site. Does not belong here: orders of the shop (`orders`).
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.clock import DAY, HOUR, iso
from sandbox.company.book import Book, Identity
from sandbox.company.calendar import World
from sandbox.company.catalogue import CURRENCY, PRODUCTS
from sandbox.company.deals import course, write_activity, write_course
from sandbox.company.orders import Order, payer
from sandbox.company.person import FIRST, HOUSEHOLD, LAST, at_hour, home_number
from sandbox.company.phones import cold_number, written

if TYPE_CHECKING:
    from sandbox.company.life import Life

MANAGERS = ("Dana Whitfield", "Marcus Oyelaran", "Helena Brandt", "Tom Abara", "Priyanka Rao")
_INDUSTRIES = ("outdoor retail", "hospitality", "schools", "guides and tours", "corporate gifts", "construction")
_NOTES = {
    "call": (
        "Asked about volume prices.",
        "Wants samples first.",
        "Budget is decided next quarter.",
        "No answer, left word.",
    ),
    "meeting": ("Showed the spring line.", "Went through terms of payment.", "Met the owner, good mood."),
    "email": ("Sent the price list.", "Sent the contract.", "Followed up on the offer."),
}


def open_contact(life: Life, at: int) -> None:
    """A new account holder becomes a contact of the CRM; some are missed, some lack an id or a birth date."""
    person, rng = life.person, life.person.rng
    if rng.random() < 0.05:
        return
    at += int(rng.uniform(0.02, 5) * HOUR)
    for _ in range(2 if rng.random() < 0.02 else 1):
        draw = rng.random()
        email: str | None = person.email
        if draw < 0.03:
            email = None
        elif draw < 0.05 and person.second_email:
            email = person.second_email
        elif draw < 0.1:
            email = person.email.title()
        user_id = person.user_id if rng.random() < 0.85 or draw < 0.025 else None
        contact = {
            "id": f"crm_{rng.getrandbits(40):010x}",
            "email": email,
            "phone": person.phone if rng.random() < 0.6 else None,
            "first": person.first,
            "last": person.last,
            "birth": person.birth_date.isoformat() if life.birth_known else None,
            "user_id": user_id,
            "created": at,
        }
        life.contacts.append(contact)


def consider_lead(life: Life, day: int) -> None:
    """Once a week: sales notices repeat buyers, and those who buy for a business more often."""
    person, rng = life.person, life.person.rng
    if life.lead or not life.registered or not life.contacts:
        return
    repeat = life.purchases >= 4 and day - person.arrival > 120
    chance = (0.05 if person.is_business else 0.006) if repeat else (0.003 if person.is_business else 0.0004)
    if rng.random() < chance:
        company = f"{person.last} {rng.choice(('Outdoor', 'Supply', 'Lodge', 'Tours', 'Trading', 'School'))}"
        won = 0.55 if repeat and person.is_business else 0.18 if repeat else 0.07
        life.lead = _lead(rng, life.book, at_hour(rng, day, 8, 17), person.email, company, life.contacts[0]["id"], won)
        account = life.lead.get("account")
        if account:
            life.account_name = company
            life.schedule(account["created"], _join_account, account)
        if life.lead.get("won_at"):
            life.schedule(life.lead["won_at"] + int(rng.uniform(3, 20) * DAY), _wholesale_order)


def _join_account(life: Life, at: int, account: dict[str, Any]) -> None:
    life.account_id = account["id"]
    life.contacts[0].update(account_id=account["id"], manager=account["manager"], joined=at)


def _lead(rng: Random, book: Book, at: int, email: str, company: str, contact_id: str, chance: float) -> dict[str, Any]:
    """A lead's whole course, drawn at once and written as far as it has come."""
    owner = rng.choice(MANAGERS)
    contacted = at + int(rng.uniform(0.2, 9) * DAY)
    decided = contacted + int(rng.uniform(1, 21) * DAY)
    qualified = rng.random() < 0.3 + 0.9 * chance
    changes: list[tuple[int, Any]] = [(at, "new"), (contacted, "contacted")]
    changes.append((decided, "qualified" if qualified else "unqualified"))
    updated, status = book.latest(changes)
    is_qualified = None if status in ("new", "contacted") else status == "qualified"
    lead_id = f"lead_{rng.getrandbits(40):010x}"
    book.row("crm_leads", at, lead_id, email, company, status, is_qualified, owner, iso(at), iso(updated))
    _activities(rng, book, contact_id, owner, contacted, rng.randrange(1, 3))
    lead: dict[str, Any] = {"id": lead_id}
    if qualified:
        lead.update(_deal(rng, book, decided + rng.randrange(DAY), company, contact_id, owner, chance))
    return lead


def _deal(rng: Random, book: Book, at: int, company: str, contact_id: str, owner: str, chance: float) -> dict[str, Any]:
    account_id, deal_id = f"acc_{rng.getrandbits(40):010x}", f"opp_{rng.getrandbits(40):010x}"
    amount = round(rng.lognormvariate(8.1, 0.7)) * 100
    won = rng.random() < chance
    stages: list[tuple[int, str]] = [(at, "qualification")]
    when = at
    for stage in ("proposal", "negotiation", "closed_won" if won else "closed_lost"):
        when += int(rng.uniform(2, 24) * DAY)
        stages.append((when, stage))
    risk = rng.choices(("low", "medium", "high"), (0.5, 0.3, 0.2) if won else (0.2, 0.4, 0.4))[0]
    changes = course(deal_id, stages, risk)
    write_course(book, deal_id, changes)
    updated, (stage, seen) = book.latest(changes)
    closed = stage.startswith("closed")
    row = (deal_id, account_id, contact_id, stage, seen, amount, CURRENCY, not closed, iso(at))
    book.row("crm_opportunities", at, *row, iso(updated) if closed else None, iso(updated))
    won_at = when if won else None
    _, kind = book.latest([(at, "retail"), (when, "wholesale" if won else "retail")])
    industry = rng.choice(_INDUSTRIES) if rng.random() < 0.85 else None
    account_updated = won_at if won_at and won_at < book.as_of else at
    book.row("crm_accounts", at, account_id, company, kind, industry, owner, iso(at), iso(account_updated))
    _activities(rng, book, contact_id, owner, at + DAY, rng.randrange(2, 7))
    return {"account": {"id": account_id, "manager": owner, "created": at}, "won_at": won_at}


def _activities(rng: Random, book: Book, contact_id: str, owner: str, at: int, count: int) -> None:
    for _ in range(count):
        kind = rng.choices(("call", "email", "meeting"), (0.5, 0.35, 0.15))[0]
        activity_id, note = f"act_{rng.getrandbits(40):010x}", rng.choice(_NOTES[kind])
        write_activity(book, activity_id, contact_id, kind, note, owner, at)
        at += int(rng.uniform(1, 12) * DAY)


def _wholesale_order(life: Life, at: int) -> None:
    """An order that sales takes by telephone: in the payment tool only; the next follows in some weeks."""
    rng = life.person.rng
    lines = [(p.product_id, rng.randrange(6, 40), p.price_cents * 6 // 10) for p in rng.sample(PRODUCTS, 3)]
    order = Order(
        order_id=f"WO-{rng.getrandbits(40):010x}",
        placed_at=at,
        total_cents=sum(quantity * price for _, quantity, price in lines),
        discount_cents=0,
        shipping_cents=0,
        coupon=None,
        source="wholesale",
        cause="sales_team",
        customer_id=payer(life, at),
        lines=lines,
        in_events=False,
    )
    order.changes.append((at, "paid"))
    life.remember(order)
    life.schedule(at + int(rng.uniform(25, 70) * DAY), _wholesale_order)


def write_contacts(life: Life) -> None:
    """At the end of what is told: the person's contacts as the CRM shows them."""
    for contact in life.contacts:
        created = contact["created"]
        if created >= life.book.as_of:
            continue
        joined = contact.get("joined")
        member = joined is not None and joined < life.book.as_of
        _contact_row(
            life.book,
            contact,
            contact["account_id"] if member else None,
            contact["manager"] if member else None,
            max(created, joined) if member else created,
        )
        crm_id = ("crm_id", contact["id"])
        life.identity.saw(crm_id)
        if contact["email"]:
            life.identity.tie(crm_id, ("email", contact["email"].lower()))
        if contact["user_id"]:
            life.identity.tie(crm_id, ("user_id", contact["user_id"]))


def _contact_row(book: Book, contact: dict[str, Any], account: str | None, manager: str | None, updated: int) -> None:
    head = (contact["id"], contact["email"], contact["phone"], contact["first"], contact["last"], contact["birth"])
    times = (iso(contact["created"]), iso(updated))
    book.rows["crm_contacts"].append((*head, account, manager, contact["user_id"], *times))


def _number_of_cold(world: World, index: int) -> str:
    """Some live with a customer of the shop and are called at home; the two are two people."""
    rng = world.stream(f"cold-home:{index}")
    home = home_number(world, rng.randrange(max(1, world.people // HOUSEHOLD))) if rng.random() < 0.2 else None
    return home or cold_number(index)


def cold_contacts(world: World, book: Book, as_of_day: int) -> None:
    """People sales met at fairs: in the CRM, never on the site."""
    count = round(world.people * 0.045)
    for index in range(10**9):
        rng = world.stream(f"cold:{index}")
        day = world.opened + int(index * 400 / max(1, count))
        if day >= as_of_day:
            return
        at = at_hour(rng, day, 8, 17)
        first, last = rng.choice(FIRST), rng.choice(LAST)
        contact: dict[str, Any] = {
            "id": f"crm_{rng.getrandbits(40):010x}",
            "phone": written(_number_of_cold(world, index), rng.randrange(100)),
        }
        contact.update(first=first, last=last, birth=None, user_id=None, created=at)
        contact["email"] = f"{first}.{last}@buyer{index}.example.com".lower()
        if at >= book.as_of:
            continue
        _contact_row(book, contact, None, rng.choice(MANAGERS), at)
        if rng.random() < 0.35:
            company = f"{last} {rng.choice(('Stores', 'Sports', 'Hotels', 'Camp'))}"
            _lead(rng, book, at + 2 * HOUR, contact["email"], company, contact["id"], 0.12)
        person_id = f"C{index:06d}"
        identity = Identity()
        identity.tie(("crm_id", contact["id"]), ("email", contact["email"]))
        for (kind, value), knowable in identity.knowable().items():
            book.truth["identities"].append((person_id, kind, value, int(knowable), 0))
        book.truth["people"].append((person_id, "", contact["email"], "", "", "cold_contact", iso(at), "", 1, 0, 1))
