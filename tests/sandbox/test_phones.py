"""The example company's telephone numbers are ones that can exist, however they are written."""

from __future__ import annotations

import phonenumbers
import pytest

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
