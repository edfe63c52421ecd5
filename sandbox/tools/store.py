"""The tools' database: simulated records to read, and what others wrote into the tools.

Belongs here: SQL. Does not belong here: HTTP, or the rules of what is accepted (`sandbox.tools.rules`).

Simulated tables are replaced by each simulation; the tables named `written_*` and `request_log` are not touched by it,
so custom fields outlive it. A field written from outside has a time of its own and never moves a record's
`updated_at`: the next pull does not read the record again for it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.company.tools_file import COLUMNS

_WRITTEN = """
create table if not exists written_crm (contact_id text primary key, custom text not null, written_at text not null);
create table if not exists written_email (
    email text primary key collate nocase, custom text not null, written_at text not null
);
create table if not exists written_email_events (
    message_id text primary key, event text, user_id text, body text not null, written_at text not null
);
create table if not exists request_log (
    id integer primary key, tool text, method text, path text, status integer, records integer, at text
);
"""
_BOOLEANS = {"is_qualified", "is_open", "is_active"}
Row = dict[str, Any]


class Store:
    """One database file, a connection per thread, one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._writing = threading.Lock()
        with self.writing() as database:
            for statement in _WRITTEN.split(";"):
                database.execute(statement)

    def _connection(self) -> sqlite3.Connection:
        database: sqlite3.Connection | None = getattr(self._local, "database", None)
        if database is None:
            database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            database.row_factory = sqlite3.Row
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = normal")
            self._local.database = database
        return database

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with self._writing:
            database = self._connection()
            database.execute("begin immediate")
            try:
                yield database
            except BaseException:
                database.execute("rollback")
                raise
            database.execute("commit")

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Row]:
        """All rows of a query as dictionaries; a table that no simulation has made yet is empty."""
        try:
            found = self._connection().execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        return [dict(row) for row in found]

    def page(
        self,
        table: str,
        since: str,
        after: tuple[str, str] | None,
        limit: int,
        *,
        descending: bool = False,
        shift: tuple[int, str] | None = None,
        before: bool = False,
    ) -> list[Row]:
        """Up to `limit` rows changed at or after `since`, beyond the row `after` (updated_at, id), in that order.

        Args:
            table: the table.
            since: an ISO time; empty: all rows.
            after: where the page before ended.
            limit: how many rows at most.
            descending: newest first.
            shift: the tool's clock went back by so many seconds at that time: what changed since is told as earlier.
            before: the last rows up to `after` instead, those that the page before ended with.
        """
        columns, source = COLUMNS[table], table
        if shift:
            told = columns.replace(
                ", updated_at",
                ", case when updated_at >= ? then strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, ?) else updated_at end "
                "as updated_at",
            )
            source = f"(select {told} from {table})"
        ascending = descending == before
        direction = "" if ascending else " desc"
        beyond = "true"
        if after:
            beyond = f"(updated_at, id) {'>' if ascending else '<'}{'=' if before else ''} (?, ?)"
        sql = (
            f"select {columns} from {source} where updated_at >= ? and {beyond} "
            f"order by updated_at{direction}, id{direction} limit ?"
        )
        moved = (shift[1], f"-{shift[0]} seconds") if shift else ()
        rows = self.rows(sql, (*moved, since, *(after or ()), limit))
        if before:
            rows.reverse()
        for row in rows:
            for column in _BOOLEANS & row.keys():
                row[column] = None if row[column] is None else bool(row[column])
        return rows

    def count(self, table: str) -> int:
        """How many rows a table has."""
        rows = self.rows(f"select count(*) as n from {table}")
        return int(rows[0]["n"]) if rows else 0

    def log(self, tool: str, method: str, path: str, status: int, records: int, at: str) -> None:
        """Remember one request."""
        with self.writing() as database:
            database.execute(
                "insert into request_log (tool, method, path, status, records, at) values (?, ?, ?, ?, ?, ?)",
                (tool, method, path, status, records, at),
            )

    def contact_ids(self, id_property: str, values: list[str]) -> dict[str, str]:
        """CRM contacts by e-mail (any case; the oldest of several) or id: given value in lower case → contact id."""
        marks = ", ".join("?" * len(values))
        column = "email collate nocase" if id_property == "email" else "id"
        name = "email" if id_property == "email" else "id"
        newest_first = "order by created_at desc, id desc"
        sql = f"select id, {name} as value from crm_contacts where {column} in ({marks}) {newest_first}"
        return {row["value"].lower(): row["id"] for row in self.rows(sql, tuple(values))}

    def write_crm(self, properties: dict[str, Row], at: str) -> None:
        """Merge custom properties into CRM contacts."""
        self._merge("written_crm", "contact_id", properties, at)

    def write_email(self, attributes: dict[str, Row], at: str) -> None:
        """Merge attributes into email contacts; one that is not on the list is made."""
        self._merge("written_email", "email", attributes, at)

    def _merge(self, table: str, key: str, found: dict[str, Row], at: str) -> None:
        sql = (
            f"insert into {table} ({key}, custom, written_at) values (?, ?, ?) on conflict ({key}) do update set "
            "custom = json_patch(custom, excluded.custom), written_at = excluded.written_at"
        )
        with self.writing() as database:
            database.executemany(sql, [(one, json.dumps(values), at) for one, values in found.items()])

    def write_events(self, events: list[Row], at: str) -> int:
        """Keep events, each message id once; how many were new."""
        sql = (
            "insert into written_email_events (message_id, event, user_id, body, written_at) values (?, ?, ?, ?, ?) "
            "on conflict (message_id) do nothing"
        )
        new = 0
        with self.writing() as database:
            for event in events:
                name = event.get("event") or event.get("name") or event.get("type")
                who = event.get("userId") or event.get("anonymousId")
                new += database.execute(sql, (event["messageId"], name, who, json.dumps(event), at)).rowcount
        return new

    def event_counts(self) -> list[Row]:
        """How many of each event on each day (UTC) of arrival."""
        return self.rows(
            "select substr(written_at, 1, 10) as day, event, count(*) as count from written_email_events "
            "group by 1, 2 order by 1, 2"
        )
