"""Identifiers become people: the tables of schema `identity`.

Belongs here: the steps in their order, and writing what they found in one transaction. Does not belong here: what is
new (`news`), reading it (`mentions`), what is connected with it (`region`), what is believed (`deciding`), what became
of those who were known before (`history`).

A person is a connected component of believed ties. Its id is a UUID made of its anchor: the identifier that landed
first, then the type of higher priority, then the lesser value. So the same lake gives the same ids however often and
in whatever order the warehouse is rebuilt; new data leaves ids as they are, and when two people turn out to be one,
the older anchor stays.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.configuration import Identity
from headwater.configuration.identity_checks import split_id
from headwater.match import history
from headwater.match.accounts import write_members
from headwater.match.deciding import Decided, decide
from headwater.match.mentions import ROWS, rank_objects, read_mentions
from headwater.match.news import News, read_news, remember
from headwater.match.region import drop, lay_out
from headwater.policy.identifiers import normal
from headwater.storage.warehouse import transaction

# Never change it: every customer id that was ever given out is made from it.
NAMESPACE = uuid.UUID("8b1f6c1e-7d0c-5b60-9a51-3f2b8e4d7a90")


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


def customer_id(id_type: str, id_value: str) -> str:
    """The id of the person whose anchor this identifier is."""
    return str(uuid.uuid5(NAMESPACE, f"{id_type}:{id_value}"))


def resolve(
    con: DuckDBPyConnection, identity: Identity, as_of: datetime | None = None, *, is_full: bool = False
) -> Resolved:
    """Bring people up to what is loaded: only what is new is read, and only people it has to do with are looked at
    again. When rules or rows that were read before have changed, everything is. Either way ends in the same tables.

    Args:
        as_of: when merges and splits are noted to have happened, UTC without offset; default the system's clock.
        is_full: read everything, whether or not there is a reason.

    Raises:
        ConfigError: an expression of `identity.yaml` is not SQL over its table.
    """
    moment = as_of or datetime.now(UTC).replace(tzinfo=None)
    news = read_news(con, identity, is_full=is_full)
    try:
        if news.reason is None and not any(news.fresh.values()):
            with transaction(con):
                write_members(con, identity)
            return _counted(con)
        rank_objects(con, news)
        read_mentions(con, identity, news)
        lay_out(con, identity, news)
        decided = decide(con, identity)
        _name_people(con, decided)
        with transaction(con):
            _write(con, news.reason is not None)
            moved = history.write(con, moment)
            remember(con, news)
            _write_overrides(con, identity)
            write_members(con, identity)
            done = _counted(con, news.reason, _one(con, "select count(distinct customer_id) from _before"), moved)
            _log(con, news, done, moment)
        return done
    finally:
        drop(con)
        for table in ("_people", "_of_node", "_refused"):
            con.execute(f"drop table if exists {table}")


def _name_people(con: DuckDBPyConnection, decided: Decided) -> None:
    """`_people(anchor, customer_id)`, `_of_node(node, anchor, cluster)`, `_refused(link, reason)`."""
    count = len(decided.anchor_of)
    given = {
        "_given_people": pa.table({"anchor": decided.anchors}),
        "_given_nodes": pa.table({"node": np.arange(count), "anchor": decided.anchor_of, "first": decided.cluster_of}),
        "_given_refused": pa.table(
            {
                "link": pa.array(decided.refused.keys(), pa.int64()),
                "reason": pa.array(decided.refused.values(), pa.string()),
            }
        ),
    }
    for name, table in given.items():
        con.register(name, table)
    try:
        con.execute(
            f"""create or replace temp table _people as
            select anchor, {_uuid5("id_type || ':' || id_value")} as customer_id
            from _given_people join _nodes on node = anchor join _types using (code)"""
        )
        con.execute(
            """create or replace temp table _of_node as
            with firsts as (
                select node as first, (hash(code, id_value) >> 1)::bigint as cluster
                from _nodes where node in (select first from _given_nodes)
            )
            select node, anchor, cluster from _given_nodes join firsts using (first)"""
        )
        con.execute("create or replace temp table _refused as from _given_refused")
    finally:
        for name in given:
            con.unregister(name)


def _write(con: DuckDBPyConnection, is_full: bool) -> None:
    old = "true" if is_full else "cluster in (from _touched)"
    for table in ("identifiers", "edges", "refused_edges"):
        con.execute(f"delete from identity.{table} where {old}")
    landed = f"landed || '/' || lpad((place % {ROWS})::varchar, 12, '0')"
    con.execute(
        f"""insert into identity.identifiers by name
        select id_type, id_value, customer_id, {landed} as first_landed, cluster
        from _nodes join _of_node using (node) join _people using (anchor) join _types using (code)
        join _moments on rank = place // {ROWS}"""
    )
    con.execute(
        f"""insert into identity.identifiers by name
        select 'customer_id' as id_type, customer_id as id_value, customer_id, {landed} as first_landed, cluster
        from _people join _nodes on node = _people.anchor join _of_node using (node)
        join _moments on rank = place // {ROWS}"""
    )
    links = f"""
        select lt.id_type as left_type, l.id_value as left_value, rt.id_type as right_type, r.id_value as right_value,
            s.name as source_table, case when k.place < 0 then '' else {landed.replace("place ", "k.place ")} end
                as first_landed,
            o.cluster, {{reason}}
        from _links k {{which}}
        join _nodes l on l.node = left_node join _types lt on lt.code = l.code
        join _nodes r on r.node = right_node join _types rt on rt.code = r.code
        join _of_node o on o.node = left_node
        join _sources s on s.source = k.source
        left join _moments on rank = k.place // {ROWS}"""
    which = "anti join _refused using (link)"
    con.execute("insert into identity.edges by name " + links.format(reason="", which=which))
    which = "join _refused w using (link)"
    con.execute("insert into identity.refused_edges by name " + links.format(reason="w.reason", which=which))


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


def _uuid5(name: str) -> str:
    """`customer_id` in SQL, over an expression of «type:value»."""
    digest = f"sha1(unhex('{NAMESPACE.hex}') || encode({name}))"
    return (
        "(select substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5' || substr(h, 14, 3) || '-' || "
        "translate(substr(h, 17, 1), '0123456789abcdef', '89ab89ab89ab89ab') || substr(h, 18, 3) || '-' || "
        f"substr(h, 21, 12) from (select {digest} as h))"
    )
