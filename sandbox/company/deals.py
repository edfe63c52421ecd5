"""How a deal goes through its stages, with the risk that sales sees in it, and what sales people log on the way.

Belongs here: the history of a deal and the details of an activity. Does not belong here: who becomes a lead
(`wholesale`). Everything is drawn from streams of the record's own id.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from sandbox.clock import DAY, HOUR, iso

if TYPE_CHECKING:
    from sandbox.company.book import Book

Change = tuple[int, tuple[str, str]]
_LOGGED_AS = {"call": "call", "meeting": "meeting", "email": "mail"}
_SECONDS = {"call": (40, 1500), "meeting": (1200, 5400)}


def course(deal_id: str, stages: list[tuple[int, str]], risk: str) -> list[Change]:
    """A deal's changes (at, (stage, risk)): every stage, and perhaps another view of its risk in between.

    Args:
        deal_id: whose stream is drawn from.
        stages: (at, stage) in order.
        risk: what sales sees in the end, before it is closed.
    """
    rng = Random(f"{deal_id}:risk")
    changes: list[Change] = []
    for number, (at, stage) in enumerate(stages):
        if stage.startswith("closed"):
            changes.append((at, (stage, "none")))
            continue
        seen = rng.choice(("low", "medium", "high")) if number == 0 else risk
        changes.append((at, (stage, seen)))
        if rng.random() < 0.25 and number + 1 < len(stages):
            other = rng.choice([one for one in ("low", "medium", "high") if one != seen])
            changes.append((at + int((stages[number + 1][0] - at) * rng.uniform(0.3, 0.9)), (stage, other)))
    return changes


def write_course(book: Book, deal_id: str, changes: list[Change]) -> None:
    """A row for every change so far."""
    for number, (at, (stage, risk)) in enumerate(changes):
        stage_id = f"stg_{deal_id.removeprefix('opp_')}_{number}"
        book.row("crm_opportunity_stages", at, stage_id, deal_id, stage, risk, iso(at), iso(at))


def write_activity(book: Book, activity_id: str, contact_id: str, kind: str, note: str, owner: str, at: int) -> None:
    """A call, meeting or mail; one in sixty was logged by mistake and is removed days later."""
    rng = Random(f"{activity_id}:logged")
    low, high = _SECONDS.get(kind, (0, 0))
    seconds = round(low * (high / low) ** rng.random()) if low else None
    removed = at + int(rng.uniform(0.2, 6) * DAY) + HOUR if rng.random() < 1 / 60 else None
    is_removed = removed is not None and removed < book.as_of
    updated = removed if removed is not None and is_removed else at
    told = (activity_id, contact_id, _LOGGED_AS[kind], note, owner, seconds, iso(updated) if is_removed else None)
    book.row("crm_activities", at, *told, iso(at), iso(updated))
