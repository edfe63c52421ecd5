"""The words of a chat with the contact centre, as the line of JSON that its system drops.

Belongs here: the course of a chat. Does not belong here: whether there is one, and what it does (`support`).
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.clock import DAY, MINUTE, iso, to_date
from sandbox.company import phrases
from sandbox.company.catalogue import BY_CATEGORY, PRODUCTS

if TYPE_CHECKING:
    from sandbox.company.life import Life
    from sandbox.company.orders import Order

_AGENTS = ("Maya", "Theo", "Sana", "Luis", "Greta", "Kwame", "Ivy", "Anton")
_NAMES = {product.product_id: product.name for product in PRODUCTS}


def write_chat(life: Life, at: int, topic: str, feeling: str, order: Order | None) -> int:
    """Write one chat that starts at `at`.

    Args:
        life: whose chat it is.
        at: start, in milliseconds.
        topic: what it is about.
        feeling: bad, neutral or good: how the customer feels at the end.
        order: the order it is about, if any.

    Returns:
        When it ended, in milliseconds.
    """
    rng = life.person.rng
    slots = _slots(life, rng, at, order)
    agent = rng.randrange(len(_AGENTS))
    slots["agent"] = _AGENTS[agent]
    turns: list[dict[str, Any]] = []
    now = at
    for role, text in _script(rng, topic, feeling):
        turns.append({"role": role, "text": _typed(rng, role, text.format(**slots)), "timestamp": iso(now)})
        now += int(min(rng.expovariate(1 / 55), 400) * 1000) + 3000
    ended = now + rng.randrange(MINUTE)
    draw = rng.random()
    user_id = life.person.user_id if life.registered and draw < 0.76 else None
    email = life.email_used() if draw < 0.12 or 0.7 < draw < 0.985 else None
    chat = {
        "conversation_id": f"cnv_{rng.getrandbits(48):012x}",
        "channel": "chat",
        "language": "en",
        "customer_id": user_id,
        "email": email,
        "agent_id": f"agent_{agent + 1:02d}",
        "started_at": iso(at),
        "ended_at": iso(ended),
        "turns": turns,
    }
    if email is None:
        del chat["email"]
    if ended < life.book.as_of:
        life.book.chats[ended // DAY].append(orjson.dumps(chat) + b"\n")
    return ended


def _slots(life: Life, rng: Random, at: int, order: Order | None) -> dict[str, str]:
    product = rng.choice(BY_CATEGORY[rng.choice(life.person.favourites)]).name
    if order:
        product = _NAMES[order.lines[0][0]]
    plan = life.subscription.plan if life.subscription else "plus"
    reference = order.order_id if order else (life.orders[-1].order_id if life.orders else "I placed last week")
    return {
        "name": life.person.first,
        "order": reference,
        "product": product,
        "days": str(rng.randrange(3, 19)),
        "plan": plan,
        "month": f"{to_date(at // DAY - 40):%B}",
    }


def _script(rng: Random, topic: str, feeling: str) -> list[tuple[str, str]]:
    """The turns, as (role, template). One in eight customers does not sound as they feel."""
    sound = rng.choice(("bad", "neutral", "good")) if rng.random() < 0.12 else feeling
    opening = rng.choice(phrases.OPENING[topic])
    greeting = rng.choice(phrases.GREETING)
    script = [("customer", f"{greeting}, {opening}" if greeting else opening)]
    script.append(("agent", rng.choice(phrases.AGENT_HELLO)))
    if rng.random() < 0.75:
        script.append(("customer", rng.choice(phrases.DETAIL[topic])))
    script.append(("agent", rng.choice(phrases.ANSWER[topic])))
    rounds = (
        rng.choices((1, 2, 3), (0.5, 0.35, 0.15))[0] if sound == "bad" else rng.choices((0, 1, 2), (0.25, 0.6, 0.15))[0]
    )
    for _ in range(rounds):
        script.append(("customer", rng.choice(phrases.REACTION[sound])))
        if rng.random() < 0.5:
            script.append(("customer", rng.choice(phrases.PRESSED[sound])))
        script.append(("agent", rng.choice(phrases.AGENT_MORE)))
    if rng.random() < 0.7:
        script.append(("agent", rng.choice(phrases.AGENT_BYE)))
        script.append(("customer", rng.choice(phrases.FAREWELL[sound])))
    return script


def _typed(rng: Random, role: str, text: str) -> str:
    """As people type: capitals, stops and letters go missing on the customer's side."""
    if role == "agent":
        return text
    draw = rng.random()
    if draw < 0.5:
        text = text[:1].upper() + text[1:]
        if text[-1].isalnum():
            text += "."
    elif draw < 0.6 and len(text) > 12:
        cut = rng.randrange(4, len(text) - 4)
        text = text[:cut] + text[cut + 1 :]
    elif draw < 0.66:
        text += "!!"
    return text
