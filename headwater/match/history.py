"""What became of people who were known before: merges, splits, and where a former id leads.

Belongs here: `identity.changes` and `identity.successors`. Does not belong here: who is who now (`resolve`).

Both are a warehouse's memory of ids that it gave out; one that is built anew from the lake has given out none.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from headwater.match.landing import ALIKE
from headwater.match.writing import Written


def write(con: DuckDBPyConnection, written: Written, moment: datetime) -> tuple[int, int]:
    """Note every identifier that has another person now.

    A person whose id is gone was merged into the one that its anchor belongs to now; whatever went elsewhere, or left
    a person that is still there, was split off.

    Returns:
        How many people were merged into another, how many identifiers were split off.
    """
    if not written.moved.num_rows:
        return 0, 0
    con.register("_moved", written.moved)
    con.register("_people", pa.table({"customer_id": written.people}))
    try:
        return _note(con, moment)
    finally:
        con.execute("drop table if exists _merged")
        con.unregister("_moved")
        con.unregister("_people")


def _note(con: DuckDBPyConnection, moment: datetime) -> tuple[int, int]:
    con.execute(
        """create or replace temp table _merged as
        select from_id, to_id as into_id, id_type as anchor_type, id_value as anchor_value
        from _moved
        where from_id not in (select customer_id from _people)
        qualify row_number() over (
            partition by from_id
            -- the anchor: what is alike but for its object and row is of one age
            order by split_part(first_landed, $alike, 1),
                case when contains(first_landed, $alike) then 0 else first_row end,
                code, id_value
        ) = 1""",
        {"alike": ALIKE},
    )
    con.execute(
        """insert into identity.changes by name
        select case when into_id = to_id then 'merge' else 'split' end as change,
            from_id as from_customer_id, to_id as to_customer_id, id_type, id_value, ? as changed_at
        from _moved left join _merged m using (from_id)
        order by from_id, to_id, id_type, id_value""",
        [moment],
    )
    con.execute("delete from identity.successors where former_id in (select from_id from _merged)")
    con.execute(
        """insert into identity.successors by name
        select from_id as former_id, into_id as customer_id, anchor_type as id_type, anchor_value as id_value,
            ? as since
        from _merged""",
        [moment],
    )
    # a former id goes where its anchor goes, and ends when that names a person again
    con.execute(
        """update identity.successors as former set customer_id = moved.to_id
        from _moved as moved where former.id_type = moved.id_type and former.id_value = moved.id_value"""
    )
    con.execute("delete from identity.successors where former_id = customer_id")
    counts = con.execute(
        """select (select count(*) from _merged),
            (select count(*) from _moved left join _merged m using (from_id)
             where into_id is distinct from to_id)"""
    ).fetchone()
    return (int(counts[0]), int(counts[1])) if counts else (0, 0)
