"""The tracking plan's verdict on one event: does it fit what the company agreed on, and if not, what becomes of it.

Belongs here: finding the planned event, the decision. Does not belong here: the words and kinds of a violation
(`headwater.policy.plan_violations`), reading YAML (`headwater.configuration`), the commands
(`headwater.entrance.plan`).

A type of event of which the plan names nothing is not checked, so a plan that speaks of tracks only leaves pages and
identifies alone; aliases never are. A page or screen without an entry of its own is held to the entry of its type that
names no event, where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import msgspec
from jsonschema_rs import Draft202012Validator
from msgspec import Struct

from headwater.configuration import Action, Config, Violation
from headwater.errors import ConfigError
from headwater.event import identifier
from headwater.policy.plan_violations import (
    AHEAD,
    LISTED,
    UNREADABLE_NUMBER,
    Found,
    beyond_double,
    first_faults,
    kind_of,
    may_hold_beyond,
    unplanned,
    unreadable,
)

_WORST: dict[str, int] = {"forward": 0, "drop": 1, "quarantine": 2}
_ROOT = {"identify": "traits", "group": "traits"}


class Verdict(Struct, frozen=True):
    """Why an event does not fit the plan, and what becomes of it.

    Attributes:
        action: the worst that the policies of its violations ask for.
        violations: (kind, path, message), at most `plan_violations.LISTED` of them. A path is written as
            `properties.products[].price`; a message tells types and rules, never a value that was sent.
        cause: of `violations`, the first one that asks for `action`.
    """

    action: Action
    violations: list[Found]
    cause: Found

    @property
    def reason(self) -> str:
        """The reason under which such an event is quarantined or dropped: `plan: wrong_type properties.total`."""
        return f"plan: {self.cause[0]} {self.cause[1]}".rstrip()


class _Track(Struct, gc=False):
    """What is decoded of an event whose `properties` are checked."""

    properties: Any = None


class _Named(Struct, gc=False):
    """The same of a page or screen, which carries its name beside them."""

    name: Any = None
    properties: Any = None


class _Context(Struct, gc=False):
    traits: Any = None


class _Traits(Struct, gc=False):
    """What is decoded of an event whose traits are checked."""

    traits: Any = None
    context: _Context | None = None


_track = msgspec.json.Decoder(_Track).decode
_named = msgspec.json.Decoder(_Named).decode
_traits = msgspec.json.Decoder(_Traits).decode
_anything = msgspec.json.Decoder(dict[str, Any]).decode


class _Planned(Struct, gc=False):
    """One planned event, ready to check."""

    is_valid: Any
    validator: Any
    on_violation: dict[Violation, Action]
    file: str


class Checker:
    """The plan of one company, compiled once; `check` is pure and may be called from any thread.

    Args:
        config: its `tracking_plan` and `plan` are used. Without any planned event nothing is ever checked.

    Raises:
        ConfigError: a schema is none, refers to what is not in its file, or two files plan the same event.
    """

    def __init__(self, config: Config) -> None:
        self._plan: dict[str, dict[str, _Planned]] = {}
        self._on_unplanned: Action = config.plan.on_violation.get("unplanned_event", "forward")
        for file, planned in config.tracking_plan.items():
            events = self._plan.setdefault(planned.type, {})
            if planned.event in events:
                raise ConfigError(
                    f"tracking_plan/{file}.yaml and tracking_plan/{events[planned.event].file}.yaml both plan "
                    f"{planned.type} «{planned.event}».",
                    hint="Put both into one file.",
                )
            validator = compile_schema(planned.schema, file)
            policy = {**config.plan.on_violation, **planned.on_violation}
            events[planned.event] = _Planned(validator.is_valid, validator, policy, file)
        self._on_rule: Action = config.plan.on_violation.get("rule", "forward")
        self._tracks = self._plan.get("track")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to check."""
        return not self._plan

    def file_of(self, kind: str, event_name: str | None) -> str | None:
        """The file (without `.yaml`) that plans such an event, or None."""
        planned = self._find(kind, event_name)
        return planned.file if planned else None

    def checks(self, kind: str) -> bool:
        """Whether the plan speaks of this type of event at all."""
        return kind in self._plan

    def check(self, kind: str, event_name: Any, payload: bytes) -> Verdict | None:
        """The verdict on one event, or None when it is planned and fits (or its type is not checked).

        Args:
            kind: its type, as the route or the event says.
            event_name: `event` of a track, as sent. Of a page or screen the payload's own `name` is read.
            payload: the event's JSON. Only the part that the plan speaks of is decoded.
        """
        if kind == "track":
            events = self._tracks
            if events is None:
                return beyond_reading(payload)
            planned = events.get(event_name) if type(event_name) is str else None
            if planned is None:
                planned = events.get(identifier(event_name) or "")
                if planned is None:
                    return beyond_reading(payload) or self._not_planned("track", identifier(event_name))
            try:
                value = _track(payload).properties
                if value is None:
                    value = {}
                is_valid = type(value) is dict and planned.is_valid(value)
                if is_valid and not may_hold_beyond(payload):
                    return None
            except (ValueError, RecursionError) as error:
                return self._decide(planned, [unreadable("properties", error)])
            return self._judge(planned, value, "properties", payload, is_valid)
        return self._check_other(kind, payload)

    def add_ahead(self, verdict: Verdict | None, kind: str, name: Any) -> Verdict:
        """The verdict on an event that happens after its receipt: that, beside what else is wrong with it.

        Args:
            name: `event` of a track, `name` of a page or screen, as sent.
        """
        planned = self._find(kind, identifier(name))
        action = planned.on_violation.get("rule", "forward") if planned else self._on_rule
        if verdict is None:
            return Verdict(action, [AHEAD], AHEAD)
        found = [*verdict.violations[: LISTED - 1], AHEAD]
        if _WORST[action] > _WORST[verdict.action]:
            return Verdict(action, found, AHEAD)
        return Verdict(verdict.action, found, verdict.cause)

    def _check_other(self, kind: str, payload: bytes) -> Verdict | None:
        events = self._plan.get(kind)
        if events is None:
            return beyond_reading(payload)
        root, name = _ROOT.get(kind, "properties"), None
        try:
            if root == "traits":
                value = _read_traits(payload, from_context=kind == "identify")
            else:
                decoded = _named(payload)
                value, name = decoded.properties, identifier(decoded.name)
        except (ValueError, RecursionError) as error:
            return self._decide(next(iter(events.values())), [unreadable(root, error)])
        planned = self._find(kind, name)
        if planned is None:
            return beyond_reading(payload) or self._not_planned(kind, name)
        value = {} if value is None else value
        try:
            is_valid = type(value) is dict and planned.is_valid(value)
            if is_valid and not may_hold_beyond(payload):
                return None
        except (ValueError, RecursionError) as error:
            return self._decide(planned, [unreadable(root, error)])
        return self._judge(planned, value, root, payload, is_valid)

    def _judge(self, planned: _Planned, value: Any, root: str, payload: bytes, is_valid: bool) -> Verdict | None:
        """What the schema says, and what it cannot say."""
        try:
            found = beyond_double(value, root) if may_hold_beyond(payload) else []
            found += [] if is_valid else _faults(planned, value, root)
        except RecursionError as error:
            found = [unreadable(root, error)]
        return self._decide(planned, found[:LISTED]) if found else None

    def _find(self, kind: str, name: str | None) -> _Planned | None:
        events = self._plan.get(kind, {})
        if kind in _ROOT:
            return next(iter(events.values()), None)
        return events.get(name or "") or (events.get("") if kind != "track" else None)

    def _not_planned(self, kind: str, name: str | None) -> Verdict:
        found = unplanned(kind, name)
        return Verdict(self._on_unplanned, [found], found)

    def _decide(self, planned: _Planned, found: list[Found]) -> Verdict:
        if found[0][2].endswith(UNREADABLE_NUMBER):
            return Verdict("quarantine", found, found[0])  # whatever the policy: nobody behind the log can read it
        policy = planned.on_violation
        actions = [policy.get(violation[0], "forward") for violation in found]
        worst = max(actions, key=_WORST.__getitem__)
        return Verdict(worst, found, found[actions.index(worst)])


