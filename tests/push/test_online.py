"""Profiles from the warehouse to a real Redis: what is written, what is removed, what is left alone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from headwater.errors import DataError
from headwater.push.online import push_profiles
from headwater.settings import load_settings
from headwater.storage.online import OnlineStore, open_online_store

AS_OF = dt.datetime(2026, 3, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineStore]:
    with open_online_store(load_settings(home=tmp_path_factory.mktemp("home"))) as store:
        yield store


@pytest.fixture
def store(server: OnlineStore) -> OnlineStore:
    server.client.flushall()
    return server


@pytest.fixture
def warehouse(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    con.execute("""
        create schema identity;
        create table marts.customer_activation as
        select
            'c' || i as customer_id, 'p' || i || '@x.y' as email, i as count_orders, i / 100 as likelihood_to_churn,
            'v7' as churn_model_version, timestamp '2026-02-01 10:00:00' as last_order_at,
            ['no visit for 60 days', 'two tickets'] as churn_reasons, timestamp '2026-03-01' as as_of
        from range(100) as numbers(i);
        create table identity.identifiers as
        select 'email' as id_type, 'p' || i || '@x.y' as id_value, 'c' || i as customer_id
        from range(100) as numbers(i)
        union all
        select 'anonymous_id', 'a/' || i, 'c' || i % 50 from range(100) as numbers(i)
        union all
        select 'customer_id', 'c' || i, 'c' || i from range(100) as numbers(i);
        create table identity.successors (former_id text, customer_id text)
    """)
    return con


def found(store: OnlineStore, id_type: str, value: str) -> dict[str, Any] | None:
    answer = store.get_profile(id_type, value)
    return json.loads(answer) if answer else None


def test_everybody_is_found_by_every_identifier(warehouse: duckdb.DuckDBPyConnection, store: OnlineStore) -> None:
    pushed = push_profiles(warehouse, store, AS_OF)
    assert (pushed.profiles, pushed.written, pushed.identifiers, pushed.identifiers_written) == (100, 100, 200, 200)
    profile = found(store, "anonymous_id", "a/57")
    assert profile is not None
    assert profile.pop("version") > 0
    assert profile == {
        "customer_id": "c7",
        "ids": {"anonymous_id": ["a/57", "a/7"], "email": ["p7@x.y"]},
        "profile": {
            "email": "p7@x.y",
            "count_orders": 7,
            "likelihood_to_churn": 0.07,
            "churn_model_version": "v7",
            "last_order_at": "2026-02-01T10:00:00.000Z",
            "churn_reasons": ["no visit for 60 days", "two tickets"],
        },
    }
    assert found(store, "email", "p7@x.y") == found(store, "customer_id", "c7")
    last = store.pushed()
    assert last is not None
    assert (last.as_of, last.people, last.model_version) == ("2026-03-01T00:00:00.000Z", 100, "v7")


def test_on_unchanged_data_nothing_is_written(warehouse: duckdb.DuckDBPyConnection, store: OnlineStore) -> None:
    push_profiles(warehouse, store, AS_OF)
    before = store.pushed()
    commands = store.client.info("commandstats")
    again = push_profiles(warehouse, store, AS_OF)
    after = store.client.info("commandstats")
    assert (again.written, again.removed, again.identifiers_written, again.identifiers_removed) == (0, 0, 0, 0)
    assert store.pushed() == before
    assert after["cmdstat_set"] == commands["cmdstat_set"]


def test_only_what_changed_is_written(warehouse: duckdb.DuckDBPyConnection, store: OnlineStore) -> None:
    push_profiles(warehouse, store, AS_OF)
    warehouse.execute("update marts.customer_activation set count_orders = 9000 where customer_id in ('c3', 'c4')")
    warehouse.execute("insert into identity.identifiers values ('user_id', 'u5', 'c5')")
    pushed = push_profiles(warehouse, store, AS_OF)
    assert (pushed.written, pushed.identifiers_written, pushed.is_full) == (3, 1, False)
    assert found(store, "user_id", "u5") == found(store, "customer_id", "c5")


def test_somebody_who_was_merged_away_is_removed_and_the_identifiers_lead_to_the_survivor(
    warehouse: duckdb.DuckDBPyConnection, store: OnlineStore
) -> None:
    push_profiles(warehouse, store, AS_OF)
    warehouse.execute("delete from marts.customer_activation where customer_id = 'c2'")
    warehouse.execute("update identity.identifiers set customer_id = 'c1' where customer_id = 'c2'")
    warehouse.execute("delete from identity.identifiers where id_value = 'a/3'")
    pushed = push_profiles(warehouse, store, AS_OF)
    assert (pushed.profiles, pushed.removed, pushed.identifiers_removed) == (99, 1, 1)
    assert found(store, "customer_id", "c2") is None
    assert found(store, "anonymous_id", "a/3") is None
    survivor = found(store, "email", "p2@x.y")
    assert survivor is not None
    assert survivor["customer_id"] == "c1"
    assert "p2@x.y" in survivor["ids"]["email"]


def test_a_former_id_leads_to_the_survivor_until_it_names_a_person_again(
    warehouse: duckdb.DuckDBPyConnection, store: OnlineStore
) -> None:
    push_profiles(warehouse, store, AS_OF)
    person = "marts.customer_activation where customer_id = 'c2'"
    warehouse.execute(f"create temp table away as from {person}; delete from {person}")
    warehouse.execute("update identity.identifiers set customer_id = 'c1' where customer_id = 'c2'")
    warehouse.execute("insert into identity.successors values ('c2', 'c1')")
    push_profiles(warehouse, store, AS_OF)
    survivor = found(store, "customer_id", "c2")
    assert survivor is not None
    assert survivor["customer_id"] == "c1"
    warehouse.execute("insert into marts.customer_activation from away; delete from identity.successors")
    push_profiles(warehouse, store, AS_OF)
    again = found(store, "customer_id", "c2")
    assert again is not None
    assert again["customer_id"] == "c2"
    assert not store.client.exists("hw:id:customer_id:{c2}")


def test_an_emptied_or_foreign_store_is_written_again_and_swept(
    warehouse: duckdb.DuckDBPyConnection, store: OnlineStore
) -> None:
    push_profiles(warehouse, store, AS_OF)
    store.client.flushall()
    store.put_profiles([("stranger", "{}")], 1_000_000_000_000_000)
    store.put_identifiers([("email", "stranger@x.y", "stranger")])
    pushed = push_profiles(warehouse, store, AS_OF)
    assert (pushed.is_full, pushed.written, pushed.removed, pushed.identifiers_removed) == (True, 100, 1, 1)
    assert found(store, "email", "stranger@x.y") is None
    assert push_profiles(warehouse, store, AS_OF).is_full is False


def test_a_push_killed_before_it_was_recorded_is_repeated_whole(
    warehouse: duckdb.DuckDBPyConnection, store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_profiles(warehouse, store, AS_OF)
    warehouse.execute("update marts.customer_activation set count_orders = 9000 where customer_id = 'c3'")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("headwater.push.online._remember", _interrupt)
        push_profiles(warehouse, store, AS_OF)
    pushed = push_profiles(warehouse, store, AS_OF)
    assert (pushed.is_full, pushed.written) == (True, 100)


def test_a_clock_that_was_set_back_still_gives_newer_versions(
    warehouse: duckdb.DuckDBPyConnection, store: OnlineStore
) -> None:
    push_profiles(warehouse, store, AS_OF, clock=lambda: 1_900_000_000.0)
    warehouse.execute("update marts.customer_activation set count_orders = 9000 where customer_id = 'c3'")
    pushed = push_profiles(warehouse, store, AS_OF, clock=lambda: 1_800_000_000.0)
    assert (pushed.written, pushed.outdated) == (1, 0)


def test_a_later_as_of_is_told_even_when_no_profile_changed(
    warehouse: duckdb.DuckDBPyConnection, store: OnlineStore
) -> None:
    push_profiles(warehouse, store, AS_OF)
    warehouse.execute("update marts.customer_activation set as_of = timestamp '2026-03-02'")
    pushed = push_profiles(warehouse, store, AS_OF + dt.timedelta(days=1))
    last = store.pushed()
    assert last is not None
    assert (pushed.written, last.as_of) == (0, "2026-03-02T00:00:00.000Z")


def test_without_the_model_the_push_says_so(con: duckdb.DuckDBPyConnection, store: OnlineStore) -> None:
    with pytest.raises(DataError, match=r"marts\.customer_activation is not in the warehouse"):
        push_profiles(con, store, AS_OF)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
