"""The documents taken apart: fenced commands, words in backticks, tables, links.

Belongs here: reading Markdown. Does not belong here: what must be true of what was read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from headwater.settings import CHECKOUT

NAMES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Found:
    """A piece of a document, with the document's name."""

    document: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"


def text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def fences() -> list[tuple[str, str, str]]:
    """(document, language, content) of every fenced block."""
    return [(name, *match.groups()) for name in NAMES for match in _FENCE.finditer(text(name))]  # type: ignore[misc]


def commands() -> list[Found]:
    """Every line of every `sh` block, without its comment."""
    lines = (
        Found(name, line.partition("  #")[0].strip())
        for name, language, content in fences()
        if language == "sh"
        for line in content.replace("\\\n", " ").splitlines()
    )
    return [found for found in lines if found.text]


def words() -> list[Found]:
    """Everything between backticks outside the blocks, each once a document."""
    found = (
        Found(name, word)
        for name in NAMES
        for word in re.findall(r"`([^`]+)`", _FENCE.sub("", text(name)).replace("\n", " "))
    )
    return list(dict.fromkeys(found))


def links() -> list[Found]:
    return [Found(name, target) for name in NAMES for target in re.findall(r"\]\(([^)]+)\)", text(name))]


def rows(name: str) -> list[list[str]]:
    """The cells of every table row of a document, heads and rules left out."""
    lines = [line for line in text(name).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [index for index, row in enumerate(cells) if set("".join(row)) <= {"-"}]
    left_out = {*rules, *(index - 1 for index in rules)}
    return [row for index, row in enumerate(cells) if index not in left_out]


def path(*parts: str) -> Path:
    return CHECKOUT.joinpath(*parts)
