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
_NO_SEEN = "select 0::tinyint as code, ''::text as id_value, 0::bigint as place where false"
_NO_TIES = """select 0::tinyint as left_code, ''::text as left_value, 0::tinyint as right_code, ''::text as right_value,
    0::tinyint as source, 0::bigint as place where false"""


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
    seen, ties = [_NO_SEEN], [_NO_TIES]
    tables: list[str] = []
    with phone_function(con, identity):
        for edge in identity.edges:
            table = news.tables.get(edge.table)
            if table is None or (news.reason is None and not news.fresh[edge.table]):
                continue
            fresh = news.fresh[edge.table] if news.reason is None else None
            tables.append(f"_rows_{len(tables)}")
            _read(con, identity, edge, table, fresh, tables[-1])
            types = [codes[id_type] for id_type in _ordered(codes, edge)]
            seen += [
                f"select {code}, v{i}, place from {tables[-1]} where v{i} is not null" for i, code in enumerate(types)
            ]
            ties += _pairs(tables[-1], types, sources[edge.table])
    con.execute(
        f"""create or replace temp table _seen as
        select code, id_value, min(place) as place from ({" union all ".join(seen)}) group by all"""
    )
    con.execute(
        f"""create or replace temp table _ties as
        select left_code, left_value, right_code, right_value, arg_min(source, place) as source, min(place) as place
        from ({" union all ".join(ties)}) where left_code <> right_code or left_value <> right_value group by all"""
    )
    for name in tables:
        con.execute(f"drop table {name}")


def _pairs(table: str, types: list[int], source: int) -> list[str]:
    """Queries for the pairs of the rows: each value with the first of its row that is there."""
    queries = []
    for hub, hub_code in enumerate(types):
        first = " and ".join([*(f"v{i} is null" for i in range(hub)), f"v{hub} is not null"])
        queries += [
            f"select {hub_code}, v{hub}, {types[i]}, v{i}, {source}, place from {table} "
            f"where {first} and v{i} is not null"
            for i in range(hub + 1, len(types))
        ]
    return queries


def _ordered(codes: dict[str, int], edge: EdgeSource) -> list[str]:
    """The types of a row, highest priority first: the first that is there becomes the hub of its row."""
    return sorted(edge.ids, key=codes.__getitem__)


def _read(
    con: DuckDBPyConnection, identity: Identity, edge: EdgeSource, table: Table, fresh: list[str] | None, target: str
) -> None:
    types = _ordered(type_codes(identity), edge)
    names = [f"v{i}" for i in range(len(types))]
    values = ", ".join(
        f"{tidied(edge.ids[id_type], identity.id_types[id_type])} as {name}"
        for name, id_type in zip(names, types, strict=True)
    )
    condition = f"({edge.where}) and {only_objects(table, fresh)}" if edge.where else only_objects(table, fresh)
    try:
        con.execute(
            f"""create or replace temp table {target} as
            select {", ".join(names)}, min(rank * {ROWS} + row) as place
            from (
                select {values}, {table.lake_object} as lake_object, {table.row}::bigint as row
                from {table.sql} where {condition}
            ) join _ranks using (lake_object)
            where coalesce({", ".join(names)}) is not null
            group by {", ".join(names)}"""
        )
    except duckdb.Error as error:
        raise unreadable(edge.table, error) from error
