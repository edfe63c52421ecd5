"""The stand-ins' pages: what each analytics, messaging or advertising tool was told, for people.

Belongs here: reading what was kept into the templates' values. Does not belong here: what a tool accepts
(`sandbox.standins`).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from sandbox.standins import STANDINS
from sandbox.standins.memory import Memory

NEWEST = 50
TITLES = {cls.name: cls.title for cls in STANDINS}


class Received:
    """What the stand-ins of `folder` keep."""

    def __init__(self, folder: Path) -> None:
        self.memory = Memory(folder / "standins.sqlite")

    def cards(self) -> list[dict[str, Any]]:
        """A card of the index page for each stand-in."""
        return [
            {"href": f"/{name}", "title": title, "tables": [("Received", self._counts(name).total())]}
            for name, title in TITLES.items()
        ]

    def page(self, name: str) -> dict[str, Any]:
        """What `received.html` shows of one stand-in: its counts by event, most first, and the newest it was told."""
        counts = self._counts(name)
        rows = self.memory.rows(name, NEWEST)
        for row in rows:
            row["pretty"] = json.dumps(row["payload"], indent=2, ensure_ascii=False)
        return {"title": TITLES[name], "counts": counts.most_common(), "total": counts.total(), "rows": rows}

    def _counts(self, name: str) -> Counter[str]:
        counts: Counter[str] = Counter()
        for row in self.memory.counts(name):
            counts[row["event"]] += row["count"]
        return counts
