"""A draft of a planned event, from events that were recorded.

Belongs here: what a schema can be guessed from. Does not belong here: where the recorded events are, or writing files.

A draft says what was seen, not what is right: somebody reads it, names an owner and says what the event means. Values
of people (email, phone, names) never get into a draft; its example has made-up ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import yaml
from jsonschema_rs import Draft202012Validator

DRAFTED = "Draft from {count:,} recorded events: say here what it means and when it is sent."
MIXED = "Several types were seen"
NOBODY = "team:unassigned"
_KEPT_VALUES = 12
_KEPT_KEYS = 200
_DEEPEST = 8
_FORMATS = {
    name: Draft202012Validator({"type": "string", "format": name}, validate_formats=True)
    for name in ("date-time", "date", "uuid", "email", "ipv4", "uri")
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]|$)")
_WORD = re.compile(r"[A-Za-z][A-Za-z _/&-]{0,39}")
_MADE_UP: dict[str, Any] = {
    "email": "person@example.com",
    "phone": "+15550100",
    "name": "Example Person",
    "address": "Example Street 1",
    "birthday": "1990-01-31",
    "ip": "203.0.113.7",
}
_BY_NAME = {
    "email": re.compile(r"e_?mail(_address)?"),
    "phone": re.compile(r"(phone|mobile|telephone)(_number)?"),
    "name": re.compile(r"(first|last|full|given|family|middle|user)_?name"),
    "address": re.compile(r"street(_address)?|postal_code|zip(_code)?|address_line_?\d?"),
    "birthday": re.compile(r"birth(day|_date)|date_of_birth|dob"),
    "ip": re.compile(r"ip(_address)?"),
}


class Seen:
    """What the values at one place of the recorded events were."""

    def __init__(self) -> None:
        self.count = 0
        self.types: Counter[str] = Counter()
        self.keys: dict[str, Seen] = {}
        self.items: Seen | None = None
        self.values: Counter[str] = Counter()
        self.formats: set[str] = set(_FORMATS)
        self.dates = 0
        self.least: float = 0
        self.has_other_keys = False

    def add(self, value: Any, depth: int = 0) -> None:
        """Count one value."""
        self.count += 1
        if value is None:
            self.types["null"] += 1
        elif isinstance(value, bool):
            self.types["boolean"] += 1
        elif isinstance(value, int | float):
            self.types["integer" if isinstance(value, int) else "number"] += 1
            self.least = min(self.least, value)
        elif isinstance(value, str):
            self._add_text(value)
        elif isinstance(value, list):
            self.types["array"] += 1
            if depth < _DEEPEST:
                self.items = self.items or Seen()
                for item in value:
                    self.items.add(item, depth + 1)
        else:
            self.types["object"] += 1
            for key, inner in value.items() if depth < _DEEPEST else ():
                if key in self.keys or len(self.keys) < _KEPT_KEYS:
                    self.keys.setdefault(key, Seen()).add(inner, depth + 1)
                else:
                    self.has_other_keys = True

    def _add_text(self, value: str) -> None:
        self.types["string"] += 1
        self.dates += _DATE.match(value) is not None
        if value in self.values or len(self.values) <= _KEPT_VALUES:
            if value in self.values:
                self.values[value] += 1
                return
            self.values[value] = 1
        if self.formats:
            self.formats = {name for name in self.formats if _FORMATS[name].is_valid(value)}

    @property
    def text_format(self) -> str | None:
        """The format that every text had, if there is one."""
        return next((name for name in _FORMATS if name in self.formats), None) if self.types["string"] else None


def draft(kind: str, event: str, recorded: Iterable[Any], owner: str = NOBODY) -> dict[str, Any]:
    """A planned event, ready to be written as YAML.

    Args:
        kind: the type of the events.
        event: their name; empty for identify and group.
        recorded: of each event its properties (its traits, for identify and group); None counts as none.
    """
    seen, example = Seen(), dict[str, Any]()
    for properties in recorded:
        properties = properties if isinstance(properties, dict) else {}
        seen.add(properties)
        if len(properties) > len(example):
            example = properties
    pii = _pii(seen, is_person=kind == "identify")
    made: dict[str, Any] = {"event": event} if event else {}
    if kind != "track":
        made["type"] = kind
    made |= {"owner": owner, "description": DRAFTED.format(count=seen.count)}
    made["schema"] = _schema(seen, pii) | {"additionalProperties": seen.has_other_keys}
    if pii:
        made["pii"] = pii
    made["examples"] = [_made_up(example, made["schema"], pii)]
    return made


def to_yaml(planned: dict[str, Any]) -> str:
    """The text of `tracking_plan/<event>.yaml`."""
    return yaml.dump(planned, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)


def file_name(kind: str, event: str) -> str:
    """What the file of a planned event is called, without `.yaml`: `order_completed`, `page_home`, `identify`."""
    slug = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", event).lower()).strip("_")[:80]
    if kind == "track":
        return slug or "event"
    return f"{kind}_{slug}" if slug else kind


def pii_tag(name: str) -> str | None:
    """The tag that a property's name suggests: `email`, `phone`, `name`, `address`, `birthday`, `ip`."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    return next((tag for tag, pattern in _BY_NAME.items() if pattern.fullmatch(plain)), None)


