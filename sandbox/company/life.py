"""One person's life with the company, day by day.

Belongs here: what a day brings and what the person remembers. Does not belong here: the details of each thing that
happens, which live in the modules it calls. Every draw comes from the person's own stream in the order of time, and
none depends on `as_of`: that is what makes tomorrow's run only add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.clock import DAY, HOUR, MINUTE, iso
from sandbox.company import echoes, email, studies, subscriptions, support, wholesale
from sandbox.company.advertising import UNDER_STUDY
from sandbox.company.book import Book, Identity
from sandbox.company.calendar import Campaign, World, season
from sandbox.company.orders import Order, write_orders
from sandbox.company.person import Person, at_hour, draw_person, uuid
from sandbox.company.shopping import go_shopping
from sandbox.company.subscriptions import Subscription

_LAPSE = {"passer": 0.0, "occasional": 0.006, "regular": 0.0028, "loyal": 0.0006}
_RETURN = 0.006
SERVER = 2
_SERVER_CONTEXT = {"library": {"name": "analytics-python", "version": "2.4.0"}}


class Life:
    """The person, what has happened to them, and what is due."""

    def __init__(self, world: World, book: Book, person: Person) -> None:
        self.world, self.book, self.person = world, book, person
        self.identity = Identity()
        self.agenda: dict[int, list[tuple[int, Callable[..., None], tuple[Any, ...]]]] = {}
        self.today = person.arrival
        self.registered = self.email_left = self.opted_in = False
        self.registered_at: int | None = None
        self.birth_known = person.rng.random() < 0.84
        self.guest_payer: str | None = None
        self.payer: str | None = None
        self.orders: list[Order] = []
        self.purchases = 0  # orders so far, less those that were cancelled
        self.contacts: list[dict[str, Any]] = []
        self.lead: dict[str, Any] | None = None
        self.account_id: str | None = None
        self.account_name = ""
        self.mail: email.Mailbox | None = None
        self.subscription: Subscription | None = None
        self.former_subscriptions: list[Subscription] = []
        self.talks = 0
        self.talk_times: list[int] = []
        self.last_bad_talk: int | None = None
        self.last_cancel_wish: int | None = None
        self.ad_visits: list[echoes.AdVisit] = []
        self.reached: list[tuple[str, int]] = []  # by which campaign under study, or nearly, and when
        self.last_visit = person.arrival
        self.interest = 1.0
        self.lapsed = False

    # --- what the day brings -------------------------------------------------------------------------------------

    def live_day(self, day: int, campaign: Campaign | None, busy: float) -> None:
        """Everything that happens on one day, whether or not all of it is told."""
        person = self.person
        self.today = day
        if self.subscription and _is_first(day):
            subscriptions.note_month(self, day)
        self._run_agenda(day)
        if campaign is not None and self.opted_in:
            email.receive(self, campaign, day)
            self._run_agenda(day)
        if day == person.arrival or (day <= person.leaves_after and self.last_visit != day):
            self._perhaps_visit(day, busy)
        if self.subscription:
            subscriptions.live_day(self, day)
        if (day + person.index) % 7 == 0 and person.habit != "passer":
            wholesale.consider_lead(self, day)
        self._run_agenda(day)

    def _perhaps_visit(self, day: int, busy: float) -> None:
        person, rng = self.person, self.person.rng
        draw = rng.random()
        if self.lapsed:
            self.lapsed = draw >= _RETURN
            return
        if draw > 1 - _LAPSE[person.habit]:
            self.lapsed = True
            return
        expected = person.visits_per_day * busy * self.interest
        self.interest += (1.0 - self.interest) * 0.01
        if day == person.arrival or draw < expected:
            channel = person.channel if day == person.arrival or rng.random() < 0.3 else self._usual_channel()
            go_shopping(self, at_hour(rng, day, 6.5, 15.5), channel)
            if rng.random() < 0.06:
                go_shopping(self, at_hour(rng, day, 17.5, 22.5), self._usual_channel())

    def _usual_channel(self) -> str:
        draw = self.person.rng.random()
        if draw < 0.52 or (self.person.habit == "loyal" and draw < 0.7):
            return "direct"
        return "google_organic" if draw < 0.82 else self.person.channel

    def _run_agenda(self, day: int) -> None:
        while day in self.agenda:
            due = self.agenda.pop(day)
            due.sort(key=lambda item: item[0])
            for at, act, arguments in due:
                act(self, at, *arguments)

    def schedule(self, at: int, act: Callable[..., None], *arguments: Any) -> None:
        """Do `act(life, at, …)` on the day of `at`; what is due earlier the same day is done at its end."""
        self.agenda.setdefault(max(at // DAY, self.today), []).append((at, act, arguments))

    # --- what is remembered --------------------------------------------------------------------------------------

    def remember(self, order: Order) -> None:
        """An order was placed."""
        self.orders.append(order)
        self.purchases += 1

    def appetite(self, day: int) -> float:
        """How much likelier than usual the person is to buy today: less just after an order."""
        if not self.orders:
            return 1.0
        return 0.6 if day - self.orders[-1].placed_at // DAY < 5 else 1.05

    def visited(self, at: int) -> None:
        """A session took place."""
        self.last_visit = at // DAY

    def email_used(self) -> str:
        """The address given where one is asked for; before an account exists some use another one."""
        if not self.registered and self.person.second_email:
            return self.person.second_email
        return self.person.email

    def register(self, at: int) -> None:
        """The person opens an account."""
        self.registered, self.registered_at = True, at
        wholesale.open_contact(self, at)
        if self.mail is None and self.person.rng.random() < 0.72:
            email.opt_in(self, at)

    def leave_email(self, at: int) -> None:
        """The person gives an address without an account: a newsletter form or a guest checkout."""
        if self.mail is None and self.person.rng.random() < 0.6:
            email.opt_in(self, at)
        self.email_left = True

    def start_subscription(self, subscription_id: str, plan: str, price_cents: int, at: int) -> None:
        """The person joins the programme and becomes a payer."""
        from sandbox.company.orders import payer

        payer(self, at)
        self.subscription = Subscription(subscription_id, plan, price_cents, at)

    # --- what others do ------------------------------------------------------------------------------------------

    @staticmethod
    def ask_support(life: Life, at: int, topic: str, order: Order | None = None) -> None:
        """On the agenda: the person writes to support, if they can be reached at all."""
        if (life.registered or life.email_left) and life.person.rng.random() < 0.62:
            at = at // DAY * DAY + 8 * HOUR + (at % (13 * HOUR)) // MINUTE * MINUTE
            support.talk(life, at, topic, order)

    def ask_support_at(self, day: int, topic: str) -> None:
        """A subscriber writes to support today."""
        support.talk(self, at_hour(self.person.rng, day, 8, 21), topic)

    def server_event(
        self, at: int, event: str, properties: dict[str, Any], *, context: dict[str, Any] | None = None
    ) -> None:
        """An event that the shop's back end or the email tool sends about the person."""
        rng = self.person.rng
        body: dict[str, Any] = {"type": "track", "messageId": uuid(rng), "channel": "server", "event": event}
        anonymous_id = self.person.devices[0].anonymous_id
        if self.registered:
            body["userId"] = self.person.user_id
        else:
            body["anonymousId"] = anonymous_id
        body["properties"] = properties
        body["context"] = {**_SERVER_CONTEXT, **context} if context else _SERVER_CONTEXT
        sent = at + 40 + int(rng.expovariate(1 / 300))
        again = sent + rng.randrange(1_000, 60_000) if rng.random() < 0.004 else None
        body["timestamp"], body["sentAt"] = iso(at), iso(sent)
        if self.book.event(SERVER, sent, body, again=again):
            self.identity.saw(("user_id", body["userId"]) if self.registered else ("anonymous_id", anonymous_id))


