"""Talks with the company: tickets of the help desk and live chats of the contact centre.

Belongs here: which channel, how it went, what the tools record. Does not belong here: the words (`chats`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.clock import DAY, HOUR, iso
from sandbox.company.chats import write_chat
from sandbox.company.helpdesk import answer, rate

if TYPE_CHECKING:
    from sandbox.company.life import Life
    from sandbox.company.orders import Order

# share of (bad, neutral, good) endings by topic
_ENDINGS = {
    "late_delivery": (0.5, 0.3, 0.2),
    "damaged": (0.45, 0.25, 0.3),
    "wrong_size": (0.2, 0.45, 0.35),
    "refund": (0.5, 0.3, 0.2),
    "product_question": (0.08, 0.42, 0.5),
    "payment": (0.38, 0.37, 0.25),
    "subscription": (0.34, 0.4, 0.26),
    "cancel_subscription": (0.5, 0.4, 0.1),
}
_SUBJECTS = {
    "late_delivery": ("Where is my order?", "Parcel has not arrived", "Delivery date"),
    "damaged": ("Arrived broken", "Damaged item", "Seam torn on arrival"),
    "wrong_size": ("Exchange for another size", "Size runs small", "Return label please"),
    "refund": ("Refund not received", "When do I get my money back?", "Refund"),
    "product_question": ("Question about a product", "Is this waterproof?", "Spare parts"),
    "payment": ("Charged twice", "Card declined", "Invoice needed"),
    "subscription": ("How does the club work?", "Club box question", "Change my plan"),
    "cancel_subscription": ("Cancel my subscription", "End membership", "Stop the club"),
}
_SATISFACTION = {"bad": ("bad", "bad", None), "neutral": (None, "good", None), "good": ("good", "good", None)}


def talk(life: Life, at: int, topic: str, order: Order | None = None) -> None:
    """One talk at `at`: a chat or a ticket, with its ending and what it does to the person."""
    rng = life.person.rng
    feeling = rng.choices(("bad", "neutral", "good"), _ENDINGS[topic])[0]
    is_chat = rng.random() < 0.64
    if is_chat:
        ended = write_chat(life, at, topic, feeling, order)
    else:
        ended = at
        _ticket(life, at, topic, feeling)
    day = at // DAY
    life.talks += 1
    life.talk_times.append(ended)
    if feeling == "bad":
        life.last_bad_talk = day
        life.interest *= 0.85
        if rng.random() < 0.3:
            life.schedule(at + int(rng.uniform(1, 8) * DAY), life.ask_support, topic, order)
    if topic == "cancel_subscription":
        life.last_cancel_wish = day
    life.book.row("truth_talks", ended, life.person.person_id, iso(at), "chat" if is_chat else "ticket", topic, feeling)


def _ticket(life: Life, at: int, topic: str, feeling: str) -> None:
    rng = life.person.rng
    ticket_id = f"tkt_{rng.getrandbits(40):010x}"
    draw = rng.random()
    user_id = life.person.user_id if life.registered and draw < 0.8 else None
    email = life.email_used() if draw >= 0.1 or user_id is None else None
    solved = at + int(rng.uniform(2, 80) * HOUR)
    agent_id, responded = answer(ticket_id, at, solved)
    status, satisfaction, updated = "open", None, at
    subject = rng.choice(_SUBJECTS[topic])
    verdict = rng.choice(_SATISFACTION[feeling])
    if responded < life.book.as_of:
        updated = responded
    if solved < life.book.as_of:
        status, satisfaction, updated = "solved", verdict, solved
        if verdict:
            rate(life.book, ticket_id, solved, feeling)
    label = topic if topic != "cancel_subscription" else "subscription"
    desk = (
        agent_id if updated > at else None,
        iso(responded) if updated > at else None,
        iso(solved) if status == "solved" else None,
    )
    row = (ticket_id, email, user_id, subject, label, status, satisfaction, *desk, iso(at), iso(updated))
    life.book.row("support_tickets", at, *row)
