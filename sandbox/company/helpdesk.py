"""The help desk's side of a ticket: who took it, when they answered, how it was rated.

Belongs here: agents, answers, ratings. Does not belong here: whether somebody writes at all (`support`).
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from sandbox.clock import DAY, HOUR, iso
from sandbox.company.person import FIRST, LAST

if TYPE_CHECKING:
    from sandbox.company.book import Book
    from sandbox.company.calendar import World

_TEAMS = ("orders", "orders", "returns", "club", "product advice", "orders", "returns", "club")
AGENTS = tuple(f"agt_{number:02d}" for number in range(1, len(_TEAMS) + 1))
_SCORES = {"bad": (1, 2, 1, 3), "neutral": (3, 4, 3), "good": (5, 4, 5, 5)}
_COMMENTS = {
    "bad": ("Waited for days.", "Nobody read what I wrote.", "Still not solved.", None),
    "neutral": ("It took a while.", None, None),
    "good": ("Quick and kind.", "Solved at once, thank you!", None, None),
}


def write_agents(world: World, book: Book) -> None:
    """The desk's people, the same all the time."""
    rng = world.stream("agents")
    at = iso(world.opened * DAY - DAY)
    for agent_id, team in zip(AGENTS, _TEAMS, strict=True):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        address = f"{first}.{last}@support.example.com".lower()
        book.row("support_agents", 0, agent_id, f"{first} {last}", address, team, at)


def answer(ticket_id: str, opened: int, solved: int) -> tuple[str, int]:
    """Who takes a ticket and when they first answer: before it is solved."""
    rng = Random(f"{ticket_id}:desk")
    return rng.choice(AGENTS), opened + int(min(rng.uniform(0.1, 9) * HOUR, (solved - opened) * 0.8))


def rate(book: Book, ticket_id: str, solved: int, feeling: str) -> None:
    """The requester rates a solved ticket some hours later."""
    rng = Random(f"{ticket_id}:rating")
    at = solved + int(rng.uniform(0.2, 30) * HOUR)
    row = (f"rat_{ticket_id.removeprefix('tkt_')}", ticket_id, rng.choice(_SCORES[feeling]))
    book.row("support_ratings", at, *row, rng.choice(_COMMENTS[feeling]), iso(at), iso(at))
