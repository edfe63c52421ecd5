"""The house's rules about imports, the environment and the size of files, read from the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


@dataclass(frozen=True)
class Source:
    """What a file says of itself: modules that it imports wherever in it, names of attributes, docstring, text."""

    imports: frozenset[str]
    attributes: frozenset[str]
    docstring: str | None
    text: str


@cache
def source(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    attributes = frozenset(node.attr for node in nodes if isinstance(node, ast.Attribute))
    return Source(frozenset(_imported(nodes)), attributes, ast.get_docstring(tree), text)


def _imported(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
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
    if here == "report":
        return foundation | {"storage", "report"}
    if here in VERBS:
        return foundation | {"storage", "policy", here} | ({"ml"} if here == "serve" else set())
    if here in {"entrance", "cli"}:
        return foundation | {"storage", "policy", "entrance", *VERBS}
    if here == "orchestration":
        return foundation | {"storage", "policy", "report", "orchestration", "ml", *VERBS}
    return {here}


def test_imports_go_one_way():
    wrong = {
        (module(path), name)
        for path in FILES
        for name in source(path).imports
        if name.split(".")[0] in OURS and room(name) not in allowed(room(module(path)))
    }
    assert not wrong


def test_only_orchestration_imports_dagster():
    importers = {
        room(module(path))
        for path in FILES
        for name in source(path).imports
        if name.split(".")[0].startswith("dagster")
    }
    assert importers == {"orchestration"}


def test_only_settings_reads_the_environment():
    readers = {module(path) for path in FILES if source(path).attributes & {"environ", "getenv"}}
    assert readers == {"headwater.settings"}


def test_files_stay_small():
    lengths = {module(path): len(source(path).text.splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > HARD_CAP}


def test_every_file_says_what_belongs_in_it():
    assert not {module(path) for path in FILES if source(path).text.strip() and not source(path).docstring}
