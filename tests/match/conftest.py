"""A warehouse with empty source tables, and short ways to say what landed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.configuration import Identity, read_yaml
from headwater.settings import CHECKOUT
from headwater.storage.warehouse import ensure_schemas

Event = tuple[str | None, str | None, str | None]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        ensure_schemas(connection)
        yield connection


@pytest.fixture
def identity() -> Identity:
    """The example company's rules."""
    return read_yaml(CHECKOUT / "config" / "identity.yaml", Identity)


@pytest.fixture
def events(con: duckdb.DuckDBPyConnection) -> Callable[..., None]:
    """Land (user id, anonymous id, email) as identify events of one segment, in this order."""

    def land(*rows: Event, segment: int = 1) -> None:
        key = f"events/received_date=2026-01-01/{segment:010d}-{1767225600000 + segment * 1000}.parquet"
        for number, (user_id, anonymous_id, email) in enumerate(rows):
            con.execute(
                "insert into raw.events (message_id, type, user_id, anonymous_id, payload, lake_object, row_number) "
                "values (?, 'identify', ?, ?, json_object('traits', json_object('email', ?)), ?, ?)",
                [f"{key}{number}", user_id, anonymous_id, email, key, number],
            )

    return land


@pytest.fixture
def people(con: duckdb.DuckDBPyConnection) -> Callable[[], dict[str, set[str]]]:
    """customer_id → `type:value` of everything that belongs to it, but its own id."""

    def read() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        rows: list[Any] = con.execute(
            "select customer_id, id_type || ':' || id_value from identity.identifiers where id_type <> 'customer_id'"
        ).fetchall()
        for customer_id, identifier in rows:
            found.setdefault(customer_id, set()).add(identifier)
        return found

    return read


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
