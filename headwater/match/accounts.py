"""Which people belong to which account.

Belongs here: `identity.account_members`, from the tables that `accounts:` of identity.yaml names, as they are now.
Does not belong here: what an account is (dbt's marts).
"""

from __future__ import annotations

import duckdb
from duckdb import DuckDBPyConnection

from headwater.configuration import AccountSource, Identity
from headwater.match.mentions import type_codes
from headwater.match.news import existing, unreadable
from headwater.match.tidying import phone_functions, text, tidied


def write_members(con: DuckDBPyConnection, identity: Identity) -> int:
    """Replace the table; answers its rows. Call it in the transaction that wrote the people.

    Raises:
        ConfigError: an expression of `identity.yaml` is not SQL over its table.
    """
    con.execute(
        "create or replace temp table _members (account_id text, id_type text, id_value text, source_table text)"
    )
    with phone_functions(con, identity):
        for source in identity.accounts:
            _read(con, identity, source)
    con.execute("delete from identity.account_members")
    if con.execute("select 1 from _members limit 1").fetchone() is None:
        con.execute("drop table _members")
        return 0
    con.execute(
        """insert into identity.account_members by name
        select account_id, customer_id, min(m.source_table) as source_table
        from _members m join identity.identifiers using (id_type, id_value)
        group by account_id, customer_id"""
    )
    con.execute("drop table _members")
    found = con.execute("select count(*) from identity.account_members").fetchone()
    return int(found[0]) if found else 0


def _read(con: DuckDBPyConnection, identity: Identity, source: AccountSource) -> None:
    table = existing(con, source.table, with_versions=False)
    if table is None:
        return
    conditions = [f"({source.where})"] if source.where else []
    if "_is_deleted" in table.columns:
        conditions.append("not coalesce(_is_deleted, false)")
    codes = type_codes(identity)
    types = sorted(source.ids, key=codes.__getitem__)
    names = [f"v{i}" for i in range(len(types))]
    values = ", ".join(
        f"{tidied(source.ids[id_type], identity.id_types[id_type])} as {name}"
        for name, id_type in zip(names, types, strict=True)
    )
    kinds = " ".join(f"when {n} is not null then {text(t)}" for n, t in zip(names, types, strict=True))
    try:
        con.execute(
            f"""insert into _members
            select distinct account_id, case {kinds} end as id_type, coalesce({", ".join(names)}) as id_value,
                {text(source.table)}
            from (
                select nullif(trim(({source.account})::varchar), '') as account_id, {values}
                from {table.sql} {"where " + " and ".join(conditions) if conditions else ""}
            )
            where account_id is not null"""
        )
    except duckdb.Error as error:
        said = {**source.ids, "account": source.account, "where": source.where}
        raise unreadable(f"the accounts of {source.table}", said, table, error) from error
