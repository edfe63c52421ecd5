"""Sandbox and platform share no code."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import sandbox

ROOT = Path(sandbox.__file__).resolve().parent.parent
PLATFORM = ("headwater", "orchestration", "ml")


@cache
def imports(folder: str) -> set[str]:
    found: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found


def test_the_sandbox_imports_nothing_of_the_platform() -> None:
    assert "numpy" in imports("sandbox")
    assert not imports("sandbox") & set(PLATFORM)


def test_the_platform_imports_nothing_of_the_sandbox() -> None:
    for folder in PLATFORM:
        assert imports(folder)
        assert "sandbox" not in imports(folder)


def test_the_platform_never_names_the_ground_truth() -> None:
    for folder in PLATFORM:
        for file in (ROOT / folder).rglob("*.py"):
            assert "/truth" not in file.read_text(encoding="utf-8"), file
