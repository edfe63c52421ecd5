"""Extracts into the warehouse: latest wins, versions stay, money is exact, nothing twice."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from duckdb import DuckDBPyConnection

from headwater.configuration import (
    ColumnRule,
    ColumnType,
    Config,
    CsvSource,
    CsvTable,
    EdgeSource,
    Identity,
    Platform,
    RestSource,
    RestTable,
)
from headwater.errors import DataError, UsageError
from headwater.load import feeds
from headwater.load.extracts import load_extracts
from headwater.storage.lake import Lake
from headwater.storage.warehouse import transaction

CONTACTS: dict[str, ColumnType] = {"id": "text", "email": "text", "updated_at": "timestamp"}
ORDERS: dict[str, ColumnType] = {"order_id": "text", "customer": "text", "total": "decimal"}


@pytest.fixture
def config() -> Config:
    contacts = RestTable(path="contacts", columns=dict(CONTACTS))
    orders = CsvTable(
        file="orders.csv",
        primary_key=["order_id"],
        columns=dict(ORDERS),
        feeds="orders",
        mapping={
            "order_id": "order_id",
            "user_id": "customer",
            "total_cents": ColumnRule(from_="total", times=100),
            "currency": ColumnRule(value="GBP"),
        },
    )
    return Config(
        platform=Platform(company="Test", currency="EUR", stacks=[]),
        sources={
            "crm": RestSource(base_url="http://unused", token="", tables={"contacts": contacts}),
            "shop": CsvSource(tables={"orders": orders}),
        },
        import_source="",
        identity=Identity(id_types={}, edges=[]),
    )


def put(lake: Lake, table: str, second: int, rows: Sequence[Sequence[Any]], names: Sequence[str]) -> str:
    """Land rows as the pull of the given second."""
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    key = f"extracts/{table}/20260101T0000{second:02d}000000Z-{second:012d}.parquet"
    lake.put(key, buffer.getvalue())
    return key


def at(second: int) -> datetime:
    return datetime(2026, 1, 1, 0, 0, second)


def contacts(con: DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return con.execute("select id, email from raw.crm__contacts order by id").fetchall()


def test_an_empty_lake_gives_empty_typed_tables(con: DuckDBPyConnection, lake: Lake, config: Config) -> None:
    assert load_extracts(con, lake, config, "crm").tables["contacts"].rows == 0
    assert contacts(con) == []
    assert con.execute("select count(*) from raw.files__orders").fetchone() == (0,)


def test_the_latest_of_each_row_stays_by_cursor_then_by_landing(
    con: DuckDBPyConnection, lake: Lake, config: Config
) -> None:
    put(lake, "crm/contacts", 1, [("a", "a1", at(1)), ("b", "b1", at(9)), ("c", "c1", at(3))], list(CONTACTS))
    later = [
        ("a", "a2", at(2)),
        ("b", "back", at(8)),
        ("c", "same cursor", at(3)),
        ("d", "d2", at(7)),
        ("d", "d1", at(6)),
    ]
    put(lake, "crm/contacts", 2, later, list(CONTACTS))
    report = load_extracts(con, lake, config, "crm")
    assert (report.tables["contacts"].objects, report.tables["contacts"].rows) == (2, 4)
    assert contacts(con) == [("a", "a2"), ("b", "back"), ("c", "same cursor"), ("d", "d2")]
    versions = con.execute("select id, email from raw.crm__contacts__versions order by 1, 2").fetchall()
    assert len(versions) == 8  # what was overtaken is known as well


def test_one_load_of_everything_and_a_load_a_day_end_in_the_same_tables(
    con: DuckDBPyConnection, lake: Lake, config: Config
) -> None:
    everything = (
        "select id, email, updated_at, _extracted_at, _lake_object from raw.crm__contacts order by id",
        "select * from raw.crm__contacts__versions order by id, email",
    )
    days = [
        [("a", "a1", at(1)), ("b", "b1", at(1))],
        [("a", "a1", at(5)), ("b", "b2", at(5))],  # a was touched, not changed
        [("b", "b1", at(6)), ("c", "c1", at(6))],  # b is again what it was
    ]
    for second, rows in enumerate(days, 1):
        put(lake, "crm/contacts", second, rows, list(CONTACTS))
        load_extracts(con, lake, config, "crm")
    daily = [con.execute(query).fetchall() for query in everything]
    con.execute("delete from raw.crm__contacts; drop table raw.crm__contacts__versions; delete from raw.loaded_objects")
    load_extracts(con, lake, config, "crm")
    assert [con.execute(query).fetchall() for query in everything] == daily
    assert daily[0][0][-1].endswith("000000000001.parquet")  # unchanged content keeps the object that brought it


def test_loading_again_changes_nothing(con: DuckDBPyConnection, lake: Lake, config: Config) -> None:
    put(lake, "crm/contacts", 1, [("a", "a1", at(1))], list(CONTACTS))
    put(lake, "shop/orders", 1, [("1", "x", Decimal("1.00"))], list(ORDERS))
    for source in ("crm", "shop"):
        load_extracts(con, lake, config, source)
    ledger = con.execute("select * from raw.loaded_objects order by all").fetchall()
    for source in ("crm", "shop"):
        assert [t.rows for t in load_extracts(con, lake, config, source).tables.values()] == [0]
    assert con.execute("select * from raw.loaded_objects order by all").fetchall() == ledger


def test_a_load_that_fails_leaves_neither_rows_nor_ledger(con: DuckDBPyConnection, lake: Lake, config: Config) -> None:
    lake.put("extracts/crm/contacts/20260101T000001000000Z-000000000001.parquet", b"not parquet")
    with pytest.raises(DataError, match="000000000001"):
        load_extracts(con, lake, config, "crm")
    assert con.execute("select count(*) from raw.loaded_objects").fetchone() == (0,)
    with transaction(con):
        pass  # no transaction is left open


def test_the_config_may_gain_columns_and_change_types(con: DuckDBPyConnection, lake: Lake, config: Config) -> None:
    put(lake, "crm/contacts", 1, [("7", "a1", at(1))], list(CONTACTS))
    load_extracts(con, lake, config, "crm")
    source = config.sources["crm"]
    assert isinstance(source, RestSource)
    source.tables["contacts"].columns |= {"phone": "text", "id": "integer"}
    put(lake, "crm/contacts", 2, [(8, "b", at(2), "+49")], [*CONTACTS, "phone"])
    load_extracts(con, lake, config, "crm")
    assert con.execute("select id, phone from raw.crm__contacts order by id").fetchall() == [(7, None), (8, "+49")]


def test_money_is_rounded_half_to_even_from_the_decimal(con: DuckDBPyConnection, lake: Lake, config: Config) -> None:
    totals = {
        "2.675": 268,
        "2.665": 266,
        "-0.005": 0,
        "-0.015": -2,
        "0.29": 29,
        "9999999999.99": 999999999999,
        "": None,
    }
    rows = [(f"{i}", "x", Decimal(text).quantize(Decimal("1e-6")) if text else None) for i, text in enumerate(totals)]
    put(lake, "shop/orders", 1, rows, list(ORDERS))
    load_extracts(con, lake, config, "shop")
    found = con.execute("select total_cents from raw.files__orders order by order_id").fetchall()
    assert [cents for (cents,) in found] == list(totals.values())


def test_a_csv_table_fills_its_canonical_table_and_follows_a_changed_mapping(
    con: DuckDBPyConnection, lake: Lake, config: Config
) -> None:
    con.execute("insert into raw.files__orders (source, order_id) values ('another', '1')")
    put(lake, "shop/orders", 1, [("1", "x", Decimal("1.50"))], list(ORDERS))
    load_extracts(con, lake, config, "shop")
    query = "select order_id, user_id, total_cents, currency from raw.files__orders where source = 'shop'"
    assert con.execute(query).fetchall() == [("1", "x", 150, "GBP")]
    source = config.sources["shop"]
    assert isinstance(source, CsvSource)
    source.tables["orders"].mapping["currency"] = ColumnRule(value="USD")
    load_extracts(con, lake, config, "shop")
    assert con.execute(query).fetchall() == [("1", "x", 150, "USD")]
    assert con.execute("select count(*) from raw.files__orders where source = 'another'").fetchone() == (1,)


def test_a_mapping_to_a_column_that_is_not_there_names_the_choices(
    con: DuckDBPyConnection, lake: Lake, config: Config
) -> None:
    source = config.sources["shop"]
    assert isinstance(source, CsvSource)
    source.tables["orders"].mapping["colour"] = "customer"
    with pytest.raises(UsageError, match=r"shop maps to colour, which raw.files__orders does not have; it has source"):
        load_extracts(con, lake, config, "shop")


def test_an_unknown_source_or_table_is_a_usage_error(con: DuckDBPyConnection, lake: Lake, config: Config) -> None:
    with pytest.raises(UsageError, match="«erp»"):
        load_extracts(con, lake, config, "erp")
    with pytest.raises(UsageError, match="crm has no table leads; it has contacts"):
        load_extracts(con, lake, config, "crm", ["leads"])


def test_a_csv_table_that_identity_reads_keeps_its_versions_from_the_first_object_on(
    con: DuckDBPyConnection, lake: Lake, config: Config
) -> None:
    put(lake, "shop/orders", 1, [("1", "ann", Decimal(1))], list(ORDERS))
    load_extracts(con, lake, config, "shop")
    config.identity.edges.append(EdgeSource(table="raw.shop__orders", ids={}))
    put(lake, "shop/orders", 2, [("1", "bob", Decimal(1))], list(ORDERS))
    load_extracts(con, lake, config, "shop")
    versions = con.execute(
        "select customer, right(_lake_object, 9) from raw.shop__orders__versions order by 1"
    ).fetchall()
    assert versions == [("ann", "1.parquet"), ("bob", "2.parquet")]
    assert con.execute("select customer from raw.shop__orders").fetchall() == [("bob",)]


def test_a_kill_between_a_table_and_its_canonical_one_is_made_good(
    con: DuckDBPyConnection, lake: Lake, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, "shop/orders", 1, [("1", "x", Decimal(1))], list(ORDERS))
    load_extracts(con, lake, config, "shop")
    put(lake, "shop/orders", 2, [("2", "x", Decimal(2))], list(ORDERS))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(feeds, "feed", killed)
        load_extracts(con, lake, config, "shop")
    load_extracts(con, lake, config, "shop")
    assert con.execute("select count(*) from raw.files__orders").fetchone() == (2,)
