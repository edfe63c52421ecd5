"""One SQLite file a destination: outcomes and the place in the log, written in one transaction.

Belongs here: the tables and their questions. Does not belong here: what an outcome means, or any other state of a
destination.

Because place and outcomes are one transaction, a delivery process that is killed repeats at most the request in
flight, and never counts an event twice. Times are UTC, kept as ISO texts, which sort.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from headwater.errors import DataError, UnavailableError
from headwater.settings import Settings
from headwater.storage.deliveries.rows import DeadLetter, Delivered, Filtered, Status
from headwater.storage.log import Position

_TABLES = """
create table if not exists place (
  one integer primary key check (one = 1), segment text not null, offset integer not null
);
create table if not exists start (
  one integer primary key check (one = 1), segment text not null, offset integer not null
);
create table if not exists deliveries (
  seq integer primary key autoincrement, source text not null, message_id text not null, type text not null,
  event text, received_at text not null, status text not null, at text not null, reason text not null,
  code text not null, answer text not null, attempts integer not null, tool_event text not null, steps text not null,
  segment text not null
);
create index if not exists deliveries_by_message on deliveries (message_id, source);
create table if not exists filtered (
  segment text not null, source text not null, received_date text not null, type text not null, event text not null,
  reason text not null, events integer not null, primary key (segment, source, received_date, type, event, reason)
) without rowid;
create table if not exists dead_letters (
  seq integer primary key autoincrement, source text not null, message_id text not null, type text not null,
  event text, received_at text not null, reason text not null, code text not null, answer text not null,
  given_up_at text not null, replayed_at text, body blob not null, unique (source, message_id)
);
"""
_DELIVERED = (
    "source, message_id, type, event, received_at, status, at, reason, code, answer, attempts, tool_event, steps"
)
Key = tuple[str, str]


def delivery_path(settings: Settings, name: str) -> Path:
    """Where the deliveries of one destination are."""
    return settings.home / "push" / f"{name}.sqlite"


def delivery_paths(settings: Settings) -> dict[str, Path]:
    """The stores that exist, by destination."""
    return {path.stem: path for path in sorted((settings.home / "push").glob("*.sqlite"))}


class Deliveries:
    """The deliveries of one destination. One process writes at a time; any number read meanwhile.

    Args:
        path: the file; made if missing unless `read_only`.

    Raises:
        DataError: the file is not ours.
        UnavailableError: it cannot be opened or written (disk full, no rights).
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            mode = "ro" if read_only else "rwc"
            self._con = sqlite3.connect(f"file:{path}?mode={mode}", uri=True, timeout=30, check_same_thread=False)
            self._con.isolation_level = None
            if not read_only:
                self._con.execute("pragma journal_mode = wal")
                self._con.execute("pragma synchronous = full")
                self._con.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise _explained(path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._con.close()

    def position(self) -> Position | None:
        """The place in the log behind which everything has its outcome here; None before the first commit."""
        row = self._con.execute("select segment, offset from place").fetchone()
        return Position(*row) if row else None

    def start(self) -> Position | None:
        """The place behind which deliveries begin, where the destination does not take what was there before it."""
        row = self._con.execute("select segment, offset from start").fetchone()
        return Position(*row) if row else None

    def begin(self, position: Position) -> None:
        """Store where deliveries begin, durably; the first stands."""
        with self._transaction():
            values = (position.segment, position.offset)
            self._con.execute("insert into start values (1, ?, ?) on conflict do nothing", values)

    def commit(
        self,
        position: Position | None,
        rows: Sequence[Delivered] = (),
        filtered: Mapping[tuple[str, date, str, str, str], int] | None = None,
        dead: Iterable[DeadLetter] = (),
        replayed: Iterable[int] = (),
    ) -> None:
        """Store outcomes, counts of what was filtered, dead letters, and the place, all or nothing, durably.

        Args:
            position: the new place, or None to leave it (a replay is no progress in the log). Rows and counts are
                those of its segment.
            filtered: (source, received date, type, event, reason) → how many more.
            replayed: `seq` of dead letters whose new outcome is among `rows`; one that is dead again is among `dead`.
        """
        segment = position.segment if position else ""
        with self._transaction():
            if replayed:
                self._mark_replayed(replayed, max(row.at for row in rows))
            if rows:
                self._con.executemany(
                    f"insert into deliveries ({_DELIVERED}, segment) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [(*_delivered_values(row), segment) for row in rows],
                )
            if filtered:
                self._con.executemany(
                    "insert into filtered values (?, ?, ?, ?, ?, ?, ?)"
                    " on conflict do update set events = events + excluded.events",
                    [
                        (segment, source, str(day), kind, event, reason, n)
                        for (source, day, kind, event, reason), n in filtered.items()
                    ],
                )
            for letter in dead:
                self._con.execute(
                    "insert into dead_letters (source, message_id, type, event, received_at, reason, code, answer,"
                    " given_up_at, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do update set"
                    " reason = excluded.reason, code = excluded.code, answer = excluded.answer,"
                    " given_up_at = excluded.given_up_at, replayed_at = null, body = excluded.body",
                    (
                        *(letter.source, letter.message_id, letter.type, letter.event, _text(letter.received_at)),
                        *(letter.reason, letter.code, letter.answer, _text(letter.given_up_at), letter.body),
                    ),
                )
            if position is not None:
                self._con.execute(
                    "insert into place values (1, ?, ?)"
                    " on conflict do update set segment = excluded.segment, offset = excluded.offset",
                    (position.segment, position.offset),
                )

    def known(self, keys: Sequence[Key], since: datetime) -> set[Key]:
        """Those of `keys` (source, message id) that had an outcome since then: not to be delivered again."""
        found: set[Key] = set()
        for start in range(0, len(keys), 400):
            part = keys[start : start + 400]
            marks = ", ".join("?" * len(part))
            query = f"select source, message_id from deliveries where message_id in ({marks}) and at >= ?"
            found.update(self._con.execute(query, [*(key[1] for key in part), _text(since)]).fetchall())
        return found.intersection(keys)

    def find(self, message_id: str) -> list[Delivered]:
        """Everything that became of a message here, oldest first."""
        return self._rows("where message_id = ? order by seq", (message_id,))

    def since(self, seq: int, limit: int) -> list[Delivered]:
        """The outcomes after `seq`, oldest first."""
        return self._rows("where seq > ? order by seq limit ?", (seq, limit))

    def filtered(self) -> list[Filtered]:
        """Everything that was only counted."""
        query = (
            "select source, received_date, type, event, reason, events, segment from filtered order by 7, 1, 2, 3, 4, 5"
        )
        return [
            Filtered(source, date.fromisoformat(day), *others)
            for source, day, *others in self._con.execute(query).fetchall()
        ]

    def counts(self) -> dict[Status, int]:
        """Outcomes by status."""
        return dict(self._con.execute("select status, count(*) from deliveries group by 1").fetchall())

    def replays(self) -> tuple[int, int]:
        """(dead letters not put through again, events delivered by a replay)."""
        (waiting,) = self._con.execute("select count(*) from dead_letters where replayed_at is null").fetchone()
        query = "select count(*) from deliveries where segment = '' and status = 'delivered'"
        (delivered,) = self._con.execute(query).fetchone()
        return waiting, delivered

    def dead_letters(self, *, reason: str | None = None, after: int = 0, limit: int = 1000) -> list[DeadLetter]:
        """Events given up and not yet put through again, by `seq`, those behind `after`."""
        query = (
            "select seq, source, message_id, type, event, received_at, reason, code, answer, given_up_at, replayed_at,"
            " body from dead_letters where replayed_at is null and (?1 is null or reason = ?1) and seq > ?2"
            " order by seq limit ?3"
        )
        found = self._con.execute(query, (reason, after, limit)).fetchall()
        return [
            DeadLetter(seq, source, key, kind, event, _time(received), why, code, answer, _time(at), None, body)
            for seq, source, key, kind, event, received, why, code, answer, at, _, body in found
        ]

    def mark_replayed(self, seqs: Iterable[int], at: datetime) -> None:
        """Say that dead letters were put through again; a new failure makes them dead anew."""
        with self._transaction():
            self._mark_replayed(seqs, at)

    def _mark_replayed(self, seqs: Iterable[int], at: datetime) -> None:
        self._con.executemany("update dead_letters set replayed_at = ? where seq = ?", [(_text(at), n) for n in seqs])

    def forget(self, before: datetime, seq: int) -> int:
        """Delete outcomes older than `before`, up to `seq` (those that are in the lake); answers how many."""
        with self._transaction():
            return self._con.execute("delete from deliveries where seq <= ? and at < ?", (seq, _text(before))).rowcount

    def _rows(self, where: str, values: tuple[object, ...]) -> list[Delivered]:
        found = self._con.execute(f"select {_DELIVERED}, seq, segment from deliveries {where}", values).fetchall()
        return [
            Delivered(source, key, kind, event, _time(received), status, _time(at), *others)
            for source, key, kind, event, received, status, at, *others in found
        ]

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything asked inside is of one moment, whatever is delivered meanwhile."""
        self._con.execute("begin")
        try:
            yield
        finally:
            self._con.execute("rollback")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._con.execute("begin immediate")
            try:
                yield
                self._con.execute("commit")
            except BaseException:
                self._con.execute("rollback")
                raise
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error


def _delivered_values(row: Delivered) -> tuple[object, ...]:
    return (
        *(row.source, row.message_id, row.type, row.event, _text(row.received_at), row.status, _text(row.at)),
        *(row.reason, row.code, row.answer, row.attempts, row.tool_event, row.steps),
    )


def _text(value: datetime) -> str:
    return value.isoformat(" ", "microseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _explained(path: Path, error: Exception) -> Exception:
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        return DataError(f"{path} is not a delivery store.", hint="Move it away to begin anew from the log.")
    return UnavailableError(f"The delivery store {path} cannot be used: {error}.", hint="Check disk space and rights.")
