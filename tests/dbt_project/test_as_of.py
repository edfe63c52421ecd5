"""A build as of an earlier time: what happened after it counts for nothing in whatever tells of a person."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from .conftest import Built, build

AS_OF = "2026-02-09 12:00:00"
TIMES = (
    *("first_seen_at", "last_seen_at", "first_order_at", "last_order_at", "subscription_started_at"),
    *("subscription_cancelled_at", "last_session_at", "last_support_contact_at", "last_login_at", "registered_at"),
    "first_touch_at",
)


def test_profiles_traits_and_audiences_are_what_they_were_then(company: Built, tmp_path: Path) -> None:
    shutil.copy(company.home / "warehouse.duckdb", tmp_path / "warehouse.duckdb")
    read = ("+customer_360", "+computed_traits", "+accounts", "+config.schema:audiences")
    built = build(tmp_path, "--select", *read, "--exclude", "config.schema:staging", as_of=AS_OF)
    latest = ", ".join(f"max({name})" for name in TIMES)
    (times,) = built.rows(f"select {latest} from marts.customer_360")
    assert max(at for at in times if at) <= datetime.fromisoformat(AS_OF)
    # after that day Ann gave something back and opened a mail, Cat cancelled, and her deal moved on
    profiles = (
        "select customer_id, count_orders, count_refunds, revenue_cents, count_email_opens, lifecycle_stage,"
        " subscription_state, mrr_cents, count_tickets_open, opportunity_stage from marts.customer_360"
        " where customer_id in ('ann', 'cat', 'eve') order by 1"
    )
    assert built.rows(profiles) == [
        ("ann", 2, 0, 16051, 0, "repeat", "never", 0, 0, None),
        ("cat", 0, 0, None, 0, "new", "active", 990, 2, "qualified"),
        ("eve", 0, 0, None, 0, "visitor", "never", 0, 0, None),
    ]
    assert built.rows(
        "select days_since_last_order, days_since_last_session from marts.computed_traits where customer_id = 'ann'"
    ) == [(20, 20)]
    assert built.rows("select count_sessions, first_seen_at from marts.customer_360 where customer_id = 'eve'") == [
        (0, None)
    ]
    # nobody had left by then: Cat leaves on the next day
    assert built.rows("select customer_id from audiences.churned_customers") == []
    assert company.rows("select customer_id from audiences.churned_customers") == [("cat",)]


def test_what_happened_in_the_very_moment_counts(company: Built, tmp_path: Path) -> None:
    """The default «now» is the last receipt: the last order of the data is one of those «to date»."""
    shutil.copy(company.home / "warehouse.duckdb", tmp_path / "warehouse.duckdb")
    last = "2026-02-04 00:00:00"  # Dan's cancellation
    read = ("int_as_of", "int_customers_staged", "int_customers_rfm", "customer_360")
    built = build(tmp_path, "--select", *read, "--indirect-selection", "cautious", as_of=last)
    found = built.rows("select count_orders, count_cancellations from marts.customer_360 where customer_id = 'dan'")
    assert found == [(1, 1)]
