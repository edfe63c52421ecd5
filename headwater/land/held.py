"""Which rows of a table are kept aside now: from the first time that they did not fit until they come right.

Belongs here: remembering them by their key, letting go of those that came right or are gone where they were asked for
again. Does not belong here: the records with their reasons (the lake's quarantine), when they are asked for again
(`places`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from headwater.configuration import PulledTable
from headwater.land.objects import Rejected
from headwater.land.places import Cursor, as_state, from_state
from headwater.land.rows import lenient
from headwater.settings import Settings

REMEMBERED = 10_000
_NAMELESS = "?"
_WINDOWS = 100


class Window(msgspec.Struct, frozen=True):
    """What was asked for beside the pulls: days once more, or single rows.

    Attributes:
        bad: of the days, the rows that were kept aside: name → cursor.
        right: single rows that came as they should.
    """

    at: str
    since: Any = None
    until: Any = None
    bad: dict[str, Any] = {}
    right: list[str] = []


class Held:
    """The rows of one table that are kept aside, over the state that is kept with its place.

    A row is known by its key; where that cannot be read, by what it says.
    """

    def __init__(self, state: dict[str, Any], table: PulledTable) -> None:
        self._state, self._table = state, table
        told = state.get("held", {})
        self._rows: dict[str, list[Any]] = {name: list(said) for name, said in told.get("rows", {}).items()}
        self._since: dict[str, str] = {name: said[0] for name, said in self._rows.items()}
        self._has_more: bool = told.get("has_more", False)
        self._applied: str = told.get("applied", "")
        self._met: set[str] = set()
        self._right: set[str] = set()

    def sentence(self) -> str:
        """How many there are and since when, in words; empty when there is none."""
        if not self._rows:
            return ""
        since = min(datetime.fromisoformat(said[0]) for said in self._rows.values())
        count = f"{len(self._rows):,} {'row is' if len(self._rows) == 1 else 'rows are'}"
        more = "more than " if self._has_more else ""
        return f"{more}{count} kept aside (raw.quarantine), the first since {since:%Y-%m-%d %H:%M} UTC"

    @property
    def count(self) -> int:
        """How many rows are kept aside; at least so many, where there were too many to remember each."""
        return len(self._rows)

    def keep_in(self, state: dict[str, Any]) -> None:
        """From now on the state is this one."""
        self._state = state

    def begin(self) -> None:
        """The table is read from the beginning of what is asked for."""
        self._met.clear()

    def aside(self, rejected: Iterable[Rejected], of: str | None = None) -> list[Cursor]:
        """These do not fit.

        Args:
            of: what they came with, for whoever has no cursor: `forget` lets go of them by it.

        Returns:
            Their cursors, None where one cannot be read.
        """
        now, cursors = datetime.now(UTC).replace(tzinfo=None).isoformat(), []
        for item in rejected:
            name, cursor = self.named(item)
            cursors.append(cursor)
            self._met.add(name)
            self._rows[name] = [self._since.setdefault(name, now), as_state(cursor) if of is None else of]
        return cursors

    def right(self, rows: pa.Table) -> list[bool]:
        """These fit: which of them were kept aside before."""
        if not self._rows and not self._right:
            return [False] * rows.num_rows
        names = names_of(rows, self._table)
        came = {name for name in names if name in self._rows}
        for name in came:
            del self._rows[name], self._since[name]
        self._met -= came
        self._right |= came
        return [name in self._right for name in names]

    def end(self, asked: Cursor) -> None:
        """Every row from `asked` on has come (None: every row): what of it was not met again is not aside any more."""
        before = len(self._rows)
        again = {name for name, said in self._rows.items() if asked is None or _is_within(said[1], asked, None)}
        if len(again) == before:
            self._has_more = False
        self._let_go(again - self._met)

    def asked_again(self, windows: Iterable[Window]) -> None:
        """What was asked for beside the pulls; each window counts once."""
        for window in sorted(windows, key=lambda one: one.at):
            if window.at <= self._applied:
                continue
            self._applied = window.at
            since, until = from_state(window.since), from_state(window.until)
            again = {name for name, said in self._rows.items() if _is_within(said[1], since, until)}
            self._let_go({name for name in again - window.bad.keys() if self._rows[name][0] <= window.at})
            self._let_go({name for name in window.right if self._rows.get(name, [window.at])[0] < window.at})
            for name, cursor in window.bad.items():
                self._rows.setdefault(name, [self._since.setdefault(name, window.at), cursor])

    def forget(self, of: Iterable[str], *, is_nameless: bool = False) -> None:
        """Let go of what came with these.

        Args:
            is_nameless: only of what has no key by which it could come right.
        """
        gone = set(of)
        self._let_go(
            {n for n, said in self._rows.items() if said[1] in gone and (n[0] == _NAMELESS or not is_nameless)}
        )

    def places(self) -> set[str]:
        """What rows came with, as it was said to `aside`."""
        return {said[1] for said in self._rows.values()}

    def save(self) -> None:
        """Write into the state."""
        rows = dict(list(self._rows.items())[:REMEMBERED])
        has_more = bool(rows) and (self._has_more or len(rows) < len(self._rows))
        self._state["held"] = {"rows": rows, "has_more": has_more, "applied": self._applied}

    def named(self, item: Rejected) -> tuple[str, Cursor]:
        """What a record is known by, and its cursor."""
        try:
            record = msgspec.json.decode(item.payload)
        except msgspec.DecodeError:
            record = None
        key = [record.get(name) for name in self._table.key] if isinstance(record, dict) else [None]
        if any(value is None for value in key):
            return f"{_NAMELESS}{_named([item.payload])}", self._cursor(record)
        kinds = [self._table.columns.get(name, "text") for name in self._table.key]
        typed = [lenient(value, kind) for value, kind in zip(key, kinds, strict=True)]
        words = [given if value is None else value for value, given in zip(typed, key, strict=True)]
        return _named(words), self._cursor(record)

    def _cursor(self, record: Any) -> Cursor:
        name = self._table.cursor
        if name is None or not isinstance(record, dict) or record.get(name) is None:
            return None
        found: Cursor = lenient(record[name], self._table.columns.get(name, "text"))
        return found

    def _let_go(self, names: Iterable[str]) -> None:
        for name in names:
            del self._rows[name]


def names_of(rows: pa.Table, table: PulledTable) -> list[str]:
    """What each row is known by."""
    return [_named(row.values()) for row in rows.select(table.key).to_pylist()]


def note_window(settings: Settings, source: str, table: str, window: Window) -> None:
    """Tell the table's next pull, which keeps the state, of what was asked for beside it."""
    path = _path(settings, source, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [*windows(settings, source, table), window][-_WINDOWS:]
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode({settings.lake_url: told}))
    part.replace(path)


def windows(settings: Settings, source: str, table: str) -> list[Window]:
    """The last windows that were noted; `Held.asked_again` knows which it has heard of."""
    try:
        told = msgspec.json.decode(_path(settings, source, table).read_bytes(), type=dict[str, list[Window]])
    except (OSError, msgspec.DecodeError):
        return []
    return told.get(settings.lake_url, [])


def _path(settings: Settings, source: str, table: str) -> Path:
    return settings.dlt_dir / "asked_again" / f"{source}__{table}.json"


def _is_within(told: Any, since: Cursor, until: Cursor) -> bool:
    cursor: Any = from_state(told)
    if cursor is None or type(cursor) is not type(since):
        return False
    return bool(cursor >= since and (until is None or cursor < until))


def _named(key: Iterable[Any]) -> str:
    return hashlib.sha256("\x1f".join(_word(value) for value in key).encode()).hexdigest()[:12]


def _word(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
