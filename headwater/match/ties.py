"""What the edge tables of `identity.yaml` say: every identifier, and every pair that a row names together.

Belongs here: the SQL that reads ties out of tables, tidied and without junk, each with its first landing. Does not
belong here: which ties are believed (`limits`, `components`).

A row that names several identifiers ties each of them to the one of highest priority, not all to all: on a shared
tablet the row (Bob's user id, the tablet, Bob's address) must not tie the address to the tablet once the tablet is
known to be Ann's.
"""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from headwater.configuration import EdgeSource, Identity, IdType
from headwater.errors import ConfigError
from headwater.match.landing import landed

_VERSIONS = "__versions"


def read_ties(con: DuckDBPyConnection, identity: Identity) -> None:
    """Fill the temp tables `_seen(id_type, id_value, first_landed)` and `_ties(left_type, left_value, right_type,
    right_value, source_table, first_landed)`, both distinct, ties with the higher priority on the left.

    Tables that do not exist (yet) say nothing.

    Raises:
        ConfigError: an expression of `identity.yaml` is not SQL over its table.
    """
    con.execute(
        "create or replace temp table _mentions (hub_type text, hub_value text, id_type text, id_value text, "
        "source_table text, landed text)"
    )
    for edge in identity.edges:
        table = _existing(con, edge.table)
        if table is not None:
            _read(con, identity, edge, table)
    con.execute(
        """create or replace temp table _seen as
        select id_type, id_value, min(landed) as first_landed from _mentions group by id_type, id_value"""
    )
    con.execute(
        """create or replace temp table _ties as
        select hub_type as left_type, hub_value as left_value, id_type as right_type, id_value as right_value,
            arg_min(source_table, landed) as source_table, min(landed) as first_landed
        from _mentions
        where hub_type <> id_type or hub_value <> id_value
        group by hub_type, hub_value, id_type, id_value"""
    )
    con.execute("drop table _mentions")


def _read(con: DuckDBPyConnection, identity: Identity, edge: EdgeSource, table: str) -> None:
    columns = _columns(con, table)
    moment = "lake_object" if "lake_object" in columns else "_lake_object" if "_lake_object" in columns else "''"
    row = next((c for c in ("row_number", "_row_number") if c in columns), "0")
    # highest priority first: the first that is there becomes the hub of its row
    types = sorted(edge.ids, key=lambda id_type: (identity.id_types[id_type].priority, id_type))
    values = ", ".join(
        f"{_tidied(edge.ids[id_type], identity.id_types[id_type])} as v{i}" for i, id_type in enumerate(types)
    )
    names = ", ".join(f"v{i}" for i in range(len(types)))
    hub_value = f"coalesce({names})"
    hub_type = "case " + " ".join(f"when v{i} is not null then {_text(t)}" for i, t in enumerate(types)) + " end"
    source = _text(edge.table)
    try:
        con.execute(
            f"create or replace temp table _rows as select {values}, {moment} as object, min({row}) as row "
            f"from {table} {f'where {edge.where}' if edge.where else ''} group by all"
        )
        objects = [found for (found,) in con.execute("select distinct object from _rows").fetchall()]
    except Exception as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"identity.yaml: the edge over {edge.table} cannot be read: {first}") from error
    con.execute("create or replace temp table _landed (object text, landed text)")
    if objects:
        con.executemany("insert into _landed values (?, ?)", [(found, landed(found or "")) for found in objects])
    for i, id_type in enumerate(types):
        con.execute(
            f"""insert into _mentions
            select {hub_type}, {hub_value}, {_text(id_type)}, v{i}, {source},
                min(landed || '/' || printf('%012d', row::bigint))
            from _rows join _landed on _rows.object is not distinct from _landed.object
            where v{i} is not null
            group by all"""
        )
    con.execute("drop table _rows")
    con.execute("drop table _landed")


def _tidied(expression: str, id_type: IdType) -> str:
    """The SQL that gives the identifier as it is compared, or null when it is none."""
    value = f"nullif(trim(({expression})::varchar), '')"
    junk = [text.strip().lower() for text in id_type.junk if text.strip()]
    if id_type.normalise == "email":
        value = f"lower({value})"
        value = f"case when regexp_full_match({value}, '[^@\\s]+@[^@\\s]+') then {value} end"
    if junk:
        value = f"case when lower({value}) not in ({', '.join(_text(text) for text in junk)}) then {value} end"
    return value


def _existing(con: DuckDBPyConnection, table: str) -> str | None:
    """The table with every version of its rows, if there is one: what a row once said still holds together."""
    schema, _, name = table.rpartition(".")
    present = {
        found
        for (found,) in con.execute(
            "select table_name from information_schema.tables where table_catalog = current_database() "
            "and table_schema = ?",
            [schema or "main"],
        ).fetchall()
    }
    wanted = next((found for found in (name + _VERSIONS, name) if found in present), None)
    return f'"{schema or "main"}"."{wanted}"' if wanted else None


def _columns(con: DuckDBPyConnection, table: str) -> set[str]:
    return {row[0].lower() for row in con.execute(f"describe {table}").fetchall()}


def _text(value: str) -> str:
    return f"'{value.replace(chr(39), chr(39) * 2)}'"
