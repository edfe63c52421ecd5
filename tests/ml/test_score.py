"""The random hold-out."""

from __future__ import annotations

from ml.score import held_out


def test_the_hold_out_is_a_tenth_of_the_people():
    share = sum(held_out(f"customer-{number}") for number in range(20_000)) / 20_000
    assert 0.09 < share < 0.11


def test_the_hold_out_is_the_same_for_ever():
    """A change here would mix people with and without the offer: the report of its effect would be worthless."""
    assert [number for number in range(60) if held_out(f"customer-{number}")] == [5, 16, 38, 45, 49, 59]


def test_another_share_holds_out_a_superset():
    people = [f"customer-{number}" for number in range(2_000)]
    small, large = ({p for p in people if held_out(p, share=share)} for share in (0.1, 0.3))
    assert small < large
