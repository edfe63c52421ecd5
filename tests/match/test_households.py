"""Who shares a telephone is no one person, and who is known by it alone is found by it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import duckdb
import pytest

from headwater.configuration import Identity, Override
from headwater.match.resolve import resolve
from headwater.match.writing import customer_id

Con = duckdb.DuckDBPyConnection
People = Callable[[], dict[str, set[str]]]
HOME = "+1 415 555 0101"
NUMBER = "phone:+14155550101"


def told(con: Con, segment: int, user_id: str | None, email: str | None, phone: str | None, name: str = "") -> None:
    """An identify event in a segment of its own."""
    first, _, last = name.partition(" ")
    con.execute(
        """insert into raw.events (message_id, type, user_id, payload, lake_object, row_number) values
        ($id, 'identify', $user, json_object('traits', json_object('email', $email, 'phone', $phone,
            'firstName', nullif($first, ''), 'lastName', nullif($last, ''))), $key, 0)""",
        {
            **{"id": f"m{segment}", "user": user_id, "email": email, "phone": phone, "first": first, "last": last},
            "key": f"events/received_date=2026-01-01/{segment:010d}-{1767225600000 + segment * 1000}.parquet",
        },
    )


def contact(con: Con, crm_id: str, email: str | None, phone: str | None, name: str = "", at: int = 1) -> None:
    first, _, last = name.partition(" ")
    con.execute(
        "insert into raw.crm__contacts (id, email, phone, first_name, last_name, _lake_object) "
        "values (?, ?, ?, nullif(?, ''), nullif(?, ''), ?)",
        [crm_id, email, phone, first, last, f"extracts/crm/contacts/20260101T0000{at:02d}000000Z-0123456789ab.parquet"],
    )


def together(people: dict[str, set[str]], one: str, other: str) -> bool:
    return any({one, other} <= known for known in people.values())


def reasons(con: Con) -> set[str]:
    return {row[0] for row in con.execute("select reason from identity.refused_edges").fetchall()}


def test_two_of_a_household_whom_one_tool_knows_each_are_two(con: Con, identity: Identity, people: People) -> None:
    contact(con, "c1", "ann@x.org", HOME)
    told(con, 1, "bob", "bob@x.org", HOME)
    resolve(con, identity)
    assert not together(people(), "crm_id:c1", "user_id:bob")
    assert reasons(con) == {"it is weak, and both have their own email"}


def test_names_tell_two_of_a_household_apart_who_have_nothing_else_alike(
    con: Con, identity: Identity, people: People
) -> None:
    contact(con, "c1", "ann@x.org", HOME, "Ann Lee")
    told(con, 1, "bob", None, HOME, "Bob Lee")
    resolve(con, identity)
    assert not together(people(), "crm_id:c1", "user_id:bob")
    assert reasons(con) == {"it is weak, and both have their own named_phone"}


def test_one_person_with_two_addresses_and_one_number_is_one(con: Con, identity: Identity, people: People) -> None:
    told(con, 1, "bob", "bob@x.org", HOME, "Bob Lee")
    told(con, 2, "ann", "ann@x.org", "(415) 555-0101", "Ann Lee")
    contact(con, "c1", "ann@work.example.com", "415-555-0101", "ANN  Lee")
    contact(con, "c2", None, "+14155550101", "Ann Lee")
    resolve(con, identity)
    assert together(people(), "user_id:ann", "email:ann@work.example.com")
    assert together(people(), "user_id:ann", "crm_id:c2")
    assert not together(people(), "user_id:ann", "user_id:bob")


def test_several_addresses_of_one_account_are_one_persons_with_its_number(
    con: Con, identity: Identity, people: People
) -> None:
    told(con, 1, "ann", "ann@x.org", HOME)
    told(con, 2, "ann", "ann@work.example.com", HOME)
    contact(con, "c1", "ann@x.org", HOME)
    resolve(con, identity)
    assert len(people()) == 1
    assert reasons(con) == set()


def test_a_record_with_nothing_but_the_number_is_the_customers_who_has_it(
    con: Con, identity: Identity, people: People
) -> None:
    told(con, 1, "ann", "ann@x.org", HOME)
    contact(con, "c1", None, HOME)
    resolve(con, identity)
    assert together(people(), "user_id:ann", "crm_id:c1")


def test_a_weak_tie_never_stands_in_the_way_of_one_that_proves_more(
    con: Con, identity: Identity, people: People
) -> None:
    # the number ties the contact to Bob before anything is known of Ann
    told(con, 1, "bob", None, HOME)
    contact(con, "c1", "ann@x.org", HOME)
    resolve(con, identity)
    before = people()
    assert together(before, "user_id:bob", "crm_id:c1")
    told(con, 2, "ann", "ann@x.org", None)
    done = resolve(con, identity)
    assert (done.reason, done.split) == (None, 2)
    after = people()
    assert together(after, "user_id:ann", "crm_id:c1")
    assert not together(after, "user_id:bob", "crm_id:c1")
    assert after[customer_id("user_id", "bob")] == {"user_id:bob", NUMBER}
    assert con.execute("select distinct change from identity.changes").fetchall() == [("split",)]


def test_what_was_included_by_hand_holds_by_a_number_too(con: Con, identity: Identity, people: People) -> None:
    contact(con, "c1", "ann@x.org", HOME)
    told(con, 1, "bob", "bob@x.org", None)
    identity.include.append(Override(ids=["user_id:bob", NUMBER], reason="He rang."))
    identity.include.append(Override(ids=["crm_id:c1", NUMBER], reason="So did she: one person."))
    resolve(con, identity)
    assert together(people(), "crm_id:c1", "user_id:bob")


def test_a_number_joins_no_two_that_are_excluded(con: Con, identity: Identity, people: People) -> None:
    contact(con, "c1", None, HOME)
    told(con, 1, "bob", None, HOME)
    identity.exclude.append(Override(ids=["crm_id:c1", "user_id:bob"], reason="Ticket 7."))
    resolve(con, identity)
    assert not together(people(), "crm_id:c1", "user_id:bob")
    assert reasons(con) == {"it would join two that are excluded: Ticket 7."}


@pytest.mark.parametrize("landed", list(permutations((1, 2, 9))))
def test_a_household_that_is_read_at_once_is_the_same_people_in_whatever_order_it_landed(
    identity: Identity, con: Con, people: People, landed: tuple[int, ...]
) -> None:
    """Before, between and after the log's; nobody's name depends on it, nor to whom the number goes."""
    told(con, 1, "ann", "ann@x.org", HOME, "Ann Lee")
    told(con, 5, "bob", "bob@x.org", HOME, "Bob Lee")
    contact(con, "c1", "ann@work.example.com", HOME, "Ann Lee", landed[0])
    contact(con, "c2", "carl@x.org", HOME, at=landed[1])
    contact(con, "c3", None, HOME, at=landed[2])
    resolve(con, identity)
    assert people() == {
        customer_id("user_id", "ann"): {
            *("user_id:ann", "email:ann@x.org", "email:ann@work.example.com", "crm_id:c1", NUMBER),
            "named_phone:+14155550101/annlee",
        },
        customer_id("user_id", "bob"): {"user_id:bob", "email:bob@x.org", "named_phone:+14155550101/boblee"},
        customer_id("crm_id", "c2"): {"crm_id:c2", "email:carl@x.org"},
        customer_id("crm_id", "c3"): {"crm_id:c3"},
    }