class _Dumper(yaml.SafeDumper):
    """Lists are indented, and short ones of plain values stand in one line, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    is_short = all(isinstance(item, str | int | float | bool) for item in items) and len(str(items)) < 100
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=is_short)


_Dumper.add_representer(list, _list)


def _schema(seen: Seen, pii: dict[str, str], path: str = "") -> dict[str, Any]:
    types = [name for name in seen.types if name != "integer" or "number" not in seen.types]
    made: dict[str, Any] = {"type": types[0] if len(types) == 1 else sorted(types)} if types else {}
    if "object" in seen.types and seen.keys:
        required = [key for key, inner in seen.keys.items() if inner.count == seen.types["object"]]
        if required:
            made["required"] = required
        made["properties"] = {
            key: _schema(inner, pii, f"{path}.{key}".removeprefix(".")) for key, inner in seen.keys.items()
        }
    if "array" in seen.types and seen.items is not None and seen.items.count:
        made["items"] = _schema(seen.items, pii, path)
    is_union = len(set(types) - {"null"}) > 1
    if is_union:
        counts = ", ".join(f"{name} {count:,}" for name, count in seen.types.most_common())
        made["$comment"] = f"{MIXED} ({counts}): say which one is right."
    elif seen.dates and not seen.text_format:
        texts = f"{seen.dates:,} of {seen.types['string']:,} texts"
        made["$comment"] = f"{texts} begin as a date, and all are of no one format: say which is right."
    if {"integer", "number"} & set(types) and seen.least >= 0 and not is_union:
        made["minimum"] = 0
    if "string" in seen.types:
        made |= {} if is_union else _text_rules(seen, is_person=path in pii, only=len(types) == 1)
    return made


def _text_rules(seen: Seen, *, is_person: bool, only: bool) -> dict[str, Any]:
    if seen.text_format:
        return {"format": seen.text_format}
    few = len(seen.values) <= _KEPT_VALUES and seen.types["string"] >= 20 * len(seen.values)
    if only and few and not is_person and all(_WORD.fullmatch(value) for value in seen.values):
        return {"enum": sorted(seen.values)}
    return {}


def _pii(seen: Seen, path: str = "", *, is_person: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, inner in seen.keys.items():
        here = f"{path}.{key}".removeprefix(".")
        if inner.keys or inner.items is not None:
            found |= _pii(inner, here, is_person=is_person)
            if inner.items is not None:
                found |= _pii(inner.items, here, is_person=is_person)
            continue
        tag = pii_tag(key) or ("name" if is_person and not path and key == "name" else None)
        if tag is None and inner.types["string"] and inner.text_format in {"email", "ipv4"}:
            tag = "email" if inner.text_format == "email" else "ip"
        if tag:
            found[here] = tag
    return found


def _made_up(value: Any, schema: dict[str, Any], pii: dict[str, str], path: str = "") -> Any:
    """The example without anything of a person, still of the schema's types."""
    if path in pii:
        if not isinstance(value, str):
            return 0 if isinstance(value, int | float) and not isinstance(value, bool) else value
        text = _MADE_UP[pii[path]]
        wanted = schema.get("format")
        if wanted and not _FORMATS[wanted].is_valid(text):
            return next(made for made in _SAMPLES[wanted] if _FORMATS[wanted].is_valid(made))
        return text
    if isinstance(value, dict):
        inner = schema.get("properties", {})
        return {
            key: _made_up(item, inner[key], pii, f"{path}.{key}".removeprefix("."))
            for key, item in value.items()
            if key in inner
        }
    if isinstance(value, list):
        return [_made_up(item, schema.get("items", {}), pii, path) for item in value[:2]]
    if isinstance(value, str) and len(value) > 200 and "format" not in schema and "enum" not in schema:
        return value[:200]
    return value


_SAMPLES = {
    "date-time": ["1990-01-31T00:00:00Z"],
    "date": ["1990-01-31"],
    "uuid": ["00000000-0000-4000-8000-000000000000"],
    "email": ["person@example.com"],
    "ipv4": ["203.0.113.7"],
    "uri": ["https://example.com/person"],
}
