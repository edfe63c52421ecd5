"""What is wrong with the tracking plan itself, each fault with its file and line.

Belongs here: the rules of `headwater plan check` over the files of `tracking_plan/`. Does not belong here: the words on
the screen (`headwater.entrance.plan`), names that are alike or badly written (`headwater.policy.plan_names`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
from jsonschema_rs import Draft202012Validator

from headwater.configuration import Plan, PlannedEvent, read_yaml
from headwater.errors import ConfigError
from headwater.policy.plan_names import Pattern, near_duplicates, pattern_of
from headwater.policy.plan_violations import first_faults

PLAN_FILE = "_plan.yaml"
_KEYWORDS = """
$schema $id $ref $anchor $dynamicRef $dynamicAnchor $vocabulary $comment $defs definitions type enum const
multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems
uniqueItems maxContains minContains maxProperties minProperties required dependentRequired dependentSchemas
allOf anyOf oneOf not if then else prefixItems items contains properties patternProperties
additionalProperties propertyNames unevaluatedItems unevaluatedProperties format title description default
deprecated readOnly writeOnly examples contentEncoding contentMediaType contentSchema
"""
_FORMATS = """
date-time date time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri
iri-reference uuid uri-template json-pointer relative-json-pointer regex
"""
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    *("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
_KNOWN_KEYWORDS, _KNOWN_FORMATS = frozenset(_KEYWORDS.split()), frozenset(_FORMATS.split())
_OWNER = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|team:[A-Za-z0-9_. -]+")  # what Dagster shows as an owner
Steps = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong, and where. `line` counts from 1; 0 when the fault is the whole file's."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


@dataclass(frozen=True)
class PlanFile:
    """One planned event as it stands in its file."""

    path: Path
    planned: PlannedEvent
    node: yaml.Node | None

    def fault(self, steps: Sequence[str | int], message: str) -> Fault:
        """A fault at a place inside the file; the nearest line that exists is named."""
        return Fault(self.path, _line(self.node, steps), message)


@dataclass(frozen=True)
class Checked:
    """What `check_plan` found. `events` are the files that could be read."""

    events: int
    faults: list[Fault]


def check_plan(folder: Path) -> Checked:
    """Read and check every file of `tracking_plan/`; a folder that is not there is an empty plan."""
    faults: list[Fault] = []
    files: list[PlanFile] = []
    plan = Plan()
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else []:
        try:
            if path.name == PLAN_FILE:
                plan = read_yaml(path, Plan)
            elif not path.name.startswith("_"):
                planned = read_yaml(path, PlannedEvent)
                files.append(PlanFile(path, planned, yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)))
        except ConfigError as error:
            place, message = _of_reading(path, str(error))
            faults.append(Fault(path, place, message))
    patterns: list[Pattern | None] = []
    for key, text in (("event_pattern", plan.event_pattern), ("property_pattern", plan.property_pattern)):
        try:
            patterns.append(pattern_of(text))
        except ConfigError as error:
            patterns.append(None)
            node = yaml.compose((folder / PLAN_FILE).read_text("utf-8"), Loader=yaml.SafeLoader)
            faults.append(Fault(folder / PLAN_FILE, _line(node, [key]), str(error)))
    for file in files:
        faults += _check_file(file, *patterns)
    for one, other, why in near_duplicates([(f.planned.type, f.planned.event) for f in files]):
        first = files[one]
        faults.append(files[other].fault(["event"], f"{why} «{first.planned.event}» of {first.path.name}"))
    return Checked(len(files), sorted(faults))


def _check_file(file: PlanFile, events: Pattern | None, properties: Pattern | None) -> Iterator[Fault]:
    planned = file.planned
    for key in ("owner", "description"):
        if not getattr(planned, key).strip():
            yield file.fault([key], f"{key} is missing: say who answers for it and what it means")
    if planned.owner.strip() and not _OWNER.fullmatch(planned.owner):
        yield file.fault(["owner"], f"owner «{planned.owner}» is neither an e-mail address nor team:name")
    if planned.type == "track" and not planned.event.strip():
        yield file.fault(["event"], "event is missing: a track has a name")
    if planned.type in ("identify", "group") and planned.event:
        yield file.fault(["event"], f"{planned.type} calls have no name; remove event")
    if planned.event != planned.event.strip():
        yield file.fault(["event"], "the name has blanks around it")
    if events and planned.event and not events.fits(planned.event):
        yield file.fault(["event"], f"«{planned.event}» is not written as the plan asks ({events.text})")
    wrong = _schema_fault(planned.schema)
    if wrong is not None:
        yield file.fault(["schema", *wrong[0]], wrong[1])
        return
    for steps, schema in _schemas(planned.schema):
        yield from _check_schema(file, steps, schema, properties)
    for path in planned.pii:
        if not _has(planned.schema, planned.schema, path.split(".")):
            yield file.fault(["pii", path], f"pii names «{path}», which the schema does not have")
    yield from _check_examples(file)


def _check_schema(file: PlanFile, steps: Steps, schema: dict[str, Any], names: Pattern | None) -> Iterator[Fault]:
    for key in schema:
        if key not in _KNOWN_KEYWORDS and not key.startswith("x-"):
            yield file.fault([*steps, key], f"«{key}» is no keyword of JSON Schema and would be ignored")
    wanted = schema.get("format")
    if isinstance(wanted, str) and wanted not in _KNOWN_FORMATS:
        yield file.fault([*steps, "format"], f"format «{wanted}» is not known and would be ignored")
    properties = schema.get("properties", {})
    for name in properties:
        if names and not names.fits(name) and not names.is_of_the_spec(name):
            yield file.fault(
                [*steps, "properties", name], f"property «{name}» is not written as the plan asks ({names.text})"
            )
    if schema.get("additionalProperties") is False and "patternProperties" not in schema:
        for name in schema.get("required", ()):
            if name not in properties:
                yield file.fault([*steps, "required"], f"«{name}» is required, and at the same time not allowed")


def _check_examples(file: PlanFile) -> Iterator[Fault]:
    planned = file.planned
    if not planned.examples:
        yield file.fault(["examples"], "there is no example; give one that fits")
    validator = Draft202012Validator(planned.schema, validate_formats=True, offline=True)
    root = "traits" if planned.type in ("identify", "group") else "properties"
    for index, example in enumerate(planned.examples):
        try:
            found = [] if validator.is_valid(example) else first_faults(validator, example, root)
        except ValueError as error:
            yield file.fault(["examples", index], f"example {index + 1} is no JSON ({error}); put dates in quotes")
            continue
        for _, _, message in found:
            yield file.fault(["examples", index], f"example {index + 1} does not fit: {message}")


def _schema_fault(schema: dict[str, Any]) -> tuple[list[str | int], str] | None:
    """Where and why it is no JSON Schema; None when it is one."""
    try:
        Draft202012Validator(schema, validate_formats=True, offline=True)
    except jsonschema_rs.ValidationError as error:
        return list(error.instance_path), " ".join(error.message.split("\n", 1)[0].split())
    except (ValueError, TypeError, RecursionError) as error:
        return [], str(error)
    return None


def _schemas(schema: Any, steps: Steps = ("schema",)) -> Iterator[tuple[Steps, dict[str, Any]]]:
    """A schema and every schema inside it, with its place in the file."""
    if not isinstance(schema, dict):
        return
    yield steps, schema
    for key in _MAPS:
        for name, inner in schema.get(key, {}).items():
            yield from _schemas(inner, (*steps, key, name))
    for key in _LISTS:
        for index, inner in enumerate(schema.get(key, ())):
            yield from _schemas(inner, (*steps, key, index))
    for key in _SINGLE:
        yield from _schemas(schema.get(key), (*steps, key))


def _has(whole: dict[str, Any], schema: Any, path: Sequence[str], depth: int = 0) -> bool:
    """Whether a schema has a property at this path; lists and references are gone through, `*` is any property."""
    if not isinstance(schema, dict) or depth > 50:
        return False
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        target: Any = whole
        for step in reference.lstrip("#").strip("/").split("/") if reference != "#" else []:
            target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if _has(whole, target, path, depth + 1):
            return True
    inner = [schema.get("items"), *(s for key in ("allOf", "anyOf", "oneOf") for s in schema.get(key, ()))]
    if any(_has(whole, one, path, depth + 1) for one in inner):
        return True
    properties = schema.get("properties", {})
    if path[0] == "*":
        return bool(properties) if len(path) == 1 else any(_has(whole, p, path[1:]) for p in properties.values())
    if path[0] not in properties:
        return False
    return len(path) == 1 or _has(whole, properties[path[0]], path[1:], depth + 1)


def _line(node: yaml.Node | None, steps: Sequence[str | int]) -> int:
    """The line of the deepest place of `steps` that is there."""
    line = node.start_mark.line + 1 if node is not None else 0
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _of_reading(path: Path, text: str) -> tuple[int, str]:
    """The line and the words of an error that begins with the file and perhaps its line."""
    rest = text.removeprefix(str(path))
    place, _, message = rest.partition(": ")
    number = place.removeprefix(", line ")
    return (int(number), message) if number.isdigit() else (0, rest.lstrip(": "))
