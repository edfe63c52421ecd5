"""What rows say: every identifier, and every pair that a row names together.

Belongs here: the SQL that reads both out of the tables of `identity.yaml`, tidied and without junk, each with the place
where it first landed. Does not belong here: which pairs are believed (`graph`), what is read (`news`).

A row that names several identifiers ties each of them to the one of highest priority, not all to all: on a shared
tablet the row (Bob's user id, the tablet, Bob's address) must not tie the address to the tablet once the tablet is
known to be Ann's.

A place is one number, `place`: the rank of the lake object among all by its landing, then the row.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.configuration import EdgeSource, Identity
from headwater.match.landing import landed
from headwater.match.news import News, Table, only_objects, unreadable
from headwater.match.tidying import phone_function, tidied

ROWS = 1 << 40
"""More rows than a lake object has; `place` is rank * ROWS + row."""


def type_codes(identity: Identity) -> dict[str, int]:
    """Each id type's number, the highest priority first."""
    ordered = sorted(identity.id_types, key=lambda name: (identity.id_types[name].priority, name))
    return {name: code for code, name in enumerate(ordered)}


def rank_objects(con: DuckDBPyConnection, news: News) -> None:
    """Fill the temp tables `_ranks(lake_object, rank)` and `_moments(rank, landed)` with every object that is there."""
    named = {found for objects in news.objects.values() for found in objects}
    moments = {found: landed(found) for found in named}
    ranks = {moment: rank for rank, moment in enumerate(sorted(set(moments.values())))}
    objects = list(named)
    of_objects = pa.table({"lake_object": objects, "rank": [ranks[moments[found]] for found in objects]})
    of_moments = pa.table({"landed": list(ranks), "rank": list(ranks.values())})
    for table, given in (("_ranks", of_objects), ("_moments", of_moments)):
        con.register("_given", given)
        column = given.column_names[0]
        selected = f"{column}::text as {column}, rank::bigint as rank"
        con.execute(f"create or replace temp table {table} as select {selected} from _given")
        con.unregister("_given")


def read_mentions(con: DuckDBPyConnection, identity: Identity, news: News) -> None:
    """Fill the temp tables `_seen(code, id_value, place)` and `_ties(left_code, left_value, right_code, right_value,
    source, place)`, both distinct, ties with the higher priority on the left; `source` counts through `news.tables`.

    Reads what is new, or everything when there is a reason to. Needs `_ranks`.

    Raises:
        ConfigError: an expression of `identity.yaml` is not SQL over its table.
    """
    codes = type_codes(identity)
    sources = {name: number for number, name in enumerate(news.tables)}
    con.execute(
        "create or replace temp table _mentions (hub_code tinyint, hub_value text, code tinyint, id_value text, "
        "source tinyint, place bigint)"
    )
    with phone_function(con, identity):
        for edge in identity.edges:
            table = news.tables.get(edge.table)
            if table is None or (news.reason is None and not news.fresh[edge.table]):
                continue
            fresh = news.fresh[edge.table] if news.reason is None else None
            _read(con, identity, codes, edge, table, fresh, sources[edge.table])
    con.execute(
        """create or replace temp table _seen as
        select code, id_value, min(place) as place from _mentions group by all"""
    )
    con.execute(
        """create or replace temp table _ties as
        select hub_code as left_code, hub_value as left_value, code as right_code, id_value as right_value,
            arg_min(source, place) as source, min(place) as place
        from _mentions where hub_code <> code or hub_value <> id_value group by all"""
    )
    con.execute("drop table _mentions")


def _read(
    con: DuckDBPyConnection,
    identity: Identity,
    codes: dict[str, int],
    edge: EdgeSource,
    table: Table,
    fresh: list[str] | None,
    source: int,
) -> None:
    # highest priority first: the first that is there becomes the hub of its row
    types = sorted(edge.ids, key=codes.__getitem__)
    names = [f"v{i}" for i in range(len(types))]
    values = ", ".join(
        f"{tidied(edge.ids[id_type], identity.id_types[id_type])} as {name}"
        for name, id_type in zip(names, types, strict=True)
    )
    condition = f"({edge.where}) and {only_objects(table, fresh)}" if edge.where else only_objects(table, fresh)
    hub_value = f"coalesce({', '.join(names)})"
    hub_code = "case " + " ".join(f"when {n} is not null then {codes[t]}" for n, t in zip(names, types, strict=True))
    try:
        con.execute(
            f"""create or replace temp table _rows as
            select {", ".join(names)}, min(rank * {ROWS} + row) as place
            from (
                select {values}, {table.lake_object} as lake_object, {table.row}::bigint as row
                from {table.sql} where {condition}
            ) join _ranks using (lake_object)
            where {hub_value} is not null
            group by {", ".join(names)}"""
        )
    except duckdb.Error as error:
        raise unreadable(edge.table, error) from error
    for name, id_type in zip(names, types, strict=True):
        con.execute(
            f"""insert into _mentions
            select {hub_code} end, {hub_value}, {codes[id_type]}, {name}, {source}, place
            from _rows where {name} is not null"""
        )
    con.execute("drop table _rows")
