"""The house's rules about imports, the environment and the size of files, read from the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.settings import CHECKOUT

VERBS = ("collect", "land", "load", "match", "push", "serve")
OURS = ("headwater", "orchestration", "ml", "sandbox")
FILES = sorted(path for package in OURS for path in (CHECKOUT / package).rglob("*.py"))
FOUNDATION = {"headwater", "headwater.event", "headwater.errors", "headwater.settings", "headwater.configuration"}
HARD_CAP = 400


def module(path: Path) -> str:
    """Dotted name of a file of ours."""
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            below = CHECKOUT / node.module.replace(".", "/")
            yield from (
                f"{node.module}.{name.name}"
                for name in node.names
                if (below / name.name).is_dir() or (below / f"{name.name}.py").is_file()
            )


def room(name: str) -> str:
    """The part of the house that a dotted name belongs to."""
    first, _, rest = name.partition(".")
    if first != "headwater":
        return first
    return rest.split(".")[0] if rest else "headwater"


def allowed(here: str) -> set[str]:
    """Rooms of ours that a room may import, itself included."""
    foundation = {"headwater", "event", "errors", "settings", "configuration"}
    if here in foundation:
        return foundation
    if here in {"storage", "policy"}:
        return foundation | {here}
    if here in VERBS:
        return foundation | {"storage", "policy", here} | ({"ml"} if here == "serve" else set())
    if here in {"entrance", "cli"}:
        return foundation | {"storage", "policy", "entrance", *VERBS}
    if here == "orchestration":
        return foundation | {"storage", "policy", "orchestration", "ml", *VERBS}
    return {here}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_go_one_way(path):
    here = room(module(path))
    wrong = {name for name in imported(path) if name.split(".")[0] in OURS and room(name) not in allowed(here)}
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=module)
def test_only_orchestration_imports_dagster(path):
    found = {name for name in imported(path) if name.split(".")[0].startswith("dagster")}
    assert not found or room(module(path)) == "orchestration"


def test_only_settings_reads_the_environment():
    readers = {
        module(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers == {"headwater.settings"}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_files_stay_small_and_say_what_belongs_in_them(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= HARD_CAP
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
