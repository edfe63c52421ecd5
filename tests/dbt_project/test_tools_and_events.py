"""What tools say beside the events, from their rows to the profile: a mailing counts once whoever tells of it, an order
that is not paid is no sale, and a price or a coupon is worth what it was worth then."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.settings import load_settings
from headwater.storage.warehouse import connect

from .conftest import _event, _insert, _ordered, _track, build, fill

pytestmark = pytest.mark.slow

SELECTED = (
    *("--exclude-resource-type", "test", "unit_test"),
    *(
        "--select",
        "+customer_360",
        "trait_provenance",
        "+int_churn_features",
        "+subscription_months",
        "+metrics_monthly",
    ),
)
FIRST, SECOND = "2026-02-20 12:00:00", "2026-04-05 12:00:00"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company in two days; between them the payment tool's plan becomes dearer for Dan and cheaper for Ann."""
    home = tmp_path_factory.mktemp("tools") / "home"
    fill(home)
    with connect(load_settings(home=home), purpose="test") as con:
        for table, rows in _ROWS.items():
            for row in rows:
                _insert(con, table, row)
        for event in _events():
            _insert(con, "raw.events", event)
    build(home, *SELECTED, as_of=FIRST)
    with connect(load_settings(home=home), purpose="test") as con:
        for who, price in {"ann": 600, "dan": 1500}.items():
            con.execute(
                "update raw.payments__subscriptions set price_cents = ?, updated_at = timestamp '2026-03-10'"
                " where id = ?",
                [price, f"sub_{who}"],
            )
    build(home, *SELECTED, as_of=SECOND)
    return home


_ROWS: dict[str, list[dict[str, Any]]] = {
    "identity.identifiers": [
        {"id_type": "payment_id", "id_value": "cus_dan", "customer_id": "dan"},
        {"id_type": "email", "id_value": "dan@example.com", "customer_id": "dan"},
        {"id_type": "crm_id", "id_value": "crm_dan", "customer_id": "dan"},
        {"id_type": "phone", "id_value": "+442079460018", "customer_id": "dan"},
        {"id_type": "named_phone", "id_value": "+12125550142/dan", "customer_id": "dan"},
    ],
    "raw.email__contacts": [{"id": "e2", "email": "dan@example.com", "status": "subscribed"}],
    "raw.email__sends": [
        # Dan's opening only the tool's record tells, Ann's both; her other mailing only an event
        {"id": "n2", "contact_id": "e2", "campaign_id": "nl1", "status": "clicked", "sent_at": datetime(2026, 2, 1),
         "opened_at": datetime(2026, 2, 1, 8), "clicked_at": datetime(2026, 2, 1, 9)},
        {"id": "n3", "contact_id": "e1", "campaign_id": "nl3", "status": "opened", "sent_at": datetime(2026, 2, 8),
         "opened_at": datetime(2026, 2, 8, 8)},
    ],
    "raw.crm__contacts": [{"id": "crm_dan", "phone": "+44 20 7946 0018"}],
    "raw.payments__customers": [{"id": "cus_dan", "user_id": "u_dan"}],
    "raw.payments__orders": [
        {"id": number, "customer_id": "cus_dan", "total_cents": 9900, "currency": "USD", "status": status,
         "ordered_at": datetime(2026, 2, 5), "updated_at": datetime(2026, 2, 5)}
        for number, status in {"unpaid1": "failed", "unpaid2": "pending", "paid": "paid"}.items()
    ],
    "raw.payments__coupons": [
        {"id": "c1", "code": "SPRING", "percent_off": 10, "valid_from": datetime(2025, 3, 1),
         "valid_until": datetime(2025, 4, 1), "updated_at": datetime(2025, 3, 1)},
        {"id": "c2", "code": "SPRING", "percent_off": 50, "valid_from": datetime(2026, 3, 1),
         "valid_until": datetime(2026, 4, 1), "updated_at": datetime(2026, 3, 1)},
    ],
    "raw.payments__subscriptions": [
        {"id": f"sub_{who}", "customer_id": f"cus_{who}", "plan": "club", "price_cents": 900, "currency": "USD",
         "status": "active", "started_at": datetime(2026, 1, 5), "updated_at": datetime(2026, 1, 5)}
        for who in ("ann", "dan")
    ],
}  # fmt: skip


