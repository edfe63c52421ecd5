"""Events that a source's transformations failed at, or were not asked about: the same for every reader.

Belongs here: keeping what the first reader of an event found, so that the lander and each destination come to one
outcome, whoever reads first, is restarted, or is faster. Does not belong here: when a chain is suspended
(`headwater.policy.breaker`), what a transformation does.

One SQLite file beside the segments, shared by all readers of the log: how far into a segment a source's events are
decided, and which of those have failed; all others may be asked about. Without an fsync after each stretch: a power cut
forgets at most the last moments, of which a destination may then have been told otherwise than the lander decides.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from headwater.errors import UnavailableError

Failure = tuple[str, str, bool]
"""Transformation, why, whether it was not asked (suspended)."""

_TABLES = """
create table if not exists decided (
  source text not null, segment text not null, until integer not null, primary key (source, segment)
) without rowid;
create table if not exists reasons (
  id integer primary key, name text not null, detail text not null, is_suspended integer not null,
  unique (name, detail, is_suspended)
);
create table if not exists failed (
  source text not null, segment text not null, end integer not null, reason integer not null,
  primary key (source, segment, end)
) without rowid;
"""


class Failures:
    """What the readers of a log have found. Opened when first asked. Close it.

    Every method raises `UnavailableError` where the file cannot be read or written.
    """

    def __init__(self, log_dir: Path) -> None:
        self._path = log_dir / "failures.sqlite"
        self._opened: sqlite3.Connection | None = None

    def known(self, source: str, segment: str, first: int, last: int) -> tuple[int, dict[int, Failure]]:
        """Up to which byte of the segment the source's events are decided, and which of those that end between `first`
        and `last` have failed, by their end."""
        if self._opened is None and not self._path.exists():
            return 0, {}
        with self._explained() as con:
            row = con.execute(
                "select until from decided where source = ? and segment = ?", (source, segment)
            ).fetchone()
            if row is None:
                return 0, {}
            found = con.execute(
                "select failed.end, name, detail, is_suspended from failed join reasons on reasons.id = failed.reason "
                "where source = ? and segment = ? and failed.end between ? and ?",
                (source, segment, first, last),
            )
            return row[0], {end: (name, detail, bool(asked)) for end, name, detail, asked in found}

    def decide(self, source: str, segment: str, until: int, failed: Mapping[int, Failure]) -> int:
        """Keep what was found of the events up to `until`. Answers up to where somebody else had decided before: there
        their word stands, and the rest of what is given counts."""
        with self._explained() as con:
            con.execute("begin immediate")
            row = con.execute(
                "select until from decided where source = ? and segment = ?", (source, segment)
            ).fetchone()
            before: int = row[0] if row else 0
            for end, (name, detail, is_suspended) in failed.items():
                if end > before:
                    reason = (name, detail, is_suspended)
                    con.execute(
                        "insert into reasons (name, detail, is_suspended) values (?, ?, ?) on conflict do nothing",
                        reason,
                    )
                    con.execute(
                        "insert into failed select ?, ?, ?, id from reasons "
                        "where (name, detail, is_suspended) = (?, ?, ?)",
                        (source, segment, end, *reason),
                    )
            if until > before:
                con.execute("insert or replace into decided values (?, ?, ?)", (source, segment, until))
            con.execute("commit")
            return before

    def suspended(self) -> dict[str, str]:
        """The sources whose last event was not asked about, each with the transformation and why, in words."""
        if not self._path.exists():
            return {}
        with self._explained() as con:
            found = con.execute(
                "select source, name, detail, is_suspended from (select source, max(segment) as segment, until "
                "from decided group by source) join failed using (source, segment) "
                "join reasons on reasons.id = failed.reason where failed.end = until"
            )
            return {source: f"transformation {name} is {detail}" for source, name, detail, asked in found if asked}

    def forget(self, before: str) -> None:
        """Drop what was found in segments that are gone: all before the one named."""
        if self._path.exists():
            with self._explained() as con:
                con.execute("begin immediate")
                con.execute("delete from failed where segment < ?", (before,))
                con.execute("delete from decided where segment < ?", (before,))
                con.execute("delete from reasons where id not in (select reason from failed)")
                con.execute("commit")

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @contextmanager
    def _explained(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._opened is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._opened = _open(self._path)
            yield self._opened
        except (sqlite3.Error, OSError) as error:
            if self._opened is not None and self._opened.in_transaction:
                self._opened.rollback()
            raise UnavailableError(
                f"{self._path}, which says what transformations failed at, cannot be used: {error}.",
                hint="Where it is damaged, move it away: readers then find out anew.",
            ) from error


def _open(path: Path) -> sqlite3.Connection:
    con = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
    con.execute("pragma journal_mode = wal")
    con.execute("pragma synchronous = normal")
    con.executescript(_TABLES)
    return con
