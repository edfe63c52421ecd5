"""Putting spec events into a tool's words."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.push import mapping

TABLE = mapping.by_key({"Order Completed": "purchase", "page": "page_view"})


def track(name: str) -> dict[str, str]:
    return {"type": "track", "event": name}


def test_spec_events_are_found_however_they_are_written_and_a_companys_word_wins() -> None:
    none = mapping.Wording()
    for name in ("Order Completed", "order_completed", "ORDER-COMPLETED", " order  completed "):
        assert mapping.tool_event(track(name), TABLE, none) == "purchase"
    assert mapping.tool_event(track("Order Placed"), TABLE, none) == "Order Placed"
    assert mapping.tool_event({"type": "page", "name": "Home"}, TABLE, none) == "page_view"
    own = mapping.Wording(event_names={"Order Completed": "sale", "Trial": "try"})
    assert mapping.tool_event(track("Order Completed"), TABLE, own) == "sale"
    assert mapping.tool_event(track("Trial"), TABLE, own) == "try"


def test_what_came_under_the_tools_own_name_wins_over_what_is_renamed() -> None:
    table = {"firstName": "first_name"}
    assert mapping.renamed({"first_name": "Ana", "firstName": "Anna", "x": None}, table) == {"first_name": "Ana"}
    own = mapping.Wording(property_names={"firstName": "given"})
    assert mapping.renamed({"firstName": "Ana", "z": 1}, table, own) == {"given": "Ana", "z": 1}


def test_of_several_sources_for_one_name_the_first_of_the_table_is_taken() -> None:
    table = {"product_id": "id", "sku": "id", "name": "title"}
    assert mapping.only({"sku": "S", "product_id": "P", "other": 1}, table) == {"id": "P"}
    assert mapping.only({"sku": "S", "product_id": None}, table) == {"id": "S"}


def test_nested_objects_become_joined_names() -> None:
    assert dict(mapping.flat({"a": {"b": {"c": 1}, "d": None}, "e": [1, {"f": 2}]})) == {"a_b_c": 1, "e": [1, {"f": 2}]}


def test_times_count_from_1970_also_before_it() -> None:
    assert mapping.seconds(datetime(2026, 11, 20, 10)) == 1795168800
    assert mapping.millis(datetime(1969, 12, 31, 23, 59, 59, 999_000)) == -1
    assert mapping.time_of({"timestamp": "soon", "receivedAt": "2026-11-20T10:00:00Z"}) == datetime(2026, 11, 20, 10)


@given(st.text(), st.integers(0, 20))
def test_a_cut_text_is_its_own_beginning_and_never_too_long(words: str, longest: int) -> None:
    found = mapping.cut(words, longest)
    assert words.startswith(found)
    assert len(found.encode("utf-8", "replace")) <= longest
    if len(words.encode("utf-8", "replace")) <= longest:
        assert found == words


@given(st.lists(st.integers(0, 50)), st.integers(1, 5), st.integers(1, 100))
def test_chunks_are_everything_in_order_within_both_limits(sizes: list[int], most: int, most_bytes: int) -> None:
    parts = [sizes[part] for part in mapping.chunks(sizes, most, most_bytes, sizes)]
    assert [size for part in parts for size in part] == sizes
    for part in parts:
        assert 1 <= len(part) <= most
        assert len(part) == 1 or sum(part) + len(part) - 1 <= most_bytes


def test_chunks_measure_what_is_sent() -> None:
    items = [{"words": "é" * n} for n in range(40)]
    sizes = [mapping.encoded_size(item) for item in items]
    for part in mapping.chunks(items, 1000, 300, sizes):
        assert len(msgspec.json.encode(items[part])) <= 300 + 2


def test_a_small_event_nested_on_purpose_does_not_become_gigabytes_of_names() -> None:
    deep: dict[str, object] = {f"leaf{number}": 1 for number in range(1000)}
    for _ in range(50):
        deep = {"x" * 100: deep}
    with pytest.raises(ValueError, match="nested so deeply"):
        list(mapping.flat(deep))
