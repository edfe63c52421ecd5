"""What is new is read alone, and ends in the same tables as reading everything."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.configuration import EdgeSource, Identity, IdType, Override
from headwater.match.resolve import resolve
from headwater.match.writing import customer_id
from headwater.storage.lake import LocalLake
from headwater.storage.warehouse import declared_tables
from headwater.storage.warehouse.schema import create_table

Con = duckdb.DuckDBPyConnection
TABLES = ("identifiers", "edges", "refused_edges")
# few values and tight limits: most sequences refuse something, and join and part people
RULES = Identity(
    id_types={
        "user_id": IdType(priority=1, limits={"user_id": 1, "email": 2}),
        "email": IdType(priority=2, normalise="email", limits={"user_id": 1, "anonymous_id": 3}),
        "anonymous_id": IdType(priority=3, limits={"user_id": 1, "anonymous_id": 4}),
        "phone": IdType(priority=4, weak={"email": 1, "anonymous_id": 3}),
    },
    edges=[
        EdgeSource(
            table="raw.events",
            ids={"user_id": "user_id", "anonymous_id": "anonymous_id", "email": "event", "phone": "type"},
        ),
        EdgeSource(table="raw.conversations", ids={"user_id": "user_id", "email": "email"}),
    ],
    include=[Override(ids=["user_id:u0", "user_id:u1"], reason="two accounts")],
    exclude=[
        Override(ids=["anonymous_id:a0"], reason="kiosk"),
        Override(ids=["user_id:u2", "email:e2@x.org"], reason="not hers"),
    ],
)


def warehouse() -> Con:
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'; create schema raw; create schema identity")
    for table, columns in declared_tables().items():
        if table.startswith("identity.") or table in ("raw.events", "raw.conversations"):
            con.execute(create_table(table, columns))
    return con


def said(con: Con) -> dict[str, list[tuple[Any, ...]]]:
    return {table: con.execute(f"from identity.{table} order by all").fetchall() for table in TABLES}


def people(con: Con) -> dict[tuple[str, str], str]:
    rows = con.execute("select id_type, id_value, customer_id from identity.identifiers where id_type <> 'customer_id'")
    return {(id_type, value): owner for id_type, value, owner in rows.fetchall()}


def land(con: Con, segment: int, rows: list[tuple[str | None, ...]]) -> None:
    key = f"events/received_date=2026-01-01/{segment:010d}-{1767225600000 + segment * 1000}.parquet"
    con.executemany(
        "insert into raw.events (user_id, anonymous_id, event, type, lake_object, row_number) "
        "values (?, ?, ?, ?, ?, ?)",
        [[*row, key, number] for number, row in enumerate(rows)],
    )


def chat(con: Con, number: int, version: int, user_id: str | None, email: str | None) -> None:
    """A conversation; a longer version of it takes the place of the one before."""
    con.execute("delete from raw.conversations where conversation_id = ?", [str(number)])
    con.execute(
        "insert into raw.conversations (conversation_id, user_id, email, lake_object) values (?, ?, ?, ?)",
        [str(number), user_id, email, f"files/chats/{number}-{version:012d}.jsonl"],
    )


def ids(prefix: str, count: int, suffix: str = "") -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.integers(0, count).map(lambda number: f"{prefix}{number}{suffix}"))


ROWS = st.lists(st.tuples(ids("u", 5), ids("a", 8), ids("E", 6, "@x.org"), ids("p", 3)), min_size=1, max_size=6)
CHATS = st.tuples(st.integers(0, 2), ids("u", 5), ids("e", 6, "@x.org"))
STEPS = st.lists(st.one_of(ROWS, CHATS), min_size=2, max_size=7)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, stamps=st.permutations(range(1, 8)))
def test_any_sequence_of_landings_ends_as_if_all_were_read_at_once(steps: list[Any], stamps: list[int]) -> None:
    """Whatever comes late, limits, caps and decisions by hand included; also in a warehouse that is built anew from the
    lake. And history tells what became of everybody."""
    with warehouse() as con, tempfile.TemporaryDirectory() as folder:
        lake = LocalLake(folder)
        for number, step in enumerate(steps):
            before = people(con)
            if isinstance(step, tuple):
                chat(con, step[0], number, *step[1:])
            else:
                land(con, stamps[number], step)
            held = con.execute("select count(*) from identity.changes").fetchone()
            resolve(con, RULES, lake=lake)
            found = said(con)
            assert resolve(con, RULES, lake=lake, is_full=True).reason == "it was asked for"
            assert said(con) == found
            _history_is_right(con, before, people(con), held[0] if held else 0)
        for (table,) in con.execute("select table_name from duckdb_tables() where schema_name = 'identity'").fetchall():
            con.execute(f"delete from identity.{table}")
        resolve(con, RULES, lake=lake)
        assert said(con) == found


def _history_is_right(
    con: Con, before: dict[tuple[str, str], str], after: dict[tuple[str, str], str], held: int
) -> None:
    told = {
        (id_type, value): (old, new)
        for old, new, id_type, value in con.execute(
            "select from_customer_id, to_customer_id, id_type, id_value from identity.changes offset ?", [held]
        ).fetchall()
    }
    both = before.keys() & after.keys()
    assert told == {one: (before[one], after[one]) for one in both if before[one] != after[one]}
    alive = set(after.values())
    successors = dict(con.execute("select former_id, customer_id from identity.successors").fetchall())
    assert not successors.keys() & alive
    gone = {before[one] for one in both} - alive
    assert gone <= successors.keys()
    for former, now in successors.items():
        owners = [owner for (id_type, value), owner in after.items() if customer_id(id_type, value) == former]
        assert owners in ([now], [])


def test_what_is_new_is_read_alone_and_touches_only_its_people(
    con: Con, identity: Identity, events: Callable[..., None]
) -> None:
    events(*[(f"u{i}", f"a{i}", f"e{i}@x.org") for i in range(20)])
    first = resolve(con, identity)
    assert (first.reason, first.people) == ("nothing was read before", 20)
    events(("u3", "a99", None), ("u20", "a20", None), segment=2)
    second = resolve(con, identity)
    assert (second.reason, second.touched, second.people) == (None, 1, 21)
    assert con.execute("select objects, touched from identity.resolutions where reason is null").fetchall() == [(1, 1)]


def test_nothing_new_writes_nothing(con: Con, identity: Identity, events: Callable[..., None]) -> None:
    events(("u1", "a1", "ann@x.org"))
    first = resolve(con, identity)
    assert resolve(con, identity) == first
    assert con.execute("select count(*) from identity.resolutions").fetchone() == (1,)


def test_what_repeats_an_older_tie_touches_nobody(con: Con, identity: Identity, events: Callable[..., None]) -> None:
    events(("u1", "a1", "ann@x.org"))
    resolve(con, identity)
    events(("u1", "a1", "ann@x.org"), segment=2)
    assert resolve(con, identity).touched == 0


def test_only_rows_that_are_otherwise_than_before_are_written(
    con: Con, identity: Identity, events: Callable[..., None]
) -> None:
    events(("u1", "a1", "ann@x.org"), ("u2", "a2", "bob@x.org"), (None, "a3", None))
    resolve(con, identity)
    rows = {t: set(con.execute(f"select rowid, * from identity.{t}").fetchall()) for t in ("identifiers", "edges")}
    events(("u1", "a9", None), ("u2", "a3", None), segment=2)
    assert resolve(con, identity).touched == 3
    for table, before in rows.items():
        after = set(con.execute(f"select rowid, * from identity.{table}").fetchall())
        gone = {row[1:3] for row in before - after}
        # the new device joins Bob's older one to him: of the two, the person of the device is no more
        merged = {("anonymous_id", "a3"), ("customer_id", customer_id("anonymous_id", "a3"))}
        assert gone == (merged if table == "identifiers" else set())
        assert len(after) == len(before) + (0 if table == "identifiers" else 2)


def test_what_landed_earlier_but_was_read_later_takes_nobodys_place(
    con: Con, identity: Identity, events: Callable[..., None]
) -> None:
    events(("u1", None, "ann@x.org"), segment=5)
    resolve(con, identity)
    events(("u1", None, "ann@x.org"), segment=3)
    done = resolve(con, identity)
    assert (done.reason, done.touched, done.edges, done.refused_edges) == (None, 0, 1, 0)
    (moment,) = con.execute("select first_landed from identity.edges").fetchone() or ("",)
    assert "/0000000005-" in moment


def test_a_row_that_is_gone_or_another_rule_makes_it_read_everything(
    con: Con, identity: Identity, events: Callable[..., None]
) -> None:
    events(("u1", "a1", None), ("u2", "a2", None))
    resolve(con, identity)
    con.execute("delete from raw.events where user_id = 'u2'")
    again = resolve(con, identity)
    assert again.reason is not None and "raw.events has other rows of events/" in again.reason
    assert again.people == 1
    identity.id_types["user_id"].junk.append("u1")
    assert resolve(con, identity).reason == "identity.yaml or the columns of its tables have changed"


def test_a_home_from_before_is_read_again_and_keeps_its_ids(
    con: Con, identity: Identity, events: Callable[..., None], people: Callable[[], dict[str, set[str]]]
) -> None:
    events(("u1", "a1", "ann@x.org"), ("u2", "a2", None))
    resolve(con, identity)
    before = people()
    for table in TABLES:
        con.execute(f"update identity.{table} set cluster = null, first_landed = null, first_row = null")
    con.execute("delete from identity.resolutions; delete from identity.read_objects")
    done = resolve(con, identity)
    assert (done.people, done.merged, done.split) == (2, 0, 0)
    assert people() == before
