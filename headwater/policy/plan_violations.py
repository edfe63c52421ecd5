"""A schema's complaints as violations of the tracking plan: one of six kinds, a path and a sentence for people.

Belongs here: which complaint is of which kind, how a path is written, the words. Does not belong here: what becomes of
an event that violates (`headwater.policy.plan`).

A sentence never holds a value that was sent: it goes on to destinations that may not see that value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from headwater.configuration import Violation

Found = tuple[Violation, str, str]

LISTED = 20
AHEAD: Found = ("rule", "timestamp", "timestamp happens more than a day after its receipt")
"""Of every event, planned or not: a clock that nobody corrected."""
_LONGEST_PATH = 200
_LONGEST_MESSAGE = 300
_SAMPLE = 103  # of 309 digits in a row, the fewest of a whole number beyond every double, three are looked at
_DIGITS = re.compile(rb"\d{3}")
_RULES = {
    "Constant": "must be {expected_value}",
    "Contains": "holds no item that fits",
    "ContentEncoding": "is not {content_encoding}",
    "ContentMediaType": "is not {content_media_type}",
    "Enum": "is none of {options}",
    "ExclusiveMaximum": "must be less than {limit}",
    "ExclusiveMinimum": "must be more than {limit}",
    "Format": "is no {format}",
    "Maximum": "must be at most {limit}",
    "MaxItems": "has more than {limit} items",
    "MaxLength": "has more than {limit} characters",
    "MaxProperties": "has more than {limit} properties",
    "Minimum": "must be at least {limit}",
    "MinItems": "has fewer than {limit} items",
    "MinLength": "has fewer than {limit} characters",
    "MinProperties": "has fewer than {limit} properties",
    "MultipleOf": "is no multiple of {multiple_of}",
    "Not": "fits what it must not fit",
    "OneOfMultipleValid": "fits more than one of the alternatives",
    "Pattern": "does not match {pattern}",
    "UniqueItems": "has items that are the same",
}
_BEYOND = "a number beyond 1.8e308, which no tool and no table can hold"
UNREADABLE_NUMBER = f"holds {_BEYOND}"
_UNEXPECTED = {"AdditionalProperties", "UnevaluatedProperties"}
_TYPES = {"object": "an object", "array": "an array", "string": "text", "null": "null", "boolean": "a boolean"}


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a whole number" if isinstance(value, int) or value.is_integer() else "a number"
    if isinstance(value, str):
        return "text"
    return "an array" if isinstance(value, list) else "an object"


def first_faults(validator: Draft202012Validator, value: Any, root: str) -> list[Found]:
    """The first `LISTED` violations of a value that is not valid, each place and kind once.

    Raises:
        ValueError: the validator cannot read the value (nested too deeply, for instance).
    """
    found: dict[tuple[str, str], Found] = {}
    for error in islice(validator.iter_errors(value), 5 * LISTED):
        for violation in _of(error, root):
            if len(found) < LISTED:
                found.setdefault((violation[0], violation[1]), violation)
    return list(found.values()) or [("unknown", root, "the schema refuses it and does not say why")]


def may_hold_beyond(payload: bytes) -> bool:
    """Whether an event's JSON may hold a whole number that no double can; costs next to nothing, seldom errs."""
    seldom = payload[3 * _SAMPLE :: 3 * _SAMPLE]  # mostly one byte, and no digit
    return (len(seldom) > 1 or seldom.isdigit()) and _DIGITS.search(payload[::_SAMPLE]) is not None


def beyond_double(value: Any, root: str) -> list[Found]:
    """The whole numbers that no double can hold: JSON Schema knows no such limit, and everybody downstream has it."""
    found = {
        _path(root, steps): ("wrong_type", _path(root, steps), _sentence(root, steps, f"is {_BEYOND}"))
        for steps in islice(_beyond(value, []), LISTED)
    }
    return list(found.values())  # type: ignore[arg-type]


def _beyond(value: Any, steps: list[str | int]) -> Iterator[list[str | int]]:
    if type(value) is int:
        try:
            float(value)
        except OverflowError:
            yield steps
    elif type(value) is dict or type(value) is list:
        for key, inner in value.items() if type(value) is dict else enumerate(value):
            yield from _beyond(inner, [*steps, key])


