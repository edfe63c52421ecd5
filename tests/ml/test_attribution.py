"""Removal effects, against chains that can be worked out by hand."""

from __future__ import annotations

from random import Random

import pytest

from ml.attribution import ChannelEffect, removal_effects


def by_channel(effects: list[ChannelEffect]) -> dict[str, ChannelEffect]:
    return {effect.channel: effect for effect in effects}


def test_a_channel_on_every_path_to_purchase_takes_all_purchases_with_it():
    found = by_channel(removal_effects([(["email"], 10, 10), (["email", "direct"], 5, 5)]))
    assert found["email"].removal_effect == pytest.approx(1.0)
    # half of the 30 who came by e-mail buy; without direct the 10 who went there do not: 10 of 30 instead of 15
    assert found["direct"].removal_effect == pytest.approx(1 / 3)


def test_a_chain_of_three_channels_gives_what_paper_and_pencil_give():
    # c1 > c2 > c3 bought once, c1 and c2 > c3 led nowhere: 1 of 3 buys, without c1 1 of 6
    paths = [(["c1", "c2", "c3"], 1, 0), (["c1"], 0, 1), (["c2", "c3"], 0, 1)]
    found = by_channel(removal_effects(paths))
    assert [round(found[name].removal_effect, 6) for name in ("c1", "c2", "c3")] == [0.5, 1.0, 1.0]
    assert sum(effect.credit_share for effect in found.values()) == pytest.approx(1.0)
    assert [round(found[name].credit_share, 6) for name in ("c1", "c2", "c3")] == [0.2, 0.4, 0.4]


def test_a_channel_that_never_leads_to_a_purchase_has_no_effect_and_an_interval_that_holds_zero():
    found = by_channel(removal_effects([(["email"], 40, 60), (["display"], 0, 50)]))
    assert found["display"].removal_effect == 0.0
    assert found["display"].removal_effect_low == 0.0
    assert found["email"].removal_effect_low > 0.0


def test_steps_that_repeat_change_nothing():
    once = removal_effects([(["email", "direct"], 10, 30), (["direct"], 5, 5)], samples=10)
    again = removal_effects([(["email", "email", "direct"], 10, 30), (["direct"], 5, 5)], samples=10)
    assert [e.removal_effect for e in once] == pytest.approx([e.removal_effect for e in again])


def test_the_interval_holds_the_effect_and_is_narrower_with_more_paths():
    def drawn(people: int) -> ChannelEffect:
        rng = Random(5)
        paths = []
        for steps, chance in ((["email"], 0.2), (["search", "email"], 0.3), (["search"], 0.1)):
            won = sum(rng.random() < chance for _ in range(people))
            paths.append((steps, won, people - won))
        return by_channel(removal_effects(paths))["email"]

    few, many = drawn(60), drawn(6000)
    for effect in (few, many):
        assert effect.removal_effect_low < effect.removal_effect < effect.removal_effect_high
        assert effect.credit_share_low < effect.credit_share < effect.credit_share_high
    assert many.removal_effect_high - many.removal_effect_low < few.removal_effect_high - few.removal_effect_low


def test_the_same_paths_give_the_same_answer_and_nothing_gives_nothing():
    paths = [(["email"], 4, 6), (["search"], 1, 9)]
    assert removal_effects(paths) == removal_effects(paths)
    assert [effect.effect_rank for effect in removal_effects(paths)] == [1, 2]
    assert removal_effects([]) == []
    assert removal_effects([(["email"], 0, 0)]) == []


def test_paths_without_any_purchase_have_no_effect():
    (effect,) = removal_effects([(["email"], 0, 7)])
    assert (effect.removal_effect, effect.credit_share) == (0.0, 0.0)
