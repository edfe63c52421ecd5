"""People whom one tool alone knows, who never came to the shop: they are customers of the profile and of audiences."""

from __future__ import annotations

import sqlite3

import duckdb
import pytest

from .conftest import Company, T

pytestmark = pytest.mark.slow


def _strangers(warehouse: duckdb.DuckDBPyConnection, habit: str) -> dict[str, str]:
    """address → person, of those who were there by `T`."""
    rows = warehouse.execute(
        f"select person_id, email from truth.people where habit = '{habit}' and arrived_at::timestamp < '{T}'"
    ).fetchall()
    assert len(rows) > 10
    return {address: person for person, address in rows}


def test_a_lead_who_was_never_seen_has_a_profile_with_address_and_status(
    company: Company, warehouse: duckdb.DuckDBPyConnection
) -> None:
    leads = _strangers(warehouse, "lead_only")
    with sqlite3.connect(company.folder / "tools.sqlite") as tools:
        told = {email.strip().lower(): status for email, status in tools.execute("select email, status from crm_leads")}
    found = warehouse.execute(
        "select email, lead_status, lifecycle_stage, count_orders, first_seen_at is not null "
        "from built.marts.customer_360 where list_contains($addresses, email)",
        {"addresses": list(leads)},
    ).fetchall()
    assert sorted(found) == sorted((address, told[address], "prospect", 0, True) for address in leads)


def test_the_qualified_among_them_are_in_the_audience(company: Company, warehouse: duckdb.DuckDBPyConnection) -> None:
    leads = _strangers(warehouse, "lead_only")
    with sqlite3.connect(company.folder / "tools.sqlite") as tools:
        qualified = {
            email.strip().lower() for (email,) in tools.execute("select email from crm_leads where is_qualified")
        }
    found = warehouse.execute(
        "select email from built.audiences.qualified_leads join built.marts.customer_360 using (customer_id)"
    ).fetchall()
    assert {email for (email,) in found} & leads.keys() == qualified & leads.keys()
    assert len(qualified & leads.keys()) >= 2


def test_a_subscriber_who_never_came_has_a_profile(warehouse: duckdb.DuckDBPyConnection) -> None:
    readers = _strangers(warehouse, "subscriber_only")
    found = warehouse.execute(
        "select email, count(*), max(count_orders) from built.marts.customer_360 "
        "where list_contains($addresses, email) group by email",
        {"addresses": list(readers)},
    ).fetchall()
    assert sorted(found) == sorted((address, 1, 0) for address in readers)