def unplanned(kind: str, name: str | None) -> Found:
    """The violation of an event of which the plan knows nothing."""
    place = "event" if kind == "track" else "name"
    called = f"«{_cut(name, 100)}»" if name else "without a name"
    return "unplanned_event", place, f"the tracking plan has no {kind} {called}"


def unreadable(root: str, error: Exception) -> Found:
    """The violation of a value that could not be checked."""
    if "out of range" in str(error):  # of a fraction; whole numbers can be read
        return "wrong_type", root, f"{root} {UNREADABLE_NUMBER}"
    why = "nested too deeply" if "ecursion" in f"{error}{type(error).__name__}" else type(error).__name__
    return "unknown", root, f"{root} could not be checked: {why}"


def _of(error: ValidationError, root: str) -> list[Found]:
    rule = type(error.kind).__name__
    steps = error.instance_path
    path = _path(root, steps)
    details: Any = error.kind
    if rule == "Required":
        inner = _path(root, [*steps, str(details.property)])
        return [("missing_required", inner, _sentence(root, [*steps, str(details.property)], "is missing"))]
    if rule in _UNEXPECTED:
        return [
            ("additional_property", _path(root, [*steps, name]), _sentence(root, [*steps, name], "is not planned"))
            for name in islice(details.unexpected, LISTED)
        ]
    if rule == "FalseSchema":
        return [("additional_property", path, _sentence(root, steps, "is not allowed"))]
    if rule == "PropertyNames":
        return [("additional_property", path, _sentence(root, steps, "has a property whose name is not allowed"))]
    if rule == "UnevaluatedItems":
        return [("rule", path, _sentence(root, steps, "has items that are not planned"))]
    if rule == "Type":
        wanted = " or ".join(_TYPES.get(name, f"a{'n' if name[0] == 'i' else ''} {name}") for name in details.types)
        return [("wrong_type", path, _sentence(root, steps, f"is {kind_of(error.instance)}, not {wanted}"))]
    if rule in {"AnyOf", "OneOfNotValid"}:
        return [_of_alternatives(error, root, path)]
    if rule in _RULES:
        facts = {n: getattr(details, n) for n in dir(details) if not n.startswith("_") and n not in {"name", "value"}}
        if rule == "Enum":
            facts["options"] = ", ".join(map(_as_written, details.options))
        elif rule == "Constant":
            facts["expected_value"] = _as_written(details.expected_value)
        return [("rule", path, _sentence(root, steps, _RULES[rule].format(**facts)))]
    return [("unknown", path, _sentence(root, steps, f"could not be checked ({rule})"))]


def _as_written(value: Any) -> str:
    """A value of the plan as its YAML has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _of_alternatives(error: ValidationError, root: str, path: str) -> Found:
    """A value that fits none of several schemas has the wrong type when each of them says only that."""
    kind: Any = error.kind
    inner: list[Any] = [fault for branch in kind.context for fault in branch]
    here = list(error.instance_path)
    if inner and all(type(fault.kind).__name__ == "Type" and fault.instance_path == here for fault in inner):
        names = dict.fromkeys(name for fault in inner for name in fault.kind.types)
        wanted = " or ".join(_TYPES.get(name, f"a {name}") for name in names)
        return "wrong_type", path, _sentence(root, here, f"is {kind_of(error.instance)}, not {wanted}")
    return "rule", path, _sentence(root, here, "fits none of the alternatives")


def _path(root: str, steps: Sequence[str | int]) -> str:
    """`properties.products[].price`: without the number of an item, so that like violations count as one."""
    return _cut(root + "".join("[]" if isinstance(step, int) else f".{step}" for step in steps), _LONGEST_PATH)


def _sentence(root: str, steps: Sequence[str | int], what: str) -> str:
    where = root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return _cut(f"{_cut(where, _LONGEST_PATH)} {what}", _LONGEST_MESSAGE)


def _cut(text: str | None, longest: int) -> str:
    text = text or ""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
