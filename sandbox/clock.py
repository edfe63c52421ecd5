"""Days and milliseconds: the simulator counts time in whole UTC milliseconds since 1970.

Belongs here: conversions only. Does not belong here: the current time, which only the command line reads.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH = date(1970, 1, 1)
_names: dict[int, str] = {}
# a simulation writes a million times: looking the parts up is twice as fast as formatting them
_MINUTES = [f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)]
_SECONDS = [f"{second:02d}" for second in range(60)]
_THOUSANDTHS = [f".{part:03d}Z" for part in range(1000)]


def day_number(day: date) -> int:
    """Whole days since 1970-01-01."""
    return (day - _EPOCH).days


def to_date(number: int) -> date:
    """The calendar day of a day number."""
    return _EPOCH + timedelta(days=number)


def day_name(number: int) -> str:
    """`YYYY-MM-DD` of a day number."""
    name = _names.get(number)
    if name is None:
        name = _names[number] = to_date(number).isoformat()
    return name


def iso(at: int) -> str:
    """`YYYY-MM-DDTHH:MM:SS.mmmZ` of milliseconds since 1970."""
    minutes, rest = divmod(at, MINUTE)
    day, minute = divmod(minutes, 1440)
    return f"{day_name(day)}{_MINUTES[minute]}{_SECONDS[rest // 1000]}{_THOUSANDTHS[rest % 1000]}"


def parse(text: str) -> int:
    """Milliseconds since 1970 of an ISO time; a time without zone is UTC.

    Raises:
        ValueError: the text is no ISO time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
