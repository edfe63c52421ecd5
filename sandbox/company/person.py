"""Who a person is: name, age, devices and habits, drawn once from the person's own stream.

Belongs here: what does not change over a life. Does not belong here: what the person does (`life`, `visit`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from random import Random

from sandbox.clock import DAY, MINUTE, to_date
from sandbox.company.calendar import World
from sandbox.company.catalogue import CATEGORIES
from sandbox.company.phones import number_of

FIRST = (
    "Olivia", "Noah", "Emma", "Liam", "Ava", "Mia", "Lucas", "Sofia", "Ethan", "Chloe", "Leo", "Nora", "Hugo",
    "Ines", "Oscar", "Freya", "Arjun", "Priya", "Mateo", "Camila", "Yuki", "Hana", "Omar", "Layla", "Jonas",
    "Greta", "Felix", "Clara", "Tomas", "Elena", "Kofi", "Amara", "Diego", "Lucia", "Marek", "Zofia", "Anders",
    "Astrid", "Pierre", "Amelie", "Rowan", "Hazel", "Caleb", "Ruby", "Isaac", "Violet", "Dylan", "Stella", "Adam",
    "Nadia", "Samuel", "Leila", "Victor", "Alma", "Simon", "Edith", "Peter", "Wanda", "Martin", "Carol", "George",
    "Susan", "Walter", "Irene",
)  # fmt: skip
LAST = (
    "Smith", "Garcia", "Meyer", "Rossi", "Novak", "Kim", "Tanaka", "Silva", "Dubois", "Jensen", "Patel", "Khan",
    "Okafor", "Mensah", "Lopez", "Andersson", "Kowalski", "Fischer", "Moreau", "Costa", "Walker", "Hughes",
    "Bennett", "Foster", "Reyes", "Cole", "Barnes", "Hayes", "Wood", "Price", "Ward", "Brooks", "Kelly", "Sanders",
    "Powell", "Long", "Perry", "Bell", "Murphy", "Bailey", "Rivera", "Cooper", "Richardson", "Cox", "Howard",
    "Torres", "Peterson", "Gray", "James", "Watson", "Kelley", "Lindqvist", "Baker", "Sato", "Hoffmann", "Weber",
    "Nielsen", "Berg", "Marin", "Popescu", "Horvat", "Farah", "Haddad",
)  # fmt: skip
DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")
COUNTRIES = (("US", "en-US"), ("CA", "en-CA"), ("GB", "en-GB"), ("DE", "de-DE"), ("FR", "fr-FR"))
SHARES = (0.62, 0.12, 0.16, 0.06, 0.04)
# of so many people two live together, if both are more than passers-by
HOUSEHOLD = 40
CHANNELS = ("google_cpc", "google_organic", "instagram", "facebook", "direct", "affiliate", "referral")
WEB_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36",
)
PHONES = (
    ("Apple", "iPhone16,1", "ios", "18.6"),
    ("Google", "Pixel 9", "android", "15"),
    ("Samsung", "SM-S926B", "android", "14"),
)


@dataclass(slots=True)
class Device:
    """A browser or an app installation. `skew` is how far its clock is ahead, in milliseconds."""

    kind: int
    anonymous_id: str
    agent: int
    ip: str
    device_id: str
    skew: int = 0
    logged_in: bool = False
    is_shared: bool = False


@dataclass(slots=True)
class Person:
    """One person. `habit` is one of passer, occasional, regular, loyal; rates are per day."""

    index: int
    person_id: str
    rng: Random
    habit: str
    arrival: int
    first: str
    last: str
    email: str
    second_email: str | None
    user_id: str
    birth_date: date
    country: str
    locale: str
    phone: str
    phone_style: int
    visits_per_day: float
    conversion: float
    spending: float
    price_sensitivity: float
    frailty: float
    email_interest: float
    always_opens: bool
    app_share: float
    favourites: tuple[str, str]
    channel: str
    is_business: bool
    household: int | None
    leaves_after: int
    devices: list[Device] = field(default_factory=list)


def uuid(rng: Random) -> str:
    """A random identifier in the shape of a version 4 UUID."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def new_device(rng: Random, kind: int) -> Device:
    """A browser (0) or app (1) nobody has used before; one in a hundred has a wrong clock."""
    skew = rng.choice((-2 * DAY, -47 * MINUTE, -9 * MINUTE, 6 * MINUTE, 13 * MINUTE)) if rng.random() < 0.01 else 0
    ip = f"203.0.113.{rng.randrange(1, 255)}" if rng.random() < 0.5 else f"198.51.100.{rng.randrange(1, 255)}"
    agent = rng.randrange(len(WEB_AGENTS)) if kind == 0 else rng.randrange(len(PHONES))
    return Device(kind, uuid(rng), agent, ip, uuid(rng), skew)


