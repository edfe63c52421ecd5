"""The example company's telephone numbers are ones that can exist, however they are written."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date

import phonenumbers
import pytest

from sandbox.company.calendar import world
from sandbox.company.person import Person, draw_person
from sandbox.company.phones import cold_number, number_of, written


@pytest.mark.parametrize("country", ["US", "CA", "GB", "DE", "FR"])
def test_a_number_can_exist_and_means_the_same_however_it_is_written(country: str) -> None:
    for index in range(0, 6000, 37):
        number = number_of(country, index)
        for way in range(4):
            read = phonenumbers.parse(written(number, way), "US")
            assert phonenumbers.is_valid_number(read), written(number, way)
            assert phonenumbers.format_number(read, phonenumbers.PhoneNumberFormat.E164) == number
            assert phonenumbers.region_code_for_number(read) == country


def test_people_and_cold_contacts_do_not_share_numbers() -> None:
    assert len({number_of("US", index) for index in range(5000)}) == 5000
    assert not {number_of("US", index) for index in range(9000)} & {cold_number(index) for index in range(1000)}


def test_most_households_share_a_telephone_and_nobody_else_has_its_number() -> None:
    company = world(3, 4000, date(2026, 1, 1))
    people = [draw_person(company, index) for index in range(4000)]
    told = Counter(person.phone for person in people)
    by_household: dict[int, list[Person]] = defaultdict(list)
    for person in people:
        if person.household is not None:
            by_household[person.household].append(person)
    pairs = [both for both in by_household.values() if len(both) == 2]
    sharing = [one for one, other in pairs if one.phone == other.phone]
    assert 0.4 < len(sharing) / len(pairs) < 1
    assert {count for count in told.values() if count > 1} == {2}
    assert sum(count == 2 for count in told.values()) == len(sharing)
