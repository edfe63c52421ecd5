"""How the tools can be told to misbehave: `POST /admin/faults`.

Belongs here: which faults there are, which of them a request meets, how often. Does not belong here: what a fault does
to an answer (`api` for whole answers, `listing` for their rows).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

ANSWERS = ("429", "500", "timeout")
LISTINGS = ("half_page", "schema_change", "page_order", "clock_back", "duplicate_rows", "endless_cursor")
KINDS = (*ANSWERS, *LISTINGS)
OPTIONS: dict[str, dict[str, Any]] = {
    "429": {"retry_after": 1},
    "500": {},
    "timeout": {"seconds": 30.0},
    "half_page": {},
    "schema_change": {"change": "add", "column": "loyalty_tier", "value": "gold"},
    "page_order": {},
    "clock_back": {"seconds": 3600, "at": ""},
    "duplicate_rows": {"rows": 3},
    "endless_cursor": {},
}
"""Each kind's own options with their defaults."""
CHANGES = ("add", "drop", "type")


@dataclass
class Fault:
    """One fault: `left` is how many requests still meet it, None for all until it is taken back."""

    number: int
    tool: str
    table: str | None
    kind: str
    left: int | None
    options: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """As the API tells it."""
        told = {"id": self.number, "tool": self.tool, "table": self.table, "kind": self.kind, "times": self.left}
        return told | self.options


class Faults:
    """The faults that are on, oldest first."""

    def __init__(self, tools: tuple[str, ...]) -> None:
        self._tools = tools
        self._lock = threading.Lock()
        self._on: list[Fault] = []
        self._number = 0

    def put(self, told: Any) -> Fault:
        """Switch one on.

        Args:
            told: `tool`, `kind`, and if wanted `table`, `times` (null: until it is taken back) and the kind's options.

        Raises:
            ValueError: what is wrong, with the choices.
        """
        if not isinstance(told, dict):
            raise ValueError("A fault is an object with tool and kind.")
        rest = dict(told)
        tool, kind, table = rest.pop("tool", None), str(rest.pop("kind", "")), rest.pop("table", None)
        if tool not in self._tools:
            raise ValueError(f"tool is one of {', '.join(self._tools)}.")
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}.")
        times = rest.pop("times", 1)
        if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
            raise ValueError("times is a whole number above 0, or null for «until it is taken back».")
        unknown = rest.keys() - OPTIONS[kind].keys()
        if unknown:
            choices = ", ".join(OPTIONS[kind]) or "none"
            raise ValueError(f"{kind} has no option {', '.join(sorted(unknown))}; it has: {choices}.")
        options = OPTIONS[kind] | rest
        if options.get("change", "add") not in CHANGES:
            raise ValueError(f"change is one of {', '.join(CHANGES)}.")
        with self._lock:
            self._number += 1
            fault = Fault(self._number, tool, table, kind, times, options)
            self._on.append(fault)
        return fault

    def clear(self) -> None:
        """Take all back."""
        with self._lock:
            self._on.clear()

    def shown(self) -> list[dict[str, Any]]:
        """All that are on."""
        with self._lock:
            return [fault.shown() for fault in self._on]

    def meet(self, tool: str, table: str, *, is_listing: bool) -> list[Fault]:
        """The faults that this request meets, each counted: the oldest that answers for the tool, alone; else all those
        that change a listing."""
        with self._lock:
            due = [fault for fault in self._on if fault.tool == tool and fault.table in (None, table)]
            answers = [fault for fault in due if fault.kind in ANSWERS][:1]
            met = answers or ([fault for fault in due if fault.kind in LISTINGS] if is_listing else [])
            for fault in met:
                if fault.left is not None:
                    fault.left -= 1
            self._on = [fault for fault in self._on if fault.left != 0]
            return met
