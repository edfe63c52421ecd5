"""The tracking plan's checker: each kind of violation, inside and outside; what becomes of the event; bad bytes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.configuration import Config, Identity, Plan, PlannedEvent, Platform
from headwater.errors import ConfigError
from headwater.policy.plan import Checker, Verdict

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["order_id", "total"],
    "additionalProperties": False,
    "properties": {
        "order_id": {"type": "string", "minLength": 1},
        "total": {"type": "number", "minimum": 0},
        "currency": {"enum": ["USD", "EUR"]},
        "coupon": {"type": ["string", "null"], "pattern": "^[A-Z0-9]+$"},
        "ordered_at": {"type": "string", "format": "date-time"},
        "gift": {"anyOf": [{"type": "boolean"}, {"type": "string"}]},
        "products": {"type": "array", "items": {"$ref": "#/$defs/product"}},
    },
    "$defs": {
        "product": {
            "type": "object",
            "required": ["product_id"],
            "properties": {"product_id": {"type": "string"}, "price": {"type": "number", "minimum": 0}},
        }
    },
}
FITS = {"order_id": "o1", "total": 5}


def checker(plan: Plan | None = None, **events: PlannedEvent) -> Checker:
    """A checker of these planned events."""
    return Checker(
        Config(
            platform=Platform(company="c", currency="USD", stacks=[]),
            sources={},
            import_source="web",
            identity=Identity(id_types={}, edges=[]),
            tracking_plan=events,
            plan=plan or Plan(),
        )
    )


def order(**policy: Any) -> PlannedEvent:
    return PlannedEvent(event="Order Completed", schema=SCHEMA, on_violation=policy)


def judge(checker: Checker, properties: Any, event: Any = "Order Completed") -> Verdict | None:
    """The verdict on a track with these properties."""
    body = {"type": "track", "userId": "u", "event": event, "properties": properties}
    return checker.check("track", event, json.dumps(body).encode())


def places(verdict: Verdict | None) -> list[tuple[str, str]]:
    return [(kind, path) for kind, path, _ in verdict.violations] if verdict else []


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, []),
        ({"total": 0}, []),
        ({"total": -0.01}, [("rule", "properties.total")]),
        ({"total": "5"}, [("wrong_type", "properties.total")]),
        ({"total": None}, [("wrong_type", "properties.total")]),
        ({"total": True}, [("wrong_type", "properties.total")]),
        ({"order_id": ""}, [("rule", "properties.order_id")]),
        ({"currency": "EUR"}, []),
        ({"currency": "eur"}, [("rule", "properties.currency")]),
        ({"coupon": None}, []),
        ({"coupon": "SAVE5"}, []),
        ({"coupon": "save5"}, [("rule", "properties.coupon")]),
        ({"coupon": 5}, [("wrong_type", "properties.coupon")]),
        ({"ordered_at": "2026-01-31T10:00:00Z"}, []),
        ({"ordered_at": "yesterday"}, [("rule", "properties.ordered_at")]),
        ({"gift": "yes"}, []),
        ({"gift": 1}, [("wrong_type", "properties.gift")]),
        ({"products": [{"product_id": "p"}]}, []),
        ({"products": [{"product_id": "p"}, {}]}, [("missing_required", "properties.products[].product_id")]),
        ({"products": [{"product_id": "p", "price": -1}]}, [("rule", "properties.products[].price")]),
        ({"products": {}}, [("wrong_type", "properties.products")]),
        ({"note": "x"}, [("additional_property", "properties.note")]),
        (
            {"note": "x", "total": "5"},
            [("wrong_type", "properties.total"), ("additional_property", "properties.note")],
        ),
    ],
)
def test_each_kind_of_violation_is_found_where_it_is_and_only_there(properties, expected):
    verdict = judge(checker(order_completed=order()), FITS | properties)
    assert sorted(places(verdict)) == sorted(expected)
    assert (verdict is None) == (not expected)


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        ({"const": False}, True, "properties.x must be false"),
        ({"enum": ["a", None, 3]}, "b", "properties.x is none of a, null, 3"),
        ({"maxLength": 2}, "abc", "properties.x has more than 2 characters"),
        ({"minItems": 1}, [], "properties.x has fewer than 1 items"),
        ({"exclusiveMinimum": 0}, 0, "properties.x must be more than 0"),
        ({"multipleOf": 5}, 7, "properties.x is no multiple of 5"),
        ({"uniqueItems": True}, [1, 1], "properties.x has items that are the same"),
        ({"format": "uuid"}, "7", "properties.x is no uuid"),
        ({"contains": {"const": 1}}, [2], "properties.x holds no item that fits"),
        ({"not": {"type": "string"}}, "a", "properties.x fits what it must not fit"),
        ({"items": {"maximum": 1}}, [0, 2], "properties.x[1] must be at most 1"),
    ],
)
def test_every_rule_has_words_of_its_own(rule, value, words):
    made = checker(order_completed=PlannedEvent(event="Order Completed", schema={"properties": {"x": rule}}))
    (found,) = judge(made, {"x": value}).violations
    assert (found[0], found[2]) == ("rule", words)


def test_a_pattern_that_would_take_for_ever_is_given_up():
    made = checker(
        order_completed=PlannedEvent(event="Order Completed", schema={"properties": {"x": {"pattern": r"(a*)*\1b"}}})
    )
    assert places(judge(made, {"x": "a" * 5000})) == [("unknown", "properties.x")]


def test_absent_properties_miss_what_is_required():
    plan = checker(order_completed=order())
    for properties in ({}, None):
        assert places(judge(plan, properties)) == [
            ("missing_required", "properties.order_id"),
            ("missing_required", "properties.total"),
        ]
    assert places(judge(plan, [1])) == [("wrong_type", "properties")]


def test_an_event_that_nobody_planned_is_a_violation_that_is_forwarded_by_default():
    verdict = judge(checker(order_completed=order()), FITS, event="Order Complete")
    assert verdict.action == "forward"
    assert places(verdict) == [("unplanned_event", "event")]
    assert "«Order Complete»" in verdict.violations[0][2]


def test_a_value_that_cannot_be_checked_is_unknown():
    deep = b'{"event": "Order Completed", "properties": {"order_id": ' + b"[" * 900 + b"]" * 900 + b', "total": 1}}'
    verdict = checker(order_completed=order()).check("track", "Order Completed", deep)
    assert places(verdict) == [("unknown", "properties")]
    assert "nested too deeply" in verdict.violations[0][2]
    torn = checker(order_completed=order()).check("track", "Order Completed", b'{"properties": ')
    assert places(torn) == [("unknown", "properties")]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (10**400, [("wrong_type", "properties.total")]),
        (-(10**309), [("rule", "properties.total"), ("wrong_type", "properties.total")]),
        (10**308, []),
        (int(sys.float_info.max), []),
        (2 * int(sys.float_info.max), [("wrong_type", "properties.total")]),
    ],
    ids=["far beyond", "beyond below", "below", "the largest", "just beyond"],
)
@pytest.mark.parametrize("padding", range(0, 120, 7))
def test_a_number_that_no_double_can_hold_is_of_the_wrong_type(
    total: int, expected: list[tuple[str, str]], padding: int
) -> None:
    properties = {"order_id": "o" * (padding + 1), "total": total}
    assert sorted(places(judge(checker(order=order()), properties))) == expected


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 400 + ".5"])
def test_an_event_with_a_number_that_nobody_can_read_is_kept_aside_whatever_the_policy(number: str) -> None:
    plan = checker(order=order())
    for kind, event, path in (
        ("track", "Order Completed", "properties"), ("track", "Not Planned", ""), ("page", None, ""),
    ):  # fmt: skip
        body = f'{{"event": "{event}", "properties": {{"order_id": "a", "total": {number}}}}}'.encode()
        verdict = plan.check(kind, event, body)
        assert verdict is not None
        assert (verdict.action, places(verdict)) == ("quarantine", [("wrong_type", path)])
        assert "a number beyond 1.8e308" in verdict.violations[0][2]


def test_a_number_beyond_a_double_is_found_wherever_it_stands() -> None:
    found = judge(checker(order=order()), FITS | {"products": [{"product_id": "a", "price": 10**400, "x": [10**400]}]})
    assert places(found) == [
        ("wrong_type", "properties.products[].price"),
        ("wrong_type", "properties.products[].x[]"),
    ]
    traits = {"type": "identify", "userId": "u", "traits": {"age": 10**400}}
    person = checker(person=PlannedEvent(type="identify", schema={"type": "object"}))
    assert places(person.check("identify", None, json.dumps(traits).encode())) == [("wrong_type", "traits.age")]


def test_a_fraction_beyond_a_double_is_of_the_wrong_type() -> None:
    body = b'{"type": "track", "event": "Order Completed", "properties": {"order_id": "o", "total": 1e999}}'
    verdict = checker(order=order()).check("track", "Order Completed", body)
    assert places(verdict) == [("wrong_type", "properties")]


def test_a_name_with_blanks_around_it_is_the_planned_one():
    assert judge(checker(order_completed=order()), FITS, event=" Order Completed ") is None


def test_without_a_plan_nothing_is_checked():
    assert judge(checker(), {"anything": 1}) is None
    assert checker().is_empty


def test_a_type_of_which_the_plan_says_nothing_is_not_checked():
    plan = checker(order_completed=order())
    for kind in ("page", "screen", "identify", "group", "alias"):
        assert plan.check(kind, None, b'{"name": "Home", "traits": {"x": 1}}') is None
    pages = checker(home=PlannedEvent(type="page", event="Home"))
    assert judge(pages, {"anything": 1}) is None


def test_the_worst_action_of_an_events_violations_wins_and_names_its_cause():
    plan = checker(order_completed=order(additional_property="drop", wrong_type="quarantine"))
    assert judge(plan, FITS | {"currency": "x"}).action == "forward"
    assert judge(plan, FITS | {"note": 1, "currency": "x"}).action == "drop"
    worst = judge(plan, {"order_id": "o", "total": "x", "note": 1, "currency": "x"})
    assert worst.action == "quarantine"
    assert worst.reason == "plan: wrong_type properties.total"
    assert {kind for kind, _ in places(worst)} == {"wrong_type", "additional_property", "rule"}


def test_an_events_own_policy_goes_before_the_plans_and_that_before_forward():
    plan = Plan(on_violation={"rule": "drop", "wrong_type": "quarantine", "unplanned_event": "drop"})
    made = checker(plan, order_completed=order(rule="forward"))
    assert judge(made, FITS | {"currency": "x"}).action == "forward"
    assert judge(made, FITS | {"total": "x"}).action == "quarantine"
    assert judge(made, {"order_id": "o"}).action == "forward"
    assert judge(made, FITS, event="Other").action == "drop"


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_pages_and_screens_are_planned_by_their_name(kind):
    named = PlannedEvent(type=kind, event="Product", schema={"required": ["product_id"]})
    plan = checker(product=named)
    assert plan.check(kind, None, b'{"name": "Product", "properties": {"product_id": "p"}}') is None
    assert places(plan.check(kind, None, b'{"name": "Product"}')) == [("missing_required", "properties.product_id")]
    assert places(plan.check(kind, None, b'{"name": "Home"}')) == [("unplanned_event", "name")]
    anyone = PlannedEvent(type=kind, schema={"required": ["path"]})
    both = checker(product=named, any_page=anyone)
    assert places(both.check(kind, None, b'{"name": "Home"}')) == [("missing_required", "properties.path")]
    assert places(both.check(kind, None, b'{"name": "Product"}')) == [("missing_required", "properties.product_id")]


def test_identify_is_held_to_its_traits_wherever_they_stand():
    plan = checker(
        identify=PlannedEvent(
            type="identify", schema={"required": ["email"], "properties": {"email": {"type": "string"}}}
        )
    )
    assert plan.check("identify", None, b'{"traits": {"email": "a@b.c"}}') is None
    assert plan.check("identify", None, b'{"context": {"traits": {"email": "a@b.c"}}}') is None
    assert plan.check("identify", None, b'{"traits": {"email": "a"}, "context": {"traits": {"email": 1}}}') is None
    assert places(plan.check("identify", None, b'{"traits": {"email": 1}}')) == [("wrong_type", "traits.email")]
    for body in (b"{}", b'{"context": 5}', b'{"traits": null, "context": null}'):
        assert places(plan.check("identify", None, body)) == [("missing_required", "traits.email")]
    assert places(plan.check("identify", None, b'{"traits": "x"}')) == [("wrong_type", "traits")]


def test_group_is_held_to_the_groups_own_traits():
    plan = checker(group=PlannedEvent(type="group", schema={"required": ["name"]}))
    assert plan.check("group", None, b'{"traits": {"name": "Acme"}}') is None
    person = b'{"context": {"traits": {"name": "Ann"}}}'
    assert places(plan.check("group", None, person)) == [("missing_required", "traits.name")]


def test_messages_never_hold_a_value_that_was_sent():
    secret = "ann-7391@example.com"
    properties = {"order_id": [secret], "total": secret, "currency": secret, "coupon": secret, "ordered_at": secret}
    properties |= {"gift": [secret], "products": [{"product_id": [secret], "price": secret}]}
    verdict = judge(checker(order_completed=order()), properties)
    assert len(verdict.violations) == 8
    assert secret not in json.dumps(verdict.violations)


def test_an_event_with_hundreds_of_violations_lists_few_of_them_and_stays_short():
    verdict = judge(checker(order_completed=order()), {f"ä{i}" * 200: i for i in range(500)})
    assert len(verdict.violations) == 20
    assert len(json.dumps(verdict.violations, ensure_ascii=False).encode()) < 40_000


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"properties": {"a": {"type": "strng"}}}, "/properties/a/type"),
        ({"properties": {"a": {"$ref": "#/$defs/no"}}}, "/$defs/no"),
        ({"properties": {"a": {"$ref": "https://schemas.example.com/a"}}}, "https://schemas.example.com/a"),
        ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern"),
    ],
)
def test_a_schema_that_is_none_names_its_file_and_the_place(schema, where):
    with pytest.raises(ConfigError) as error:
        checker(order_completed=PlannedEvent(event="Order Completed", schema=schema))
    assert "tracking_plan/order_completed.yaml" in str(error.value)
    assert where in str(error.value)


def test_two_files_may_not_plan_one_event():
    with pytest.raises(ConfigError, match="both plan track «Order Completed»"):
        checker(one=order(), two=order())


def test_the_file_that_plans_an_event_is_known():
    plan = checker(order_completed=order(), identify=PlannedEvent(type="identify"))
    assert plan.file_of("track", "Order Completed") == "order_completed"
    assert plan.file_of("track", "Order Complete") is None
    assert plan.file_of("identify", None) == "identify"
    assert plan.checks("track")
    assert not plan.checks("page")


PRODUCTS = st.lists(
    st.fixed_dictionaries({"product_id": st.text()}, optional={"price": st.integers(0, 10**30) | st.floats(0, 1e300)})
)
FITTING = st.fixed_dictionaries(
    {"order_id": st.text(min_size=1), "total": st.floats(0, 1e300) | st.integers(0, 10**30)},
    optional={
        "currency": st.sampled_from(["USD", "EUR"]),
        "coupon": st.none() | st.from_regex(r"\A[A-Z0-9]+\Z"),
        "gift": st.booleans() | st.text(),
        "products": PRODUCTS,
    },
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
HYPOTHESIS_PLAN = checker(order_completed=order())


@given(FITTING)
def test_whatever_the_schema_allows_fits(properties):
    assert judge(HYPOTHESIS_PLAN, properties) is None


@given(FITTING, st.sampled_from(["order_id", "total"]))
def test_whatever_misses_a_required_property_does_not_fit(properties, missing):
    del properties[missing]
    assert ("missing_required", f"properties.{missing}") in places(judge(HYPOTHESIS_PLAN, properties))


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]), ANY_JSON) | ANY_JSON)
def test_any_properties_get_a_verdict_with_known_kinds_and_bounded_words(properties):
    verdict = judge(HYPOTHESIS_PLAN, properties)
    for kind, path, message in verdict.violations if verdict else []:
        assert kind in {"missing_required", "wrong_type", "additional_property", "rule", "unknown"}
        assert path.startswith("properties")
        assert 0 < len(message) <= 300


def test_the_examples_plan_compiles():
    from headwater.configuration import load_config
    from headwater.settings import CHECKOUT, load_settings

    for folder in [CHECKOUT / "config", *sorted((CHECKOUT / "config" / "examples").iterdir())]:
        if Path(folder, "sources.yaml").is_file():
            Checker(load_config(load_settings(None, str(folder))))
