"""Identifiers become people: `identity.identifiers`, `identity.edges`, `identity.refused_edges`.

Belongs here: the steps in their order and the three tables. Does not belong here: reading ties (`ties`), deciding
which are believed (`graph`), when something landed (`landing`).

A person is a connected component of believed ties. Its id is a UUID made of its anchor: the identifier that landed
first, then the type of higher priority, then the lesser value. So the same lake gives the same ids however often and
in whatever order the warehouse is rebuilt; new data leaves ids as they are, and when two people turn out to be one,
the older anchor stays.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.configuration import Identity
from headwater.match.graph import Ints, Nodes, components, first_of_each, within_caps, within_limits
from headwater.match.ties import read_ties
from headwater.storage.warehouse import transaction

# Never change it: every customer id that was ever given out is made from it.
NAMESPACE = uuid.UUID("8b1f6c1e-7d0c-5b60-9a51-3f2b8e4d7a90")


@dataclass(frozen=True)
class Resolved:
    """Counts: people, identifiers (without the people's own ids), ties believed and refused."""

    people: int
    identifiers: int
    edges: int
    refused_edges: int


def customer_id(id_type: str, id_value: str) -> str:
    """The id of the person whose anchor this identifier is."""
    return str(uuid.uuid5(NAMESPACE, f"{id_type}:{id_value}"))


def resolve(con: DuckDBPyConnection, identity: Identity) -> Resolved:
    """Work out who is who from everything that is loaded, and replace the three tables in one transaction.

    Raises:
        ConfigError: an expression of `identity.yaml` is not SQL over its table.
    """
    read_ties(con, identity)
    types = sorted(identity.id_types, key=lambda name: (identity.id_types[name].priority, name))
    con.register("_types", pa.table({"id_type": types, "code": pa.array(range(len(types)), pa.int64())}))
    try:
        # numbered by age: a component's anchor is its lowest number
        con.execute(
            """create or replace temp table _nodes as
            select row_number() over (order by first_landed, code, id_value) - 1 as node, code, id_type, id_value,
                first_landed
            from _seen join _types using (id_type)"""
        )
        con.execute(
            """create or replace temp table _numbered as
            select l.node as left_node, r.node as right_node, t.*
            from _ties t
            join _nodes l on l.id_type = left_type and l.id_value = left_value
            join _nodes r on r.id_type = right_type and r.id_value = right_value
            order by t.first_landed, l.code, r.code, left_value, right_value"""
        )
        nodes = con.execute("select code, id_type, id_value from _nodes order by node").to_arrow_table()
        ties = con.execute("select * from _numbered").to_arrow_table()
        kept, reasons, member = _decide(identity, types, nodes, ties)
        return _write(con, nodes, ties, kept, reasons, member)
    finally:
        con.unregister("_types")
        for table in ("_seen", "_ties", "_nodes", "_numbered"):
            con.execute(f"drop table if exists {table}")


def _decide(
    identity: Identity, types: list[str], nodes: pa.Table, ties: pa.Table
) -> tuple[np.ndarray, dict[int, str], Ints]:
    code = {name: index for index, name in enumerate(types)}
    typed = Nodes(_ints(nodes, "code"))
    left, right = _ints(ties, "left_node"), _ints(ties, "right_node")
    limits = {
        (code[name], code[other]): limit
        for name, id_type in identity.id_types.items()
        for other, limit in id_type.limits.items()
        if other != name and other in code
    }
    caps = {code[name]: t.limits[name] for name, t in identity.id_types.items() if name in t.limits}
    kept, over_limit = within_limits(typed, left, right, limits)
    reasons = {
        index: f"{types[typed.types[node]]} is tied to {limits[(int(typed.types[node]), other)]} {types[other]} already"
        for index, (node, other) in over_limit.items()
    }
    within = np.flatnonzero(kept)
    joined, over_cap = within_caps(typed, left[within], right[within], caps)
    kept[within[~joined]] = False
    reasons |= {
        int(within[index]): f"a person has at most {caps[id_type]} {types[id_type]}"
        for index, id_type in over_cap.items()
    }
    return kept, reasons, components(len(typed.types), left[kept], right[kept])


def _write(
    con: DuckDBPyConnection, nodes: pa.Table, ties: pa.Table, kept: np.ndarray, reasons: dict[int, str], member: Ints
) -> Resolved:
    anchors = first_of_each(member)
    names = list(zip(nodes["id_type"].to_pylist(), nodes["id_value"].to_pylist(), strict=True))
    ids = pa.array([customer_id(*names[anchor]) for anchor in anchors.tolist()], pa.string())
    people = pa.table({"node": anchors, "customer_id": ids})
    of_node = pa.table({"node": np.arange(len(member)), "anchor": anchors[member] if len(member) else member})
    pairs = ties.select(["left_type", "left_value", "right_type", "right_value", "source_table", "first_landed"])
    refused = np.flatnonzero(~kept)
    refused_pairs = pairs.take(pa.array(refused)).append_column(
        "reason", pa.array([reasons[int(index)] for index in refused], pa.string())
    )
    con.register("_people", people)
    con.register("_of_node", of_node)
    con.register("_edges", pairs.filter(pa.array(kept)))
    con.register("_refused", refused_pairs)
    try:
        with transaction(con):
            con.execute("delete from identity.identifiers")
            con.execute(
                """insert into identity.identifiers by name
                select id_type, id_value, customer_id, first_landed
                from _nodes join _of_node using (node) join _people on _people.node = anchor
                order by node"""
            )
            con.execute(
                """insert into identity.identifiers by name
                select 'customer_id' as id_type, customer_id as id_value, customer_id, first_landed
                from _people join _nodes using (node) order by node"""
            )
            con.execute("delete from identity.edges")
            con.execute("insert into identity.edges by name from _edges")
            con.execute("delete from identity.refused_edges")
            con.execute("insert into identity.refused_edges by name from _refused")
    finally:
        for view in ("_people", "_of_node", "_edges", "_refused"):
            con.unregister(view)
    return Resolved(len(anchors), len(names), int(kept.sum()), len(refused))


def _ints(table: pa.Table, column: str) -> Ints:
    return table[column].to_numpy().astype(np.int64)