def home_number(world: World, household: int) -> str | None:
    """The telephone that a household shares, and that all of it tell everybody; None where each has their own."""
    rng = world.stream(f"home:{household}")
    country, _ = rng.choices(COUNTRIES, SHARES)[0]
    # counted from the other end: nobody's own
    return number_of(country, -1 - household) if rng.random() < 0.7 else None


def draw_person(world: World, index: int) -> Person:
    """Person number `index` of a company; the same for ever."""
    rng = world.stream(f"person:{index}")
    at_opening = index < world.at_opening
    arrival = world.arrival(index, rng.random())
    shares = (0.16, 0.335, 0.33, 0.175) if at_opening else (0.50, 0.31, 0.155, 0.035)
    habit = rng.choices(("passer", "occasional", "regular", "loyal"), shares)[0]
    first, last = rng.choice(FIRST), rng.choice(LAST)
    number = rng.randrange(10, 99)
    local = rng.choice((f"{first}.{last}", f"{first[0]}.{last}", f"{last}{first[0]}", f"{first}_{last}")).lower()
    email = f"{local}{number}{index}@{rng.choice(DOMAINS)}"
    if rng.random() < 0.006:
        email = email.replace("@", rng.choice(("@@", " at ", "@.")))
    second = f"{local}{index}@work{index % 97}.example.com" if rng.random() < 0.08 else None
    user_id = f"usr_{rng.getrandbits(40):010x}"
    age = rng.triangular(25, 47, 34) if habit == "loyal" and rng.random() < 0.7 else rng.triangular(17, 74, 36)
    birth_date = to_date(world.opened - int(age * 365.25))
    country, locale = rng.choices(COUNTRIES, SHARES)[0]
    pace = {"passer": 0.3, "occasional": 0.022, "regular": 0.066, "loyal": 0.285}[habit]
    visits = pace * rng.lognormvariate(0, 0.28 if habit == "loyal" else 0.45)
    conversion = {"passer": 0.02, "occasional": 0.14, "regular": 0.16, "loyal": 0.15}[habit] * rng.uniform(0.55, 1.45)
    household = index // HOUSEHOLD if habit != "passer" and index % HOUSEHOLD in (7, 8) else None
    person = Person(
        index=index,
        person_id=f"P{index:06d}",
        rng=rng,
        habit=habit,
        arrival=arrival,
        first=first,
        last=last,
        email=email,
        second_email=second,
        user_id=user_id,
        birth_date=birth_date,
        country=country,
        locale=locale,
        phone=(None if household is None else home_number(world, household)) or number_of(country, index),
        phone_style=rng.randrange(100),
        visits_per_day=visits,
        conversion=conversion,
        spending=rng.lognormvariate(0.34 if habit == "loyal" else 0.0, 0.3),
        price_sensitivity=rng.betavariate(2, 2),
        frailty=rng.gauss(0, 0.85),
        email_interest=rng.betavariate(1.4, 5),
        always_opens=rng.random() < 0.07,
        app_share=rng.betavariate(0.7, 1.3) if rng.random() < 0.55 else 0.0,
        favourites=(rng.choice(CATEGORIES), rng.choice(CATEGORIES)),
        channel=rng.choices(CHANNELS, (0.24, 0.2, 0.14, 0.12, 0.16, 0.06, 0.08))[0],
        is_business=habit in ("regular", "loyal") and rng.random() < 0.22,
        household=household,
        leaves_after=arrival + 1 + int(rng.expovariate(1 / 6)) if habit == "passer" else 10**9,
    )
    person.devices.append(new_device(rng, 0))
    if person.app_share:
        person.devices.append(new_device(rng, 1))
    if rng.random() < 0.22:
        person.devices.append(new_device(rng, 0))
    if person.household is not None:
        shared = new_device(world.stream(f"household:{person.household}"), 0)
        shared.is_shared, shared.skew = True, 0
        person.devices.append(shared)
    return person


def age_at(birth_date: date, day: int) -> int:
    """Whole years on a day number."""
    when = to_date(day)
    return when.year - birth_date.year - ((when.month, when.day) < (birth_date.month, birth_date.day))


def at_hour(rng: Random, day: int, low: float, high: float) -> int:
    """A moment of that day between two hours, in milliseconds."""
    return day * DAY + int(rng.uniform(low, high) * 60) * MINUTE + rng.randrange(MINUTE)
