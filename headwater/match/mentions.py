"""What rows say: every identifier, and every pair that a row names together.

Belongs here: the SQL that reads both out of the tables of `identity.yaml`, tidied and without junk, each with the place
where it was first told. Does not belong here: which pairs are believed (`graph`), what is read (`news`).

A row that names several identifiers ties each of them to the one of highest priority, not all to all: on a shared
tablet the row (Bob's user id, the tablet, Bob's address) must not tie the address to the tablet once the tablet is
known to be Ann's.

A place is one number: the rank of the lake object among all (`landing.told`), then the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.configuration import EdgeSource, Identity
from headwater.match.graph import Ints
from headwater.match.landing import told
from headwater.match.news import News, Table, only_objects, unreadable
from headwater.match.numbering import BATCH, Texts, hashes, ints
from headwater.match.readings import Readings
from headwater.match.tidying import phone_functions, tidied

ROWS = 1 << 40
"""More rows than a lake object has; a place is rank * ROWS + row."""


@dataclass(frozen=True)
class Column:
    """One identifier of each row: `at` are the rows that have it."""

    texts: Texts
    at: Ints


@dataclass(frozen=True)
class Said:
    """What the rows of one table say, each combination of identifiers once.

    Attributes:
        source: the table, counting through `news.tables`.
        columns: identifiers, the type of highest priority first.
        places: of each row, where it first landed.
    """

    source: int
    columns: list[Column]
    places: Ints

    def pairs(self, numbers: list[Ints]) -> Iterator[tuple[Ints, Ints, Ints]]:
        """(left, right, place) of the ties: each identifier with the first of its row that is there.

        Args:
            numbers: for each column the numbers of its texts.
        """
        hub = np.full(len(self.places), -1, dtype=np.int64)
        for column, found in zip(self.columns, numbers, strict=True):
            first = hub[column.at]
            tied = first >= 0
            yield first[tied], found[tied], self.places[column.at[tied]]
            hub[column.at[~tied]] = found[~tied]


def type_codes(identity: Identity) -> dict[str, int]:
    """Each id type's number, the highest priority first."""
    ordered = sorted(identity.id_types, key=lambda name: (identity.id_types[name].priority, name))
    return {name: code for code, name in enumerate(ordered)}


def rank_objects(con: DuckDBPyConnection, news: News, readings: Readings) -> list[str]:
    """Rank every object that is there by when it became known, into the temp table `_ranks(source, lake_object, rank)`.

    Returns:
        The moments (`landing.told`), by rank.
    """
    named = [
        (source, lake_object, told(readings.of[table][lake_object], lake_object))
        for source, (table, objects) in enumerate(news.objects.items())
        for lake_object in objects
    ]
    ranked = sorted({moment for _, _, moment in named})
    ranks = {moment: rank for rank, moment in enumerate(ranked)}
    given = pa.table(
        {
            "source": pa.array([source for source, _, _ in named], pa.int64()),
            "lake_object": pa.array([lake_object for _, lake_object, _ in named], pa.string()),
            "rank": pa.array([ranks[moment] for _, _, moment in named], pa.int64()),
        }
    )
    con.register("_given", given)
    con.execute("create or replace temp table _ranks as from _given")
    con.unregister("_given")
    return ranked


def read_mentions(con: DuckDBPyConnection, identity: Identity, news: News) -> list[Said]:
    """Read what is new, or everything when there is a reason to. Needs `_ranks`.

    Raises:
        ConfigError: an expression of `identity.yaml` is not SQL over its table.
    """
    sources = {name: number for number, name in enumerate(news.tables)}
    said = []
    with phone_functions(con, identity):
        for edge in identity.edges:
            table = news.tables.get(edge.table)
            if table is None or (news.reason is None and not news.fresh[edge.table]):
                continue
            fresh = news.fresh[edge.table] if news.reason is None else None
            said.append(_read(con, identity, edge, table, fresh, sources[edge.table]))
    return said


def _read(
    con: DuckDBPyConnection, identity: Identity, edge: EdgeSource, table: Table, fresh: list[str] | None, source: int
) -> Said:
    codes = type_codes(identity)
    types = sorted(edge.ids, key=codes.__getitem__)
    names = [f"v{i}" for i in range(len(types))]
    values = ", ".join(
        f"{tidied(edge.ids[id_type], identity.id_types[id_type])} as {name}"
        for name, id_type in zip(names, types, strict=True)
    )
    condition = f"({edge.where}) and {only_objects(table, fresh)}" if edge.where else only_objects(table, fresh)
    try:
        found = con.execute(
            f"""select {", ".join(f"{name}, hash({name}) as h_{name}" for name in names)}, place
            from (
                select {", ".join(names)}, min(rank * {ROWS} + row) as place
                from (
                    select {values}, {table.lake_object} as lake_object, {table.row}::bigint as row
                    from {table.sql} where {condition}
                ) join (from _ranks where source = {source}) using (lake_object)
                where coalesce({", ".join(names)}) is not null
                group by {", ".join(names)}
            )"""
        ).to_arrow_table(BATCH)
    except duckdb.Error as error:
        said = {**edge.ids, "where": edge.where}
        raise unreadable(f"the edge over {edge.table}", said, table, error) from error
    columns = [_column(found, name, codes[id_type]) for name, id_type in zip(names, types, strict=True)]
    return Said(source, columns, ints(found, "place"))


def _column(found: pa.Table, name: str, code: int) -> Column:
    values, hashed = found[name], hashes(found, f"h_{name}")
    if not values.null_count:
        at = np.arange(len(values), dtype=np.int64)
    else:
        at = np.flatnonzero(values.is_valid().to_numpy())
        values, hashed = values.drop_null(), hashed[at]
    return Column(Texts(np.full(len(at), code, dtype=np.int64), values, hashed), at)
