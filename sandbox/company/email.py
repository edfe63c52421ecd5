"""The email tool's view of a person: subscribed or not, what was sent, opened and clicked.

Belongs here: mailings and what they cause. Does not belong here: the shopping that follows a click (`shopping`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.clock import DAY, HOUR, MINUTE, iso
from sandbox.company.calendar import Campaign
from sandbox.company.shopping import go_shopping

if TYPE_CHECKING:
    from sandbox.company.life import Life


@dataclass(slots=True)
class Mailbox:
    """One contact of the email tool; `changes` are (at, status)."""

    contact_id: str
    address: str
    created_at: int
    changes: list[tuple[int, str]] = field(default_factory=list)


def opt_in(life: Life, at: int) -> None:
    """The address joins the list; a wrong one bounces at the first mailing."""
    rng = life.person.rng
    address = life.email_used()
    life.mail = Mailbox(f"eml_{rng.getrandbits(40):010x}", address, at, [(at, "subscribed")])
    life.opted_in = True
    if rng.random() < 0.012:
        life.mail.changes.append((at + 3 * DAY, "bounced"))
        life.opted_in = False


def receive(life: Life, campaign: Campaign, day: int) -> None:
    """One mailing arrives: it may be opened, clicked, answered by leaving the list."""
    person, rng = life.person, life.person.rng
    assert life.mail is not None
    sent = day * DAY + 9 * HOUR + rng.randrange(20 * MINUTE)
    send_id = f"snd_{rng.getrandbits(64):016x}"  # tens of thousands of them: 40 bits met one twice
    send = (send_id, campaign.campaign_id, life.mail.contact_id)
    draw = rng.random()
    machine = person.always_opens and draw < 0.9
    human = draw < person.email_interest * (1.15 if campaign.coupon else 0.9)
    if not machine and not human:
        _write_send(life, send, [("sent", sent)])
        return
    opened = sent + (rng.randrange(2, 90) * 1000 if machine else int(rng.expovariate(1 / 9) * HOUR))
    properties = {"campaign_id": campaign.campaign_id, "campaign_name": campaign.name, "subject": campaign.subject}
    context = {"campaign": {"source": "newsletter", "medium": "email", "name": campaign.campaign_id}}
    life.server_event(opened, "Email Opened", properties, context=context)
    steps = [("sent", sent), ("opened", opened)]
    if human and rng.random() < 0.17:
        clicked = opened + rng.randrange(5, 300) * 1000
        steps.append(("clicked", clicked))
        link = f"https://shop.example.com/{'sale' if campaign.coupon else 'new'}"
        life.server_event(clicked, "Email Link Clicked", {**properties, "link_url": link}, context=context)
        life.schedule(clicked + 1500, _come, campaign)
    elif human and rng.random() < 0.012:
        left = opened + rng.randrange(10, 200) * 1000
        life.mail.changes.append((left, "unsubscribed"))
        life.opted_in = False
    _write_send(life, send, steps)


def _write_send(life: Life, send: tuple[str, str, str], steps: list[tuple[str, int]]) -> None:
    """The mail as the email tool shows it: how far it has come."""
    told = [(status, at) for status, at in steps if at < life.book.as_of]
    if told:
        times = [iso(at) for _, at in told] + [None] * (3 - len(told))
        life.book.rows["email_sends"].append((*send, told[-1][0], *times, iso(told[-1][1])))


def _come(life: Life, at: int, campaign: Campaign) -> None:
    if life.last_visit != at // DAY:
        go_shopping(life, at, "email", campaign)


def write_mailbox(life: Life) -> None:
    """At the end of what is told: the contact as the email tool shows it."""
    mail = life.mail
    if mail is None or mail.created_at >= life.book.as_of:
        return
    updated, status = life.book.latest(mail.changes)
    row = (mail.contact_id, mail.address, status, iso(mail.created_at), iso(updated))
    life.book.rows["email_contacts"].append(row)
