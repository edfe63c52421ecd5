"""Names do not depend on the order in which tables land: what was read together is of one age, and stays so."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import duckdb
import pytest

from headwater.configuration import EdgeSource, Identity, IdType
from headwater.errors import DataError
from headwater.match.landing import landed, told
from headwater.match.news import read_news
from headwater.match.readings import readings
from headwater.match.resolve import resolve
from headwater.match.writing import customer_id
from headwater.storage.lake import LocalLake, Object

Con = duckdb.DuckDBPyConnection
Names = dict[tuple[str, str], str]
# each person is in several tables of a pull, under another identifier in each
ROWS: dict[str, list[dict[str, str]]] = {
    "crm__contacts": [
        {"id": "c2", "email": "both@x.org"},
        {"id": "c1", "email": "Both@x.org"},
        {"id": "c3", "email": "lead@x.org", "phone": "+1 415 555 0101"},
    ],
    "crm__leads": [{"id": "l1", "email": "lead@x.org"}, {"id": "l2", "email": "only@x.org"}],
    "payments__customers": [
        {"id": "p1", "email": "both@x.org", "user_id": "u1"},
        {"id": "p2", "email": "also@x.org", "user_id": "u1"},
    ],
    "support__tickets": [{"id": "t1", "requester_email": "also@x.org"}, {"id": "t2", "requester_email": "lead@x.org"}],
}
RULES = Identity(
    id_types={
        "user_id": IdType(priority=1, limits={"user_id": 1}),
        "payment_id": IdType(priority=2),
        "crm_id": IdType(priority=3),
        "email": IdType(priority=4, normalise="email", limits={"crm_id": 1}),
        "phone": IdType(priority=5, normalise="phone"),
        "anonymous_id": IdType(priority=6),
    },
    edges=[
        EdgeSource(table="raw.events", ids={"user_id": "user_id", "anonymous_id": "anonymous_id", "email": "event"}),
        EdgeSource(table="raw.crm__contacts", ids={"crm_id": "id", "email": "email", "phone": "phone"}),
        EdgeSource(table="raw.crm__leads", ids={"email": "email"}),
        EdgeSource(table="raw.payments__customers", ids={"payment_id": "id", "email": "email", "user_id": "user_id"}),
        EdgeSource(table="raw.support__tickets", ids={"email": "requester_email"}),
    ],
)


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


def land(con: Con, table: str, rows: list[dict[str, str]], at: int) -> None:
    """Rows of one object that landed `at` seconds after a moment."""
    source, _, short = table.partition("__")
    key = f"extracts/{source}/{short}/20260101T0000{at:02d}000000Z-0123456789ab.parquet"
    for row in rows:
        columns = ", ".join([*row, "_lake_object"])
        con.execute(
            f"insert into raw.{table} ({columns}) values ({', '.join('?' * (len(row) + 1))})", [*row.values(), key]
        )


def visit(con: Con, at: int, user_id: str | None, anonymous_id: str, email: str | None) -> None:
    key = f"events/received_date=2026-01-01/{at:010d}-{1767225600000 + at * 1000}.parquet"
    con.execute(
        "insert into raw.events (user_id, anonymous_id, event, lake_object, row_number) values (?, ?, ?, ?, 0)",
        [user_id, anonymous_id, email, key],
    )


def names(con: Con) -> Names:
    rows = con.execute("select id_type, id_value, customer_id from identity.identifiers").fetchall()
    return {(id_type, value): owner for id_type, value, owner in rows if id_type != "customer_id"}


def decided(con: Con) -> list[tuple[str, ...]]:
    """Which ties are believed, and which are not."""
    return con.execute(
        """select left_type, left_value, right_type, right_value, '' from identity.edges
        union all select left_type, left_value, right_type, right_value, reason from identity.refused_edges
        order by all"""
    ).fetchall()


def rebuilt(con: Con, lake: LocalLake | None, rules: Identity = RULES) -> Names:
    """The names after the tables of identity were lost."""
    for (table,) in con.execute("select table_name from duckdb_tables() where schema_name = 'identity'").fetchall():
        con.execute(f"delete from identity.{table}")
    assert resolve(con, rules, lake=lake).reason == "nothing was read before"
    return names(con)


def test_the_tables_of_a_pull_give_the_same_people_in_whatever_order_they_and_their_rows_land(con: Con) -> None:
    found = set()
    for order in permutations(ROWS):
        for at, table in enumerate(order):
            con.execute(f"delete from raw.{table}")
            # killed after the first row, the pull brings the rest in another object
            land(con, table, ROWS[table][:1], at)
            land(con, table, ROWS[table][:0:-1], 50 - at)
        people = rebuilt(con, None)
        found.add((tuple(sorted(people.items())), tuple(decided(con))))
    ((told_of, ties),) = found
    named = dict(told_of)
    assert named["email", "lead@x.org"] == customer_id("crm_id", "c3")
    assert named["email", "only@x.org"] == customer_id("email", "only@x.org")
    assert named["user_id", "u1"] == named["crm_id", "c1"] == customer_id("crm_id", "c1")
    assert ("crm_id", "c2", "email", "both@x.org", "email is tied to 1 crm_id already") in ties


def test_what_the_log_tells_keeps_its_order_and_comes_before_the_tools_that_were_read_with_it(con: Con) -> None:
    land(con, "crm__contacts", [{"id": "c1", "email": "ann@x.org"}], 1)
    visit(con, 8, "u1", "laptop", "ann@x.org")
    visit(con, 7, None, "laptop", None)
    resolve(con, RULES)
    assert set(names(con).values()) == {customer_id("anonymous_id", "laptop")}


@pytest.mark.parametrize("first", ["crm__contacts", "crm__leads"])
def test_what_is_read_later_names_nobody_anew_though_it_landed_before(con: Con, lake: LocalLake, first: str) -> None:
    (other,) = {"crm__contacts", "crm__leads"} - {first}
    land(con, first, ROWS[first], 30)
    resolve(con, RULES, lake=lake)
    before = names(con)
    land(con, other, ROWS[other], 5)
    land(con, first, [{"id": "a0", "email": "lead@x.org"}], 4)
    visit(con, 1, "u0", "laptop", "lead@x.org")
    done = resolve(con, RULES, lake=lake)
    assert (done.reason, done.split) == (None, 0)
    after = names(con)
    assert {one: after[one] for one in before} == before
    assert after["user_id", "u0"] == before["email", "lead@x.org"]
    assert resolve(con, RULES, lake=lake, is_full=True).reason == "it was asked for"
    assert names(con) == after
    assert rebuilt(con, lake) == after
    # the landing alone would have said otherwise
    assert rebuilt(con, None) != after


def test_killed_before_its_people_were_written_a_reading_stays_what_it_was(con: Con, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class KillingLake(LocalLake):
        def put(self, key: str, content: bytes | Path) -> Object:
            super().put(key, content)
            raise Killed

    land(con, "crm__leads", ROWS["crm__leads"], 9)
    with pytest.raises(Killed):
        resolve(con, RULES, lake=KillingLake(tmp_path / "lake"))
    assert names(con) == {}
    land(con, "crm__contacts", ROWS["crm__contacts"], 2)
    resolve(con, RULES, lake=LocalLake(tmp_path / "lake"))
    assert names(con)["crm_id", "c3"] == customer_id("email", "lead@x.org")
    assert rebuilt(con, LocalLake(tmp_path / "lake"))["crm_id", "c3"] == customer_id("email", "lead@x.org")


def test_an_edge_that_is_added_and_another_order_of_edges_rename_nobody(con: Con, lake: LocalLake) -> None:
    for at, table in enumerate(ROWS):
        land(con, table, ROWS[table], at)
    few = Identity(id_types=RULES.id_types, edges=[each for each in RULES.edges if "leads" not in each.table])
    resolve(con, few, lake=lake)
    before = names(con)
    turned = Identity(id_types=RULES.id_types, edges=RULES.edges[::-1])
    assert resolve(con, turned, lake=lake).reason == "identity.yaml or the columns of its tables have changed"
    after = names(con)
    assert {one: after[one] for one in before} == before
    assert ("email", "only@x.org") in after.keys() - before.keys()
    assert rebuilt(con, lake, turned) == after


def test_rows_that_go_and_come_back_are_as_old_as_they_were(con: Con, lake: LocalLake) -> None:
    land(con, "crm__leads", ROWS["crm__leads"], 1)
    resolve(con, RULES, lake=lake)
    land(con, "crm__contacts", ROWS["crm__contacts"], 2)
    resolve(con, RULES, lake=lake)
    before = names(con)
    con.execute("create temp table held as from raw.crm__leads; delete from raw.crm__leads")
    resolve(con, RULES, lake=lake)
    assert names(con)["crm_id", "c3"] == customer_id("crm_id", "c3")
    con.execute("insert into raw.crm__leads from held")
    resolve(con, RULES, lake=lake)
    assert names(con) == before
    assert rebuilt(con, lake) == before


def test_a_home_from_before_there_were_readings_goes_on_by_what_had_landed(con: Con, lake: LocalLake) -> None:
    land(con, "crm__leads", ROWS["crm__leads"], 1)
    resolve(con, RULES)
    land(con, "crm__contacts", ROWS["crm__contacts"], 2)
    resolve(con, RULES)
    before = names(con)
    con.execute("update identity.read_objects set reading = null; update identity.resolutions set fingerprint = 'old'")
    land(con, "support__tickets", ROWS["support__tickets"], 0)
    resolve(con, RULES, lake=lake)
    after = names(con)
    assert {one: after[one] for one in before} == before
    assert rebuilt(con, lake) == after


def test_a_clock_that_went_back_makes_no_reading_older(con: Con, lake: LocalLake) -> None:
    found = []
    for at, now in enumerate((datetime(2026, 5, 2, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))):
        land(con, "crm__leads", [{"id": f"l{at}", "email": f"e{at}@x.org"}], at)
        known = readings(con, lake, read_news(con, RULES), now)
        known.write(lake)
        found.append(max(reading for objects in known.of.values() for reading in objects.values()))
    assert found == ["20260502T000000.000000/002", "20260502T000000.000001/002"]


def test_a_ledger_that_cannot_be_read_names_its_object(con: Con, lake: LocalLake) -> None:
    lake.put("identity/readings/20260101T000000000000Z-0123456789ab.json", b"{")
    land(con, "crm__leads", ROWS["crm__leads"], 1)
    with pytest.raises(DataError, match=r"20260101T000000000000Z-0123456789ab\.json is not what identity wrote"):
        resolve(con, RULES, lake=lake)


def test_a_reading_comes_before_the_landing_and_without_one_the_landing_counts() -> None:
    extract = "extracts/crm/leads/20260101T000001000000Z-0123456789ab.parquet"
    assert told("", extract) == landed(extract)
    assert told("20260102T000000.000000/001", extract) < told("20260102T000000.000001/000", extract)
