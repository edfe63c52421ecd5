"""Profiles from the warehouse into the online store.

Belongs here: which profiles and identifiers have changed since the last push, and bringing exactly those over. Does
not belong here: how Redis keeps them (`headwater.storage.online`).

The warehouse remembers what it has brought over (`push.online_profiles`, `push.online_identifiers`) and the id of the
last complete push; Redis holds the same id, written last. Where the two differ (another Redis, an emptied one, one
that lost its tail in a power cut, a push that was killed) everything is written again and what is not ours is swept.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from headwater.push.rows import columns_of, fetch, json_object, quote
from headwater.storage.online import OnlineStore, Pushed

MODEL = "marts.customer_activation"

_TABLES = """
create schema if not exists push;
create table if not exists push.online_profiles (customer_id varchar primary key, hash varchar not null);
create table if not exists push.online_identifiers (
    id_type varchar, id_value varchar, customer_id varchar not null, primary key (id_type, id_value)
);
create table if not exists push.online_runs (
    run_id varchar primary key, version bigint not null, as_of timestamp not null, pushed_at timestamp not null,
    is_full boolean not null, people bigint, written bigint, removed bigint, identifiers_written bigint,
    identifiers_removed bigint, model_version varchar
);
"""


@dataclass(frozen=True)
class OnlinePush:
    """What a push did. `profiles` and `identifiers` are all there are; the rest counts what was touched."""

    profiles: int
    identifiers: int
    written: int
    removed: int
    identifiers_written: int
    identifiers_removed: int
    outdated: int
    is_full: bool


def push_profiles(
    con: duckdb.DuckDBPyConnection,
    store: OnlineStore,
    as_of: datetime,
    *,
    clock: Callable[[], float] = time.time,
) -> OnlinePush:
    """Bring the online store up to `marts.customer_activation` and `identity.identifiers`.

    On unchanged data and the same `as_of` nothing is written.

    Args:
        con: the warehouse, open for writing.
        store: where to.
        as_of: the time that the profiles describe, UTC without offset.
        clock: seconds since 1970.

    Raises:
        DataError: the model is not built.
        UnavailableError: Redis does not answer; the next push goes on.
    """
    con.execute(_TABLES)
    last = con.sql("select run_id, version, as_of, model_version from push.online_runs order by version desc limit 1")
    before = last.fetchone()
    there = store.pushed()
    is_full = before is None or there is None or there.run_id != before[0]
    moment = clock()
    version = max(int(moment * 1_000_000), (before[1] if before else 0) + 1, (there.version if there else 0) + 1)
    model_version = _stage(con)
    people, identifiers = _count(con, "online_current"), _count(con, "online_current_ids")
    is_fresh = not is_full and before is not None and (before[2], before[3]) == (as_of, model_version)
    _compare(con, is_full)
    todo = [_count(con, name) for name in ("online_put", "online_remove", "online_put_ids", "online_remove_ids")]
    if is_fresh and not any(todo):
        return OnlinePush(people, identifiers, 0, 0, 0, 0, 0, False)
    outcome = store.put_profiles(fetch(con, "select customer_id, members from online_put"), version)  # type: ignore[arg-type]
    id_columns = "select id_type, id_value, customer_id from"
    written_ids = store.put_identifiers(fetch(con, f"{id_columns} online_put_ids"))  # type: ignore[arg-type]
    removed_ids = store.remove_identifiers(fetch(con, f"{id_columns} online_remove_ids"))  # type: ignore[arg-type]
    gone = (row[0] for row in fetch(con, "select customer_id from online_remove"))
    removed = store.remove_profiles(gone, version)
    if is_full:
        swept = store.sweep(
            (row[0] for row in fetch(con, "select customer_id from online_current")),
            (row for row in fetch(con, "select id_type, id_value from online_current_ids")),  # type: ignore[misc]
        )
        removed, removed_ids = removed + swept[0], removed_ids + swept[1]
    pushed_at = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    run = Pushed(uuid.uuid4().hex, version, _iso(as_of), _iso(pushed_at), people, model_version)
    store.mark_pushed(run)
    result = OnlinePush(
        people, identifiers, outcome.written, removed, written_ids, removed_ids, outcome.outdated, is_full
    )
    _remember(con, run, as_of, pushed_at, result)
    return result


def _stage(con: duckdb.DuckDBPyConnection) -> str | None:
    """Lay out what the online store should hold in temporary tables; answers the newest model version in it."""
    types = columns_of(con, MODEL)
    profile = json_object({name: name for name in types if name not in ("customer_id", "as_of")}, types)
    con.execute(f"""
        create or replace temp table online_current as
        with ids as (
            select customer_id, id_type, to_json(list(id_value order by id_value)) as id_values
            from identity.identifiers
            where id_type <> 'customer_id'
            group by customer_id, id_type
        ),
        ids_by_person as (
            select
                customer_id,
                string_agg(to_json(id_type) || ':' || id_values, ',' order by id_type) as members
            from ids
            group by customer_id
        ),
        rendered as (
            select
                activation.customer_id,
                '{{"customer_id":' || to_json(activation.customer_id) || ',"ids":{{' || coalesce(ids.members, '')
                || '}},"profile":' || activation.profile || '}}' as members
            from (select customer_id, {profile} as profile from {MODEL}) as activation
            left join ids_by_person as ids using (customer_id)
            where activation.customer_id is not null
        )
        select customer_id, cast(members as varchar) as members, md5(members) as hash from rendered
    """)
    con.execute("""
        create or replace temp table online_current_ids as
        select id_type, id_value, any_value(customer_id) as customer_id
        from identity.identifiers
        semi join online_current using (customer_id)
        where id_type <> 'customer_id'
        group by id_type, id_value
        union all
        -- an id that was given out before its person was merged into another leads there
        select 'customer_id', former_id, customer_id
        from identity.successors semi join online_current using (customer_id)
    """)
    versions = [name for name in types if name.endswith("model_version")]
    if not versions:
        return None
    row = con.sql(f"select max(cast({quote(versions[0])} as varchar)) from {MODEL}").fetchone()
    return row[0] if row else None


def _compare(con: duckdb.DuckDBPyConnection, is_full: bool) -> None:
    """What must be put and removed. After a lost or foreign store, everything must be put."""
    profiles = (
        "online_current" if is_full else "online_current anti join push.online_profiles using (customer_id, hash)"
    )
    ids = "online_current_ids"
    if not is_full:
        ids += " anti join push.online_identifiers using (id_type, id_value, customer_id)"
    con.execute(f"create or replace temp table online_put as from {profiles}")
    con.execute(f"create or replace temp table online_put_ids as from {ids}")
    con.execute("""
        create or replace temp table online_remove as
        from push.online_profiles anti join online_current using (customer_id)
    """)
    con.execute("""
        create or replace temp table online_remove_ids as
        from push.online_identifiers anti join online_current_ids using (id_type, id_value)
    """)


def _remember(
    con: duckdb.DuckDBPyConnection, run: Pushed, as_of: datetime, pushed_at: datetime, result: OnlinePush
) -> None:
    con.begin()
    try:
        con.execute("""
            delete from push.online_profiles where customer_id in (select customer_id from online_remove)
        """)
        con.execute("insert or replace into push.online_profiles select customer_id, hash from online_put")
        con.execute("""
            delete from push.online_identifiers
            where (id_type, id_value) in (select (id_type, id_value) from online_remove_ids)
        """)
        con.execute("""
            insert or replace into push.online_identifiers select id_type, id_value, customer_id from online_put_ids
        """)
        con.execute(
            "insert into push.online_runs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                run.run_id,
                run.version,
                as_of,
                pushed_at,
                result.is_full,
                result.profiles,
                result.written,
                result.removed,
                result.identifiers_written,
                result.identifiers_removed,
                run.model_version,
            ],
        )
        con.commit()
    except BaseException:
        con.rollback()
        raise


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = con.sql(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"