def _events() -> list[dict[str, Any]]:
    mail = {"source": "server", "userId": "u_ann", "properties": {"campaign_id": "nl3"}}
    dan = {"userId": "u_dan", "anonymousId": "d_dan"}
    orders = {
        "unpaid1": ("2026-02-05 00:00:00", {}),
        "unpaid2": ("2026-02-05 00:00:00", {}),
        "paid": ("2026-02-05 00:00:00", {}),
        "last_year": ("2025-03-10 00:00:00", {"coupon": "SPRING"}),
        "this_year": ("2026-03-10 00:00:00", {"coupon": "SPRING"}),
        "between": ("2025-12-24 00:00:00", {"coupon": "SPRING"}),
    }
    return [
        _track("2026-02-08 08:00:00", "Email Opened", **mail),
        _track("2026-02-08 08:00:00", "Email Sent", source="server", userId="u_ann", properties={"campaign_id": "nl4"}),
        *(
            _track(at, "Order Completed", properties=_ordered(number, 99, ("p1", "boots", 99.0, 1), **more), **dan)
            for number, (at, more) in orders.items()
        ),
        _track("2026-02-06 00:00:00", "Order Cancelled", properties={"order_id": "unpaid1", "total": 99}, **dan),
        _event("2026-02-06 00:00:00", type="page", name="Home", **dan),
        _event("2026-02-06 00:00:00", type="identify", traits={"phone": "(020) 7946-0018"}, **dan),
        _event("2026-02-06 12:00:00", type="identify", traits={"phone": "212.555.0142"}, **dan),
        _event("2026-02-07 00:00:00", type="identify", traits={"phone": "ask my wife"}, **dan),
        *(
            _event(at, type="identify", traits={"address": address}, **dan)
            for at, address in {
                "2026-01-06 00:00:00": {"street": "1 Old Road", "city": "Leeds", "postal_code": "LS1", "country": "GB"},
                "2026-02-06 00:00:00": {"street": "2 New Road", "city": "Bonn", "postalCode": "53111", "country": "DE"},
            }.items()
        ),
    ]


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


def test_a_profile_counts_mailings_as_its_journey_has_them(home: Path) -> None:
    found = "select customer_id, count_email_sends, count_email_opens, count_email_clicks from marts.customer_360"
    assert rows(home, f"{found} where customer_id in ('ann', 'dan') order by 1") == [("ann", 3, 2, 0), ("dan", 1, 1, 1)]
    journey = rows(
        home,
        "select customer_id, count(*) filter (where kind = 'email_sent'), count(*) filter (where kind = 'email_open'),"
        " count(*) filter (where kind = 'email_click') from marts.customer_journey group by 1",
    )
    assert sorted(journey) == sorted(rows(home, found))


def test_the_features_know_of_the_tools_openings_only_once_they_happened(home: Path) -> None:
    found = rows(
        home,
        "select observation_date::text, count_email_opens_90d, count_email_clicks_90d"
        " from intermediate.int_churn_features where customer_id = 'dan' and observation_date >= '2026-02-01'"
        " order by 1",
    )
    assert found == [("2026-02-01", 0, 0), ("2026-03-01", 1, 1), ("2026-04-01", 1, 1), ("2026-04-05", 1, 1)]


def test_an_order_that_was_not_paid_is_no_sale_and_nothing_of_it_is_taken_back(home: Path) -> None:
    found = rows(home, "select order_id, total_cents from marts.orders where customer_id = 'dan' order by 1")
    numbers = [number for number, _ in found]
    assert ("paid", 9900) in found
    assert not [number for number in numbers if number.startswith("unpaid")]
    assert not rows(home, "select * from marts.order_lines where order_id like 'unpaid%'")
    assert not rows(home, "select * from marts.customer_journey where source_id like 'unpaid%' and system = 'orders'")


def test_a_code_that_comes_back_takes_off_what_it_was_worth_then(home: Path) -> None:
    found = rows(home, "select order_id, discount_cents from marts.orders where coupon_code = 'SPRING' order by 1")
    assert found == [("between", 0), ("last_year", 990), ("o1", 0), ("this_year", 4950)]
    assert rows(home, "select count(*) from staging.stg_payments__coupons where coupon_code = 'SPRING'") == [(2,)]


