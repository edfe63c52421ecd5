"""Putting a spec event into a tool's own words: names, times and sizes, the same way for every tool.

Belongs here: what several destinations need to follow their own tables. Does not belong here: those tables
(`destinations/`), or where the spec lets a value stand (`spec`). Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from headwater.event import moment
from headwater.push import spec

_EPOCH = datetime(1970, 1, 1)
_LONGEST_PREFIX = 2000
Table = Mapping[str, str]


class Wording(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a company may say otherwise than a tool's own table.

    Attributes:
        event_names: our event's name (or `page`, `identify`, …) → the tool's.
        property_names: our property or trait → the tool's.
    """

    event_names: dict[str, str] = {}
    property_names: dict[str, str] = {}


class PricedWording(Wording, forbid_unknown_fields=True, kw_only=True):
    """The same for a tool that wants a currency with every amount: `currency` (ISO 4217) is that of events that name
    none."""

    currency: str = ""


def key(name: str) -> str:
    """A name by which `Order Completed`, `order_completed` and `order completed` are one."""
    return re.sub(r"[^a-z0-9$]+", " ", name.lower()).strip()


def by_key(table: Table) -> dict[str, str]:
    """A table of event names to look up by `key`."""
    return {key(name): tools for name, tools in table.items()}


def tool_event(payload: spec.Payload, table: Table, wording: Wording) -> str:
    """What the tool calls this event: the company's word, else the table's (made with `by_key`), else our own."""
    name = spec.event_name(payload)
    return wording.event_names.get(name) or table.get(key(name)) or name


def renamed(values: Mapping[str, Any], table: Table, wording: Wording | None = None) -> dict[str, Any]:
    """The values that are there, under the tool's names. A value that came under the tool's own name wins."""
    own = wording.property_names if wording else {}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value is not None and (name in own or name in table):
            found.setdefault(own.get(name) or table[name], value)
    found.update({
        name: value for name, value in values.items() if value is not None and name not in own and name not in table
    })  # fmt: skip
    return found


def only(values: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Only the values that the table knows, under the tool's names; of several for one name the first in the table."""
    found: dict[str, Any] = {}
    for name, tools in table.items():
        if values.get(name) is not None:
            found.setdefault(tools, values[name])
    return found


def without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A copy without these."""
    return {name: value for name, value in values.items() if name not in names}


def time_of(payload: spec.Payload) -> datetime | None:
    """When it happened, else when it was received, UTC."""
    return spec.happened_at(payload) or moment(payload.get("receivedAt"))


def since_epoch(at: datetime, unit: timedelta) -> int:
    """A time as a whole number of units (a second, a millisecond, …) since 1970."""
    return (at - _EPOCH) // unit


def seconds(at: datetime) -> int:
    """Whole seconds since 1970."""
    return since_epoch(at, timedelta(seconds=1))


def millis(at: datetime) -> int:
    """Milliseconds since 1970."""
    return since_epoch(at, timedelta(milliseconds=1))


def text(value: Any) -> str:
    """Any value as text: words as they are, the rest as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def flat(values: Mapping[str, Any], join: str = "_", prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested objects by joined names (`address_city`); lists as they are; nulls left out.

    Raises:
        ValueError: the names on the way to a value are too long together; a small event could become gigabytes.
    """
    if len(prefix) > _LONGEST_PREFIX:
        raise ValueError(f"nested so deeply that a joined name has over {_LONGEST_PREFIX:,} characters")
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, join, f"{prefix}{name}{join}")
        elif value is not None:
            yield f"{prefix}{name}", value


def cut(value: str, longest: int) -> str:
    """At most `longest` bytes of UTF-8, no letter cut in two."""
    raw = value.encode("utf-8", "replace")
    return value if len(raw) <= longest else raw[:longest].decode("utf-8", "ignore")


def digest(*parts: str) -> bytes:
    """SHA-256 of the parts, told apart."""
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).digest()


def chunks(items: Sequence[Any], most: int, most_bytes: int, sizes: Sequence[int]) -> Iterator[slice]:
    """Slices of at most `most` items and, but for a single item, at most `most_bytes` of JSON."""
    start, held = 0, 0
    for place in range(len(items)):
        if place > start and (place - start == most or held + sizes[place] > most_bytes):
            yield slice(start, place)
            start, held = place, 0
        held += sizes[place] + 1
    if len(items) > start:
        yield slice(start, len(items))


def encoded_size(item: Any) -> int:
    """Bytes of its JSON."""
    return len(msgspec.json.encode(item))
