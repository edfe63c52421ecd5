"""`events.users`: one row a user_id, of each column the latest value that any identify of theirs had.

Belongs here: renewing the rows of those who were identified. Does not belong here: the identifies themselves.
"""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from headwater.load.event_shape.columns import FULL_EVENT
from headwater.load.event_shape.evolution import evolve
from headwater.storage.warehouse.schema import quoted_column


def renew_users(con: DuckDBPyConnection, tables: dict[str, dict[str, str]]) -> None:
    """Renew the row of each user_id in `_rows`: of each column the latest value, over all its identifies.

    Args:
        tables: table → columns with their types, of all tables of the schema; brought up to date.
    """
    source, target = tables["events.identifies"], tables["events.users"]
    wanted = {name: kind for name, kind in source.items() if name not in ("id", "anonymous_id", "user_id", FULL_EVENT)}
    evolve(con, "events.users", target, wanted)
    latest = {
        quoted_column(name): f"max_by({_cast_column(name, kind, target[name])}, position)"
        for name, kind in wanted.items()
    }
    con.execute("create or replace temp table _users as select distinct user_id from _rows where user_id <> ''")
    con.execute("delete from events.users where id in (select user_id from _users)")
    con.execute(
        f"""
        insert into events.users (id, {", ".join(latest)})
        with positioned as (
            select *, row_number() over (
                partition by user_id order by timestamp nulls first, received_at nulls first, id
            ) as position
            from events.identifies semi join _users using (user_id)
        )
        select user_id, {", ".join(latest.values())} from positioned group by user_id
        """
    )
    con.execute("drop table _users")


def _cast_column(name: str, kind: str, target: str) -> str:
    """SQL: a column of one type for a column of another, which `evolve` made wide enough."""
    column = quoted_column(name)
    if kind == target:
        return column
    if kind == "TIMESTAMP" and target == "VARCHAR":
        return f"replace({column}::varchar, ' ', 'T') || 'Z'"
    return f"{column}::{target}"
