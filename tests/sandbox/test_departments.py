"""What the shop platform, billing, the email tool, sales and the help desk keep agrees with the rest of the company."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sandbox.clock import parse

pytestmark = pytest.mark.slow

ReadEvents = Callable[[Path], list[dict[str, Any]]]
Rows = list[dict[str, Any]]


@pytest.fixture
def rows(small: Path) -> Callable[[str], Rows]:
    """Reads a tool's table."""

    def read(table: str) -> Rows:
        with sqlite3.connect(small / "tools.sqlite") as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(f"select * from {table}")]

    return read


def test_every_line_that_was_sold_has_a_product_with_its_cost_and_a_sku(rows: Callable[[str], Rows]) -> None:
    products = {row["id"]: row for row in rows("shop_products")}
    skus = {row["product_id"]: row for row in rows("payments_skus")}
    stock = {row["product_id"]: row for row in rows("shop_inventory")}
    sold = {row["product_id"] for row in rows("payments_order_lines")}
    assert sold <= skus.keys() == stock.keys() < products.keys()
    for key, sku in skus.items():
        product = products[key]
        assert 0.3 * sku["unit_price_cents"] < product["unit_cost_cents"] < 0.8 * sku["unit_price_cents"]
        assert (product["list_price_cents"], product["sku"]) == (sku["unit_price_cents"], sku["sku"])
        assert stock[key]["available"] >= 0
    changed = [row for row in products.values() if row["updated_at"] > row["created_at"]]
    assert len(changed) > 10
    assert any(row["deleted_at"] for row in products.values())
    assert all(row["is_active"] == 0 for row in products.values() if row["deleted_at"])


def test_a_coupon_explains_the_discount_of_every_order_that_used_it(rows: Callable[[str], Rows]) -> None:
    coupons = defaultdict(list)
    for row in rows("payments_coupons"):
        coupons[row["code"]].append(row)
    goods: dict[str, int] = defaultdict(int)
    for line in rows("payments_order_lines"):
        goods[line["order_id"]] += line["quantity"] * line["unit_price_cents"]
    used = 0
    for order in rows("payments_orders"):
        if order["coupon_code"] is None:
            assert order["coupon_discount_cents"] == 0
            continue
        [coupon] = [
            one
            for one in coupons[order["coupon_code"]]
            if one["valid_from"] <= order["ordered_at"] < (one["valid_until"] or "9999")
        ]
        assert order["coupon_discount_cents"] == goods[order["id"]] * coupon["percent_off"] // 100
        used += 1
    assert used > 20


def test_a_subscription_is_billed_every_month_until_it_ends(rows: Callable[[str], Rows]) -> None:
    invoices = defaultdict(list)
    for row in rows("payments_invoices"):
        invoices[row["subscription_id"]].append(row)
    subscriptions = rows("payments_subscriptions")
    assert invoices.keys() == {row["id"] for row in subscriptions}
    for subscription in subscriptions:
        issued = sorted(row["issued_at"] for row in invoices[subscription["id"]])
        assert issued[0] == subscription["started_at"]
        assert issued[-1] < (subscription["cancelled_at"] or "9999")
        days = [(parse(later) - parse(earlier)) / 86_400_000 for earlier, later in pairwise(issued)]
        assert all(25 <= gap <= 31 for gap in days)
        for row in invoices[subscription["id"]]:
            assert row["amount_cents"] == subscription["price_cents"]
            assert (row["paid_at"] is not None) == (row["status"] == "paid")
            assert row["updated_at"] == max(filter(None, (row["issued_at"], row["paid_at"], row["updated_at"])))
    assert {row["status"] for found in invoices.values() for row in found} <= {"paid", "open", "uncollectible"}


def test_mails_that_were_opened_and_clicked_are_those_of_the_events(
    small: Path, rows: Callable[[str], Rows], read_events: ReadEvents
) -> None:
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in read_events(small):
        if event.get("event") in ("Email Opened", "Email Link Clicked"):
            told[event["event"], event["properties"]["campaign_id"]].add(event["timestamp"])
    sends = rows("email_sends")
    for name, column in (("Email Opened", "opened_at"), ("Email Link Clicked", "clicked_at")):
        kept: dict[tuple[str, str], set[str]] = defaultdict(set)
        for row in sends:
            if row[column]:
                kept[name, row["campaign_id"]].add(row[column])
        heard = {key: times for key, times in told.items() if key[0] == name}
        assert sum(map(len, heard.values())) > 40
        # what was opened in the last seconds is told by an event later
        assert sum(len(heard.get(key, set()) ^ times) for key, times in kept.items()) <= 2
    for row in sends:
        assert row["status"] == ("clicked" if row["clicked_at"] else "opened" if row["opened_at"] else "sent")
        assert row["updated_at"] == (row["clicked_at"] or row["opened_at"] or row["sent_at"])


def test_a_deal_stands_where_its_history_ends(rows: Callable[[str], Rows]) -> None:
    history = defaultdict(list)
    for row in sorted(rows("crm_opportunity_stages"), key=lambda row: row["changed_at"]):
        history[row["opportunity_id"]].append(row)
    deals = rows("crm_opportunities")
    assert deals and history.keys() == {row["id"] for row in deals}
    for deal in deals:
        steps = history[deal["id"]]
        assert (steps[-1]["stage"], steps[-1]["risk_status"]) == (deal["stage"], deal["risk_status"])
        assert steps[-1]["changed_at"] == deal["updated_at"]
        assert steps[0]["stage"] == "qualification"
        same = [(step["stage"], step["risk_status"]) for step in steps]
        assert all(one != following for one, following in pairwise(same))


def test_sales_calls_have_a_length_and_a_caller(large: Path) -> None:
    with sqlite3.connect(large / "tools.sqlite") as database:
        database.row_factory = sqlite3.Row
        activities = database.execute("select * from crm_activities").fetchall()
    assert {row["kind"] for row in activities} == {"call", "meeting", "mail"}
    for row in activities:
        assert row["owner"]
        assert (row["duration_seconds"] is None) == (row["kind"] == "mail")
        assert row["deleted_at"] in (None, row["updated_at"])
    assert 0 < sum(row["deleted_at"] is not None for row in activities) < 0.1 * len(activities)


def test_a_ticket_is_answered_by_an_agent_before_it_is_solved_and_rated_after(rows: Callable[[str], Rows]) -> None:
    agents = {row["id"] for row in rows("support_agents")}
    tickets = {row["id"]: row for row in rows("support_tickets")}
    for row in tickets.values():
        assert (row["agent_id"] is None) == (row["first_response_at"] is None)
        assert row["agent_id"] is None or row["agent_id"] in agents
        assert (row["solved_at"] is not None) == (row["status"] == "solved")
        times = [row["created_at"], row["first_response_at"], row["solved_at"]]
        assert [time for time in times if time] == sorted(time for time in times if time)
    ratings = rows("support_ratings")
    assert len(ratings) > 10
    for row in ratings:
        ticket = tickets[row["ticket_id"]]
        assert row["rated_at"] > ticket["solved_at"]
        assert 1 <= row["score"] <= 5
        assert ticket["satisfaction"] in ("good", "bad")
