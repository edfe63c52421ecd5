"""The elements of a batch whose JSON is broken somewhere inside one of them.

Belongs here: a forgiving walk that finds where each element of `batch` begins and ends, so that one bad event does not
sink the others: `NaN`, a bad escape, a control character. Does not belong here: the judgement of an element. Only
called after the strict parser has refused a body, so it may be slow.
"""

from __future__ import annotations

import json
import re

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)  # possessive: a string of megabytes needs no memory
_MARK = re.compile(r'["{}\[\],]')
_FIELDS = ("sentAt", "backfill")


class TooManyError(Exception):
    """The batch has more elements than were asked for."""


def split_batch(body: bytes, most: int = 1_000_000) -> tuple[list[bytes], dict[str, object]] | None:
    """The bytes of each element of the object's `batch`, and what can be read of the fields beside it.

    Returns None when the body is no object with a `batch` array that can be followed to its end.

    Raises:
        TooManyError: it has more than `most` elements.
    """
    text = body.decode("utf-8", "surrogateescape")
    items: list[bytes] | None = None
    others: dict[str, object] = {}
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        return None
    at = _skip(text, at + 1)
    while text[at : at + 1] == '"':
        key = _STRING.match(text, at)
        if key is None:
            return None
        at = _skip(text, key.end())
        if text[at : at + 1] != ":":
            return None
        at = _skip(text, at + 1)
        if key.group() == '"batch"' and text[at : at + 1] == "[":
            spans = _elements(text, at + 1, most)
            if spans is None:
                return None
            items = [text[a:b].rstrip(" \t\r\n").encode("utf-8", "surrogateescape") for a, b in spans[0]]
            at = spans[1]
        else:
            end = _value_end(text, at)
            if end is None:
                return None
            name = key.group()[1:-1]
            if name in _FIELDS:
                value = _scalar(text[at:end])
                if value is not None:
                    others[name] = value
            at = end
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    if items is None or text[at : at + 1] != "}" or _skip(text, at + 1) != len(text):
        return None
    return items, others


def _scalar(text: str) -> str | bool | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, str | bool) else None


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _elements(text: str, at: int, most: int) -> tuple[list[tuple[int, int]], int] | None:
    """Begin and end of each element from `at` (behind the bracket), and the place behind the closing bracket."""
    spans: list[tuple[int, int]] = []
    at = _skip(text, at)
    if text[at : at + 1] == "]":
        return spans, at + 1
    while True:
        end = _value_end(text, at)
        if end is None:
            return None
        if len(spans) == most:
            raise TooManyError
        spans.append((at, end))
        mark = text[end : end + 1]
        if mark == "]":
            return spans, end + 1
        if mark != ",":
            return None
        at = _skip(text, end + 1)


def _value_end(text: str, at: int) -> int | None:
    """Where the value from `at` ends: at the first `,`, `]` or `}` that is outside its own brackets and strings."""
    depth = 0
    while True:
        mark = _MARK.search(text, at)
        if mark is None:
            return None
        sign, at = mark.group(), mark.end()
        if sign == '"':
            string = _STRING.match(text, mark.start())
            if string is None:
                return None
            at = string.end()
        elif sign in "{[":
            depth += 1
        elif depth == 0:
            return mark.start()
        elif sign in "}]":
            depth -= 1