def tell(world: World, book: Book, index: int, busy: dict[int, float], as_of_day: int) -> bool:
    """Write the life of person `index` up to `as_of_day`; False if they arrive later."""
    person = draw_person(world, index)
    if person.arrival >= as_of_day:
        return False
    life = Life(world, book, person)
    campaigns = world.campaigns
    for day in range(person.arrival, as_of_day):
        if day > person.leaves_after and not life.agenda and not life.opted_in:
            break
        life.live_day(day, campaigns.get(day), busy[day])
    echoes.tell(life)
    studies.count(life, UNDER_STUDY)
    write_orders(life)
    subscriptions.write_subscriptions(life)
    wholesale.write_contacts(life)
    email.write_mailbox(life)
    _write_identity(life)
    return True


def seasons(first: int, last: int) -> dict[int, float]:
    """How busy each day is."""
    return {day: season(day) for day in range(first, last)}


def _is_first(day: int) -> bool:
    from sandbox.clock import day_name

    return day_name(day).endswith("-01")


def _write_identity(life: Life) -> None:
    person, book = life.person, life.book
    known = life.registered_at is not None and life.registered_at < book.as_of
    shared = {("anonymous_id", d.anonymous_id) for d in person.devices if d.is_shared} & set(life.identity.ids)
    verdicts = life.identity.knowable()
    for (kind, value), knowable in verdicts.items():
        is_shared = (kind, value) in shared
        book.truth["identities"].append((person.person_id, kind, value, int(knowable), int(is_shared)))
    for _, value in shared:
        book.truth["shared_devices"].append((value, person.person_id, person.household))
    seen = bool(verdicts)
    crm = life.birth_known and any(c["created"] < book.as_of for c in life.contacts)
    book.truth["people"].append(
        (
            person.person_id,
            person.user_id if known else "",
            person.email,
            person.second_email or "",
            person.birth_date.isoformat(),
            person.habit,
            iso(person.arrival * DAY),
            person.birth_date.isoformat() if crm else "",
            int(seen and all(verdicts.values()) and not shared),
            int(person.is_business),
            int(seen),
        )
    )
