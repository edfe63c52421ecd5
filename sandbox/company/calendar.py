"""The company's dates: when it opened, when the subscription programme began, seasons and campaigns.

Belongs here: everything about time that is the same for all people. Does not belong here: anything drawn per person.

The opening date is a rule of the first `as_of` and is then kept in company.json: the first day of the month thirteen
months before (`as_of` less ten days). Two fresh runs a day apart therefore tell the same history unless the eleventh
of a month lies between them; `--opened` settles it for any two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from sandbox.clock import day_number, to_date

MONTHS_OF_HISTORY = 13
MONTHS_OF_PROGRAMME = 6
GRACE_DAYS = 10
ARRIVAL_DAYS = 405
SHARE_AT_OPENING = 0.3


@dataclass(frozen=True)
class Campaign:
    """One mailing to every contact that is subscribed on its day."""

    campaign_id: str
    name: str
    subject: str
    coupon: str | None
    day: int


@dataclass(frozen=True)
class World:
    """What all people share.

    Attributes:
        seed: of every stream of random numbers.
        people: about how many people the company knows thirteen months after it opened.
        opened: first day of history, as a day number.
        programme: first day of the subscription programme.
    """

    seed: int
    people: int
    opened: int
    programme: int
    campaigns: dict[int, Campaign]

    def stream(self, name: str) -> Random:
        """The stream of random numbers called `name`."""
        return Random(f"{self.seed}:{name}")

    def faulty_release(self, day: int) -> bool:
        """A web release that sent the text «undefined» as the user id for two days, as happens once to everyone."""
        return 0 <= day - (self.opened + 171) < 2

    @property
    def at_opening(self) -> int:
        """How many people the company already knows: the first ones, who come back within thirty days."""
        return round(self.people * SHARE_AT_OPENING)

    def arrival(self, index: int, draw: float) -> int:
        """The day person `index` is first seen; `draw` in [0, 1) is the person's own. Independent of `as_of`."""
        base = self.at_opening
        if index < base:
            return self.opened + int(draw * 30)
        return self.opened + int((index - base) * ARRIVAL_DAYS / max(1, self.people - base))


def opening_day(as_of: date) -> date:
    """The rule of the first run: first day of the month thirteen months before `as_of` less ten days."""
    return _month_before(as_of - timedelta(days=GRACE_DAYS), MONTHS_OF_HISTORY)


def world(seed: int, people: int, opened: date) -> World:
    """The company that opened on that day; its programme starts seven months later."""
    programme = _month_before(opened, -(MONTHS_OF_HISTORY - MONTHS_OF_PROGRAMME))
    start = day_number(opened)
    return World(seed, people, start, day_number(programme), _campaigns(start))


def season(day: int) -> float:
    """How busy a day is against an ordinary one: weekends a little, November and December a lot."""
    when = to_date(day)
    factor = (1.0, 0.97, 0.95, 0.98, 1.04, 1.1, 1.12)[when.weekday()]
    if when.month == 11:
        return factor * (1.35 if 22 <= when.day <= 29 else 1.12)
    if when.month == 12:
        return factor * (1.25 if when.day < 20 else 0.9)
    return factor * (0.94 if when.month in (1, 2, 8) else 1.0)


def _month_before(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def _campaigns(opened: int) -> dict[int, Campaign]:
    """A newsletter every other Tuesday and a promotion with a coupon on the third Friday of a month."""
    found: dict[int, Campaign] = {}
    topics = ("New arrivals", "Trail stories", "Gear guide", "Packing lists", "Staff picks", "Repair and care")
    for day in range(opened, opened + 3660):
        when = to_date(day)
        if when.weekday() == 1 and (day - opened) // 7 % 2 == 0:
            topic = topics[day // 14 % len(topics)]
            found[day] = Campaign(f"nl-{when:%Y-%m-%d}", f"Newsletter {when:%d %b %Y}", f"{topic} this week", None, day)
        elif when.weekday() == 4 and 15 <= when.day <= 21:
            code = f"{when:%b}".upper() + "15"
            found[day] = Campaign(f"promo-{when:%Y-%m}", f"Promotion {when:%B %Y}", f"15 % off with {code}", code, day)
    return found
