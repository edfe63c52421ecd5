"""Products, deals, organisations and money of the hand-made company, and what a profile has of them."""

from __future__ import annotations

from datetime import datetime

import yaml

from headwater.settings import CHECKOUT

from .conftest import Built


def test_an_order_has_the_margin_that_its_goods_leave_and_none_where_a_cost_is_not_known(company: Built) -> None:
    found = company.rows(
        "select order_id, cost_cents, margin_cents from marts.orders where kind <> 'adjustment' order by 1"
    )
    assert found == [
        ("C1", None, None),
        ("f1", None, None),
        ("o1", 4600, 7451),
        ("o1:r1", None, -2000),
        ("o2", 1200, 2800),
        ("o3", None, None),
        ("o4", None, None),
    ]


def test_the_catalogue_names_a_product_and_what_only_events_know_is_a_product_too(company: Built) -> None:
    found = company.rows("select product_id, product_name, category, unit_margin_cents from marts.products order by 1")
    assert found == [("p1", "Boots", "boots", 6000), ("p2", "Socks", "socks", 700), ("p3", None, "stickers", None)]


def test_a_deal_has_its_stages_one_after_the_other(company: Built) -> None:
    found = company.rows(
        "select opportunity_id, stage_no, stage, risk_status, left_at, count_days from marts.opportunity_stages"
        " order by 1, 2"
    )
    assert found == [
        ("d1", 1, "qualified", "low", datetime(2026, 2, 11), 10),
        ("d1", 2, "proposal", "high", None, 32),
        ("d2", 1, "closed_won", None, None, 73),
    ]


def test_what_a_tool_has_deleted_is_nowhere(company: Built) -> None:
    assert company.rows("select opportunity_id, is_open, is_won from marts.opportunities order by 1") == [
        ("d1", True, False),
        ("d2", False, True),
    ]


def test_people_and_deals_belong_to_their_organisation(company: Built) -> None:
    found = company.rows(
        "select account_name, count_people, count_opportunities_open, open_amount_cents, won_amount_cents, is_at_risk"
        " from marts.accounts"
    )
    assert found == [("Cat & Co", 1, 1, 500000, 100, True)]


def test_a_profile_tells_deals_subscription_mails_ratings_and_consent(company: Built) -> None:
    found = company.rows(
        "select customer_id, account_id, lead_status, opportunity_stage, count_open_opportunities, mrr_cents,"
        " count_email_sends, satisfaction_average, has_consent_marketing, support_agent_name from marts.customer_360"
        " where customer_id in ('ann', 'cat') order by 1"
    )
    assert found == [
        ("ann", None, None, None, 0, 0, 1, None, True, None),
        ("cat", "a1", "qualified", "proposal", 1, 0, 0, 3.5, None, "Gus"),
    ]


def test_every_value_of_a_profile_is_told_with_its_source_and_rule(company: Built) -> None:
    found = company.rows(
        "select trait, trait_value, source_name, source_id, rule, count_claims from marts.trait_provenance"
        " where customer_id = 'cat' and is_believed and trait in ('full_name', 'current_email', 'customer_type')"
        " order by 1"
    )
    assert found == [
        ("current_email", "cat@example.com", "crm", "crm_cat", "most_recent", 2),
        ("customer_type", "wholesale", "crm", "crm_cat", "most_trusted", 1),
        ("full_name", "Cat C.", "crm", "crm_cat", "most_trusted", 1),
    ]
    believed = "select customer_id, count(*) filter (where is_believed) from marts.trait_provenance group by 1, trait"
    assert {count for _, count in company.rows(believed)} == {1}


def test_mrr_is_there_while_a_subscription_runs(company: Built) -> None:
    found = company.rows("select month_start::text, mrr_cents, movement from marts.subscription_months order by 1")
    assert found == [("2026-01-01", 990, "new"), ("2026-02-01", 0, "churn")]


def test_the_syncs_of_the_example_company_are_exposures_of_the_models_that_they_read(empty: Built) -> None:
    exposures = {node["name"]: node["depends_on"]["nodes"] for node in empty.manifest["exposures"].values()}
    for path in (CHECKOUT / "config" / "syncs").glob("*.yaml"):
        model = yaml.safe_load(path.read_text(encoding="utf-8"))["model"].partition(".")[2]
        nodes = {empty.manifest["nodes"][node]["name"] for node in exposures[f"sync_{path.stem}"]}
        assert model in nodes, path.name


def test_the_marts_that_people_build_on_hold_to_a_contract(empty: Built) -> None:
    held = {
        node["name"]
        for node in empty.manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["contract"]["enforced"]
    }
    assert held >= {"customer_360", "computed_traits", "sessions", "products", "subscriptions", "accounts", "campaigns"}
