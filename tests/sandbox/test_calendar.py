"""The company's dates follow from the first day it is told up to."""

from __future__ import annotations

from datetime import date

from sandbox.clock import day_number, iso, parse, to_date
from sandbox.company.calendar import opening_day, season, world


def test_the_company_opened_on_the_first_of_the_month_thirteen_months_before() -> None:
    assert opening_day(date(2026, 11, 21)) == date(2025, 10, 1)
    assert opening_day(date(2026, 3, 31)) == date(2025, 2, 1)


def test_the_turn_of_a_month_does_not_move_the_opening() -> None:
    assert opening_day(date(2026, 6, 30)) == opening_day(date(2026, 7, 1)) == opening_day(date(2026, 7, 10))


def test_the_programme_started_six_months_before() -> None:
    assert to_date(world(7, 100, opening_day(date(2026, 11, 21))).programme) == date(2026, 5, 1)


def test_people_arrive_in_order_and_independently_of_the_end() -> None:
    state = world(7, 5000, date(2025, 10, 1))
    arrivals = [state.arrival(index, 0.5) for index in range(state.at_opening, 6000)]
    assert arrivals == sorted(arrivals)
    assert arrivals[5000 - state.at_opening] == state.opened + 405


def test_promotions_carry_a_coupon_and_newsletters_do_not() -> None:
    campaigns = world(7, 100, date(2025, 10, 1)).campaigns.values()
    assert {bool(c.coupon) for c in campaigns if c.campaign_id.startswith("promo")} == {True}
    assert {bool(c.coupon) for c in campaigns if c.campaign_id.startswith("nl")} == {False}


def test_december_is_busier_than_february() -> None:
    assert season(day_number(date(2026, 12, 9))) > season(day_number(date(2026, 2, 11)))


def test_times_are_written_in_milliseconds_and_read_back() -> None:
    assert iso(parse("2026-02-03T04:05:06.007Z")) == "2026-02-03T04:05:06.007Z"
    assert iso(parse("2026-02-03T04:05:06+01:00")) == "2026-02-03T03:05:06.000Z"
    assert parse("2026-02-03") == day_number(date(2026, 2, 3)) * 86_400_000
