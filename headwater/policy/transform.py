"""User transformations: a company's own Python on each event, which harms nobody else when it fails.

Belongs here: loading, running with a time limit, what comes back. Does not belong here: which events, or what happens
to one that failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headwater.configuration import Transformation


@dataclass(frozen=True)
class Result:
    """What one chain did to one event.

    Attributes:
        status: `changed`, `unchanged`, `dropped` (None was returned) or `failed`.
        payload: the event afterwards; None when dropped or failed.
        name: the transformation that dropped or failed it, else the last one.
        detail: why it failed, with the line of the company's file.
        seconds: how long the chain took.
    """

    status: Literal["changed", "unchanged", "dropped", "failed"]
    payload: dict[str, Any] | None
    name: str
    detail: str = ""
    seconds: float = 0.0


class Transformer:
    """A chain of transformations in a process of its own.

    Args:
        folder: `config/transformations/`.
        names: the chain, in order.
        settings: time limits by name.
    """

    def __init__(self, folder: Path, names: Sequence[str], settings: Mapping[str, Transformation]) -> None:
        self.folder, self.names, self.settings = folder, tuple(names), dict(settings)

    def run(self, payloads: Sequence[dict[str, Any]]) -> list[Result]:
        """Each event through the chain, in order; the given payloads are not changed."""
        raise NotImplementedError

    def close(self) -> None:
        """End the process."""
