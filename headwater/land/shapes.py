"""Which keys the events of a segment have, and what kinds of values stand under them.

Belongs here: collecting it while the events pass by, so that loading discovers nothing. Does not belong here: what
becomes a column (load).

Kinds: int, float, boolean, datetime, string, array. A whole number is an int, also when written 3.0; nulls and empty
strings say nothing. Paths are JSON pointers (RFC 6901).
"""

from __future__ import annotations

import re
from typing import Any

SECTIONS = ("context", "properties", "traits")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?")


class _Node:
    """One key: the kinds of its plain values, and the keys below it.

    `settled` are the Python types whose values can tell nothing new about this key: the common case is one look.
    """

    __slots__ = ("below", "kinds", "settled")

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.settled: set[type] = {type(None)}
        self.below: dict[str, _Node] = {}


class Shapes:
    """The shapes of many events, by event name for tracks and by type for the others."""

    def __init__(self) -> None:
        self._roots: dict[str, dict[str, _Node]] = {}

    def add(self, name: str, payload: dict[str, Any]) -> None:
        """Note the keys and kinds of one event."""
        root = self._roots.get(name)
        if root is None:
            root = self._roots[name] = {section: _Node() for section in SECTIONS}
        for section in SECTIONS:
            value = payload.get(section)
            if type(value) is dict:
                _walk(value, root[section].below)

    def as_json(self) -> dict[str, dict[str, list[str]]]:
        """Name → pointer → kinds, sorted, so that the same events always give the same text."""
        return {name: _flat(self._roots[name]) for name in sorted(self._roots)}


def _walk(value: dict[str, Any], nodes: dict[str, _Node]) -> None:
    for key, inner in value.items():
        node = nodes.get(key)
        if node is None:
            node = nodes[key] = _Node()
        kind = type(inner)
        if kind is dict:
            _walk(inner, node.below)
        elif kind not in node.settled:
            _note(node, kind, inner)


def _note(node: _Node, kind: type, value: Any) -> None:
    if kind is str:
        if not value:
            return
        if _DATETIME.fullmatch(value):
            node.kinds.add("datetime")
            return
        # a column that holds any other text is text: no need to look for dates any more
        node.kinds.add("string")
    elif kind is float:
        node.kinds.add("int" if value.is_integer() else "float")
        if not node.kinds >= {"int", "float"}:
            return
    else:
        node.kinds.add({bool: "boolean", int: "int"}.get(kind, "array"))
    node.settled.add(kind)


def _flat(nodes: dict[str, _Node], prefix: str = "") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in sorted(nodes):
        path = f"{prefix}/{key.replace('~', '~0').replace('/', '~1')}"
        if nodes[key].kinds:
            found[path] = sorted(nodes[key].kinds)
        found |= _flat(nodes[key].below, path)
    return found
