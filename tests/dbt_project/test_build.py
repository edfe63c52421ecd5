"""`dbt build` and `dbt docs generate` from the command line, on an empty home and on a small company."""

from __future__ import annotations

import shutil
from datetime import date, datetime
from pathlib import Path

import duckdb

from .conftest import PROJECT, Built


def test_an_empty_new_warehouse_builds_with_every_source_there_and_empty(empty: Built) -> None:
    there = {
        f"{schema}.{name}"
        for schema, name in empty.rows("select table_schema, table_name from information_schema.tables")
    }
    for source in empty.manifest["sources"].values():
        assert f"{source['schema']}.{source['identifier']}" in there
    assert empty.rows("select count(*) from marts.customer_360") == [(0,)]
    assert empty.rows("select count(*) from marts.customer_activation") == [(0,)]
    assert empty.rows("select count(*) from intermediate.int_as_of where as_of is not null") == [(1,)]


def test_a_build_writes_under_the_home_only_and_names_no_warning(empty: Built) -> None:
    assert not (PROJECT / "target").exists()
    assert not (PROJECT / "logs").exists()
    assert "WARN=0 ERROR=0" in empty.output
    assert "WARNING" not in empty.output


def test_docs_generate_describes_what_was_built(empty: Built) -> None:
    assert '"customer_360"' in (empty.home / "dbt" / "target" / "catalog.json").read_text(encoding="utf-8")


def test_only_what_is_free_and_who_is_nobody_is_warned_about(company: Built) -> None:
    assert "WARN=4 ERROR=0" in company.output
    assert "orders_in_another_currency" in company.output
    assert "sales_of_nobody_known" in company.output
    assert "sales_with_a_total_of_zero" in company.output
    assert "order_lines_with_a_price_of_zero" in company.output


def test_an_order_counts_once_whoever_tells_of_it(company: Built) -> None:
    found = company.rows(
        "select order_id, customer_id, kind, total_cents, refunded_cents, currency, source_of_truth from marts.orders"
        " order by order_id"
    )
    assert found == [
        ("A1", None, "adjustment", -700, 0, "GBP", "files"),
        ("C1", "dan", "cancellation", -1000, 0, "GBP", "files"),
        ("f1", "dan", "sale", 5000, 0, "GBP", "files"),
        ("o1", "ann", "sale", 12051, 2000, "USD", "payments"),
        ("o1:r1", "ann", "refund", -2000, 0, "USD", "payments"),
        ("o2", "ann", "sale", 4000, 0, "USD", "events"),
        ("o3", "bob", "sale", 0, 0, "USD", "events"),
        ("o4", "bob", "sale", None, 0, None, "events"),
    ]


def test_a_person_without_prices_has_no_revenue_rather_than_none_of_it(company: Built) -> None:
    found = company.rows("select customer_id, revenue_cents, average_order_cents from marts.customer_360 order by 1")
    assert found == [
        ("ann", 14051, 8026),
        ("bob", 0, None),
        ("cat", None, None),
        ("dan", None, None),  # pounds, and the company counts in dollars
        ("eve", None, None),
    ]


def test_the_profile_believes_the_crm_before_payments_before_events(company: Built) -> None:
    found = company.rows(
        "select customer_id, email, full_name, birth_date, customer_type, account_manager, lifecycle_stage"
        " from marts.customer_360 where customer_id in ('ann', 'cat', 'eve') order by 1"
    )
    assert found == [
        ("ann", "ann@example.com", "Ann A.", None, "retail", None, "repeat"),
        ("cat", "cat@example.com", "Cat C.", date(1990, 3, 16), "wholesale", "Mia", "lapsed"),
        ("eve", None, None, None, "retail", None, "visitor"),
    ]


def test_visits_are_told_apart_by_person_platform_and_silence(company: Built) -> None:
    found = company.rows(
        "select customer_id, platform, started_at, count_events, count_orders, channel from marts.sessions"
        " where customer_id in ('ann', 'cat') order by 1, 3"
    )
    assert found == [
        ("ann", "web", datetime(2025, 12, 20, 10), 1, 0, "paid_search"),
        ("ann", "web", datetime(2026, 1, 10, 9), 2, 1, "direct"),
        ("ann", "web", datetime(2026, 1, 20, 9), 2, 2, "direct"),
        ("cat", "app", datetime(2026, 1, 15, 8), 2, 0, "direct"),
    ]


def test_traits_come_from_what_the_person_did(company: Built) -> None:
    found = company.rows(
        "select customer_id, favourite_category, coupon_rate, average_basket_items, support_load, is_lead_qualified,"
        " days_since_last_order from marts.computed_traits where customer_id in ('ann', 'cat') order by 1"
    )
    assert found == [
        ("ann", "socks", 0.5, 3.5, "none", False, 54),
        ("cat", None, None, None, "heavy", True, None),
    ]


def test_features_know_nothing_that_was_not_known_before_the_observation(company: Built) -> None:
    found = company.rows(
        "select observation_date, is_scoring, count_orders, revenue_cents, count_refunds, days_since_last_order"
        " from intermediate.int_churn_features where customer_id = 'ann' order by 1"
    )
    assert found == [
        (date(2026, 2, 1), False, 1, 12051, 0, 21),  # o2 happened on 20 January and was heard of on 5 February
        (date(2026, 3, 1), False, 2, 14051, 1, 39),
        (date(2026, 3, 15), True, 2, 14051, 1, 54),
    ]


def test_a_subscription_is_seen_as_it_was_and_not_as_it_is(company: Built) -> None:
    found = company.rows(
        "select observation_date, is_subscriber, subscription_age_days, count_tickets, count_chats, age_years"
        " from intermediate.int_churn_features where customer_id = 'cat' order by 1"
    )
    assert found == [
        (date(2026, 2, 1), True, 16, 0, 0, 35),  # the chat began before midnight and was known after it
        (date(2026, 3, 1), False, 44, 2, 1, 35),
        (date(2026, 3, 15), False, 59, 2, 1, 35),
    ]


def test_a_person_is_in_the_activation_table_once(company: Built) -> None:
    found = company.rows(
        "select customer_id, is_high_value_customers, likelihood_to_churn from marts.customer_activation order by 1"
    )
    assert found == [(who, False, None) for who in ("ann", "bob", "cat", "dan", "eve")]


def test_an_event_of_the_year_9999_happened_when_it_was_received(empty: Built, tmp_path: Path) -> None:
    shutil.copy(empty.home / "warehouse.duckdb", tmp_path / "warehouse.duckdb")
    received = datetime(2026, 3, 1, 12)
    times = {"far": datetime(9999, 12, 31), "near": datetime(2026, 3, 2, 11), "past": datetime(2026, 1, 1)}
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        con.executemany(
            "insert into raw.events (message_id, type, event, timestamp, received_at, source, known_at, route, payload,"
            " lake_object, row_number) values (?, 'track', 'Order Completed', ?, ?, 'web', ?, 'import', '{}', 'a', 1)",
            [(name, at, received, at) for name, at in times.items()],
        )
        found = con.execute("select message_id, occurred_at, known_at from staging.stg_events__events").fetchall()
    assert sorted(found) == [("far", received, received), *((n, times[n], times[n]) for n in ("near", "past"))]
