"""Which rows of a sync are due: the model as it is, against what the destination has accepted.

Belongs here: reading a sync's model, refusing a key that is no key, and the comparison, all in SQL. Does not belong
here: sending, or writing the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import duckdb

from headwater.configuration import Sync
from headwater.errors import ConfigError, DataError
from headwater.push.destinations.base import Destination
from headwater.push.ledger import Due, tables_or_empty
from headwater.push.rows import columns_of, json_object, literal, quote, relation

Scope = Literal["changed", "rejected", "all"]
SHOWN = 5
PAGE = 20_000
_DUE_COLUMNS = "key, fields, hash, operation, accepted_hash, attempts, rejections, first_rejected_at, was_rejected"


def id_field(name: str, sync: Sync, destination: Destination) -> str:
    """The destination's field by which it finds a record: the one that the sync's key is mapped to.

    Raises:
        ConfigError: object, key or mapping do not fit what the destination can do.
    """
    where = f"syncs/{name}.yaml"
    capability = destination.objects.get(sync.object)
    if capability is None:
        known = ", ".join(sorted(destination.objects)) or "none"
        raise ConfigError(f"{where}: {destination.type} has no object «{sync.object}» to sync to; it has: {known}.")
    for field in capability.identifiers:
        if sync.mapping.get(field) == sync.key:
            return field
    raise ConfigError(
        f"{where}: the key «{sync.key}» must be mapped to a field by which {destination.type} finds {sync.object}: "
        f"{', '.join(capability.identifiers)}."
    )


def stage_rows(con: duckdb.DuckDBPyConnection, name: str, sync: Sync, destination: Destination) -> int:
    """Lay the sync's rows out in the temporary table `sync_selected(key, fields, hash)`; answers how many.

    The hash covers the fields as they go out and what they go to, so a changed mapping re-sends what it changes.

    Raises:
        ConfigError: a column or condition of the config is not the model's.
        DataError: the model is missing, or the key is null or not unique in it.
    """
    field = id_field(name, sync, destination)
    types = columns_of(con, sync.model)
    for column in (sync.key, *sync.mapping.values()):
        if column not in types:
            raise ConfigError(f"syncs/{name}.yaml: {sync.model} has no column «{column}»; it has: {', '.join(types)}.")
    fields = {**_audiences(con, sync, types), **sync.mapping}
    target = literal(f"{destination.type} {sync.object} {field} ")
    try:
        con.execute(f"""
            create or replace temp table sync_selected as
            select key, fields, md5({target} || fields) as hash
            from (
                select cast({quote(sync.key)} as varchar) as key, {json_object(fields, types)} as fields
                from {relation(sync.model)}
                {f"where {sync.where}" if sync.where else ""}
            )
        """)
    except (duckdb.BinderException, duckdb.ParserException, duckdb.ConversionException) as error:
        raise ConfigError(f"syncs/{name}.yaml: the condition «{sync.where}» cannot be used: {error}") from error
    _require_key(con, name, sync)
    row = con.sql("select count(*) from sync_selected").fetchone()
    return int(row[0]) if row else 0


def _audiences(con: duckdb.DuckDBPyConnection, sync: Sync, types: dict[str, str]) -> dict[str, str]:
    """Field → column of the audiences that the model tells of, when the sync takes them along."""
    if not sync.audiences:
        return {}
    there = con.execute("select 'is_' || table_name from information_schema.tables where table_schema = 'audiences'")
    names = {row[0] for row in there.fetchall()}
    return {column: column for column in types if column in names}


def stage_due(con: duckdb.DuckDBPyConnection, name: str, now: datetime, scope: Scope) -> int:
    """Lay out in the temporary table `sync_due` what must be sent; answers how many rows."""
    conditions = {
        "changed": "is_changed and not is_waiting",
        "rejected": "is_changed and was_rejected",
        "all": "true",
    }
    rows, rejected = tables_or_empty(con)
    con.execute(
        f"""
        create or replace temp table sync_due as
        with compared as (
            select
                selected.*,
                sent.hash as accepted_hash,
                coalesce(sent.attempts, 0) as attempts,
                selected.hash is distinct from sent.hash as is_changed,
                refused.key is not null as was_rejected,
                coalesce(refused.hash = selected.hash, false) as is_same_as_refused,
                coalesce(refused.hash = selected.hash and refused.next_attempt_at > $now, false) as is_waiting,
                refused.attempts as refusals,
                refused.first_at
            from sync_selected as selected
            left join {rows} as sent on sent.sync = $name and sent.key = selected.key
            left join {rejected} as refused on refused.sync = $name and refused.key = selected.key
        )
        select
            row_number() over (order by key) as number,
            key, fields, hash,
            case when accepted_hash is null then 'insert' else 'update' end as operation,
            accepted_hash, attempts,
            case when is_same_as_refused then refusals else 0 end as rejections,
            case when is_same_as_refused then first_at end as first_rejected_at,
            was_rejected
        from compared
        where {conditions[scope]}
        """,
        {"now": now, "name": name},
    )
    row = con.sql("select count(*) from sync_due").fetchone()
    return int(row[0]) if row else 0


def forget_settled(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop rejections that ask for nothing any more: the row is gone, or has again the values that were accepted."""
    con.execute(
        """
        delete from push.rejected_rows
        where sync = $name and key not in (
            select selected.key
            from sync_selected as selected
            left join push.sync_rows as sent on sent.sync = $name and sent.key = selected.key
            where selected.hash is distinct from sent.hash
        )
        """,
        {"name": name},
    )


def due_batches(con: duckdb.DuckDBPyConnection, size: int) -> Iterator[list[Due]]:
    """The rows of `sync_due` by key, in lists of at most `size`; read in pages, so that memory stays small."""
    page = max(size, PAGE // size * size)
    start = 0
    while True:
        rows = con.execute(
            f"select {_DUE_COLUMNS} from sync_due where number > ? and number <= ? order by number",
            [start, start + page],
        ).fetchall()
        due = [Due(*row) for row in rows]
        for at in range(0, len(due), size):
            yield due[at : at + size]
        if len(due) < page:
            return
        start += page


def _require_key(con: duckdb.DuckDBPyConnection, name: str, sync: Sync) -> None:
    nulls = con.sql("select count(*) from sync_selected where key is null or key = ''").fetchone()
    if nulls and nulls[0]:
        raise DataError(
            f"Sync {name}: {nulls[0]} rows of {sync.model} have no {sync.key}, so nothing was sent.",
            hint=f"Leave them out with `where: {sync.key} is not null`.",
        )
    doubled = con.sql(
        f"select key, count(*) from sync_selected group by key having count(*) > 1 order by key limit {SHOWN + 1}"
    ).fetchall()
    if doubled:
        shown = ", ".join(f"{key} ({count} rows)" for key, count in doubled[:SHOWN])
        more = ", …" if len(doubled) > SHOWN else ""
        raise DataError(f"Sync {name}: {sync.key} is not unique in {sync.model}, so nothing was sent: {shown}{more}.")
