"""How events and properties are named: written as the plan asks, and no two alike.

Belongs here: patterns, the spec's own names, near-duplicates. Does not belong here: reading the plan's files
(`headwater.policy.plan_check`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headwater.errors import ConfigError

# names that Segment's spec gives to traits, pages and commerce; nobody can write them otherwise
_SPEC = """
firstName lastName createdAt postalCode jobTitle hashedEmail annualRevenue companyId employeesCount assetId
"""
_OF_THE_SPEC = frozenset(_SPEC.split())
_SHORTEST_ALIKE = 8


@dataclass(frozen=True)
class Pattern:
    """A regular expression that a name must match whole."""

    text: str
    compiled: re.Pattern[str]

    def fits(self, name: str) -> bool:
        """Whether a name is written that way."""
        return self.compiled.fullmatch(name) is not None

    @staticmethod
    def is_of_the_spec(name: str) -> bool:
        """Whether it is a name that the spec itself gives."""
        return name in _OF_THE_SPEC


def pattern_of(text: str) -> Pattern | None:
    """The pattern, or None when nothing is asked for.

    Raises:
        ConfigError: it is no regular expression.
    """
    if not text:
        return None
    try:
        return Pattern(text, re.compile(text))
    except re.error as error:
        raise ConfigError(f"{text} is no regular expression: {error}.") from error


def near_duplicates(names: Sequence[tuple[str, str]]) -> Iterator[tuple[int, int, str]]:
    """Pairs of events, by index, that are most likely one: (type, name) each, the first before the second.

    Alike are names that differ in capitals and separators only («Order Completed», «order_completed»), and long ones
    that differ in one letter («Order Complete»). A digit makes a difference («Step 1 Viewed», «Step 2 Viewed»).
    """
    for second, (kind, name) in enumerate(names):
        for first in range(second):
            if names[first][0] != kind:
                continue
            other = names[first][1]
            if name == other:
                yield first, second, "is planned twice:"
            elif _plain(name) == _plain(other):
                yield first, second, "differs in capitals or separators only from"
            elif min(len(name), len(other)) >= _SHORTEST_ALIKE and _one_letter_apart(_plain(name), _plain(other)):
                yield first, second, "differs in one letter only from"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _one_letter_apart(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1:
        return False
    if len(one) > len(other):
        one, other = other, one
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    rest = one[at:] if len(one) < len(other) else one[at + 1 :]
    return rest == other[at + 1 :] and not (one[at : at + 1] + other[at : at + 1]).strip("abcdefghijklmnopqrstuvwxyz")
