"""The company's advertising: campaigns, their ads, what a day of them cost, and what they truly caused.

Belongs here: which ad a visit came from and whether that visit would have happened without it. Does not belong here:
whether there is a visit at all (`life`), or the mailings (`email`).

A visit that a campaign caused is one that the person would not have made without it; the rest were on their way and
took the ad as a door. Which of the two it is, is drawn per visit by the campaign's `effect`. Visits of both kinds look
the same from outside: only `truth/channel_effects.csv` tells them apart.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.clock import DAY, HOUR, MINUTE, day_name, iso
from sandbox.company import studies
from sandbox.company.catalogue import CURRENCY

if TYPE_CHECKING:
    from sandbox.company.book import Book
    from sandbox.company.calendar import World
    from sandbox.company.orders import Order

EMAIL_EFFECT = 0.85
BASELINE = {"google_organic": "organic_search", "referral": "referral"}
"""Channels that are no intervention of the company; any other visit without an ad or mailing came directly."""


@dataclass(frozen=True)
class AdCampaign:
    """One campaign. `source` is the simulator's channel whose visits it gets `weight` parts of; `effect` is the share
    of its visits that it caused, `echo` the share that leads to an order days later (see `echoes`); `ads` are
    (utm_content, days after the opening until it runs); `study` is the lift study that it is under, if any."""

    campaign_id: str
    platform: str
    channel: str
    name: str
    utm: tuple[str, str, str]
    source: str
    weight: float
    effect: float
    echo: float
    cost_per_click: int
    click_rate: float
    ads: tuple[tuple[str, int], ...]
    study: studies.Study | None = None

    @property
    def begins(self) -> int:
        """Days after the opening until its first ad runs."""
        return min(begins for _, begins in self.ads)

    def ad_id(self, content: str) -> str:
        """The id of the ad with this utm_content."""
        return f"ad_{self.campaign_id.removeprefix('cmp_')}_{content}".replace("-", "_")


CAMPAIGNS = (
    AdCampaign(
        campaign_id="cmp_google_brand",
        platform="google_ads",
        channel="paid_search",
        name="Brand search",
        utm=("google", "cpc", "brand-search"),
        source="google_cpc",
        weight=0.3,
        effect=0.0,
        echo=0.0,
        cost_per_click=130,
        click_rate=0.11,
        ads=(("brand-a", 0), ("brand-sitelinks", 210)),
        study=studies.Study(held_out=0.5, seen_anyway=0.05),
    ),
    AdCampaign(
        campaign_id="cmp_google_generic",
        platform="google_ads",
        channel="paid_search",
        name="Search: outdoor gear",
        utm=("google", "cpc", "outdoor-gear"),
        source="google_cpc",
        weight=0.4,
        effect=0.85,
        echo=0.08,
        cost_per_click=340,
        click_rate=0.031,
        ads=(("jackets-rsa", 0), ("tents-rsa", 0), ("boots-rsa", 160)),
        study=studies.Study(held_out=0.15, seen_anyway=0.01),
    ),
    AdCampaign(
        campaign_id="cmp_google_shopping",
        platform="google_ads",
        channel="paid_search",
        name="Shopping",
        utm=("google", "cpc", "shopping"),
        source="google_cpc",
        weight=0.3,
        effect=0.75,
        echo=0.05,
        cost_per_click=230,
        click_rate=0.014,
        ads=(("feed-all", 30),),
        study=studies.Study(held_out=0.3, seen_anyway=0.003),
    ),
    AdCampaign(
        campaign_id="cmp_meta_prospecting",
        platform="meta_ads",
        channel="paid_social",
        name="Prospecting",
        utm=("instagram", "paid_social", "prospecting"),
        source="instagram",
        weight=1.0,
        effect=0.9,
        echo=0.13,
        cost_per_click=270,
        click_rate=0.009,
        ads=(("reel-summit", 0), ("carousel-new", 0), ("reel-camp", 240)),
    ),
    AdCampaign(
        campaign_id="cmp_meta_retargeting",
        platform="meta_ads",
        channel="paid_social",
        name="Retargeting",
        utm=("facebook", "paid_social", "retargeting"),
        source="facebook",
        weight=1.0,
        effect=0.45,
        echo=0.03,
        cost_per_click=185,
        click_rate=0.012,
        ads=(("basket-reminder", 0), ("bestsellers", 90)),
    ),
    AdCampaign(
        campaign_id="cmp_affiliate_lists",
        platform="affiliate_network",
        channel="affiliate",
        name="Best-of lists and coupon pages",
        utm=("gear-reviews", "affiliate", "best-of-lists"),
        source="affiliate",
        weight=1.0,
        effect=0.0,
        echo=0.0,
        cost_per_click=150,
        click_rate=0.02,
        ads=(("list-link", 0), ("coupon-box", 60)),
    ),
)
UNDER_STUDY = tuple(one for one in CAMPAIGNS if one.study)
ECHO = {one.ad_id(content): one.echo for one in CAMPAIGNS for content, _ in one.ads}
_BY_SOURCE: dict[str, tuple[AdCampaign, ...]] = {
    source: tuple(one for one in CAMPAIGNS if one.source == source) for source in {one.source for one in CAMPAIGNS}
}


@dataclass(frozen=True)
class Touch:
    """What brought a visit: channel, campaign and ad as the company reports them, and whether it caused the visit.
    `study` is the campaign under study that the person was, or being held out would have been, shown; `door` the
    simulator's channel that they took in its stead; `stays_away` says that they take none."""

    channel: str
    campaign: str = ""
    ad_id: str = ""
    is_incremental: bool = False
    utm: tuple[str, str, str] = ("", "", "")
    content: str = ""
    click_id: str = ""
    study: str = ""
    door: str = ""
    stays_away: bool = False


