"""The ad platform's lift studies: who is kept from a campaign by lot, and what both groups order.

Belongs here: the lot, and the platform's report. Does not belong here: which campaigns are under study and what an ad
causes (`advertising`), and what a visit is (`visit`).

A study is a randomised hold-out, as ad platforms offer it: a share of all users, drawn by lot, is never shown the
campaign. The platform's auction goes on for them as well, so it knows when one would have been shown the ad («ghost
ads»: Johnson, Lewis, Nubbemeyer 2017, Journal of Marketing Research 54:867), and it counts, in both groups, what
those who were or would have been reached order within the days after. It knows of orders because the company tells it
of them; it knows nothing of causes. Who is held out and would have come only because of the ad does not come; who
would have come anyway comes by the unpaid results of the same search, and lives on as if nothing had been different.

Some people order much and often, so orders vary more than a count of single events would. That this can be seen, each
group is reported in buckets that its users stay in for good.

Every user whom the platform reaches counts, and most follow no ad. A part of them buys just then all the same: that is
noise in both groups, and reported as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.clock import DAY, HOUR, day_name, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.company.advertising import AdCampaign
    from sandbox.company.book import Book
    from sandbox.company.calendar import World
    from sandbox.company.life import Life


WINDOW_DAYS = 4
"""Orders count for so many days after the (would-be) ad; a month is reported when they are over."""
BUCKETS = 20
DOOR = ("google_organic", "organic_search")
"""The door that those take who are held out and were on their way: the simulator's channel, and the company's."""
TEST, CONTROL = "test", "control"


@dataclass(frozen=True)
class Study:
    """A lift study that runs as long as its campaign does. `held_out` is the control group's share of all users;
    `seen_anyway` the share of orders whose buyers were reached in the days before without following the ad."""

    held_out: float
    seen_anyway: float


def place(world: World, campaign: AdCampaign, person_id: str, day: int) -> tuple[str, int]:
    """Group and bucket of a person in the study of that day's month: lots drawn once for each."""
    assert campaign.study is not None
    rng = world.stream(f"study:{campaign.campaign_id}:{_month(day)}:{person_id}")
    group = CONTROL if rng.random() < campaign.study.held_out else TEST
    return group, rng.randrange(BUCKETS)


def count(life: Life, campaigns: Sequence[AdCampaign]) -> None:
    """At the end of what is told: what the platform has seen of a person. Each order counts for the last (would-be)
    ad in the days before it."""
    window, world = WINDOW_DAYS * DAY, life.world
    for campaign in campaigns:
        assert campaign.study is not None
        reached = [at for campaign_id, at in life.reached if campaign_id == campaign.campaign_id]
        for at in reached:
            life.book.study_reached[_key(life, campaign, at // DAY)] += 1
        for order in life.orders:
            if order.placed_at >= life.book.as_of:
                continue
            before = [at for at in reached if order.placed_at - window < at <= order.placed_at]
            rng = world.stream(f"reach:{campaign.campaign_id}:{order.order_id}")
            if not before and rng.random() < campaign.study.seen_anyway:
                before = [order.placed_at - int(rng.random() * window)]
            if before and max(before) // DAY >= world.opened + campaign.begins:
                life.book.study_orders[_key(life, campaign, max(before) // DAY)] += 1


def write_months(world: World, book: Book, campaign: AdCampaign, as_of_day: int) -> None:
    """The report of a campaign under study: a row for each month, group and bucket, told once the days after are over.

    Args:
        world: the company.
        book: where it is written; lives are counted in it.
        campaign: one under study.
        as_of_day: the first day that is not told.
    """
    assert campaign.study is not None
    months: dict[str, list[int]] = {}
    for day in range(world.opened + campaign.begins, as_of_day + 31):
        months.setdefault(_month(day), []).append(day)
    held_out = campaign.study.held_out
    for month, days in months.items():
        at = (days[-1] + 1 + WINDOW_DAYS) * DAY + 6 * HOUR
        if at >= book.as_of:
            break
        rng = world.stream(f"study:{campaign.campaign_id}:{month}")
        lots = [(group, bucket) for group in (TEST, CONTROL) for bucket in range(BUCKETS)]
        followed = sum(book.study_reached[campaign.campaign_id, month, *lot] for lot in lots)
        seen = followed / campaign.click_rate * rng.uniform(0.8, 1.25) + len(days) * world.people / 40
        for group, bucket in lots:
            key = (campaign.campaign_id, month, group, bucket)
            # whom the platform reaches falls into a bucket by chance
            expected = seen * (held_out if group == CONTROL else 1 - held_out) / BUCKETS
            users = max(book.study_reached[key], round(rng.gauss(expected, expected**0.5)))
            name = f"{campaign.campaign_id}_{month}_{group}_{bucket:02d}"
            period = (day_name(days[0]), day_name(days[-1]))
            told = (group, bucket, users, book.study_orders[key], iso(at))
            book.row("ads_lift_results", at, name, campaign.campaign_id, *period, *told)


def _key(life: Life, campaign: AdCampaign, day: int) -> tuple[str, str, str, int]:
    group, bucket = place(life.world, campaign, life.person.person_id, day)
    return campaign.campaign_id, _month(day), group, bucket


def _month(day: int) -> str:
    return day_name(day)[:7]
