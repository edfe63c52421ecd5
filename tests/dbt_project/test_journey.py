"""The journey that grows is the journey built whole, whatever came, went or turned out to be somebody else's."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.settings import load_settings
from headwater.storage.warehouse import connect

from .conftest import AS_OF, Built, _event, _insert, _track, dbt, fill

pytestmark = pytest.mark.slow

SELECTED = ["+attribution", "+path_effectiveness"]


def built(home: Path, *arguments: str) -> None:
    result = dbt(
        home,
        *("build", "--exclude-resource-type", "test", "unit_test"),
        *("--select", *SELECTED, *arguments),
        as_of=AS_OF,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


def happen(home: Path) -> None:
    """A day: Bob turns out to be Ann, a late page begins one of her visits, a ticket is deleted, Dan comes."""
    late = {
        "anonymousId": "d_ann",
        "context": {"campaign": {"source": "newsletter", "medium": "email", "name": "nl-1"}},
    }
    with connect(load_settings(home=home), purpose="test") as con:
        con.execute("update identity.identifiers set customer_id = 'ann' where customer_id = 'bob'")
        con.execute("update identity.identifiers set customer_id = 'zoe' where id_value = 'd_cat'")
        con.execute("delete from raw.support__tickets where id = 't2'")
        for row in (
            _event("2026-01-10 08:45:00", known="2026-03-14 09:00:00", type="page", name="Sale", **late),
            _event("2026-03-14 10:00:00", type="page", name="Home", userId="u_dan", anonymousId="d_dan"),
            _track("2026-03-14 10:01:00", "Product Added", userId="u_dan", properties={"name": "Tent"}),
        ):
            _insert(con, "raw.events", row)
        _insert(
            con,
            "raw.crm__activities",
            {"id": "call1", "contact_id": "crm_cat", "kind": "call", "occurred_at": datetime(2026, 3, 14, 11)},
        )


JOURNEY = "select * from marts.customer_journey order by all"
SESSIONS = "select * from marts.sessions order by all"
CREDIT = "select * exclude (credit, new_customers) from marts.attribution order by all"


def test_an_incremental_day_with_merges_splits_and_deletions_equals_a_full_rebuild(tmp_path: Path) -> None:
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    fill(grown)
    built(grown)
    before = rows(grown, JOURNEY)
    assert before
    happen(grown)
    shutil.copytree(grown, whole)
    built(grown)
    built(whole, "--full-refresh")
    for query in (JOURNEY, SESSIONS, CREDIT):
        assert rows(grown, query) == rows(whole, query)

    after = rows(grown, "select kind, customer_id, title from marts.customer_journey")
    assert rows(grown, JOURNEY) != before
    assert not [one for one in after if one[1] == "bob"]
    assert [one for one in after if one[1] == "zoe"] == []  # what a login tells is stronger than the device
    assert ("cart_add", "dan", "Tent") in after
    assert ("sales_call", "cat", None) in after
    assert rows(grown, "select count(*) from marts.customer_journey where source_id = 't2'") == [(0,)]
    # the late page begins the visit, and gives it its channel
    assert rows(grown, "select channel, count_events from marts.sessions where started_at = '2026-01-10 08:45:00'") == [
        ("email", 3)
    ]


def test_the_journey_has_every_system_on_one_time_line(company: Built) -> None:
    found = company.rows(
        "select customer_id, system, kind, channel, value_cents from marts.customer_journey"
        " where customer_id in ('ann', 'cat') order by customer_id, occurred_at, kind, source_id"
    )
    assert [one[1:] for one in found if one[0] == "ann"] == [
        ("web", "page_view", "paid_search", None),
        ("web", "visit", "paid_search", None),
        ("web", "page_view", "direct", None),
        ("web", "visit", "direct", None),
        ("orders", "purchase", "direct", 12051),
        ("orders", "purchase", "direct", 4000),
        ("web", "visit", "direct", None),
        ("email", "email_sent", "email", None),
        ("orders", "refund", None, -2000),
        ("email", "email_open", "email", None),
    ]
    assert [one[1:] for one in found if one[0] == "cat"] == [
        ("app", "screen_view", "direct", None),
        ("app", "visit", "direct", None),
        ("payments", "subscription_started", None, 990),
        ("contact_centre", "support_chat", None, None),
        ("crm", "opportunity_stage", None, 500000),
        ("support", "support_ticket", None, None),
        ("support", "support_rating", None, None),
        ("support", "support_rating", None, None),
        ("support", "support_ticket", None, None),
        ("payments", "subscription_cancelled", None, 990),
        ("crm", "opportunity_stage", None, 500000),
    ]


def test_a_purchase_is_credited_to_the_visits_before_it_and_else_to_nobody_known(company: Built) -> None:
    found = company.rows(
        "select conversion_id, channel, revenue_cents from marts.attribution where model = 'first_touch' order by 1"
    )
    assert found == [
        ("f1", "unknown", 0),  # of the tables of the shop, in pounds: no touch is known, nor what that is in dollars
        ("o1", "paid_search", 12051),
        ("o2", "direct", 4000),
        ("o3", "direct", 0),
        ("o4", "direct", 0),
    ]
    assert company.rows(
        "select path, count_conversions from marts.path_effectiveness where count_conversions > 0 order by 1"
    ) == [("direct", 3), ("paid_search > direct", 1)]
