"""One simulation from first person to last file.

Belongs here: the order of the steps, and whether anything is to be done. Does not belong here: what people do, formats.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sandbox.clock import DAY, day_number, iso, to_date
from sandbox.company import advertising, billing, helpdesk, merchandise, strangers, wholesale
from sandbox.company.book import Book
from sandbox.company.calendar import World, opening_day, world
from sandbox.company.files import write_atomically, write_chats, write_events, write_truth
from sandbox.company.life import seasons, tell
from sandbox.company.tools_file import write_tools
from sandbox.errors import SandboxError

PEOPLE, SEED = 5000, 7


def simulate(
    out: Path, *, as_of: date, people: int | None = None, seed: int | None = None, opened: date | None = None
) -> dict[str, Any]:
    """Write the company's history up to midnight UTC that starts `as_of`.

    Args:
        out: the company's folder; made if missing.
        as_of: the first day that is not told.
        people: about how many people it knows after thirteen months; default the stored number, else 5,000.
        seed: of everything that is drawn; default the stored one, else 7.
        opened: first day of history; default the stored one, else the rule of `sandbox.company.calendar`.

    Returns:
        What `company.json` says, with `is_new` false if there was nothing to do.

    Raises:
        SandboxError: the folder holds another company, or a later day of this one.
    """
    company = out / "company"
    company.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        held = _held(company)
        people = people or (held["people"] if held else PEOPLE)
        seed = seed if seed is not None else (held["seed"] if held else SEED)
        opened = _agreed_opening(held, out, people=people, seed=seed, as_of=as_of, opened=opened)
        identity = {"seed": seed, "people": people, "opened": opened.isoformat(), "as_of": as_of.isoformat()}
        identity["generator"] = _generator()
        if held and all(held.get(key) == value for key, value in identity.items()) and (out / "tools.sqlite").exists():
            return {**held, "is_new": False}
        for left_behind in out.glob(".spool-*"):
            shutil.rmtree(left_behind)
        begun = time.monotonic()
        state = world(seed, people, opened)
        counts = _write(out, state, day_number(as_of))
        told = {**identity, "programme_started": to_date(state.programme).isoformat(), "counts": counts}
        write_atomically(company / "company.json", (json.dumps(told, indent=2) + "\n").encode())
        return {**told, "is_new": True, "seconds": round(time.monotonic() - begun, 1)}


def _write(out: Path, state: World, as_of_day: int) -> dict[str, Any]:
    company = out / "company"
    with tempfile.TemporaryDirectory(prefix=".spool-", dir=out) as folder:
        spool = Path(folder) / "events"
        book = Book(as_of_day * DAY, spool)
        busy = seasons(state.opened, as_of_day)
        told = [tell(state, book, index, busy, as_of_day) for index in range(state.at_opening)]
        index = state.at_opening
        while tell(state, book, index, busy, as_of_day):
            index += 1
        wholesale.cold_contacts(state, book, as_of_day)
        strangers.write_strangers(state, book, as_of_day)
        for day, campaign in state.campaigns.items():
            sent = iso(day * DAY + 9 * 3_600_000)
            row = (campaign.campaign_id, campaign.name, campaign.subject, campaign.coupon, sent, sent)
            book.row("email_campaigns", day * DAY + 9 * 3_600_000, *row)
        merchandise.write_catalogue(state, book)
        billing.write_coupons(state, book, as_of_day)
        helpdesk.write_agents(state, book)
        advertising.write_ads(state, book, as_of_day)
        advertising.write_effects(book)
        book.close()
        counts: dict[str, Any] = {"people": sum(told) + index - state.at_opening, **write_events(book, spool, company)}
    counts["chats"] = write_chats(book, company)
    write_truth(book, out / "truth")
    counts["tools"] = write_tools(book, out / "tools.sqlite")
    return counts


def _held(company: Path) -> dict[str, Any] | None:
    path = company / "company.json"
    return json.loads(path.read_text()) if path.exists() else None


def _agreed_opening(
    held: dict[str, Any] | None, out: Path, *, people: int, seed: int, as_of: date, opened: date | None
) -> date:
    if held is None:
        first = opened or opening_day(as_of)
        if first >= as_of:
            raise SandboxError(f"The company cannot open on {first}, which is not before --as-of {as_of}.")
        return first
    stored = date.fromisoformat(held["opened"])
    if (held["seed"], held["people"]) != (seed, people) or opened not in (None, stored):
        raise SandboxError(
            f"{out} holds another company (seed {held['seed']}, {held['people']} people, opened {stored}); "
            "give another --out or remove it."
        )
    if date.fromisoformat(held["as_of"]) > as_of:
        raise SandboxError(f"{out} is already told up to {held['as_of']}; its history only grows.")
    return stored


def _generator() -> str:
    """A fingerprint of the simulator's code: other code tells another history."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """One simulation at a time per folder; a second waits."""
    with (out / ".simulate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
