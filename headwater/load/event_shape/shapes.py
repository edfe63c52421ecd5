"""Which keys the payloads of an event have, and what kinds of values stand under them.

Belongs here: reading shapes from what the lander recorded in each object, or from DuckDB's `json_structure` where it
recorded nothing, and merging them. Pure. Does not belong here: which column a key becomes (`columns`).

A shape maps a path (its keys, outermost first) to a set of kinds: int, float, boolean, datetime, string, array.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Path = tuple[str, ...]
Shape = dict[Path, set[str]]

KINDS = frozenset({"int", "float", "boolean", "datetime", "string", "array"})
SECTIONS = ("context", "properties", "traits")
_OF_STRUCTURE = {"VARCHAR": "string", "BOOLEAN": "boolean", "DOUBLE": "float", "JSON": "string"}


def merge(shapes: Iterable[Shape]) -> Shape:
    """All paths of all shapes, each with all its kinds."""
    merged: Shape = {}
    for shape in shapes:
        for path, kinds in shape.items():
            merged.setdefault(path, set()).update(kinds)
    return merged


def from_metadata(text: str) -> dict[str, Shape]:
    """The lander's record: type or event name → shape. A path is a JSON pointer, or keys joined by dots."""
    return {
        name: {_path(path): {kind if kind in KINDS else "string" for kind in kinds} for path, kinds in paths.items()}
        for name, paths in json.loads(text).items()
    }


def from_structure(text: str) -> Shape:
    """What `json_structure` says of one payload."""
    shape: Shape = {}
    structure = json.loads(text)
    for section in SECTIONS:
        if isinstance(structure.get(section), dict):
            _walk((section,), structure[section], shape)
    return shape


def pointer(path: Path) -> str:
    """The path as a JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


def _path(text: str) -> Path:
    if text.startswith("/"):
        return tuple(key.replace("~1", "/").replace("~0", "~") for key in text[1:].split("/"))
    return tuple(text.split("."))


def _walk(path: Path, structure: Any, shape: Shape) -> None:
    if isinstance(structure, dict):
        for key, inner in structure.items():
            _walk((*path, key), inner, shape)
    elif isinstance(structure, list):
        shape.setdefault(path, set()).add("array")
    elif structure != "NULL":
        shape.setdefault(path, set()).add(_OF_STRUCTURE.get(structure, "int"))
