"""Who is who: ties, limits, stable ids."""

from __future__ import annotations

import random
from collections.abc import Callable

import duckdb
import pytest

from headwater.configuration import EdgeSource, Identity
from headwater.errors import ConfigError
from headwater.match.resolve import Resolved, resolve
from headwater.match.writing import customer_id

Con = duckdb.DuckDBPyConnection
People = Callable[[], dict[str, set[str]]]
Events = Callable[..., None]


def groups(people: dict[str, set[str]]) -> list[set[str]]:
    return sorted(people.values(), key=sorted)


def refused(con: Con) -> list[tuple[str, str, str]]:
    return con.execute("select left_value, right_value, reason from identity.refused_edges order by all").fetchall()


def test_nothing_loaded_gives_empty_tables(con: Con, identity: Identity) -> None:
    assert resolve(con, identity) == Resolved(people=0, identifiers=0, edges=0, refused_edges=0)


def test_tables_that_do_not_exist_say_nothing(con: Con, identity: Identity, events: Events) -> None:
    identity.edges.append(EdgeSource(table="raw.erp__clients", ids={"user_id": "id"}))
    con.execute("drop table raw.crm__contacts")
    events(("u1", "a1", None))
    assert resolve(con, identity).people == 1


def test_visits_before_and_after_the_login_are_one_person_across_devices(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    events((None, "laptop", None), ("u1", "laptop", "ann@example.com"), ("u1", "phone", None))
    resolve(con, identity)
    assert groups(people()) == [{"anonymous_id:laptop", "anonymous_id:phone", "user_id:u1", "email:ann@example.com"}]


def test_an_anonymous_visitor_is_a_person(con: Con, identity: Identity, events: Events, people: People) -> None:
    events((None, "a1", None), (None, "a2", None))
    assert resolve(con, identity) == Resolved(people=2, identifiers=2, edges=0, refused_edges=0)
    assert groups(people()) == [{"anonymous_id:a1"}, {"anonymous_id:a2"}]


def test_every_identifier_is_there_once_and_so_is_each_persons_own_id(
    con: Con, identity: Identity, events: Events
) -> None:
    events(("u1", "a1", "ann@example.com"), ("u1", "a2", None), ("u2", None, None))
    resolve(con, identity)
    rows = con.execute("select id_type, id_value, customer_id from identity.identifiers").fetchall()
    assert len({row[:2] for row in rows}) == len(rows) == 7
    own = {(value, owner) for id_type, value, owner in rows if id_type == "customer_id"}
    assert own == {(owner, owner) for _, _, owner in rows}


def test_addresses_are_compared_without_case_and_blanks(con: Con, identity: Identity, people: People) -> None:
    con.execute("insert into raw.crm__contacts (id, email) values ('c1', ' Ann@Example.COM '), ('c2', 'no address')")
    con.execute("insert into raw.payments__customers (id, email, user_id) values ('p1', 'ann@example.com', 'u1')")
    resolve(con, identity)
    assert groups(people()) == [
        {"crm_id:c1", "email:ann@example.com", "payment_id:p1", "user_id:u1"},
        {"crm_id:c2"},
    ]


def test_junk_ties_nobody_together(con: Con, identity: Identity, events: Events, people: People) -> None:
    events(
        ("undefined", "a1", "test@example.com"), ("NULL", "a2", "TEST@example.com"), ("", " ", None), ("0", "a3", "")
    )
    resolve(con, identity)
    assert groups(people()) == [{"anonymous_id:a1"}, {"anonymous_id:a2"}, {"anonymous_id:a3"}]


def test_a_shared_tablet_stays_with_its_first_user_and_joins_nobody(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    events(
        ("ann", "tablet", "ann@example.com"),
        ("bob", "tablet", "bob@example.com"),
        ("bob", "phone", "bob@example.com"),
        ("ann", "tablet", None),
    )
    assert resolve(con, identity).refused_edges == 1
    assert groups(people()) == [
        {"anonymous_id:phone", "email:bob@example.com", "user_id:bob"},
        {"anonymous_id:tablet", "email:ann@example.com", "user_id:ann"},
    ]
    assert refused(con) == [("bob", "tablet", "anonymous_id is tied to 1 user_id already")]


def test_a_refused_tie_takes_no_place(con: Con, identity: Identity, events: Events, people: People) -> None:
    identity.id_types["user_id"].limits = {"email": 1}
    events(("u1", None, "one@x.org"), ("u1", None, "two@x.org"), ("u2", None, "two@x.org"))
    resolve(con, identity)
    assert groups(people()) == [{"email:one@x.org", "user_id:u1"}, {"email:two@x.org", "user_id:u2"}]


def test_a_chain_of_believable_ties_does_not_join_two_users(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    # a newsletter form, before login, on a device that two people use
    events(
        (None, "kiosk", "ann@x.org"),
        (None, "kiosk", "bob@x.org"),
        ("ann", None, "ann@x.org"),
        ("bob", None, "bob@x.org"),
    )
    resolve(con, identity)
    assert refused(con) == [("bob", "bob@x.org", "a person has at most 1 user_id")]
    assert {"user_id:bob"} in groups(people())


def test_without_a_cap_the_chain_joins_them(con: Con, identity: Identity, events: Events) -> None:
    del identity.id_types["user_id"].limits["user_id"]
    events(
        (None, "kiosk", "ann@x.org"),
        (None, "kiosk", "bob@x.org"),
        ("ann", None, "ann@x.org"),
        ("bob", None, "bob@x.org"),
    )
    assert resolve(con, identity).people == 1


def test_the_earliest_identifier_names_the_person_then_priority_then_value(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    events((None, "a1", None), ("u1", "a1", None), ("u3", "a9", None))
    resolve(con, identity)
    assert set(people()) == {customer_id("anonymous_id", "a1"), customer_id("user_id", "u3")}


def test_the_time_of_an_event_plays_no_part(con: Con, identity: Identity, events: Events, people: People) -> None:
    events((None, "a1", None), ("u1", "a1", None))
    con.execute("update raw.events set timestamp = timestamp '2026-01-01' - to_days(row_number::int)")
    resolve(con, identity)
    assert set(people()) == {customer_id("anonymous_id", "a1")}


def test_new_data_leaves_ids_as_they_are_and_a_merge_keeps_the_older(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    events((None, "a1", None), ("u2", "a2", None), ("u3", None, None))
    resolve(con, identity)
    before = people()
    events((None, "a4", None), ("u2", "a1", None), segment=2)
    resolve(con, identity)
    after = people()
    merged = customer_id("anonymous_id", "a1")
    assert after[merged] == {"anonymous_id:a1", "anonymous_id:a2", "user_id:u2"}
    assert set(before) - set(after) == {customer_id("user_id", "u2")}
    assert set(after) - set(before) == {customer_id("anonymous_id", "a4")}


@pytest.mark.slow
def test_a_later_tie_never_takes_an_older_one_away(con: Con, identity: Identity, events: Events) -> None:
    generator = random.Random(7)
    ids = [
        (f"u{generator.randrange(60)}", f"a{generator.randrange(80)}", f"e{generator.randrange(60)}@x.org")
        for _ in range(400)
    ]
    kept: set[tuple[str, ...]] = set()
    for segment in range(8):
        events(*ids[segment * 50 : segment * 50 + 50], segment=segment + 1)
        resolve(con, identity)
        now = set(con.execute("select left_type, left_value, right_type, right_value from identity.edges").fetchall())
        assert kept <= now
        kept = now
    most = con.execute(
        "select max(n) from (select count(*) filter (id_type = 'user_id') as n from identity.identifiers "
        "group by customer_id)"
    ).fetchone()
    assert most == (1,)


@pytest.mark.slow
def test_the_same_events_in_any_order_of_rows_give_the_same_tables(
    con: Con, identity: Identity, events: Events
) -> None:
    generator = random.Random(11)
    for segment in range(1, 6):
        rows = [
            (f"u{generator.randrange(30)}" if generator.random() < 0.5 else None, f"a{generator.randrange(60)}", None)
            for _ in range(60)
        ]
        events(*rows, segment=segment)
    tables = ("identifiers", "edges", "refused_edges")
    resolve(con, identity)
    first = [con.execute(f"from identity.{table} order by all").fetchall() for table in tables]
    con.execute("create table copied as from raw.events order by hash(message_id); delete from raw.events")
    con.execute("insert into raw.events by name from copied")
    resolve(con, identity)
    assert [con.execute(f"from identity.{table} order by all").fetchall() for table in tables] == first


def test_what_a_contact_once_said_still_ties(con: Con, identity: Identity, people: People) -> None:
    con.execute("insert into raw.crm__contacts (id, email) values ('c1', 'new@x.org')")
    con.execute("create table raw.crm__contacts__versions as from raw.crm__contacts")
    con.execute("insert into raw.crm__contacts__versions by name select 'c1' as id, 'old@x.org' as email")
    resolve(con, identity)
    assert groups(people()) == [{"crm_id:c1", "email:new@x.org", "email:old@x.org"}]


def test_ids_of_ten_thousand_characters_and_of_any_script_are_identifiers(
    con: Con, identity: Identity, events: Events, people: People
) -> None:
    long, quoted, script = "x" * 10_000, "o'brien\"; drop table raw.events", "客户-1"
    events((long, "a1", None), (quoted, "a2", None), (script, "a3", None))
    resolve(con, identity)
    assert groups(people()) == [
        {"anonymous_id:a1", f"user_id:{long}"},
        {"anonymous_id:a2", f"user_id:{quoted}"},
        {"anonymous_id:a3", f"user_id:{script}"},
    ]


def test_an_alias_joins_the_previous_id(con: Con, identity: Identity, events: Events, people: People) -> None:
    events((None, "old", None))
    con.execute(
        "insert into raw.events (type, user_id, payload, lake_object, row_number) "
        "values ('alias', 'u1', '{\"previousId\": \"old\"}', 'events/x/0000000001-1767225601000.parquet', 5)"
    )
    resolve(con, identity)
    assert groups(people()) == [{"anonymous_id:old", "user_id:u1"}]


def test_a_column_that_is_not_there_is_one_sentence_with_the_edge_and_the_columns_there_are(
    con: Con, identity: Identity
) -> None:
    identity.edges[0].ids["user_id"] = "lower(customer_number)"
    with pytest.raises(ConfigError) as told:
        resolve(con, identity)
    assert str(told.value).startswith(
        "identity.yaml: the edge over raw.events cannot be read: «lower(customer_number)» (user_id) names column "
        "«customer_number», which raw.events does not have; it has: anonymous_id, event, "
    )
    assert str(told.value).count("\n") == 0


def test_an_account_that_is_no_column_is_told_as_one(con: Con, identity: Identity, events: Events) -> None:
    events(("u1", "a1", None))
    identity.accounts[1].account = "payload ->> '$.groupId' || nowhere"
    with pytest.raises(ConfigError, match=r"the accounts of raw.events cannot .* \(account\) names column «nowhere»"):
        resolve(con, identity)


def test_a_failure_leaves_the_tables_as_they_were(
    con: Con, identity: Identity, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    events(("u1", "a1", None))
    resolve(con, identity)
    before = con.execute("from identity.identifiers order by all").fetchall()
    con.execute("alter table identity.resolutions drop column people")
    events(("u2", "a2", None), segment=2)
    with pytest.raises(duckdb.Error):
        resolve(con, identity)
    assert con.execute("from identity.identifiers order by all").fetchall() == before
