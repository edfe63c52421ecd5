"""Where a value may stand in a spec event."""

from __future__ import annotations

import pytest

from headwater.push import spec


def test_traits_of_an_identify_win_over_those_of_the_context():
    payload = {
        "type": "identify",
        "traits": {"email": "new@example.com"},
        "context": {"traits": {"email": "o@x.y", "a": 1}},
    }
    assert spec.traits(payload) == {"email": "new@example.com", "a": 1}
    assert spec.email(payload) == "new@example.com"


def test_a_group_event_s_traits_are_the_group_s_and_nobody_s():
    assert spec.traits({"type": "group", "traits": {"email": "sales@example.com"}}) == {}


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ({"properties": {"email": " a@example.com "}}, "a@example.com"),
        ({"userId": "a@example.com"}, "a@example.com"),
        ({"userId": "u1", "properties": {"email": "nobody"}}, None),
    ],
)
def test_an_address_is_found_where_events_carry_it(payload, found):
    assert spec.email(payload) == found


def test_names_are_found_in_snake_case_too():
    assert spec.person({"context": {"traits": {"first_name": "Ann"}}}, "firstName") == "Ann"


@pytest.mark.parametrize(
    ("properties", "worth"),
    [
        ({"revenue": 0, "total": 5}, 0.0),
        ({"total": "12.50"}, 12.5),
        ({"value": True}, None),
        ({"revenue": "free"}, None),
    ],
)
def test_revenue_is_the_first_number_in_the_spec_s_order(properties, worth):
    assert spec.revenue({"properties": properties}) == worth


def test_products_are_those_listed_or_the_one_that_the_event_is_about():
    assert spec.products({"properties": {"products": [{"sku": "a"}, "rubbish"]}}) == [{"sku": "a"}]
    assert spec.products({"properties": {"sku": "a", "price": 1}}) == [{"sku": "a", "price": 1}]
    assert spec.products({"properties": {"total": 1}}) == []
    assert spec.product_id({"sku": 7}) == "7"


def test_an_event_of_numbers_for_ids_and_no_objects_where_objects_belong_is_still_read():
    payload = {
        "type": "track",
        "event": "X",
        "userId": 17850.0,
        "properties": [],
        "context": "no",
        "timestamp": "2026-01-01",
    }
    assert (spec.user_id(payload), spec.properties(payload), spec.traits(payload)) == ("17850", {}, {})
    assert spec.happened_at(payload).year == 2026
    assert spec.event_name(payload) == "X"


def test_a_trait_is_found_by_any_of_its_names() -> None:
    payload = {"traits": {"address": {"city": "Porto"}, "zip": ""}, "context": {"traits": {"postal_code": "4400"}}}
    assert spec.trait(payload, "city", "address.city") == "Porto"
    assert spec.trait(payload, "zip", "postalCode") == "4400"
    assert spec.trait(payload, "address.city.name", "state") is None


@pytest.mark.parametrize("value", ["1e999", float("inf"), float("nan"), "nan", 10**400, True, None, "", []])
def test_what_no_tool_can_count_is_no_number(value):
    assert spec.number(value) is None
