"""The part of the graph that has to be decided: what was read, and everything that is connected with it.

Belongs here: finding it and laying it out with numbers instead of texts. Does not belong here: deciding (`deciding`),
or writing what came of it (`resolve`).

Every identifier and every tie carries a `cluster`: the same number for all that ties connect, believed or refused.
Nothing outside of a cluster has a say in it (`graph`), so new ties touch their own clusters and no others.
"""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from headwater.configuration import Identity
from headwater.configuration.identity_checks import split_id
from headwater.match.mentions import ROWS, type_codes
from headwater.match.news import News
from headwater.policy.identifiers import normal

BY_HAND = "identity.yaml"
TABLES = (
    "_people",
    "_types",
    "_sources",
    "_included",
    "_touched",
    "_before",
    "_nodes",
    "_links",
    "_known",
    "_fresh_ties",
)


def lay_out(con: DuckDBPyConnection, identity: Identity, news: News) -> None:
    """Fill temp tables, from `_seen` and `_ties`:

    * `_before`: rows of `identity.identifiers` that will be written anew,
    * `_nodes(code, id_value, place)`: its identifiers,
    * `_links(left_row, right_row, source, place)`: its ties between rows of `_nodes`; a tie that was stored and landed
      earlier as well, or was included by hand, is there twice.
    """
    _name_codes(con, identity, news)
    if news.reason is None:
        _touch(con)
        con.execute(
            "create or replace temp table _before as from identity.identifiers where cluster in (from _touched)"
        )
        con.execute(f"create or replace temp table _nodes as {_STORED_NODES}")
        links = _STORED_LINKS
    else:
        con.execute("create or replace temp table _before as from identity.identifiers")
        con.execute("alter table _seen rename to _nodes")
        links = "from _ties"
    con.execute(
        f"""create or replace temp table _links as
        select l.rowid as left_row, r.rowid as right_row, source, t.place
        from ({links} union all by name from _included) as t
        join _nodes l on l.code = left_code and l.id_value = left_value
        join _nodes r on r.code = right_code and r.id_value = right_value"""
    )


def drop(con: DuckDBPyConnection) -> None:
    """Remove what `lay_out` and the reading before it left."""
    for table in (*TABLES, "_seen", "_ties", "_ranks", "_moments"):
        con.execute(f"drop table if exists {table}")


def _name_codes(con: DuckDBPyConnection, identity: Identity, news: News) -> None:
    codes = type_codes(identity)
    con.execute("create or replace temp table _types (id_type text, code tinyint)")
    con.executemany("insert into _types values (?, ?)", list(codes.items()))
    con.execute("create or replace temp table _sources (name text, source tinyint)")
    named = [(name, number) for number, name in enumerate(news.tables)]
    con.executemany("insert into _sources values (?, ?)", [(BY_HAND, -1), *named])
    pairs = []
    for number, override in enumerate(identity.include):
        found = sorted((codes[id_type], value) for id_type, value in normal_ids(identity, override.ids))
        if len(found) == 2:
            # before everything that ever landed
            pairs.append((*found[0], *found[1], number - len(identity.include)))
    con.execute(
        "create or replace temp table _included (left_code tinyint, left_value text, right_code tinyint, "
        "right_value text, place bigint, source tinyint default -1)"
    )
    if pairs:
        con.executemany(
            "insert into _included (left_code, left_value, right_code, right_value, place) values (?, ?, ?, ?, ?)",
            pairs,
        )


def normal_ids(identity: Identity, ids: list[str]) -> list[tuple[str, str]]:
    """An override's ids as (id type, value as it is compared); those that are junk are left out."""
    split = [split_id(text) for text in ids]
    return [
        (id_type, value)
        for id_type, written in split
        if (value := normal(identity.id_types[id_type], written, identity.default_region)) is not None
    ]


def _touch(con: DuckDBPyConnection) -> None:
    """`_touched(cluster)`: the clusters that what was read has to do with. What is known already touches nothing."""
    con.execute(
        f"""create or replace temp table _known as
        select code, id_value, cluster, rank * {ROWS} + first_row as place
        from (
            select s.code, s.id_value, i.cluster, i.first_landed, i.first_row
            from identity.identifiers i join _types t using (id_type) join _seen s using (code, id_value)
        ) join _moments on landed = first_landed"""
    )
    con.execute(
        f"""create or replace temp table _fresh_ties as
        from _ties
        anti join (
            select left_code, left_value, right_code, right_value
            from (
                select t.*, stored.first_landed, stored.first_row
                from (
                    select left_type, left_value, right_type, right_value, first_landed, first_row
                    from identity.edges
                    union all
                    select left_type, left_value, right_type, right_value, first_landed, first_row
                    from identity.refused_edges
                ) as stored
                join _types l on l.id_type = left_type
                join _types r on r.id_type = right_type
                join _ties t on t.left_code = l.code and t.left_value = stored.left_value
                    and t.right_code = r.code and t.right_value = stored.right_value
            ) left join _moments on landed = first_landed
            where first_landed = '' or rank * {ROWS} + first_row <= place
        ) using (left_code, left_value, right_code, right_value)"""
    )
    con.execute(
        """create or replace temp table _touched as
        select k.cluster from _known k join _seen s using (code, id_value) where s.place < k.place
        union
        select cluster from _known k join _fresh_ties on k.code = left_code and k.id_value = left_value
        union
        select cluster from _known k join _fresh_ties on k.code = right_code and k.id_value = right_value"""
    )
    # what was included by hand long ago holds from the day on which both are known
    for near, far in (("left", "right"), ("right", "left")):
        con.execute(
            f"""insert into _touched
            select cluster
            from _included join _seen on {near}_code = code and {near}_value = id_value
            join _types t on t.code = {far}_code
            join identity.identifiers i on i.id_type = t.id_type and i.id_value = {far}_value
            where not exists (from _known k where k.code = _seen.code and k.id_value = _seen.id_value)"""
        )


_STORED_NODES = f"""
select code, id_value, min(place) as place
from (
    select code, id_value, rank * {ROWS} + first_row as place
    from _before join _types using (id_type) join _moments on landed = first_landed
    union all
    select code, id_value, place
    from _seen
    where not exists (from _known k where k.code = _seen.code and k.id_value = _seen.id_value)
        or exists (
            from _known k semi join _touched using (cluster)
            where k.code = _seen.code and k.id_value = _seen.id_value
        )
)
group by code, id_value"""

_STORED_LINKS = f"""
select l.code as left_code, left_value, r.code as right_code, right_value, source, rank * {ROWS} + first_row as place
from (
    select left_type, left_value, right_type, right_value, source_table, first_landed, first_row
    from identity.edges where cluster in (from _touched)
    union all
    select left_type, left_value, right_type, right_value, source_table, first_landed, first_row
    from identity.refused_edges where cluster in (from _touched)
) as stored
join _types l on l.id_type = left_type
join _types r on r.id_type = right_type
join _sources on name = source_table
join _moments on landed = first_landed
union all by name
from _fresh_ties"""