def test_a_new_price_changes_the_mrr_from_then_on_and_not_before(home: Path, tmp_path: Path) -> None:
    months = (
        "select customer_id, month_start::text, mrr_cents, movement from marts.subscription_months"
        " where customer_id in ('ann', 'dan') order by 1, 2"
    )
    expected = [
        ("ann", "2026-01-01", 900, "new"),
        ("ann", "2026-02-01", 900, "kept"),
        ("ann", "2026-03-01", 600, "contraction"),
        ("ann", "2026-04-01", 600, "kept"),
        ("dan", "2026-01-01", 900, "new"),
        ("dan", "2026-02-01", 900, "kept"),
        ("dan", "2026-03-01", 1500, "expansion"),
        ("dan", "2026-04-01", 1500, "kept"),
    ]
    assert rows(home, months) == expected
    metric = (
        "select month_start::text, value from marts.metrics_monthly"
        " where metric = 'mrr' and month_start >= '2026-01-01' order by 1"
    )
    totals = [
        ("2026-01-01", 1800 + 990),  # Cat has one too, and cancels in February
        ("2026-02-01", 1800),
        ("2026-03-01", 2100),
        ("2026-04-01", 2100),
    ]
    assert rows(home, metric) == totals
    assert rows(home, "select sum(mrr_cents) from marts.subscriptions") == [(2100,)]
    features = (
        "select observation_date::text, plan_price_cents from intermediate.int_churn_features where customer_id = 'dan'"
        " and observation_date >= '2026-03-01' order by 1"
    )
    assert rows(home, features) == [("2026-03-01", 900), ("2026-04-01", 1500), ("2026-04-05", 1500)]
    touchpoints = (
        "select customer_id, value_cents from marts.customer_journey where kind = 'subscription_started'"
        " and customer_id in ('ann', 'dan') order by 1"
    )
    assert rows(home, touchpoints) == [("ann", 900), ("dan", 900)]

    whole = tmp_path / "whole"
    shutil.copytree(home, whole)
    build(whole, "--full-refresh", *SELECTED, as_of=SECOND)
    for query in (months, metric, features, touchpoints):
        assert rows(whole, query) == rows(home, query)


def test_of_a_time_before_the_new_price_the_old_one_is_told(home: Path, tmp_path: Path) -> None:
    then = tmp_path / "then"
    shutil.copytree(home, then)
    models = ("int_as_of", "dates", "subscriptions", "subscription_months")
    build(then, "--exclude-resource-type", "test", "unit_test", "--select", *models, as_of=FIRST)
    assert rows(
        then, "select customer_id, price_cents, mrr_cents from marts.subscriptions where customer_id = 'dan'"
    ) == [("dan", 900, 900)]
    assert rows(then, "select max(mrr_cents) from marts.subscription_months where customer_id = 'dan'") == [(900,)]


def test_the_address_that_was_told_last_is_in_the_profile_with_its_source_and_rule(home: Path) -> None:
    found = "select address_street, address_city, address_postal_code, country from marts.customer_360"
    assert rows(home, f"{found} where customer_id = 'dan'") == [("2 New Road", "Bonn", "53111", "DE")]
    told = rows(
        home,
        "select trait, trait_value, source_name, rule, reason from marts.trait_provenance"
        " where customer_id = 'dan' and is_believed and trait in ('address_city', 'country') order by 1",
    )
    assert told == [
        ("address_city", "Bonn", "events", "most_recent", "events said so last"),
        ("country", "DE", "events", "most_trusted", "events said this later than its other value"),
    ]


def test_a_telephone_number_is_one_value_however_it_is_written(home: Path) -> None:
    assert rows(home, "select phone from marts.customer_360 where customer_id = 'dan'") == [("+442079460018",)]
    claims = "select source_name, trait_value, is_believed from marts.trait_provenance"
    assert rows(home, f"{claims} where customer_id = 'dan' and trait = 'phone' order by all") == [
        ("crm", "+442079460018", True),
        ("events", "+12125550142", False),
        ("events", "+442079460018", False),
        ("events", "ask my wife", False),
    ]


def test_without_a_snapshot_the_price_of_today_is_all_that_is_known(home: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(home, bare)
    with connect(load_settings(home=bare), purpose="test") as con:
        con.execute("drop table snapshots.subscriptions")
    build(bare, *SELECTED[:3], "--select", "int_subscription_prices", as_of=SECOND)
    prices = "select price_cents, ended_at from intermediate.int_subscription_prices where customer_id = 'dan'"
    assert rows(bare, prices) == [(1500, None)]
