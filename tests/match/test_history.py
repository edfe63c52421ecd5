"""Merges, splits, decisions by hand, and members of accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import duckdb

from headwater.configuration import Identity, Override
from headwater.match.explaining import describe
from headwater.match.resolve import resolve
from headwater.match.writing import customer_id

Con = duckdb.DuckDBPyConnection
Events = Callable[..., None]
People = Callable[[], dict[str, set[str]]]
MONDAY, TUESDAY, WEDNESDAY = (datetime(2026, 1, day) for day in (5, 6, 7))


def changes(con: Con) -> list[tuple[Any, ...]]:
    return con.execute(
        "select change, from_customer_id, to_customer_id, id_type, changed_at from identity.changes order by all"
    ).fetchall()


def test_a_merge_is_noted_for_every_identifier_and_the_former_id_leads_to_the_older_person(
    con: Con, identity: Identity, events: Events
) -> None:
    events((None, "laptop", None), ("u1", "phone", None))
    resolve(con, identity, MONDAY)
    assert changes(con) == []
    events(("u1", "laptop", None), segment=2)
    done = resolve(con, identity, TUESDAY)
    older, younger = customer_id("anonymous_id", "laptop"), customer_id("user_id", "u1")
    assert (done.merged, done.split) == (1, 0)
    assert changes(con) == [
        ("merge", younger, older, "anonymous_id", TUESDAY),
        ("merge", younger, older, "user_id", TUESDAY),
    ]
    assert con.execute("from identity.successors").fetchall() == [(younger, older, "user_id", "u1", TUESDAY)]


def test_a_merge_by_a_tie_that_landed_while_the_run_was_under_way_is_not_noted_before_it(
    con: Con, identity: Identity, events: Events
) -> None:
    events((None, "laptop", None), ("u1", "phone", None))
    resolve(con, identity, MONDAY)
    landed = TUESDAY + timedelta(seconds=26)
    events(("u1", "laptop", None), segment=int((landed - datetime(2026, 1, 1)).total_seconds()))
    resolve(con, identity, TUESDAY)
    assert {row[-1] for row in changes(con)} == {landed}
    assert con.execute("select since from identity.successors").fetchall() == [(landed,)]
    customer = customer_id("anonymous_id", "laptop")
    told = "\n".join(describe(con, identity, customer))
    assert told.count("landed 2026-01-06 00:00:26 UTC") == 1 and "  2026-01-06 00:00:26 UTC  merge of" in told


def test_a_split_leaves_the_id_with_the_older_part_and_a_split_that_is_undone_ends_the_successor(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    events((None, "laptop", None), ("u1", "laptop", "ann@x.org"))
    resolve(con, identity, MONDAY)
    before = people()
    identity.exclude.append(Override(ids=["user_id:u1", "anonymous_id:laptop"], reason="Sold on eBay."))
    done = resolve(con, identity, TUESDAY)
    older, other = customer_id("anonymous_id", "laptop"), customer_id("user_id", "u1")
    assert (done.merged, done.split) == (0, 2)
    assert people() == {older: {"anonymous_id:laptop"}, other: {"user_id:u1", "email:ann@x.org"}}
    assert {row[:3] for row in changes(con)} == {("split", older, other)}
    refused = con.execute("select reason from identity.refused_edges").fetchall()
    assert refused == [("excluded: Sold on eBay.",)]
    identity.exclude.clear()
    assert resolve(con, identity, WEDNESDAY).merged == 1
    assert people() == before
    assert con.execute("select former_id, customer_id from identity.successors").fetchall() == [(other, older)]
    identity.exclude.append(Override(ids=["user_id:u1", "anonymous_id:laptop"], reason="Sold on eBay."))
    resolve(con, identity, WEDNESDAY)
    assert con.execute("select count(*) from identity.successors").fetchone() == (0,)


def test_an_included_pair_is_one_person_against_every_limit_also_when_one_comes_later(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    identity.include.append(Override(ids=["user_id:u1", "user_id:u2"], reason="Two accounts."))
    events(("u1", "a1", None))
    resolve(con, identity)
    assert set(people()) == {customer_id("user_id", "u1")}
    events(("u2", "a2", None), ("u3", "a2", None), segment=2)
    done = resolve(con, identity)
    assert done.reason is None
    assert sorted(map(sorted, people().values())) == [
        ["anonymous_id:a1", "anonymous_id:a2", "user_id:u1", "user_id:u2"],
        ["user_id:u3"],
    ]
    assert con.execute(
        "select source_table from identity.edges where left_value = 'u1' and right_value = 'u2'"
    ).fetchall() == [("identity.yaml",)]
    assert con.execute("select kind, left_value, right_value, reason from identity.overrides").fetchall() == [
        ("include", "u1", "u2", "Two accounts.")
    ]


def test_an_excluded_identifier_ties_nobody(con: Con, identity: Identity, events: Events, people: People) -> None:
    identity.exclude.append(Override(ids=["anonymous_id:kiosk"], reason="Showroom."))
    events(("u1", "kiosk", None), (None, "kiosk", "ann@x.org"))
    resolve(con, identity)
    assert sorted(map(sorted, people().values())) == [["anonymous_id:kiosk"], ["email:ann@x.org"], ["user_id:u1"]]


def test_an_excluded_pair_is_not_joined_by_a_chain_either(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    identity.exclude.append(Override(ids=["user_id:ann", "email:bob@x.org"], reason="Her husband's."))
    events(("ann", "laptop", None), (None, "laptop", "bob@x.org"))
    resolve(con, identity)
    assert sorted(map(sorted, people().values())) == [["anonymous_id:laptop", "user_id:ann"], ["email:bob@x.org"]]
    assert con.execute("select reason from identity.refused_edges").fetchall() == [
        ("it would join two that are excluded: Her husband's.",)
    ]


def test_people_belong_to_accounts_by_their_contact_and_by_group_calls(
    con: Con, identity: Identity, events: Events
) -> None:
    events(("u1", "a1", "ann@x.org"), ("u2", None, None))
    con.execute("insert into raw.crm__contacts (id, email, account_id) values ('c1', 'ann@x.org', 'acme')")
    con.execute(
        "insert into raw.events (type, user_id, payload, lake_object, row_number) values "
        "('group', 'u2', '{\"groupId\": \"acme\"}', 'events/x/0000000009-1767225609000.parquet', 0)"
    )
    resolve(con, identity)
    members = "select account_id, customer_id, source_table from identity.account_members order by source_table"
    ann = con.execute("select customer_id from identity.identifiers where id_value = 'u1'").fetchone() or ("",)
    assert con.execute(members).fetchall() == [
        ("acme", ann[0], "raw.crm__contacts"),
        ("acme", customer_id("user_id", "u2"), "raw.events"),
    ]
    con.execute("update raw.crm__contacts set account_id = null")
    resolve(con, identity)
    assert [row[2] for row in con.execute(members).fetchall()] == ["raw.events"]


def test_an_identifier_that_everybody_shares_welds_nobody(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    events(*[(f"u{i}", "kiosk", f"e{i}@x.org") for i in range(2_000)])
    done = resolve(con, identity)
    assert (done.people, done.refused_edges) == (2_000, 1_999)
    events(("u9999", "kiosk", None), segment=2)
    again = resolve(con, identity)
    assert (again.people, again.refused_edges, again.reason) == (2_001, 2_000, None)


def test_one_person_may_have_any_number_of_devices(con: Con, identity: Identity, events: Events) -> None:
    events(*[("robot", f"a{i}", None) for i in range(2_000)])
    assert resolve(con, identity).people == 1
    events(("robot", "one more", None), segment=2)
    assert resolve(con, identity).people == 1
