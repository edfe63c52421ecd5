"""One session on one device, as the events that the web shop's or the app's library sends.

Belongs here: the shape of events (Segment's e-commerce spec), the clock, delays and duplicates. Does not belong here:
whether a person comes, buys or logs in (`shopping`).
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.clock import DAY, HOUR, iso
from sandbox.company.advertising import touch
from sandbox.company.person import PHONES, WEB_AGENTS, Device, uuid

if TYPE_CHECKING:
    from sandbox.company.life import Life

SITE = "https://shop.example.com"
_LIBRARIES = (
    {"name": "analytics.js", "version": "npm:next-1.82.0"},
    {"name": "analytics-kotlin", "version": "1.19.2"},
)
_SOURCES = ("web", "mobile")
# a test build of the app is out there and marks its product views; drawn from the messageId, so that it draws no luck
_TEST_BUILD = ("00",)
_REFERRERS = {
    "google_cpc": "https://www.google.com/",
    "google_organic": "https://www.google.com/",
    "instagram": "https://l.instagram.com/",
    "facebook": "https://l.facebook.com/",
    "affiliate": "https://gear-reviews.example.org/best-jackets",
    "referral": "https://blog.example.net/weekend-hikes",
}
_SHARE_TAGGED = {"google_cpc": 0.97, "instagram": 0.7, "facebook": 0.7, "affiliate": 0.9}


class Visit:
    """One session: `send` writes the next event some seconds after the one before."""

    def __init__(
        self, life: Life, device: Device, start: int, channel: str, campaign: Any = None, *, ad_campaign: str = ""
    ) -> None:
        rng = life.person.rng
        self.life, self.device, self.rng = life, device, rng
        self.started_at = self.now = start
        self.count = 0
        self.first_sent = 0
        self.origin: dict[str, str] = {}
        self.url_query = ""
        # an app without network keeps its events and sends them hours or days later
        self.delay = int(rng.uniform(HOUR, 3 * DAY)) if device.kind == 1 and rng.random() < 0.05 else 0
        mailing = campaign.campaign_id if campaign is not None else None
        who, is_app = life.person.person_id, device.kind == 1
        self.touch = touch(life.world, who, start, channel, mailing=mailing, is_app=is_app, campaign_id=ad_campaign)
        self.channel = self.touch.door or channel
        if self.touch.study:
            life.reached.append((self.touch.study, start))
        self.context = self._context(rng, channel, campaign)

    def _context(self, rng: Random, channel: str, campaign: Any) -> dict[str, Any]:
        device, person = self.device, self.life.person
        context: dict[str, Any] = {"library": _LIBRARIES[device.kind], "ip": device.ip, "locale": person.locale}
        if device.kind == 1:
            maker, model, system, version = PHONES[device.agent]
            context["userAgent"] = f"ExampleOutfitters/4.{8 + device.agent}.0 ({model}; {system} {version})"
            context["app"] = {"name": "Example Outfitters", "version": f"4.{8 + device.agent}.0", "build": "4080"}
            context["device"] = {"id": device.device_id, "manufacturer": maker, "model": model, "type": system}
            context["os"] = {"name": system, "version": version}
            context["network"] = {"wifi": rng.random() < 0.6, "cellular": True}
        else:
            context["userAgent"] = WEB_AGENTS[device.agent]
            if rng.random() < 0.9:
                context["consent"] = {
                    "categoryPreferences": {"analytics": True, "advertising": person.price_sensitivity < 0.7}
                }
        if campaign is not None:
            context["campaign"] = {"source": "newsletter", "medium": "email", "name": campaign.campaign_id}
            self.url_query = f"?utm_source=newsletter&utm_medium=email&utm_campaign={campaign.campaign_id}"
            self.origin = {"referrer": ""}
        elif channel in _REFERRERS and device.kind == 0:
            self.origin = {"referrer": _REFERRERS[self.channel]}
            is_tagged = channel in _SHARE_TAGGED and rng.random() < _SHARE_TAGGED[channel]
            click = f"gclid=Cj0KCQ{rng.getrandbits(60):015x}" if channel == "google_cpc" else self.touch.click_id
            if self.touch.door:  # an unpaid result has neither, and was drawn for all the same: no life depends on it
                is_tagged, click = False, ""
            if is_tagged:
                (source, medium, name), content = self.touch.utm, self.touch.content
                context["campaign"] = {"source": source, "medium": medium, "name": name, "content": content}
                self.url_query = f"?utm_source={source}&utm_medium={medium}&utm_campaign={name}&utm_content={content}"
            if click:
                self.url_query += ("&" if self.url_query else "?") + click
        return context

    def send(
        self,
        kind: str,
        event: str | None = None,
        properties: dict[str, Any] | None = None,
        *,
        path: str = "/",
        title: str = "Example Outfitters",
        traits: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
        pause: float = 26.0,
    ) -> int:
        """Write one event.

        Args:
            kind: track, page, screen, identify, group or alias.
            event: name of a track, page or screen.
            properties: of the event.
            path: of the page it happens on (web only).
            title: of that page.
            traits: of an identify or group.
            extra: further top-level fields, such as `groupId`.
            pause: mean seconds since the event before.

        Returns:
            When it happened, in milliseconds.
        """
        rng, device, life = self.rng, self.device, self.life
        if self.count:
            self.now += 900 + int(min(rng.expovariate(1 / pause), 420.0) * 1000)
        now = self.now
        body: dict[str, Any] = {
            "type": kind,
            "messageId": uuid(rng),
            "anonymousId": device.anonymous_id,
            "channel": _SOURCES[device.kind],
        }
        if device.logged_in:
            body["userId"] = life.person.user_id
            if device.kind == 0 and life.world.faulty_release(now // DAY) and rng.random() < 0.3:
                body["userId"] = "undefined"
        if kind == "track":
            body["event"] = event
        elif kind in ("page", "screen"):
            body["name"] = event
        context = self.context
        if device.kind == 0:
            page = {"path": path, "title": title, "url": SITE + path + (self.url_query if not self.count else "")}
            if not self.count:
                page.update(self.origin)
            context = {**context, "page": page}
            if kind == "page":
                properties = {**page, **(properties or {})}
        if device.kind == 1 and event == "Product Viewed" and body["messageId"][:2] in _TEST_BUILD:
            properties = {**(properties or {}), "debug": True}
        if properties is not None:
            body["properties"] = properties
        if traits is not None:
            body["traits"] = traits
        if extra:
            body.update(extra)
        body["context"] = context
        sent = now + 150 + int(rng.expovariate(1 / 700)) + self.delay
        again = sent + rng.randrange(2_000, 90_000) if rng.random() < 0.008 else None
        body["timestamp"] = iso(now + device.skew)
        body["sentAt"] = iso(sent + device.skew)
        written = life.book.event(device.kind, sent, body, again=again)
        if not self.count:
            self.first_sent = sent
            if written:
                life.identity.saw(("anonymous_id", device.anonymous_id), shared=device.is_shared)
        if written and body.get("userId") == life.person.user_id:
            life.identity.tie(("anonymous_id", device.anonymous_id), ("user_id", life.person.user_id))
        if written and traits and traits.get("email"):
            life.identity.tie(("anonymous_id", device.anonymous_id), ("email", traits["email"].lower()))
        self.count += 1
        return now

    def close(self) -> None:
        """The session is over: its truth is noted."""
        if self.touch.ad_id:
            self.life.book.ad_visits[self.started_at // DAY, self.touch.ad_id] += 1
        if self.count and self.first_sent < self.life.book.as_of:
            self.life.book.truth["sessions"].append(
                (
                    self.life.person.person_id,
                    iso(self.started_at),
                    iso(self.now),
                    _SOURCES[self.device.kind],
                    self.device.anonymous_id,
                    self.count,
                    self.channel,
                )
            )