DIRECT = Touch("direct")


def touch(
    world: World, person_id: str, at: int, channel: str, *, mailing: str | None, is_app: bool, campaign_id: str = ""
) -> Touch:
    """The touch that a visit began with; drawn from a stream of its own. An app is opened, not advertised to.

    Args:
        world: the company.
        person_id: who visits.
        at: when.
        channel: the simulator's channel.
        mailing: the mailing whose link was followed.
        is_app: the visit is one in the app.
        campaign_id: the ad campaign, where it is known.
    """
    if is_app and mailing is None:
        return DIRECT
    rng = world.stream(f"touch:{person_id}:{at}")
    if mailing is not None:
        return Touch("email", mailing, is_incremental=rng.random() < EMAIL_EFFECT)
    day = at // DAY - world.opened
    running = [one for one in _BY_SOURCE.get(channel, ()) if any(begins <= day for _, begins in one.ads)]
    running = [one for one in running if campaign_id in ("", one.campaign_id)]
    if not running:
        return Touch(BASELINE.get(channel, "direct"))
    campaign = rng.choices(running, [one.weight for one in running])[0]
    content = rng.choice([content for content, begins in campaign.ads if begins <= day])
    is_incremental = rng.random() < campaign.effect
    study = campaign.campaign_id if campaign.study else ""
    if study and studies.place(world, campaign, person_id, at // DAY)[0] == studies.CONTROL:
        door, name = studies.DOOR
        return Touch(name, study=study, door=door, stays_away=is_incremental)
    return Touch(
        campaign.channel,
        campaign.utm[2],
        campaign.ad_id(content),
        is_incremental,
        campaign.utm,
        content,
        f"fbclid=IwAR{rng.getrandbits(80):020x}" if campaign.platform == "meta_ads" else "",
        study,
    )


def write_ads(world: World, book: Book, as_of_day: int) -> None:
    """The ad platforms' tables: campaigns, ads, and a row per day and ad, whose impressions are corrected later."""
    for campaign in CAMPAIGNS:
        at = (world.opened + campaign.begins) * DAY - 12 * HOUR
        named = (campaign.campaign_id, campaign.platform, campaign.name, *campaign.utm)
        book.row("ads_campaigns", at, *named, iso(at), iso(at))
        for content, begins in campaign.ads:
            at = (world.opened + begins) * DAY - 12 * HOUR
            ad_id, name = campaign.ad_id(content), content.replace("-", " ").capitalize()
            book.row("ads_ads", at, ad_id, campaign.campaign_id, name, content, iso(at), iso(at))
            for day in range(world.opened + begins, as_of_day):
                _write_day(world, book, campaign, ad_id, day)
        if campaign.study:
            studies.write_months(world, book, campaign, as_of_day)


def _write_day(world: World, book: Book, campaign: AdCampaign, ad_id: str, day: int) -> None:
    rng = world.stream(f"ad:{ad_id}:{day}")
    visits = book.ad_visits[day, ad_id]
    clicks = visits + int(visits * 0.1 + rng.random())  # some leave before the page has loaded
    spend = round(clicks * campaign.cost_per_click * rng.uniform(0.86, 1.16))
    seen = clicks / campaign.click_rate * rng.uniform(0.8, 1.25) + world.people / 40 * rng.uniform(0.5, 1.5)
    reported, corrected_at = day * DAY + 23 * HOUR + 50 * MINUTE, (day + 2) * DAY + 6 * HOUR
    impressions, updated = round(seen * rng.uniform(0.9, 1.0)), reported
    if corrected_at < book.as_of:
        impressions, updated = round(seen), corrected_at
    name = day_name(day)
    row = (f"{ad_id}_{name}", name, campaign.campaign_id, ad_id, spend, CURRENCY, max(impressions, clicks), clicks)
    book.row("ads_daily_performance", reported, *row, iso(updated))


def note_order(book: Book, order: Order) -> None:
    """An order that is told counts for the channel of its visit, and as additional if that visit was."""
    found = order.touch
    for key in {(found.channel, ""), (found.channel, found.campaign)}:  # the same, where there are no campaigns
        effect = book.effects[key]
        effect[0] += 1
        effect[1] += found.is_incremental
        effect[2] += order.total_cents
        effect[3] += order.total_cents * found.is_incremental


def write_effects(book: Book) -> None:
    """The truth: per channel, and per campaign of the channels that have some, what came and what came in addition."""
    effective: dict[str, bool] = defaultdict(bool)
    for campaign in CAMPAIGNS:
        effective[campaign.channel] |= campaign.effect > 0
        effective[campaign.utm[2]] = campaign.effect > 0
    effective["email"] = EMAIL_EFFECT > 0
    for (channel, name), effect in sorted(book.effects.items()):
        if name:
            is_effective = effective["email" if channel == "email" else name]
            book.truth["campaign_effects"].append((channel, name, int(is_effective), *effect))
        else:
            book.truth["channel_effects"].append((channel, int(effective[channel]), *effect))
