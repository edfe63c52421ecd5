"""Identifiers become people: the tables of schema `identity`.

Belongs here: the steps in their order, and writing what they found in one transaction. Does not belong here: what is
new (`news`, `readings`), reading it (`mentions`), what is connected with it (`stored`, `region`), what is believed
(`deciding`), what became of those who were known before (`history`).

A person is a connected component of believed ties. Its id is a UUID made of its anchor: the identifier that was told
first (`landing`), then the type of higher priority, then the lesser value. What was read together is in the lake
(`readings`): so the same lake gives the same ids however often and in whatever order the warehouse is rebuilt, and
whatever order tables land in between two readings; new data leaves ids as they are, and when two people turn out to be
one, the older anchor stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from headwater.configuration import Identity
from headwater.configuration.identity_checks import split_id
from headwater.match import history
from headwater.match.accounts import write_members
from headwater.match.deciding import decide
from headwater.match.mentions import rank_objects, read_mentions
from headwater.match.news import News, read_news
from headwater.match.readings import readings
from headwater.match.region import lay_out
from headwater.match.stored import drop
from headwater.match.writing import write_people
from headwater.policy.identifiers import normal
from headwater.storage.lake import Lake
from headwater.storage.warehouse import transaction


@dataclass(frozen=True)
class Resolved:
    """Counts: people, identifiers (without the people's own ids), ties believed and refused. What it took: why
    everything was read again (`None`: only what is new), people who were looked at again, those who were merged into
    another and identifiers that left their person."""

    people: int
    identifiers: int
    edges: int
    refused_edges: int
    reason: str | None = field(default=None, compare=False)
    touched: int = field(default=0, compare=False)
    merged: int = field(default=0, compare=False)
    split: int = field(default=0, compare=False)


def resolve(
    con: DuckDBPyConnection,
    identity: Identity,
    as_of: datetime | None = None,
    *,
    lake: Lake | None = None,
    is_full: bool = False,
) -> Resolved:
    """Bring people up to what is loaded: only what is new is read, and only people it has to do with are looked at
    again. When rules or rows that were read before have changed, everything is. Either way ends in the same tables.

    Args:
        as_of: when merges and splits are noted to have happened, UTC without offset; default the system's clock.
        lake: remembers what was read together, for a rebuild; `None`: the warehouse alone does.
        is_full: read everything, whether or not there is a reason.

    Raises:
        UnavailableError: the lake cannot be read or written.
        ConfigError: an expression of `identity.yaml` is not SQL over its table.
    """
    moment = as_of or datetime.now(UTC).replace(tzinfo=None)
    news = read_news(con, identity, is_full=is_full)
    try:
        if news.reason is None and not any(news.fresh.values()):
            with transaction(con):
                write_members(con, identity)
            return _counted(con)
        known = readings(con, lake, news)
        moments = rank_objects(con, news, known)
        said = read_mentions(con, identity, news)
        known.write(lake)
        with transaction(con):
            region = lay_out(con, identity, news, said, moments)
            del said
            written = write_people(con, identity, news, region, decide(identity, region), moments)
            moved = history.write(con, written, moment)
            known.remember(con, news)
            _write_overrides(con, identity)
            write_members(con, identity)
            done = _counted(con, news.reason, written.touched, moved)
            _log(con, news, done, moment)
        return done
    finally:
        drop(con)


def _write_overrides(con: DuckDBPyConnection, identity: Identity) -> None:
    con.execute("delete from identity.overrides")
    for kind, overrides in (("include", identity.include), ("exclude", identity.exclude)):
        for override in overrides:
            ids: list[str] = []
            for id_type, written in map(split_id, override.ids):
                ids += [id_type, normal(identity.id_types[id_type], written, identity.default_region) or written]
            con.execute(
                "insert into identity.overrides values (?, ?, ?, ?, ?, ?)",
                [kind, *ids, *[None] * (4 - len(ids)), override.reason],
            )


def _log(con: DuckDBPyConnection, news: News, done: Resolved, moment: datetime) -> None:
    objects = sum(len(found) for found in (news.fresh if news.reason is None else news.objects).values())
    con.execute(
        "insert into identity.resolutions values (?, ?, ?, ?, ?, ?, ?, ?)",
        [moment, news.reason, objects, done.touched, done.people, done.merged, done.split, news.fingerprint],
    )


def _counted(
    con: DuckDBPyConnection, reason: str | None = None, touched: int = 0, moved: tuple[int, int] = (0, 0)
) -> Resolved:
    people = _one(con, "select count(*) from identity.identifiers where id_type = 'customer_id'")
    everything = _one(con, "select count(*) from identity.identifiers")
    edges, refused = (_one(con, f"select count(*) from identity.{table}") for table in ("edges", "refused_edges"))
    return Resolved(people, everything - people, edges, refused, reason, touched, *moved)


def _one(con: DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
