"""What identity read together, kept in the lake, so that a rebuild takes it in the same order.

Belongs here: which reading each object is of, and the ledger `identity/readings/` of the lake. Does not belong here:
what is new (`news`), what a reading means for age (`landing`).

A reading is what one resolution found new. It is written down before the tables are: killed in between, the next
resolution finds it. What has a reading keeps it, whatever becomes of the warehouse, of identity.yaml or of clocks: so
nothing that is read later is ever older than what was read before, and no name that was given out changes by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.errors import DataError
from headwater.match.landing import MOMENT, landed
from headwater.match.news import News
from headwater.storage.lake import Lake, content_digest

FOLDER = "identity/readings/"
_STAMP = "%Y%m%dT%H%M%S%fZ"
_MOMENT_LENGTH = len("20260101T000000.000000")


class _Reading(msgspec.Struct, frozen=True):
    """One object of the ledger: its moment, empty for what was read before there was a ledger, and its tables in the
    order in which identity.yaml had them."""

    moment: str
    tables: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Readings:
    """Attributes:
    of: table → lake object → its reading, `<moment>/<place of the table>`, for all that was ever read.
    added: those that the warehouse does not hold yet.
    unwritten: what the lake's ledger does not hold yet.
    """

    of: Mapping[str, Mapping[str, str]]
    added: Mapping[str, Sequence[str]]
    unwritten: Sequence[_Reading]

    def write(self, lake: Lake | None) -> None:
        """Complete the ledger; call it before what comes of the reading is committed.

        Raises:
            UnavailableError: the lake cannot be written.
        """
        if lake is None:
            return
        for reading in self.unwritten:
            content = msgspec.json.encode(reading)
            # what was read before there was a ledger comes before its first reading
            at = datetime.strptime(reading.moment or "00010101T000000.000000", MOMENT)
            lake.put(f"{FOLDER}{_stamp(at)}-{content_digest(content)}.json", content)

    def remember(self, con: DuckDBPyConnection, news: News) -> None:
        """Note what was read; call it in the transaction that writes what came of it. What is not there any more keeps
        its reading, with no rows."""
        con.execute("delete from identity.read_objects where not ?", [news.reason is None])
        rows = [
            {
                "source_table": table,
                "lake_object": lake_object,
                "rows": news.objects.get(table, {}).get(lake_object, 0),
                "reading": self.of[table][lake_object],
            }
            for table, objects in (self.added if news.reason is None else self.of).items()
            for lake_object in objects
        ]
        if rows:
            con.register("_given", pa.Table.from_pylist(rows))
            con.execute("insert into identity.read_objects by name from _given")
            con.unregister("_given")


def readings(con: DuckDBPyConnection, lake: Lake | None, news: News, now: datetime | None = None) -> Readings:
    """The reading of every object: the one that warehouse or ledger knows, and a new one for what neither does.

    Args:
        lake: where the ledger is; `None`: the warehouse alone remembers.
        now: default the system's clock; a new reading comes after all others, whatever it says.

    Raises:
        UnavailableError: the lake cannot be read.
        DataError: an object of the ledger is not one.
    """
    of: dict[str, dict[str, str]] = {}
    added: dict[str, list[str]] = {}
    before: dict[str, list[str]] = {}
    last = ""
    for table, lake_object, reading in con.execute(
        "select source_table, lake_object, reading from identity.read_objects order by all"
    ).fetchall():
        of.setdefault(table, {})[lake_object] = reading or ""
        last = max(last, (reading or landed(lake_object))[:_MOMENT_LENGTH])
        if reading is None:
            before.setdefault(table, []).append(lake_object)
    for found in _later(lake, last) if lake is not None else ():
        last = max(last, found.moment)
        for table, objects, reading in _parts(found):
            unknown = [each for each in objects if each not in of.get(table, {})]
            of.setdefault(table, {}).update(dict.fromkeys(unknown, reading))
            added.setdefault(table, []).extend(unknown)
    unwritten = [_Reading("", list(before.items()))] if before else []
    unread = {table: sorted(there.keys() - of.get(table, {}).keys()) for table, there in news.objects.items()}
    if any(unread.values()):
        new = _Reading(_after(last, now or datetime.now(UTC)), list(unread.items()))
        for table, objects, reading in _parts(new):
            of.setdefault(table, {}).update(dict.fromkeys(objects, reading))
            added.setdefault(table, []).extend(objects)
        unwritten.append(new)
    return Readings(of, added, unwritten)


def _parts(reading: _Reading) -> list[tuple[str, list[str], str]]:
    return [
        (table, objects, f"{reading.moment}/{place:03d}" if reading.moment else "")
        for place, (table, objects) in enumerate(reading.tables)
    ]


def _later(lake: Lake, last: str) -> list[_Reading]:
    """What the ledger holds of after this moment; all of it, when that is empty."""
    found = []
    beyond = f"{FOLDER}{_stamp(datetime.strptime(last, MOMENT))}." if last and not last.startswith("0000") else ""
    for item in lake.list(FOLDER):
        if item.key > beyond:
            try:
                found.append(msgspec.json.decode(lake.get(item.key), type=_Reading))
            except msgspec.DecodeError as error:
                raise DataError(
                    f"{lake.uri(item.key)} is not what identity wrote there: {error}.",
                    hint="Bring it back from a copy of the lake: it tells who was known first.",
                ) from error
    return found


def _stamp(moment: datetime) -> str:
    return f"{moment.year:04d}{moment:%m%dT%H%M%S%fZ}"


def _after(last: str, now: datetime) -> str:
    moment = now.astimezone(UTC).replace(tzinfo=None)
    if last and not last.startswith("0000"):
        moment = max(moment, datetime.strptime(last, MOMENT) + timedelta(microseconds=1))
    return f"{moment:{MOMENT}}"
