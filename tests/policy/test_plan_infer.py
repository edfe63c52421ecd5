"""Drafts of planned events: what is guessed from recorded ones, and that a draft is sound and fits them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headwater.configuration import PlannedEvent
from headwater.policy.plan import compile_schema
from headwater.policy.plan_check import check_plan
from headwater.policy.plan_infer import draft, file_name, pii_tag, to_yaml


def schema(*recorded: dict[str, Any], kind: str = "track") -> dict[str, Any]:
    return draft(kind, "Something Done" if kind == "track" else "", recorded)["schema"]


def test_what_was_always_there_is_required_and_types_are_told():
    made = schema({"a": 1, "b": "x", "c": True, "d": None}, {"a": 2.5, "b": "y", "d": 3})
    assert made["required"] == ["a", "b", "d"]
    assert made["properties"]["a"] == {"type": "number", "minimum": 0}
    assert made["properties"]["b"] == {"type": "string"}
    assert made["properties"]["c"] == {"type": "boolean"}
    assert made["properties"]["d"] == {"type": ["integer", "null"], "minimum": 0}
    assert made["additionalProperties"] is False


def test_few_words_seen_often_are_an_enum_and_many_or_few_sightings_are_not():
    often = [{"plan": plan} for plan in ("basic", "plus") for _ in range(30)]
    assert schema(*often)["properties"]["plan"] == {"type": "string", "enum": ["basic", "plus"]}
    assert schema(*often[::10])["properties"]["plan"] == {"type": "string"}
    versions = [{"version": "4.8.0"}] * 100
    assert schema(*versions)["properties"]["version"] == {"type": "string"}
    many = [{"word": chr(97 + i % 26)} for i in range(2600)]
    assert schema(*many)["properties"]["word"] == {"type": "string"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2026-01-31T10:00:00Z", "2026-02-01T00:00:00.123+02:00"], "date-time"),
        (["2026-01-31", "2026-02-01"], "date"),
        (["2026-01-31", "soon"], None),
        (["https://shop.example.com/a?b=c"], "uri"),
        (["9b535475-1295-4889-8aca-10c1f9c13d71"], "uuid"),
        (["203.0.113.9"], "ipv4"),
    ],
)
def test_formats_are_those_that_every_value_has(values, expected):
    made = schema(*({"value": value} for value in values))["properties"]["value"]
    assert made.get("format") == expected


def test_nested_objects_and_lists_have_schemas_of_their_own():
    made = schema({"products": [{"id": "a", "price": 1}, {"id": "b"}]}, {"products": []})
    assert made["properties"]["products"]["items"] == {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string"}, "price": {"type": "integer", "minimum": 0}},
    }


def test_personal_data_is_tagged_and_never_stands_in_a_draft():
    people = [
        {"email": f"real{i}@people.example.org", "firstName": "Rosalind", "phone": "+442071838750", "name": "R. F.",
         "birthday": "1920-07-25", "contacts": [{"reach": f"other{i}@people.example.org"}], "age": 37}
        for i in range(50)
    ]  # fmt: skip
    made = draft("identify", "", people)
    assert made["pii"] == {
        "email": "email", "firstName": "name", "phone": "phone", "name": "name", "birthday": "birthday",
        "contacts.reach": "email",
    }  # fmt: skip
    text = to_yaml(made)
    for secret in ("people.example.org", "Rosalind", "2071838750", "R. F.", "1920"):
        assert secret not in text
    assert made["examples"][0]["email"] == "person@example.com"


@pytest.mark.parametrize(
    ("name", "tag"),
    [("email", "email"), ("eMail", "email"), ("email_address", "email"), ("emailOptIn", None), ("lastName", "name"),
     ("last_name", "name"), ("campaign_name", None), ("phoneNumber", "phone"), ("dob", "birthday"), ("zip", "address"),
     ("ip", "ip"), ("price", None)],
)  # fmt: skip
def test_what_a_name_says_of_personal_data(name, tag):
    assert pii_tag(name) == tag


@pytest.mark.parametrize(
    ("kind", "event", "expected"),
    [("track", "Order Completed", "order_completed"), ("track", "orderCompleted", "order_completed"),
     ("page", "Home", "page_home"), ("identify", "", "identify"), ("track", "§", "event")],
)  # fmt: skip
def test_a_draft_is_called_after_its_event(kind, event, expected):
    assert file_name(kind, event) == expected


PROPERTY = st.sampled_from(["value", "email", "first_name", "items", "sent_at", "address"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20) | st.emails() | st.datetimes().map(lambda at: at.isoformat() + "Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PROPERTY, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.dictionaries(PROPERTY, VALUES, max_size=4), min_size=1, max_size=8))
def test_every_recorded_event_fits_its_draft_and_so_does_the_example(recorded):
    read = yaml.safe_load(to_yaml(draft("track", "Something Done", recorded)))
    planned = msgspec.convert(read, PlannedEvent)
    validator = compile_schema(planned.schema, "something_done")
    for properties in [*recorded, *planned.examples]:
        assert validator.is_valid(json.loads(json.dumps(properties))), list(validator.iter_errors(properties))


def test_a_draft_passes_the_check(tmp_path: Path):
    recorded = [{"order_id": f"o{i}", "total": i / 4, "email": "a@b.co", "at": "2026-01-01"} for i in range(40)]
    (tmp_path / "order_completed.yaml").write_text(to_yaml(draft("track", "Order Completed", recorded)))
    assert check_plan(tmp_path).faults == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([5, "5", 7], "Several types were seen (integer 2, string 1)"),
        (["2026-01-31T10:00:00Z", 5], "Several types were seen (string 1, integer 1)"),
        (["2026-01-31T10:00:00Z", "2026-01-31"], "2 of 2 texts begin as a date"),
        (["soon", "2026-01-31", "later"], "1 of 3 texts begin as a date"),
    ],
)
def test_what_is_of_several_types_or_formats_is_left_to_a_person_and_says_so(values: list[Any], words: str) -> None:
    made = draft("track", "X", [{"a": value} for value in values])["schema"]["properties"]["a"]
    assert made["$comment"].startswith(words)
    assert not {"minimum", "format", "enum"} & made.keys()


def test_one_type_or_nothing_is_no_union() -> None:
    made = draft("track", "X", [{"a": 5, "b": "2026-01-31"}, {"a": None, "b": None}])["schema"]["properties"]
    assert made["a"]["minimum"] == 0
    assert made["b"]["format"] == "date"
    assert not any("$comment" in one for one in made.values())
