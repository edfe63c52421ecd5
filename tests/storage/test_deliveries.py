"""The delivery store: outcomes and place are one."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from headwater.errors import DataError, UnavailableError
from headwater.storage.deliveries import DeadLetter, Delivered, Deliveries
from headwater.storage.log import Position

NOW = datetime(2026, 11, 21, 12)


def outcome(n: int, status: str = "delivered", **changes: object) -> Delivered:
    return Delivered("web", f"m{n}", "track", "Order Completed", NOW, status, NOW + timedelta(seconds=n), **changes)


def letter(n: int, reason: str = "400") -> DeadLetter:
    return DeadLetter(0, "web", f"m{n}", "track", "Order Completed", NOW, reason, "400", "no", NOW, None, b'{"a": 1}')


@pytest.fixture
def store(tmp_path):
    opened = Deliveries(tmp_path / "push" / "tool.sqlite")
    yield opened
    opened.close()


def test_outcomes_and_place_are_there_for_who_reads_meanwhile(store):
    assert store.position() is None
    store.commit(Position("0001", 99), [outcome(1), outcome(2, "rejected", reason="400", code="BAD")])
    reader = Deliveries(store.path, read_only=True)
    assert reader.position() == Position("0001", 99)
    assert reader.counts() == {"delivered": 1, "rejected": 1}
    assert [(row.status, row.code, row.seq) for row in reader.find("m2")] == [("rejected", "BAD", 2)]
    assert reader.find("m1")[0] == outcome(1, seq=1, segment="0001")
    reader.close()


def test_a_commit_that_fails_leaves_place_and_outcomes_as_they_were(store):
    store.commit(Position("0001", 1), [outcome(1)])
    broken = [outcome(2), Delivered("web", None, "track", None, NOW, "delivered", NOW)]  # type: ignore[arg-type]
    with pytest.raises(UnavailableError):
        store.commit(Position("0001", 2), broken)
    assert store.position() == Position("0001", 1)
    assert store.find("m2") == []


def test_known_tells_only_what_had_an_outcome_since_then_and_of_the_same_source(store):
    store.commit(None, [outcome(n) for n in range(1000)])
    keys = [("web", f"m{n}") for n in range(2000)] + [("app", "m999")]
    assert store.known(keys, NOW + timedelta(seconds=900)) == {("web", f"m{n}") for n in range(900, 1000)}


def test_filtered_counts_add_up(store):
    key = ("web", date(2026, 11, 21), "track", "Product Viewed", "events")
    store.commit(Position("0001", 1), filtered={key: 2})
    store.commit(Position("0001", 2), filtered={key: 3})
    assert [(row.event, row.reason, row.events) for row in store.filtered()] == [("Product Viewed", "events", 5)]


def test_a_dead_letter_is_replayed_once_and_dead_again_when_it_fails_again(store):
    store.commit(Position("0001", 1), dead=[letter(1), letter(2, "timeout")])
    assert [dead.message_id for dead in store.dead_letters(reason="timeout")] == ["m2"]
    store.mark_replayed([dead.seq for dead in store.dead_letters()], NOW)
    assert store.dead_letters() == []
    store.commit(None, dead=[letter(2)])
    assert [(dead.message_id, dead.reason, dead.body) for dead in store.dead_letters()] == [("m2", "400", b'{"a": 1}')]


def test_what_waits_and_what_a_replay_delivered_is_counted(store):
    store.commit(Position("0001", 1), [outcome(1, "rejected"), outcome(2, "rejected")], dead=[letter(1), letter(2)])
    assert store.replays() == (2, 0)
    store.commit(None, [outcome(1)], replayed=[store.dead_letters()[0].seq])
    assert store.replays() == (1, 1)


def test_rows_are_told_in_order_from_a_place_on_and_forgotten_when_told_to(store):
    store.commit(None, [outcome(n) for n in range(10)])
    assert [row.message_id for row in store.since(7, 2)] == ["m7", "m8"]
    assert store.forget(NOW + timedelta(seconds=5), seq=3) == 3
    assert len(store.since(0, 100)) == 7


def test_a_file_that_is_none_of_ours_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "tool.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError, match="is not a delivery store"):
        Deliveries(path)


def test_reading_a_store_that_does_not_exist_is_an_error_and_makes_none(tmp_path):
    with pytest.raises(UnavailableError):
        Deliveries(tmp_path / "tool.sqlite", read_only=True)
    assert not (tmp_path / "tool.sqlite").exists()
