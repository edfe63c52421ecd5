"""Numbers as a person reads them.

Belongs here: money, shares, changes and dates as text. Does not belong here: where they stand on the page.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_UP, _DOWN = "▲", "▼"
NOTHING = "–"


def money(cents: float, currency: str, *, short: bool = False) -> str:
    """An amount of minor units; short: in thousands or millions, for cards."""
    amount, sign = cents / 100, "−" if cents < 0 else ""
    mark = _SIGNS.get(currency, f"{currency} ")
    size = abs(amount)
    if short and size >= 999_500:
        return f"{sign}{mark}{size / 1_000_000:,.{1 if size < 99_500_000 else 0}f}M"
    if short and size >= 10_000:
        return f"{sign}{mark}{size / 1_000:,.{1 if size < 99_950 else 0}f}k"
    return f"{sign}{mark}{size:,.{0 if size >= 1000 else 2}f}"


def axis_money(cents: float, currency: str) -> str:
    """An amount on an axis: no more digits than tell one tick from the next."""
    size = abs(cents) / 100
    sign, mark = "−" if cents < 0 else "", _SIGNS.get(currency, f"{currency} ")
    for least, unit in ((1_000_000, "M"), (1_000, "k")):
        if size >= least:
            return f"{sign}{mark}{size / least:.4g}{unit}"
    return f"{sign}{mark}{size:.4g}"


def value(number: float | None, unit: str, currency: str, *, short: bool = False) -> str:
    """A metric's value in its unit; a dash for none."""
    if number is None:
        return NOTHING
    if unit == "cents":
        return money(number, currency, short=short)
    if unit == "share":
        return f"{number * 100:.1f} %"
    return f"{number:,.0f}"


def change(share: float | None) -> str:
    """What was gained on the period before."""
    if share is None:
        return NOTHING
    if abs(share) < 0.0005:
        return "unchanged"
    return f"{_UP if share > 0 else _DOWN} {abs(share) * 100:,.{0 if abs(share) >= 1 else 1}f} %"


def points(difference: float | None) -> str:
    """What a share gained, in percentage points: a change of a rate in per cent reads as the rate itself."""
    if difference is None:
        return NOTHING
    if abs(difference) < 0.0005:
        return "unchanged"
    return f"{_UP if difference > 0 else _DOWN} {abs(difference) * 100:.1f} points"


def mood(share: float | None, *, is_less_better: bool) -> str:
    """good, bad or even: the colour of a change."""
    if share is None or abs(share) < 0.0005:
        return "even"
    return "good" if (share > 0) != is_less_better else "bad"


def span(starts_at: datetime, ends_at: datetime) -> str:
    """A period of whole days, both ends included."""
    last = ends_at - timedelta(days=1)
    if last < starts_at:
        return "no day yet"
    if last.date() == starts_at.date():
        return f"{last.day} {last:%b %Y}"
    begin = f"{starts_at.day}" if (starts_at.year, starts_at.month) == (last.year, last.month) else None
    return f"{begin or f'{starts_at.day} {starts_at:%b}'} to {last.day} {last:%b %Y}"


def month(day: date) -> str:
    """A month on an axis: January with its year."""
    return f"{day:%b}\n{day:%Y}" if day.month == 1 else f"{day:%b}"


def months(first: date, last: date) -> str:
    """One month, or from one to another, with years."""
    if (first.year, first.month) == (last.year, last.month):
        return f"{first:%B %Y}"
    return f"{first:%B}{'' if first.year == last.year else f' {first.year}'} to {last:%B %Y}"


def name(identifier: str) -> str:
    """A name of ours as a person writes it."""
    return identifier.replace("_", " ").capitalize()
