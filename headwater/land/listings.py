"""One table of one pull: what is asked for, what of it goes on, package by package.

Belongs here: bringing a reader, the place and what was learned together. Does not belong here: dlt (`extracts`), HTTP
(`pages`), databases (`databases`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from headwater.configuration import Config, PulledTable, RestSource, RestTable, SqlSource, SqlTable
from headwater.errors import DataError, HeadwaterError
from headwater.land.contracts import Learned, LearnedError, fits, put_changes
from headwater.land.databases import Reader, reader
from headwater.land.held import Held, windows
from headwater.land.objects import Rejected, put_quarantine
from headwater.land.pages import client, pages
from headwater.land.places import Cursor, Place
from headwater.land.rows import Columns, Typed
from headwater.land.transforming import RowTransformer
from headwater.settings import Settings
from headwater.storage.lake import Lake

PACKAGE_ROWS = 500_000
BEGUN_AGAIN = 10
_REMEMBERED = 10_000


@dataclass
class TablePulled:
    """What one pull landed: rows and objects new in the lake, rows kept aside, and what was noticed on the way.

    Attributes:
        deleted: rows that are gone from the tool.
        aside: rows that are kept aside now, also from pulls before; `kept_aside` says it in words, and since when.
        changes: what the table has that was not declared, as sentences.
        notes: what the tool did that it should not, and that harmed nothing.
        error: why this table was not pulled to its end.
    """

    rows: int = 0
    quarantined: int = 0
    objects: int = 0
    deleted: int = 0
    aside: int = 0
    kept_aside: str = ""
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: HeadwaterError | None = None


@dataclass(frozen=True)
class Work:
    """What every table of a pull shares."""

    settings: Settings
    config: Config
    lake: Lake
    name: str
    source: RestSource | SqlSource

    def where(self, table: str) -> str:
        """The table, for the sentences of errors."""
        if isinstance(self.source, RestSource):
            url = f"{self.source.base_url.rstrip('/')}/{self.source.tables[table].path.lstrip('/')}".rstrip("/")
            return f"{self.name}'s {table} ({url})"
        return f"{self.name}'s {table}"


class Listing:
    """A listing of one table from its place on, over one or more packages.

    Attributes:
        is_over: the last row has come.
        quarantined: rows newly kept aside.
        held: the rows that are kept aside, newly or still.
    """

    def __init__(self, work: Work, name: str, state: dict[str, Any]) -> None:
        self._work, self._name = work, name
        self.table: PulledTable = work.source.tables[name]
        self._place = Place(state, self.table)
        self._learned = Learned(state, self.table, work.where(name))
        self.held = Held(state, self.table)
        self.held.asked_again(windows(work.settings, work.name, name))
        self._keys: set[Any] = set()
        self._twice = self._begun_again = self._unplaced = 0
        self._batches = self._begin()
        self.is_over = False
        self.quarantined = 0

    def package(self, state: dict[str, Any]) -> Iterator[pa.Table]:
        """The rows of the next package that are news; what is kept aside goes to the quarantine.

        Raises:
            UnavailableError, DataError, ConfigError: the listing ends here; the place is where it was, or, where rows
                come in order, at the last of them.
        """
        self._place.keep_in(state)
        self._learned.keep_in(state)
        self.held.keep_in(state)
        rejected: list[Rejected] = []
        sent = 0
        try:
            for batch in self._batches:  # goes on where the package before ended it
                rejected += batch.rejected
                told = self.held.aside(batch.rejected)
                self._unplaced += told.count(None)
                self._place.keep_aside([*batch.aside, *told])  # a transformation's failures have theirs in the record
                self._count_keys(batch.rows)
                fresh = self._place.take(batch.rows, self.held.right(batch.rows))
                if fresh.num_rows:
                    yield fresh
                    sent += fresh.num_rows
                if sent >= PACKAGE_ROWS and self._is_ordered() and self._place.is_ascending:
                    self._place.save(is_whole=False)
                    return
            self._place.save(is_whole=True)
            self.held.end(self._place.asked)
            self.is_over = True
        except LearnedError as error:
            self._begun_again += 1
            if self._begun_again > BEGUN_AGAIN:
                raise DataError(f"{self._work.where(self._name)} has other columns each time it is asked.") from error
            self._place.forget()
            self._batches = self._begin()
        except HeadwaterError:
            if self._is_ordered() and self._place.is_ascending:
                self._place.save(is_whole=False)
            raise
        finally:
            self._keep_aside(state, rejected)
            self.held.save()
            put_changes(self._work.lake, self._work.name, self._name, self.table, self._learned.changes)

    def changes(self) -> list[str]:
        """What the table has that was not declared."""
        return [change.sentence() for change in self._learned.changes]

    def notes(self) -> list[str]:
        """What the tool should not have done, and harmed nothing."""
        notes = []
        if not self._place.is_ascending and (self._place.was_ascending or self._is_ordered()):
            notes.append(f"rows do not come by ascending {self.table.cursor} any more")
        if self._place.stepped_back:
            why = "it was deleted, or the tool's clock went back"
            if self._unplaced:
                why = f"it is among those whose {self.table.cursor} cannot be read, or {why}"
            notes.append(
                f"the newest row is not where it was: {why}; rows from before {self.table.cursor} were read again"
            )
        if self._twice:
            notes.append(f"{counted(self._twice)} came more than once")
        if self._place.late:
            notes.append(f"{counted(self._place.late)} came late, after others with a newer {self.table.cursor}")
        if self._place.changed:
            notes.append(f"{counted(self._place.changed)} changed without a newer {self.table.cursor}")
        return notes

    def close(self) -> None:
        """End what the listing holds open."""
        self._batches.close()  # type: ignore[attr-defined]

    def _read(self) -> Iterator[Typed]:
        work, table = self._work, self.table
        if isinstance(work.source, RestSource) and isinstance(table, RestTable):
            return _pages(work, self._name, table, self._learned, self._place)
        assert isinstance(table, SqlTable)
        return _rows(work, self._name, table, self._learned, self._place)

    def _begin(self) -> Iterator[Typed]:
        """Every batch, once more from further back where the newest row is not found again."""
        while True:
            self._keys, self._twice, self._unplaced = set(), 0, 0
            self.held.begin()
            yield from self._read()
            if not self._place.step_back():
                return

    def _is_ordered(self) -> bool:
        return self.table.cursor is not None and getattr(self.table, "is_ordered", True)

    def _count_keys(self, rows: pa.Table) -> None:
        if isinstance(self.table, RestTable):
            keys = list(zip(*(rows[name].to_pylist() for name in self.table.key), strict=True))
            before = len(self._keys)
            self._keys.update(keys)
            self._twice += len(keys) - (len(self._keys) - before)

    def _keep_aside(self, state: dict[str, Any], rejected: list[Rejected]) -> None:
        """Each bad row once: one newer than every good one comes again with each pull, until it is mended."""
        known = state.get("rejected", [])
        digests = [_short(item.reason + item.payload) for item in rejected]
        fresh = {digest: item for item, digest in zip(rejected, digests, strict=True) if digest not in set(known)}
        put_quarantine(self._work.lake, "extracts", f"{self._work.name}.{self._name}", list(fresh.values()))
        if fresh:
            state["rejected"] = [*known, *fresh][-_REMEMBERED:]
        self.quarantined += len(fresh)


def listing_of(work: Work, name: str, state: dict[str, Any]) -> Listing:
    """The listing of one table from the place that `state` says."""
    return Listing(work, name, state)


def between(work: Work, name: str, learned: Learned, since: Cursor, until: Cursor) -> Iterator[Typed]:
    """The rows of one table whose cursor is in [since, until), whatever the place. Some may come more than once.

    Raises:
        UnavailableError, DataError, ConfigError: the tool does not answer with rows.
    """
    for attempt in range(BEGUN_AGAIN):
        try:
            yield from _between(work, name, learned, since, until)
            return
        except LearnedError as error:
            if attempt == BEGUN_AGAIN - 1:
                raise DataError(f"{work.where(name)} has other columns each time it is asked.") from error


def _between(work: Work, name: str, learned: Learned, since: Cursor, until: Cursor) -> Iterator[Typed]:
    table = work.source.tables[name]
    if isinstance(table, RestTable):
        columns = Columns(table, learned, can_begin_again=False)
        yield from _pages_between(work, name, table, columns, since, until, begins_again=False)
        return
    assert isinstance(table, SqlTable) and isinstance(work.source, SqlSource)
    found = reader(work.source.url, name, table, work.where(name))
    try:
        _compare(found, table, learned, work.where(name))
        yield from found.batches(learned, since, until)
    finally:
        found.close()


def _pages(work: Work, name: str, table: RestTable, learned: Learned, place: Place) -> Iterator[Typed]:
    columns = Columns(table, learned, can_begin_again=not place.is_new)
    yield from _pages_between(work, name, table, columns, place.since(), None)


def _pages_between(
    work: Work,
    name: str,
    table: RestTable,
    columns: Columns,
    since: Cursor,
    until: Cursor,
    *,
    begins_again: bool = True,
) -> Iterator[Typed]:
    assert isinstance(work.source, RestSource)
    where = work.where(name)
    transformer = RowTransformer(work.settings, work.config, work.name, name, table)
    try:
        for rows in pages(client(work.source), work.source, table, where, since, until):
            if transformer.is_there:
                records, rejected = transformer.run(msgspec.json.decode(rows))
                typed: Typed | None = columns.records(records, rejected)
            else:
                typed = columns.json(rows)
            if typed is None:
                raise DataError(f"{where} answered rows that are no objects: «{bytes(rows)[:200].decode()}».")
            yield typed
            columns.can_begin_again = begins_again
    finally:
        transformer.close()


def _rows(work: Work, name: str, table: SqlTable, learned: Learned, place: Place) -> Iterator[Typed]:
    assert isinstance(work.source, SqlSource)
    where = work.where(name)
    found = reader(work.source.url, name, table, where)
    transformer = RowTransformer(work.settings, work.config, work.name, name, table)
    try:
        if _compare(found, table, learned, where) and not place.is_new:
            place.forget()  # rows that were read before lack what was learned
        columns = Columns(table, learned, can_begin_again=True)
        for typed in found.batches(learned, place.since(), None):
            if transformer.is_there:
                records, rejected = transformer.run(typed.rows.to_pylist())
                changed = columns.records(records, [*typed.rejected, *rejected])
                yield Typed(changed.rows, changed.rejected, [*typed.aside, *changed.aside])
            else:
                yield typed
    finally:
        transformer.close()
        found.close()


def _compare(found: Reader, table: SqlTable, learned: Learned, where: str) -> bool:
    """Whether the contract lets something be learned from the columns that the database has.

    Raises:
        DataError: a declared column is gone, or the contract freezes what was met.
    """
    there = found.kinds()
    gone = [n for n in learned.columns if n not in there and not (table.deletes == "flag" and n == table.deleted_flag)]
    if gone:
        for column in gone:
            learned.column_gone(column)
        raise DataError(
            f"{where} has no column {', '.join(gone)} any more; it has {', '.join(there)}.",
            hint="Take it out of sources.yaml, or bring it back.",
        )
    was_learned = learned.columns_met(there)
    for column, kind in there.items() if found.is_typed else ():
        declared = learned.columns.get(column)
        if declared is not None and not fits(declared, kind):
            was_learned |= learned.type_met(column, kind)
    return was_learned


def counted(rows: int) -> str:
    """So many rows, in words."""
    return f"{rows:,} {'row' if rows == 1 else 'rows'}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
