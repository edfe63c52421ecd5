"""Pulling databases: Postgres by COPY, any other by SQLAlchemy; types, cursors, late rows, columns that come and go."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.configuration import Config, Contract, SqlSource, SqlTable
from headwater.errors import ConfigError, DataError, UnavailableError
from headwater.land import listings
from headwater.land.extracts import pull
from headwater.load.extracts import load_extracts
from headwater.settings import Settings
from headwater.storage.lake import LocalLake
from headwater.storage.warehouse import ensure_schemas

Rows = Callable[[str], list[tuple[Any, ...]]]
COLUMNS: dict[str, Any] = {
    "id": "text",
    "total": "integer",
    "weight": "decimal",
    "score": "double",
    "is_paid": "boolean",
    "day": "date",
    "ordered_at": "timestamp",
    "updated_at": "timestamp",
    "note": "json",
    "name": "text",
}
CREATE = """create table orders (id text primary key, total bigint, weight numeric(12, 3), score float8,
    is_paid boolean, day date, ordered_at timestamp, updated_at timestamptz, note jsonb, name text)"""


@pytest.fixture
def shop(postgres: Any, postgres_server: str, config_of: Callable[..., Config]) -> Config:
    """A config whose source `shop` pulls `orders` from Postgres."""
    postgres.execute(CREATE)
    return config_of(shop=SqlSource(url=postgres_server, tables={"orders": SqlTable(columns=dict(COLUMNS))}))


def orders_of(config: Config) -> SqlTable:
    source = config.sources["shop"]
    assert isinstance(source, SqlSource)
    return source.tables["orders"]


def add(postgres: Any, *numbers: int, at: str = "2026-01-01 00:00:00+00", **columns: Any) -> None:
    for number in numbers:
        row = {"id": f"o{number:05d}", "updated_at": at, **columns}
        marks = ", ".join(["%s"] * len(row))
        postgres.execute(f"insert into orders ({', '.join(row)}) values ({marks})", list(row.values()))


def raw(lake: LocalLake, config: Config, query: str) -> list[tuple[Any, ...]]:
    """What is asked of the warehouse after loading everything from the lake."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        ensure_schemas(con)
        load_extracts(con, lake, config, "shop")
        return con.execute(query).fetchall()


