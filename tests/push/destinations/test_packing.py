"""Requests that list things of which one event may have several."""

from __future__ import annotations

import pytest

from headwater.push.destinations import packing
from headwater.push.destinations.base import Outcome, Request
from headwater.push.destinations.packing import Listed, packed

REQUEST = Request("POST", "http://127.0.0.1:9/", {}, b"{}")


def test_a_place_of_a_list_finds_its_event() -> None:
    call = packed(REQUEST, {"events": [4, 1, 1], "attributes": [2]})
    assert call.events == (1, 2, 4)
    assert [call.owner("events", place) for place in range(3)] == [4, 1, 1]
    assert call.owner("attributes", 0) == 2
    for place in (3, -1, None, "0", 1.0):
        assert call.owner("events", place) is None
    assert call.owner("purchases", 0) is None


def test_an_event_is_refused_when_any_thing_of_it_is() -> None:
    call = packed(REQUEST, {"events": [0, 1, 1]})
    refused = Outcome(False, "bad")
    assert call.told({1: refused}, Outcome(True)) == [Outcome(True), refused]


def test_parts_keep_each_things_event_and_one_too_large_is_told() -> None:
    listed = Listed()
    for event in range(5):
        listed.add(event, "x" * 10)
        listed.add(event, "y" * 10)
    parts = list(listed.parts(3, 1000))
    assert [owners for _, owners in parts] == [[0, 0, 1], [1, 2, 2], [3, 3, 4], [4]]
    assert parts[3][0] == ["y" * 10]
    assert [len(items) for items, _ in listed.parts(100, 30)] == [2] * 5
    with pytest.raises(ValueError, match="12 bytes as the tool's JSON; the tool takes 11"):
        list(listed.parts(100, 1000, 11))


def test_one_event_becomes_no_more_than_a_thousand_things() -> None:
    listed = Listed()
    for event in (0, 1):
        for _ in range(1000):
            listed.add(event, 1)
    with pytest.raises(ValueError, match="more than 1,000 things"):
        listed.add(1, 1)


def test_what_a_batch_becomes_has_an_end_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_BYTES", 30)
    listed = Listed()
    listed.add(0, "x" * 10)
    with pytest.raises(ValueError, match="more than 30 bytes"):
        listed.add(1, "x" * 20)
