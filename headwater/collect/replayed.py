"""Which quarantined rows were put through again, and when: what makes «once» hold, whoever asks for it.

Belongs here: the marks, and finding out after a kill whether the rows that were under way are in the log. Does not
belong here: judging rows (`replay`), choosing them (`quarantine`).

The collector alone writes this, beside its log. It claims rows before it appends them and confirms them afterwards. A
kill in between leaves the claim: the log then tells whether it came true, and a reader's place keeps the lander from
removing the segments that tell it. A row that became several records was put through when all of them are there; of
one that was cut short nothing counts, and its events have the same messageIds when they come again.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from headwater.errors import UnavailableError
from headwater.storage.log import DamagedError, LogReader, Position, segments

READER = "replays"
_ASKED_AT_A_TIME = 400
_TABLE = """
create table if not exists replayed (
  quarantine_id text primary key, at text not null, is_claim integer not null, records integer not null
) without rowid
"""


@dataclass(frozen=True)
class Claim:
    """A row that is being put through at this moment, as so many records of the log."""

    at: datetime
    records: int


class Replayed:
    """The marks of one log folder. One process writes, the one that writes the log; any number read meanwhile.

    Args:
        log_dir: the log folder; the file of marks is made there with the first claim.
    """

    def __init__(self, log_dir: Path) -> None:
        self.path = log_dir / "replayed.sqlite"
        self._log_dir = log_dir

    def when(self, ids: Iterable[str]) -> dict[str, datetime]:
        """Those of `ids` that were put through again, with when they last were.

        Raises:
            UnavailableError: the file cannot be read.
        """
        if not self.path.exists():
            return {}
        wanted, found = list(ids), {}
        with self._connected() as con:
            for start in range(0, len(wanted), _ASKED_AT_A_TIME):
                part = wanted[start : start + _ASKED_AT_A_TIME]
                marks = ", ".join("?" * len(part))
                query = f"select quarantine_id, at from replayed where not is_claim and quarantine_id in ({marks})"
                found.update({key: datetime.fromisoformat(at) for key, at in con.execute(query, part).fetchall()})
        return found

    def claim(self, rows: Mapping[str, Claim]) -> None:
        """Say, durably, that these rows are about to be appended. `settle` must have been called before.

        Raises:
            UnavailableError: the file cannot be written.
        """
        try:
            there = segments(self._log_dir)
            self._reader().commit(Position(there[-1].name if there else ""))
        except OSError as error:
            raise self._unavailable(error) from error
        with self._connected(is_writing=True) as con:
            con.executemany(
                # what was put through before keeps its time should this not come true: it may be put through anew
                "insert into replayed values (?1, ?2, 1, ?3) on conflict do update set at = ?2, is_claim = 1,"
                " records = ?3",
                [(key, claim.at.isoformat(), claim.records) for key, claim in rows.items()],
            )

    def confirm(self) -> None:
        """Say that everything claimed is in the log.

        Raises:
            UnavailableError: the file cannot be written; `settle` will find it out.
        """
        with self._connected(is_writing=True) as con:
            con.execute("update replayed set is_claim = 0 where is_claim")
        self._let_go()

    def settle(self) -> int:
        """Decide what a kill or a failure left open, by what the log holds; answers how many claims came true.

        Raises:
            UnavailableError: file or log cannot be read.
        """
        if not self.path.exists():
            return 0
        with self._connected() as con:
            open_claims = con.execute("select quarantine_id, at, records from replayed where is_claim").fetchall()
        true = 0
        if open_claims:
            claims = {key: Claim(datetime.fromisoformat(at), records) for key, at, records in open_claims}
            found = self._appended(claims)
            came_true = [key for key, claim in claims.items() if found[key] >= claim.records]
            with self._connected(is_writing=True) as con:
                con.executemany(
                    "update replayed set is_claim = 0 where quarantine_id = ?", [(key,) for key in came_true]
                )
                con.execute("delete from replayed where is_claim")
            true = len(came_true)
        self._let_go()
        return true

    def _appended(self, claims: Mapping[str, Claim]) -> Counter[str]:
        """How many records of each claim the log holds."""
        found: Counter[str] = Counter()
        since = self._reader().committed.segment
        for segment in segments(self._log_dir):
            if segment.name < since:
                continue
            try:
                for record in segment.records():
                    envelope = record.envelope
                    claim = claims.get(envelope.replays or "")
                    if claim is not None and claim.at == envelope.replayed_at:
                        found[envelope.replays or ""] += 1
            except (DamagedError, FileNotFoundError):
                continue  # the end of what was written
            except OSError as error:
                raise self._unavailable(error) from error
        return found

    def _reader(self) -> LogReader:
        return LogReader(self._log_dir, READER)

    def _let_go(self) -> None:
        self._reader().forget()

    @contextmanager
    def _connected(self, *, is_writing: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            # reading too may have to write: what a kill in the middle of a change left is mended by the next one
            mode = "rwc" if is_writing else "rw"
            con = sqlite3.connect(f"file:{self.path}?mode={mode}", uri=True, timeout=30)
            try:
                con.execute("pragma synchronous = full")
                con.execute(_TABLE)
                with con:
                    yield con
            finally:
                con.close()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> UnavailableError:
        return UnavailableError(f"{self.path} cannot be used: {error}.", hint="Check disk space and rights.")