def test_every_type_of_a_row_comes_as_it_is_also_empty_texts_quotes_line_ends_and_nulls(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    add(
        postgres,
        1,
        at="2026-03-01 12:00:00.123456+02",
        total=-5,
        weight=Decimal("1.125"),
        score=0.1,
        is_paid=True,
        day=date(2026, 2, 28),
        ordered_at=datetime(1999, 12, 31, 23, 59, 59, 500_000),
        note='{"a": [1, "x"]}',
        name='says "hi",\nДа, \\.',
    )
    add(postgres, 2, name="")
    add(postgres, 3, is_paid=False)
    assert pull(settings, shop, "shop").tables["orders"].rows == 3
    rows = raw(lake, shop, f"select {', '.join(COLUMNS)}, _is_deleted from raw.shop__orders order by id")
    assert rows[0] == (
        "o00001",
        -5,
        Decimal("1.125"),
        0.1,
        True,
        date(2026, 2, 28),
        datetime(1999, 12, 31, 23, 59, 59, 500_000),
        datetime(2026, 3, 1, 10, 0, 0, 123_456),
        '{"a": [1, "x"]}',
        'says "hi",\nДа, \\.',
        False,
    )
    assert [row[9] for row in rows] == [rows[0][9], "", None]
    assert [row[4] for row in rows] == [True, None, False]


def test_a_second_pull_brings_what_changed_and_a_third_nothing(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    add(postgres, *range(20))
    assert pull(settings, shop, "shop").tables["orders"].rows == 20
    postgres.execute("update orders set total = 7, updated_at = '2026-01-02' where id = 'o00003'")
    assert pull(settings, shop, "shop").tables["orders"].rows == 1
    assert pull(settings, shop, "shop").tables["orders"].rows == 0
    assert raw(lake, shop, "select count(*), sum(total) from raw.shop__orders") == [(20, 7)]


def test_a_row_that_was_committed_late_within_the_overlap_is_not_lost(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    add(postgres, 1, at="2026-01-01 00:10:00+00")
    pull(settings, shop, "shop")
    add(postgres, 2, at="2026-01-01 00:06:00+00")
    add(postgres, 3, at="2026-01-01 00:04:00+00")  # before the window of 300 s
    found = pull(settings, shop, "shop").tables["orders"]
    assert (found.rows, found.notes) == (1, ["1 row came late, after others with a newer updated_at"])
    orders_of(shop).overlap = 3600
    assert pull(settings, shop, "shop").tables["orders"].rows >= 1
    assert raw(lake, shop, "select id from raw.shop__orders order by 1") == [("o00001",), ("o00002",), ("o00003",)]


def test_rows_without_a_cursor_are_not_lost(settings: Settings, shop: Config, postgres: Any, lake: LocalLake) -> None:
    add(postgres, 1)
    pull(settings, shop, "shop")
    postgres.execute("insert into orders (id) values ('later')")
    assert pull(settings, shop, "shop").tables["orders"].rows == 1
    assert pull(settings, shop, "shop").tables["orders"].rows == 0


def test_a_long_pull_that_is_ended_goes_on_after_its_last_package(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "PACKAGE_ROWS", 1)
    monkeypatch.setattr("headwater.land.postgres.BLOCK_BYTES", 2_000)
    orders_of(shop).overlap = 0
    postgres.execute(
        "insert into orders (id, updated_at, name) select i::text, timestamptz '2026-01-01 00:00Z' + i * interval "
        "'1 second', repeat('x', 100) from generate_series(1, 300) i"
    )
    objects: list[int] = []
    real = LocalLake.put

    def put(self: LocalLake, key: str, content: Any) -> Any:
        if key.startswith("extracts/"):
            objects.append(1)
            if len(objects) >= 4:
                raise OSError(5, "broken")
        return real(self, key, content)

    with monkeypatch.context() as patched, pytest.raises(UnavailableError):
        patched.setattr(LocalLake, "put", put)
        pull(settings, shop, "shop")
    found = pull(settings, shop, "shop").tables["orders"]
    assert 0 < found.rows < 300
    assert raw(lake, shop, "select count(*), count(distinct id) from raw.shop__orders") == [(300, 300)]


def test_a_long_pull_is_several_packages_and_whole(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "PACKAGE_ROWS", 1)
    monkeypatch.setattr("headwater.land.postgres.BLOCK_BYTES", 2_000)
    postgres.execute(
        "insert into orders (id, updated_at, name) select i::text, timestamptz '2026-01-01 00:00Z' + i * interval "
        "'1 second', repeat('x', 100) from generate_series(1, 300) i"
    )
    found = pull(settings, shop, "shop").tables["orders"]
    assert found.objects > 5
    assert found.rows == 300


def test_a_new_column_appears_and_fills_itself_for_the_older_rows(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    add(postgres, 1, 2)
    pull(settings, shop, "shop")
    postgres.execute("alter table orders add column colour text default 'red'")
    add(postgres, 3, at="2026-01-05 00:00+00", colour="blue")
    found = pull(settings, shop, "shop").tables["orders"]
    assert found.changes == ["column colour (text) is not declared: evolve"]
    assert raw(lake, shop, "select id, colour from raw.shop__orders order by 1") == [
        ("o00001", "red"),
        ("o00002", "red"),
        ("o00003", "blue"),
    ]
    assert raw(lake, shop, "select table_name, column_name, change, new_type, action from raw.schema_changes") == [
        ("orders", "colour", "column added", "text", "evolve")
    ]
    assert pull(settings, shop, "shop").tables["orders"].changes == []


def test_a_discarded_column_stays_out_and_a_frozen_table_is_not_pulled(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    add(postgres, 1)
    postgres.execute("alter table orders add column colour text")
    orders_of(shop).contract = Contract(columns="discard")
    assert pull(settings, shop, "shop").tables["orders"].changes == ["column colour (text) is not declared: discard"]
    orders_of(shop).contract = Contract(columns="freeze")
    with pytest.raises(DataError, match=r"shop's orders has columns that are not declared: colour"):
        pull(settings, shop, "shop")
    names = raw(lake, shop, "select column_name from duckdb_columns() where table_name = 'shop__orders'")
    assert "colour" not in {name for (name,) in names}
    assert len(raw(lake, shop, "from raw.schema_changes")) == 2


def test_a_type_that_changed_is_kept_aside_evolves_or_stops_the_table_as_its_contract_says(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake, landed_rows: Rows
) -> None:
    add(postgres, 1, 2, total=1)
    pull(settings, shop, "shop")
    postgres.execute("alter table orders alter total type text")
    postgres.execute("update orders set total = 'many', updated_at = '2026-01-02' where id = 'o00002'")
    postgres.execute("update orders set total = '12', updated_at = '2026-01-02' where id = 'o00001'")
    found = pull(settings, shop, "shop").tables["orders"]
    assert (found.rows, found.quarantined) == (1, 1)
    assert found.changes == ["column total is declared as integer and holds text: discard"]
    assert [row[0] for row in landed_rows("quarantine/extracts/")] == ["wrong type"]
    assert raw(lake, shop, "select id, total from raw.shop__orders order by 1") == [("o00001", 12), ("o00002", 1)]
    orders_of(shop).contract = Contract(types="freeze")
    with pytest.raises(DataError, match=r"column total is declared as integer and holds text; its contract freezes"):
        pull(settings, shop, "shop")
    orders_of(shop).contract = Contract(types="evolve")
    pull(settings, shop, "shop")
    evolved = raw(lake, shop, "select id, total from raw.shop__orders order by 1")
    assert evolved == [("o00001", "12"), ("o00002", "many")]


def test_a_row_that_was_kept_aside_and_mended_without_a_new_cursor_comes_by_itself(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    postgres.execute("alter table orders alter total type text")
    add(postgres, 1, total="many", at="2026-01-01 00:00+00")
    add(postgres, 2, total="2", at="2026-02-01 00:00+00")
    pull(settings, shop, "shop")
    postgres.execute("update orders set total = '1' where id = 'o00001'")
    assert pull(settings, shop, "shop").tables["orders"].rows == 1
    assert raw(lake, shop, "select id, total from raw.shop__orders order by 1") == [("o00001", 1), ("o00002", 2)]


def test_a_value_that_the_column_cannot_hold_is_kept_aside_alone(
    settings: Settings, shop: Config, postgres: Any
) -> None:
    postgres.execute("alter table orders alter weight type numeric")
    add(postgres, 1, weight=Decimal("1.5"))
    add(postgres, 2, weight=Decimal(10) ** 20)
    found = pull(settings, shop, "shop").tables["orders"]
    assert (found.rows, found.quarantined) == (1, 1)


def test_a_column_that_is_gone_stops_the_table_and_overwrites_nothing(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    add(postgres, 1, name="ann")
    pull(settings, shop, "shop")
    postgres.execute("alter table orders drop column name")
    with pytest.raises(DataError, match=r"shop's orders has no column name any more"):
        pull(settings, shop, "shop")
    assert raw(lake, shop, "select name from raw.shop__orders") == [("ann",)]
    assert raw(lake, shop, "select change, action from raw.schema_changes") == [("column removed", "discard")]


def test_deleted_rows_are_found_by_their_flag(settings: Settings, shop: Config, postgres: Any, lake: LocalLake) -> None:
    orders_of(shop).deletes = "flag"
    postgres.execute("alter table orders add column deleted_at timestamptz")
    add(postgres, 1, 2)
    pull(settings, shop, "shop")
    postgres.execute("update orders set deleted_at = now(), updated_at = '2026-01-02' where id = 'o00002'")
    pull(settings, shop, "shop")
    query = "select id, _is_deleted from raw.shop__orders order by 1"
    assert raw(lake, shop, query) == [("o00001", False), ("o00002", True)]


def test_a_scan_of_the_keys_finds_what_is_gone_and_what_came_back_and_what_was_never_seen(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    table = orders_of(shop)
    table.deletes, table.scan_hours = "scan", 0
    add(postgres, *range(5), at="2026-01-05 00:00+00")
    pull(settings, shop, "shop")
    postgres.execute("delete from orders where id = 'o00002'")
    add(postgres, 7, at="2026-01-01 00:00+00")  # long before the cursor
    found = pull(settings, shop, "shop").tables["orders"]
    assert (found.deleted, found.rows) == (1, 1)
    query = "select id from raw.shop__orders where _is_deleted is not true order by 1"
    there = [("o00000",), ("o00001",), ("o00003",), ("o00004",), ("o00007",)]
    assert raw(lake, shop, query) == there
    assert pull(settings, shop, "shop").tables["orders"].deleted == 0
    add(postgres, 2, at="2026-01-05 00:00+00")
    pull(settings, shop, "shop")
    assert raw(lake, shop, query) == sorted([*there, ("o00002",)])
    postgres.execute("delete from orders where id = 'o00002'")
    assert pull(settings, shop, "shop").tables["orders"].deleted == 1
    assert raw(lake, shop, query) == there


def test_a_scan_that_misses_most_rows_is_not_believed(
    settings: Settings, shop: Config, postgres: Any, lake: LocalLake
) -> None:
    table = orders_of(shop)
    table.deletes, table.scan_hours = "scan", 0
    add(postgres, *range(5))
    pull(settings, shop, "shop")
    postgres.execute("delete from orders")
    found = pull(settings, shop, "shop").tables["orders"]
    assert found.deleted == 0
    assert "misses 5 of 5 rows" in " ".join(found.notes)
    assert raw(lake, shop, "select count(*) from raw.shop__orders where _is_deleted") == [(0,)]


def test_a_query_may_stand_for_a_table(settings: Settings, shop: Config, postgres: Any, lake: LocalLake) -> None:
    source = shop.sources["shop"]
    assert isinstance(source, SqlSource)
    source.tables["orders"] = SqlTable(
        query="select id, total * 2 as total, updated_at from orders",
        columns={"id": "text", "total": "integer", "updated_at": "timestamp"},
    )
    add(postgres, 1, total=21)
    pull(settings, shop, "shop")
    assert raw(lake, shop, "select id, total from raw.shop__orders") == [("o00001", 42)]


def test_a_server_that_is_not_there_is_unavailable_and_the_url_without_its_password(
    settings: Settings, config_of: Callable[..., Config]
) -> None:
    table = SqlTable(columns={"id": "text", "updated_at": "timestamp"})
    config = config_of(shop=SqlSource(url="postgresql://u:secret@127.0.0.1:1/x", tables={"orders": table}))
    with pytest.raises(UnavailableError, match="shop's orders cannot be reached") as caught:
        pull(settings, config, "shop")
    assert "secret" not in str(caught.value)


@pytest.fixture
def sqlite(tmp_path: Path, config_of: Callable[..., Config]) -> tuple[sqlite3.Connection, Config]:
    """A SQLite file with an empty `orders`, and the config that pulls it."""
    con = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    con.execute("create table orders (id text, total integer, is_paid boolean, updated_at timestamp)")
    columns: dict[str, Any] = {"id": "text", "total": "integer", "is_paid": "boolean", "updated_at": "timestamp"}
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    return con, config_of(shop=SqlSource(url=url, tables={"orders": SqlTable(columns=columns)}))


def test_any_database_of_sqlalchemy_is_pulled_by_cursor_with_its_bad_rows_kept_aside(
    settings: Settings, sqlite: tuple[sqlite3.Connection, Config], lake: LocalLake, landed_rows: Rows
) -> None:
    con, config = sqlite
    con.execute("insert into orders values ('a', 1, 1, '2026-01-01 00:00:00'), ('b', 'many', 0, '2026-01-01 00:00:01')")
    found = pull(settings, config, "shop").tables["orders"]
    assert (found.rows, found.quarantined) == (1, 1), landed_rows("quarantine/")
    con.execute("update orders set total = 5, updated_at = '2026-01-02 00:00:00' where id = 'b'")
    assert pull(settings, config, "shop").tables["orders"].rows == 1
    rows = raw(lake, config, "select id, total, is_paid, updated_at from raw.shop__orders order by 1")
    assert rows == [("a", 1, True, datetime(2026, 1, 1)), ("b", 5, False, datetime(2026, 1, 2))]


def test_a_url_that_names_no_database_is_a_config_error(settings: Settings, config_of: Callable[..., Config]) -> None:
    table = SqlTable(columns={"id": "text", "updated_at": "timestamp"})
    config = config_of(shop=SqlSource(url="oracle9i://x", tables={"orders": table}))
    with pytest.raises(ConfigError, match="the url cannot be used"):
        pull(settings, config, "shop")
