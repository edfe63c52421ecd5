"""Who is who, against the ground truth: every two identifiers of one person are a pair to be found.

Of the pairs that records tie together nearly all are found. Of all pairs nothing is left out: those that no record
ties (a new cookie, a guest's second address) cannot be found and count as missed, and so do pairs with an identifier
that the platform does not keep at all. Kinds of identifiers that the truth does not tell of (devices, telephones) are
no pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

import duckdb
import pytest

from headwater.configuration import Identity, read_yaml
from headwater.match.resolve import resolve
from headwater.settings import CHECKOUT
from headwater.storage.warehouse import ensure_schemas

pytestmark = pytest.mark.slow

Identifier = tuple[str, str]
TOOLS = ("crm__contacts", "payments__customers", "support__tickets", "crm__leads", "email__contacts")
PULLED_BEFORE = "extracts/tool/t/20201030T000000000000Z-000000000000.parquet"


def _pairs(members: Iterable[tuple[str, Identifier]]) -> set[tuple[Identifier, Identifier]]:
    """Every two identifiers of one owner. An identifier that several people share has several owners."""
    owned: dict[str, set[Identifier]] = defaultdict(set)
    for owner, identifier in members:
        owned[owner].add(identifier)
    return {pair for identifiers in owned.values() for pair in combinations(sorted(identifiers), 2)}


@pytest.fixture
def truth(warehouse: duckdb.DuckDBPyConnection) -> list[tuple[str, Identifier, bool]]:
    """Each identifier of each person, and whether records tie it to the person's others."""
    rows = warehouse.execute("select person_id, id_type, lower(id_value), knowable = '1' from truth.identities")
    return [(person, (id_type, value), is_known) for person, id_type, value, is_known in rows.fetchall()]


def _found(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, Identifier]]:
    rows = con.execute(
        f"select customer_id, id_type, lower(id_value) from {table} where id_type <> 'customer_id'"
    ).fetchall()
    return [(customer, (id_type, value)) for customer, id_type, value in rows]


def _check(found: list[tuple[str, Identifier]], truth: list[tuple[str, Identifier, bool]]) -> None:
    types = {id_type for _, (id_type, _), _ in truth}
    told = [(customer, identifier) for customer, identifier in found if identifier[0] in types]
    assert {identifier for _, identifier in told} <= {identifier for _, identifier, _ in truth}
    said = _pairs(told)
    true = _pairs((person, identifier) for person, identifier, _ in truth)
    knowable = _pairs((person, identifier) for person, identifier, is_known in truth if is_known)
    assert len(knowable) > 10_000
    precision, recall = len(said & true) / len(said), len(said & knowable) / len(knowable)
    assert precision >= 0.995, (precision, recall)
    assert recall >= 0.99, (precision, recall)
    assert len(said & true) / len(true) >= 0.90


def test_pairs_of_identifiers_are_right_and_what_is_knowable_is_found(
    warehouse: duckdb.DuckDBPyConnection, truth: list[tuple[str, Identifier, bool]]
) -> None:
    _check(_found(warehouse, "built.identity.identifiers"), truth)


def test_they_are_so_too_when_the_tools_were_pulled_before_the_first_event_and_the_events_came_in_parts(
    warehouse: duckdb.DuckDBPyConnection, truth: list[tuple[str, Identifier, bool]]
) -> None:
    """Which tie landed first decides where a limit cuts."""
    ensure_schemas(warehouse)
    rules = read_yaml(CHECKOUT / "config" / "identity.yaml", Identity)
    for table in TOOLS:
        warehouse.execute(
            f"create or replace table raw.{table} as select * replace ('{PULLED_BEFORE}' as _lake_object)"
            f" from built.raw.{table}"
        )
    resolve(warehouse, rules)
    for part in range(3):
        warehouse.execute(
            "insert into raw.events by name select * replace (lake_object || $part as lake_object) "
            "from built.raw.events where hash(message_id) % 3 = $part",
            {"part": part},
        )
        assert resolve(warehouse, rules).reason is None
    parts = _found(warehouse, "identity.identifiers")
    _check(parts, truth)
    assert resolve(warehouse, rules, is_full=True).split == 0
    assert sorted(_found(warehouse, "identity.identifiers")) == sorted(parts)


def test_people_who_share_a_device_stay_apart(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Two accounts of one household are two customers, whoever logs in on whose tablet."""
    owners = warehouse.execute(
        """select count(distinct p.person_id), count(distinct b.customer_id)
        from truth.people p
        join truth.shared_devices s using (person_id)
        join built.identity.identifiers b on b.id_type = 'user_id' and b.id_value = p.user_id"""
    ).fetchone()
    assert owners is not None and owners[0] > 20
    assert owners[0] == owners[1]


def test_people_who_share_a_telephone_stay_apart(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Two of a household, and one of them whom only sales knows: each a customer of their own."""
    found = warehouse.execute(
        """with owners as (
            select contacts.phone, truth.person_id, known.customer_id
            from built.raw.crm__contacts as contacts
            join truth.identities as truth on truth.id_type = 'crm_id' and truth.id_value = contacts.id
            join built.identity.identifiers as known on known.id_type = 'crm_id' and known.id_value = contacts.id
        )
        select count(*), count(*) filter (one.customer_id = other.customer_id)
        from owners as one
        join owners as other
            on right(regexp_replace(one.phone, '[^0-9]', '', 'g'), 9)
                = right(regexp_replace(other.phone, '[^0-9]', '', 'g'), 9)
            and one.person_id < other.person_id"""
    ).fetchone()
    assert found is not None and found[0] > 10
    assert found[1] == 0
