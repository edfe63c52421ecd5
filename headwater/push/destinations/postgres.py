"""Postgres: one row an event, upserted by source and message id.

Each batch is one transaction: COPY into a temporary table, then one upsert. `jsonb` and text cannot hold the character
U+0000, which is written as U+FFFD. Needs the extra `postgres` (`psycopg`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import BatchRefusedError, Direct, Outcome, StreamEvent, Streaming
from headwater.push.spec import anonymous_id, event_name, user_id

_COLUMNS = {
    "message_id": "text not null",
    "source": "text not null",
    "type": "text not null",
    "event": "text not null",
    "user_id": "text",
    "anonymous_id": "text",
    "timestamp": "timestamptz",
    "received_at": "timestamptz",
    "payload": "jsonb not null",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(\.[A-Za-z_][A-Za-z0-9_$]{0,62})?")


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """`table`: where rows go, with its schema or without; made when it is missing."""

    table: str = "headwater_events"


class Postgres(Direct):
    """`base_url` is `postgresql://user@host:port/database`; `token` the password."""

    type = "postgres"
    integrations_name = "Postgres"
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=1000, batch_bytes=8_000_000)
    rate_per_second = 100.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        if not _NAME.fullmatch(self.settings.table):
            raise ConfigError(f"settings.table «{self.settings.table}» is no name of a table.")
        self._table = ".".join(f'"{part}"' for part in self.settings.table.split("."))
        self._con: Any = None

    def open(self) -> None:
        psycopg = _driver()
        columns = ", ".join(f'"{name}" {kind}' for name, kind in _COLUMNS.items())
        schema, _, _ = self._table.rpartition(".")
        try:
            self._con = psycopg.connect(
                self.config.base_url, password=self.config.token or None, connect_timeout=10, autocommit=True
            )
            if schema:
                self._con.execute(f"create schema if not exists {schema}")
            self._con.execute(f"create table if not exists {self._table} ({columns}, primary key (source, message_id))")
        except psycopg.Error as error:
            raise self._explained(error) from error

    def close(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None

    def write(self, events: Sequence[StreamEvent]) -> list[Outcome]:
        psycopg = _driver()
        names = ", ".join(f'"{name}"' for name in _COLUMNS)
        changes = ", ".join(
            f'"{name}" = excluded."{name}"' for name in _COLUMNS if name not in ("source", "message_id")
        )
        # two rows of one key in one upsert are an error: the last is the event as it is
        rows = {(event.source, event.message_id): _row(event) for event in events}
        try:
            with self._con.transaction():
                self._con.execute(f"create temp table incoming (like {self._table}) on commit drop")
                with self._con.cursor().copy(f"copy incoming ({names}) from stdin") as copy:
                    for row in rows.values():
                        copy.write_row(row)
                self._con.execute(
                    f"insert into {self._table} ({names}) select {names} from incoming"
                    f" on conflict (source, message_id) do update set {changes}"
                )
        except psycopg.Error as error:
            raise self._explained(error) from error
        return [Outcome(True, "OK")] * len(events)

    def _explained(self, error: Any) -> Exception:
        code, words = error.sqlstate or "", " ".join(str(error).split())
        if code[:2] in ("22", "23") or code == "54000":  # data, constraints, row too large
            return BatchRefusedError(code, words)
        if code[:2] in ("28", "3D", "42", "3F") or "password authentication failed" in words:
            return ConfigError(f"Postgres does not let us write {self.settings.table}: {words}.")
        return UnavailableError(f"Postgres at {self.config.base_url} did not take it: {words}.")


def _row(event: StreamEvent) -> tuple[Any, ...]:
    payload, body = event.payload, bytes(event.body)
    if b"\\u0000" in body:
        payload = _mended(payload)
        body = msgspec.json.encode(payload)
    return (
        *(event.message_id, event.source, str(payload.get("type")), event_name(payload), user_id(payload)),
        *(anonymous_id(payload), payload.get("timestamp"), payload.get("receivedAt"), body.decode()),
    )


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return [_mended(item) for item in value] if isinstance(value, list) else value


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigError("Type postgres needs psycopg.", hint="Install headwater[postgres].") from error
    return psycopg
