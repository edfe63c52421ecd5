"""Events that the tracking plan or a transformation dropped, from the lake into `raw.dropped`.

Belongs here: loading them, each once. Does not belong here: deciding what is dropped (`headwater.policy`).
"""

from __future__ import annotations

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from headwater.load.aside import load_aside
from headwater.storage.lake import Lake

TARGET = "raw.dropped"


@dataclass(frozen=True)
class DroppedLoaded:
    """Counts of what was new; `by_reason` holds rows per reason."""

    objects: int
    rows: int
    by_reason: dict[str, int]


def load_dropped(con: DuckDBPyConnection, lake: Lake) -> DroppedLoaded:
    """Load every dropped object that is not loaded yet; an event that was sent and dropped again is there once.

    Raises:
        DataError: an object cannot be read.
    """
    objects, by_reason = load_aside(con, lake, "dropped/", TARGET, "concat_ws(chr(31), source, message_id)")
    return DroppedLoaded(objects, by_reason.total(), dict(by_reason))
