"""Profiles in Redis: found by any identifier, an older write never over a newer one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import UnavailableError
from headwater.settings import load_settings
from headwater.storage.online import OnlineReader, OnlineStore, Pushed, keys, open_online_store

NOW = 1_772_366_400_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineStore]:
    with open_online_store(load_settings(home=tmp_path_factory.mktemp("home"))) as store:
        yield store


@pytest.fixture
def store(server: OnlineStore) -> OnlineStore:
    server.client.flushall()
    return server


def test_keys_are_those_of_the_design_and_hold_any_value() -> None:
    assert keys.identifier("email", "a:b}{/é🦆@x.y") == "hw:id:email:{a%3Ab%7D%7B%2F%C3%A9%F0%9F%A6%86%40x.y}"
    assert keys.profile("c-1") == "hw:{c-1}:profile"
    assert keys.session("an on") == "hw:{an%20on}:session"


def test_a_profile_is_found_by_any_identifier(store: OnlineStore) -> None:
    store.put_profiles([("c1", '{"profile":{"name":"Ünï"}}')], NOW)
    store.put_identifiers([("email", "a:b}{/é🦆@x.y", "c1"), ("anonymous_id", "", "c1")])
    expected = {"version": NOW, "profile": {"name": "Ünï"}}
    for id_type, value in (("email", "a:b}{/é🦆@x.y"), ("anonymous_id", ""), ("customer_id", "c1")):
        assert json.loads(store.get_profile(id_type, value) or b"null") == expected
    assert store.get_profile("email", "nobody") is None
    assert store.get_profile("customer_id", "nobody") is None


def test_an_older_write_never_replaces_a_newer_one(store: OnlineStore) -> None:
    assert store.put_profiles([("c1", '{"n":2}')], NOW).written == 1
    late = store.put_profiles([("c1", '{"n":1}'), ("c2", '{"n":1}')], NOW - 1)
    assert (late.written, late.outdated) == (1, 1)
    assert json.loads(store.get_profile("customer_id", "c1") or b"")["n"] == 2
    assert store.remove_profiles(["c1"], NOW - 1) == 0
    assert store.remove_profiles(["c1", "nobody"], NOW) == 1
    assert store.get_profile("customer_id", "c1") is None


def test_an_identifier_that_moved_on_is_not_removed_for_its_former_person(store: OnlineStore) -> None:
    store.put_identifiers([("email", "e", "old")])
    store.put_identifiers([("email", "e", "new")])
    assert store.remove_identifiers([("email", "e", "old")]) == 0
    assert store.remove_identifiers([("email", "e", "new")]) == 1


def test_more_than_one_batch_is_written_and_swept(store: OnlineStore) -> None:
    store.put_profiles(((f"c{i}", "{}") for i in range(2_500)), NOW)
    store.put_identifiers(("email", f"e{i}", f"c{i}") for i in range(2_500))
    swept = store.sweep((f"c{i}" for i in range(10)), (("email", f"e{i}") for i in range(20)))
    assert swept == (2_490, 2_480)
    assert store.clear() == 30


def test_a_session_ignores_what_it_has_seen_already(store: OnlineStore) -> None:
    assert store.put_sessions([("a", "seg-0002", b'{"n":2}', 100)]) == 1
    assert store.put_sessions([("a", "seg-0002", b'{"n":9}', 100), ("a", "seg-0001", b'{"n":8}', 100)]) == 0
    assert store.get_sessions(["a", "b"]) == {"a": ("seg-0002", b'{"n":2}')}
    assert 0 < store.client.ttl(keys.session("a")) <= 100


def test_the_services_reader_finds_profile_push_and_session_together(store: OnlineStore) -> None:
    store.put_profiles([("c1", "{}")], NOW)
    store.put_identifiers([("anonymous_id", "a", "c1")])
    store.put_sessions([("a", "p", b"{}", 100)])
    store.mark_pushed(Pushed("run", NOW, "2026-03-01T00:00:00Z", "2026-03-01T12:00:00Z", 1))

    async def look() -> tuple:
        reader = OnlineReader(store.url)
        found, nobody = await reader.find("anonymous_id", "a"), await reader.find("anonymous_id", "b")
        await reader.close()
        return found, nobody

    found, nobody = asyncio.run(look())
    assert nobody is None
    assert (found.profile, found.pushed.run_id, found.session) == (f'{{"version":{NOW}}}'.encode(), "run", b"{}")


def test_a_store_that_is_away_is_one_sentence(tmp_path: Path) -> None:
    store = OnlineStore(f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(UnavailableError, match="Redis did not answer"):
        store.put_profiles([("c", "{}")], NOW)
    with pytest.raises(UnavailableError, match="Redis did not answer"):
        store.pushed()


def test_a_version_that_would_not_compare_as_text_is_refused(store: OnlineStore) -> None:
    with pytest.raises(ValueError, match="16 digits"):
        store.put_profiles([("c", "{}")], 5)
