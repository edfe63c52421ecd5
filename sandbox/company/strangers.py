"""People whom one tool alone knows: they filled in the form for companies, or only take the newsletter.

Belongs here: the tool's row, and the truth that the address is a person. Does not belong here: people met at fairs, who
are contacts of the CRM (`wholesale`). None of them ever came to the shop, so no event tells of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from sandbox.clock import DAY, HOUR, iso
from sandbox.company.book import Book, Identity
from sandbox.company.calendar import World
from sandbox.company.person import FIRST, LAST, at_hour
from sandbox.company.wholesale import MANAGERS

_SHARE = 0.008
_DAYS = 400


def write_strangers(world: World, book: Book, as_of_day: int) -> None:
    """Write the leads and the subscribers that came to be before `as_of_day`."""
    for index, day in _days(world, as_of_day):
        rng = world.stream(f"form:{index}")
        last = rng.choice(LAST)
        address = f"{rng.choice(FIRST)}.{last}@form{index}.example.org".lower()
        at = at_hour(rng, day, 7, 22)
        if at < book.as_of:
            _lead(rng, book, at, address, f"{last} {rng.choice(('Alpine', 'Events', 'Club', 'Resort'))}")
            _person(book, f"F{index:06d}", address, "lead_only", at)
    for index, day in _days(world, as_of_day):
        rng = world.stream(f"reader:{index}")
        address = f"{rng.choice(FIRST)}.{rng.choice(LAST)}@reader{index}.example.net".lower()
        at = at_hour(rng, day, 7, 22)
        if at < book.as_of:
            _subscriber(rng, world, book, at, address)
            _person(book, f"N{index:06d}", address, "subscriber_only", at)


def _days(world: World, as_of_day: int) -> Iterator[tuple[int, int]]:
    """Which of them comes on which day, evenly, however long the history is."""
    count = max(4, round(world.people * _SHARE))
    index = 0
    while (day := world.opened + index * _DAYS // count) < as_of_day:
        yield index, day
        index += 1


def _lead(rng: Random, book: Book, at: int, address: str, company: str) -> None:
    owner = rng.choice(MANAGERS)
    contacted = at + int(rng.uniform(0.2, 5) * DAY)
    verdict = "qualified" if rng.random() < 0.45 else "unqualified"
    changes = [(at, "new"), (contacted, "contacted"), (contacted + int(rng.uniform(1, 14) * DAY), verdict)]
    updated, status = book.latest(changes)
    is_qualified = None if status in ("new", "contacted") else status == "qualified"
    lead_id = f"lead_{rng.getrandbits(40):010x}"
    # a form is filled in by hand
    written = rng.choice((address, address.title(), f"{address} "))
    book.row("crm_leads", at, lead_id, written, company, status, is_qualified, owner, iso(at), iso(updated))


def _subscriber(rng: Random, world: World, book: Book, at: int, address: str) -> None:
    """Mailings are sent and never opened, until some leave the list."""
    contact_id = f"eml_{rng.getrandbits(40):010x}"
    left = at + int(rng.expovariate(1 / 150) * DAY)
    updated, status = book.latest([(at, "subscribed"), (left, "unsubscribed")])
    book.row("email_contacts", at, contact_id, address, status, iso(at), iso(updated))
    for day, campaign in world.campaigns.items():
        sent = day * DAY + 9 * HOUR + rng.randrange(HOUR // 3)
        if at < sent < left:
            send_id = f"snd_{rng.getrandbits(64):016x}"
            times = (iso(sent), None, None, iso(sent))
            book.row("email_sends", sent, send_id, campaign.campaign_id, contact_id, "sent", *times)


def _person(book: Book, person_id: str, address: str, habit: str, at: int) -> None:
    identity = Identity()
    identity.saw(("email", address))
    for (kind, value), knowable in identity.knowable().items():
        book.truth["identities"].append((person_id, kind, value, int(knowable), 0))
    book.truth["people"].append((person_id, "", address, "", "", habit, iso(at), "", 1, 0, 1))
