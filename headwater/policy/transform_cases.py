"""Recorded events with what a transformation must make of them: `config/transformations/tests/<name>.yaml`.

Belongs here: reading cases, running them, saying how an outcome differs. Does not belong here: words on the screen.

A file is a list of cases: `event`, and either `expected` (the event afterwards; null: dropped) or `fails` (part of the
detail). `<name>` is a transformation, or a chain of them joined by `+`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import UNSET, Struct, UnsetType

from headwater.configuration import Transformation, read_yaml
from headwater.errors import ConfigError, UsageError
from headwater.policy.transform import Result, Transformer


class Case(Struct, forbid_unknown_fields=True):
    """One recorded event."""

    event: dict[str, Any]
    description: str = ""
    expected: dict[str, Any] | UnsetType | None = UNSET
    fails: str = ""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one case; `difference` is empty when it is as expected."""

    name: str
    number: int
    description: str
    difference: str
    seconds: float


def case_files(folder: Path, names: list[str]) -> list[Path]:
    """The files of cases of these transformations; of all that have any when none is named.

    Raises:
        UsageError: a named one has none.
    """
    found = {path.stem: path for path in sorted((folder / "tests").glob("*.yaml"))}
    for name in names:
        if name not in found:
            known = ", ".join(found) or "none"
            raise UsageError(f"There is no {folder / 'tests' / name}.yaml; there are: {known}.")
    return [found[name] for name in names] if names else list(found.values())


def run_cases(folder: Path, path: Path, settings: dict[str, Transformation], *, is_loud: bool) -> Iterator[Outcome]:
    """Each case of one file, in order.

    Raises:
        ConfigError: the file cannot be read, or is about a transformation that does not exist.
    """
    chain = path.stem.split("+")
    for missing in [name for name in chain if name not in settings]:
        raise ConfigError(
            f"{path}: there is no {folder / missing}.py.", hint=f"Found: {', '.join(settings) or 'none'}."
        )
    cases = read_yaml(path, list[Case])
    transformer = Transformer(folder, chain, settings, is_loud=is_loud)
    try:
        results = transformer.run([_plain(case.event) for case in cases])
    finally:
        transformer.close()
    for number, (case, result) in enumerate(zip(cases, results, strict=True), 1):
        yield Outcome(path.stem, number, case.description, difference(case, result), result.seconds)


def difference(case: Case, result: Result) -> str:
    """How the result differs from what the case expects, line by line; empty when it does not."""
    if case.fails:
        if result.status == "failed" and case.fails in result.detail:
            return ""
        return _lines({"fails": case.fails}, _told(result))
    if case.expected is UNSET:
        return f"The case says neither `expected` nor `fails`. The outcome:\n{_text(_told(result))}"
    if result.status != "failed" and result.payload == _plain(case.expected):
        return ""
    return _lines({"expected": _plain(case.expected)}, _told(result))


def recorded(event: dict[str, Any], result: Result) -> dict[str, Any]:
    """A case of what a transformation makes of an event now, for a person to look over."""
    return {"description": "", "event": event} | _told(result)


def to_yaml(cases: list[dict[str, Any]]) -> str:
    """Cases as a file holds them."""
    return _text(cases)


def _plain(value: Any) -> Any:
    """As JSON has it: YAML reads a time without quotation marks as a time."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _told(result: Result) -> dict[str, Any]:
    return {"fails": result.detail} if result.status == "failed" else {"expected": result.payload}


def _lines(expected: Any, found: Any) -> str:
    lines = difflib.unified_diff(
        _text(expected).splitlines(), _text(found).splitlines(), "expected", "found", n=2, lineterm=""
    )
    return "\n".join(lines)


def _text(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)
    return text
