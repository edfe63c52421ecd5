"""How far the pull of one table is: its cursor, what was read just before it, and what waits to be mended.

Belongs here: what is asked for next, and which of the answered rows are news. Does not belong here: asking (`pages`,
`databases`), where the place is kept (dlt's state, by `extracts`).

Rows are asked for from `overlap` seconds before the cursor on: a row may become visible after one with a later cursor.
What was landed from there is remembered by digest, so that it does not land again. A row that was kept aside is asked
for again for a week: the tool may mend it without touching its cursor. Where the newest row is not found again, the
tool's clock may have gone back, and new rows stand before the cursor: then a week more is read, and when that has no
row, everything.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from headwater.configuration import PulledTable

Cursor: TypeAlias = datetime | date | int | str | None

REMEMBERED_ROWS = 20_000
ASIDE_DAYS = 7
STEP_BACK_SECONDS = 7 * 86_400


class Place:
    """The place of one table, over the state that dlt keeps with the rows it stands for.

    Attributes:
        is_ascending: so far every row had a cursor at or after the one before it.
        was_ascending: so was every listing before.
        late: rows that are news although their cursor is before the place's.
        changed: rows that say something else than before under the same cursor, or an older one.
        stepped_back: how often the newest row was not found again.
        asked: from where on was asked last.
    """

    def __init__(self, state: dict[str, Any], table: PulledTable) -> None:
        self._state, self._table = state, table
        self._cursor: Cursor = from_state(state.get("cursor"))
        self._known: set[str] = set(state.get("recent", []))
        self._known_keys: set[str] = set(state.get("recent_keys", []))
        self._knows_all = bool(state.get("recent_is_all", True))
        self._aside: Cursor = from_state(state.get("aside_since"))
        self._recent: list[pa.Table] = []
        self._greatest: Cursor = self._cursor
        self._last: Cursor = None
        self._answered: Cursor = None
        self.is_ascending = True
        self.was_ascending = bool(state.get("was_ascending", False))
        self.late = self.changed = self.stepped_back = 0
        self.asked: Cursor = None

    @property
    def is_new(self) -> bool:
        """Nothing was ever pulled."""
        return "cursor" not in self._state

    def keep_in(self, state: dict[str, Any]) -> None:
        """From now on the state is this one; dlt gives each package its own."""
        if state is not self._state:
            state.clear()
            state.update(self._state)
            self._state = state

    def since(self) -> Cursor:
        """From where on to ask; None: everything."""
        self.asked = None
        if self._cursor is not None and self._table.cursor is not None:
            self.asked = _before(self._cursor, self._table.overlap)
            if self._aside is not None and not self._aside_is_old():
                self.asked = min(self.asked, self._aside)
        return self.asked

    def take(self, rows: pa.Table, was_aside: list[bool]) -> pa.Table:
        """The rows that have not landed yet; notes how far they bring the place.

        Args:
            was_aside: of each row, whether it is awaited: it was kept aside before, and is not late.
        """
        name = self._table.cursor
        if name is None or not rows.num_rows:
            return rows
        column = rows[name]
        fresh = self._news(rows, column, was_aside)
        self._note_order(column)
        newest = pc.max(column).as_py()
        self._note_answered(newest)
        if newest is not None and (self._greatest is None or newest > self._greatest):
            self._greatest = newest
        self._recent.append(self._window(rows))
        if sum(table.num_rows for table in self._recent) > 2 * REMEMBERED_ROWS:
            self._recent = [self._window(table) for table in self._recent]
        return fresh

    def keep_aside(self, cursors: list[Any]) -> None:
        """Rows with these cursors were not taken, but they are there."""
        found = [value for value in cursors if value is not None]
        self._note_answered(max(found, default=None))
        if found and not self._aside_is_old():
            self._aside = min([*found, self._aside] if self._aside is not None else found)

    def _note_answered(self, newest: Any) -> None:
        if newest is not None and (self._answered is None or newest > self._answered):
            self._answered = newest

    def save(self, *, is_whole: bool) -> None:
        """Write the place into the state: at the end of a listing, or before it when its order can be relied on."""
        # rows before the ones that came may still come: a kill must not lose them
        reached = self._greatest if is_whole or self.is_ascending else self._cursor
        self._state["cursor"] = as_state(reached)
        recent = [self._window(table) for table in self._recent]
        is_too_much = sum(table.num_rows for table in recent) > REMEMBERED_ROWS
        if is_too_much:
            recent = []  # they land once more, which the warehouse does not mind
        self._state["recent_is_all"] = is_whole and not is_too_much
        digests = {digest for table in recent for digest in digests_of(table)}
        self._state["recent"] = sorted(digests)
        keys = {digest for table in recent for digest in digests_of(table.select(self._table.key))}
        self._state["recent_keys"] = sorted(keys)
        if self._aside is None or self._aside_is_old():
            self._state.pop("aside_since", None)
            self._state.pop("aside_at", None)
        else:
            self._state["aside_since"] = as_state(self._aside)
            self._state.setdefault("aside_at", datetime.now(UTC).isoformat())
        self._state["was_ascending"] = self.is_ascending

    def step_back(self) -> bool:
        """At the end of a listing: whether the newest row known was not in it, so that it has to be asked from before.

        A row that is not there was deleted, or the tool's clock went back, and what is new stands before it.
        """
        answered: Any = self._answered
        is_there = answered is not None and self._cursor is not None and answered >= self._cursor
        if self._cursor is None or is_there:
            return False
        self.stepped_back += 1
        self._cursor = _before(self._cursor, STEP_BACK_SECONDS) if self.stepped_back == 1 else None
        self._greatest = self._last = self._answered = None
        self._recent, self.late, self.changed = [], 0, 0
        return True

    def forget(self) -> None:
        """Begin with the first row again."""
        for name in ("cursor", "recent", "recent_keys", "recent_is_all", "aside_since", "aside_at"):
            self._state.pop(name, None)
        self._cursor = self._aside = self._greatest = self._last = None
        self._known, self._known_keys, self._recent = set(), set(), []
        self.is_ascending, self.late, self.changed = True, 0, 0

    def _news(self, rows: pa.Table, column: Any, was_aside: list[bool]) -> pa.Table:
        if self._cursor is None:
            return rows
        is_old = pc.fill_null(pc.less_equal(column, pa.scalar(self._cursor, column.type)), True)
        old = rows.filter(is_old)
        if not old.num_rows:
            return rows
        awaited = pa.array(was_aside, pa.bool_()).filter(_one_array(is_old))
        if self._known:
            is_news = pa.array([digest not in self._known for digest in digests_of(old)])
            old, awaited = old.filter(is_news), awaited.filter(is_news)
        # where not everything is remembered, what comes again may have landed before
        if self._knows_all:
            keys = digests_of(old.filter(pc.invert(awaited)).select(self._table.key))
            self.changed += sum(key in self._known_keys for key in keys)
            self.late += sum(key not in self._known_keys for key in keys)
        newer = rows.filter(pc.invert(is_old))
        return newer if not old.num_rows else pa.concat_tables([old, newer])

    def _note_order(self, column: Any) -> None:
        values = pc.drop_null(_one_array(column))
        if not len(values):
            return
        first = values[0].as_py()
        steps = len(values) < 2 or pc.all(pc.less_equal(values[:-1], values[1:])).as_py()
        self.is_ascending &= bool(steps) and (self._last is None or first >= self._last)
        self._last = values[-1].as_py()

    def _window(self, rows: pa.Table) -> pa.Table:
        """The rows that the next listing brings again."""
        if self._greatest is None:
            return rows
        start = _before(self._greatest, self._table.overlap)
        if self._aside is not None:
            start = min(start, self._aside)
        column = rows[str(self._table.cursor)]
        return rows.filter(pc.fill_null(pc.greater_equal(column, pa.scalar(start, column.type)), True))

    def _aside_is_old(self) -> bool:
        since = self._state.get("aside_at")
        return bool(since) and datetime.now(UTC) - datetime.fromisoformat(str(since)) > timedelta(days=ASIDE_DAYS)


def digests_of(rows: pa.Table) -> list[str]:
    """A short digest of each row's content."""
    return [hashlib.sha256(repr(tuple(row.values())).encode()).hexdigest()[:16] for row in rows.to_pylist()]


def _one_array(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _before(cursor: Cursor, seconds: float) -> Any:
    if isinstance(cursor, datetime):
        return cursor - timedelta(seconds=seconds)
    if isinstance(cursor, date):
        return cursor - timedelta(days=-(-seconds // 86_400))
    return cursor


def as_state(cursor: Cursor) -> Any:
    """A cursor as JSON has it."""
    if isinstance(cursor, datetime):
        return {"timestamp": cursor.isoformat()}
    return {"date": cursor.isoformat()} if isinstance(cursor, date) else cursor


def from_state(found: Any) -> Cursor:
    """What `as_state` wrote."""
    if not isinstance(found, dict):
        return found
    if "timestamp" in found:
        return datetime.fromisoformat(found["timestamp"])
    return date.fromisoformat(str(found["date"]))
