"""Where a person's life is written down: events as lines on disk, tool rows and truth in memory.

Belongs here: keeping what happened before `as_of` and the evidence that ties identifiers together. Does not belong
here: deciding what happens, or the format of the files that leave the simulator (`sandbox.company.files`).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson

from sandbox.clock import iso

SOURCES = ("web", "mobile", "server")
Identifier = tuple[str, str]


class Book:
    """One run's record.

    Attributes:
        as_of: the end of what is written, exclusive, in milliseconds.
        rows: tool table → rows as tuples.
        truth: truth table → rows as tuples.
        chats: day number → chats that ended on it.
        sold: product → (at, quantity) of what was ordered.
        ad_visits: day number and ad → visits that it led to.
        effects: channel and campaign → orders, additional orders, their cents, cents of the additional ones.
        study_reached: campaign under study, month, group and bucket → visits that it led, or would have led, to.
        study_orders: the same → orders in the days after.
    """

    def __init__(self, as_of: int, spool: Path) -> None:
        self.as_of = as_of
        self.rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.truth: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.chats: dict[int, list[bytes]] = defaultdict(list)
        self.sold: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.ad_visits: dict[tuple[int, str], int] = defaultdict(int)
        self.effects: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self.study_reached: dict[tuple[str, str, str, int], int] = defaultdict(int)
        self.study_orders: dict[tuple[str, str, str, int], int] = defaultdict(int)
        self.sent_at = array("q")
        self.offsets = array("q")
        self.lengths = array("i")
        self.source_codes = array("b")
        self.unique = 0
        self._spool = spool.open("wb", buffering=1 << 20)
        self._offset = 0

    def event(self, source: int, sent: int, event: dict[str, Any], *, again: int | None = None) -> bool:
        """Write an event that was sent at `sent`, and once more at `again`; False if that is not before `as_of`."""
        if sent >= self.as_of:
            return False
        self._line(source, sent, orjson.dumps(event) + b"\n")
        self.unique += 1
        if again is not None and again < self.as_of:
            event["sentAt"] = iso(again)
            self._line(source, again, orjson.dumps(event) + b"\n")
        return True

    def _line(self, source: int, sent: int, line: bytes) -> None:
        self._spool.write(line)
        self.sent_at.append(sent)
        self.offsets.append(self._offset)
        self.lengths.append(len(line))
        self.source_codes.append(source)
        self._offset += len(line)

    def row(self, table: str, at: int, *values: Any) -> bool:
        """Write a row that came to be at `at`; False if that is not before `as_of`."""
        if at >= self.as_of:
            return False
        self.rows[table].append(values)
        return True

    def latest(self, changes: list[tuple[int, Any]]) -> tuple[int, Any]:
        """The last change before `as_of` of a list of (at, value); the first is always before it."""
        best = changes[0]
        for change in changes[1:]:
            if change[0] < self.as_of and change[0] >= best[0]:
                best = change
        return best

    def close(self) -> None:
        """No more events; the lines are on disk."""
        self._spool.close()


class Identity:
    """One person's identifiers and which of them were seen together somewhere."""

    def __init__(self) -> None:
        self.ids: dict[Identifier, None] = {}
        self._parent: dict[Identifier, Identifier] = {}
        self._shared: set[Identifier] = set()

    def saw(self, one: Identifier, *, shared: bool = False) -> None:
        """An identifier of this person was used."""
        if one not in self.ids:
            self.ids[one] = None
            self._parent[one] = one
        if shared:
            self._shared.add(one)

    def tie(self, one: Identifier, other: Identifier) -> None:
        """Two identifiers were seen in one record; a shared device proves nothing."""
        self.saw(one)
        self.saw(other)
        if one not in self._shared and other not in self._shared:
            self._parent[self._root(one)] = self._root(other)

    def _root(self, one: Identifier) -> Identifier:
        while self._parent[one] != one:
            one = self._parent[one]
        return one

    def knowable(self) -> dict[Identifier, bool]:
        """Each identifier → whether records tie it to the person's main group; one that stands alone needs no tie."""
        groups: dict[Identifier, list[Identifier]] = defaultdict(list)
        for one in self.ids:
            groups[self._root(one)].append(one)
        main = max(groups.values(), key=len) if groups else []
        members = set(main) if len(main) > 1 or len(groups) == 1 else set()
        return {one: one in members for one in self.ids}
