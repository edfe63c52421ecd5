"""What the stand-ins were told, in one SQLite file.

Belongs here: keeping and counting. Does not belong here: HTTP, or what any tool accepts.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_TABLE = """
create table if not exists kept (
  id integer primary key, tool text not null, at text not null, event text not null, message_id text, user text,
  payload text not null
);
create unique index if not exists kept_once on kept (tool, message_id) where message_id is not null;
"""


class Memory:
    """One file for all stand-ins, safe for threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._con = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self._con.execute("pragma journal_mode = wal")
        self._con.execute("pragma synchronous = normal")
        self._con.executescript(_TABLE)

    def keep(self, tool: str, at: str, rows: Iterable[tuple[str, str | None, str | None, Any]]) -> int:
        """Keep (event, message id, user, payload) rows; a message id that the tool has is not kept twice. Answers how
        many were new."""
        with self._lock:
            before = self._con.total_changes
            self._con.execute("begin immediate")
            self._con.executemany(
                "insert or ignore into kept (tool, at, event, message_id, user, payload) values (?, ?, ?, ?, ?, ?)",
                [(tool, at, event, key, user, json.dumps(payload)) for event, key, user, payload in rows],
            )
            self._con.execute("commit")
            return self._con.total_changes - before

    def has(self, tool: str, message_id: str) -> bool:
        """Whether a tool was told something under this message id."""
        with self._lock:
            query = "select 1 from kept where tool = ? and message_id = ?"
            return self._con.execute(query, (tool, message_id)).fetchone() is not None

    def rows(self, tool: str, limit: int = 1000) -> list[dict[str, Any]]:
        """The newest of what a tool was told."""
        with self._lock:
            found = self._con.execute(
                "select at, event, message_id, user, payload from kept where tool = ? order by id desc limit ?",
                (tool, limit),
            ).fetchall()
        names = ("at", "event", "message_id", "user")
        return [dict(zip(names, row[:4], strict=True)) | {"payload": json.loads(row[4])} for row in found]

    def counts(self, tool: str) -> list[dict[str, Any]]:
        """How many of each event on each day (UTC) of arrival: the tool's own report."""
        with self._lock:
            found = self._con.execute(
                "select substr(at, 1, 10), event, count(*) from kept where tool = ? group by 1, 2 order by 1, 2",
                (tool,),
            ).fetchall()
        return [{"day": day, "event": event, "count": count} for day, event, count in found]

    def forget(self, tool: str) -> None:
        """Delete everything that a tool was told."""
        with self._lock:
            self._con.execute("delete from kept where tool = ?", (tool,))