def beyond_reading(payload: bytes) -> Verdict | None:
    """The verdict on an event with a number that no reader of JSON here can take (1e400), wherever it stands."""
    try:
        _anything(payload)
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            found = unreadable("the event", error)
            return Verdict("quarantine", [("wrong_type", "", found[2])], ("wrong_type", "", found[2]))
    return None


def compile_schema(schema: Mapping[str, Any], file: str) -> Draft202012Validator:
    """The validator of one file's schema; `$ref` may name only what the file itself holds.

    Raises:
        ConfigError: it is no JSON Schema; names the file and the place in it.
    """
    try:
        return Draft202012Validator(dict(schema), validate_formats=True, offline=True)
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"/{step}" for step in error.instance_path)
        what = " ".join(error.message.split("\n", 1)[0].split())
        raise ConfigError(f"tracking_plan/{file}.yaml, schema{place}: {what}.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"tracking_plan/{file}.yaml, schema: {error}.") from error


def _read_traits(payload: bytes, *, from_context: bool) -> Any:
    """Traits wherever SDKs put them: beside the ids, under `context`, or both; the outer ones win."""
    try:
        decoded = _traits(payload)
        context = decoded.context
    except msgspec.ValidationError:  # a `context` that is no object has no traits
        return _anything(payload).get("traits")
    inner = context.traits if context is not None and from_context else None
    if type(inner) is dict and (decoded.traits is None or type(decoded.traits) is dict):
        return {**inner, **(decoded.traits or {})}
    return inner if decoded.traits is None else decoded.traits


def _faults(planned: _Planned, value: Any, root: str) -> list[Found]:
    if type(value) is not dict:
        return [("wrong_type", root, f"{root} is {kind_of(value)}, not an object")]
    try:
        return first_faults(planned.validator, value, root)
    except (ValueError, RecursionError) as error:
        return [unreadable(root, error)]
