"""The page shows the marts' numbers, and names what it cannot show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.report import Checks, write_report
from headwater.report.numbers import read_numbers
from tests.sdk.browser import launched


def _text(path: Path) -> str:
    """What a person reads: without tags, drawings and style."""
    html = re.sub(r"<(svg|style).*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_page_shows_each_number_in_its_unit_with_its_change(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    text = _text(write_report(marts, tmp_path, company="Test & Sons", currency="EUR").path)
    assert "Test &amp; Sons" in text
    assert "Order revenue What it is. €1,235 ▲ 23.5 %" in text
    assert "1 to 28 Feb 2026" in text and "1 Jan to 9 Mar 2026" in text and "2 to 8 Mar 2026" in text
    assert "Paid search €200.00 €180.00 €50.00 4 €12.50 4.00 3.60 12 to 1,100" in text
    assert "Direct €900.00 €900.00 – 9 – – – –" in text


def _page(marts: duckdb.DuckDBPyConnection, folder: Path, **more: Any) -> str:
    return _text(write_report(marts, folder, company="Test", currency="EUR", **more).path)


def test_coupons_are_compared_within_retail_by_age_and_country_and_wholesale_stands_apart(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path
):
    text = _page(marts, tmp_path)
    assert (
        "Retail, all 4 25.0 % €5.00 90.0 % 50.0 % Retail, age under 25 4 25.0 % €5.00 90.0 % 50.0 %"
        " Retail, country DE 3 0 % – 90.0 % – Retail, country US 1 100.0 % €5.00 – 50.0 % Wholesale, all 2 0 % – – – "
    ) in text
    assert "Wholesale, age" not in text and "Wholesale, country" not in text


def test_the_coupons_text_says_of_other_types_and_countries_only_what_there_is(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path
):
    assert "compared within retail alone" in _page(marts, tmp_path / "both")
    marts.execute(
        "delete from marts.coupon_performance where customer_type <> 'retail'; insert into marts.coupon_performance"
        " select 'country', 'L' || n, 'retail', 'none', false, 10 + n, 0, 1, 2 from range(12) as lands(n)"
    )
    text = _page(marts, tmp_path / "many")
    assert "within retail alone" not in text and "Wholesale, all" not in text
    assert "Of 14 countries the 10 with the most orders." in text
    assert "country L11" in text and "country L1 " not in text and "country US" not in text


def test_orders_subscriptions_and_their_sum_each_have_a_line(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    text = _page(marts, tmp_path / "with")
    assert text.index("Subscription revenue What it is. €10.00") < text.index("Total revenue What it is. €1,245")
    marts.execute(
        "update marts.executive_scorecard set value = null, previous_value = null where metric like 'subscr%'"
    )
    assert "Total revenue" not in _page(marts, tmp_path / "without")


def test_a_rate_changes_by_points_and_anything_else_by_a_part_of_itself(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path
):
    text = _page(marts, tmp_path)
    assert "Conversion rate What it is. 12.5 % ▼ 12.5 points" in text
    assert "Cost of a new customer What it is. €20.00 ▲ 100 %" in text


def test_nothing_is_a_number_where_there_was_something_before(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    text = _page(marts, tmp_path)
    assert text.count("New customers 0 ▼ 100 %") == 1  # the tile
    assert "New customers What it is. 0 ▼ 100 %" in text
    assert "Orders by guests" not in text


def test_leads_that_may_yet_be_qualified_are_compared_with_none(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    text = _page(marts, tmp_path)
    assert "Qualified leads What it is. 1 – 1 – 1 –" in text
    assert "or where periods are not compared" in text


def test_who_was_there_when_a_list_was_first_built_is_no_newcomer(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    text = _page(marts, tmp_path)
    assert "Likely to churn 1 no history yet no history yet" in text
    assert "Qualified leads 2 1 1" in text
    assert "Wholesale prospects 2 1* 0*" in text and "* Since the day" in text
    marts.execute("delete from audiences.audience_history where audience = 'wholesale_prospects'")
    assert "* Since the day" not in _page(marts, tmp_path / "first")


def test_a_list_that_nobody_is_in_is_shown_as_such(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    assert "Churned customers 0 0 0" in _page(marts, tmp_path / "some")
    marts.execute("delete from audiences.audience_history where audience = 'likely_to_churn'")
    assert "Likely to churn 0 0 0" in _page(marts, tmp_path / "more")
    marts.execute("delete from audiences.audience_history")
    assert "Churned customers" not in _page(marts, tmp_path / "none")


def test_no_row_of_the_page_stays_half_empty(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    for folder, change in (("even", "select 1"), ("odd", "delete from marts.funnel_steps")):
        marts.execute(change)
        html = write_report(marts, tmp_path / folder, company="Test", currency="EUR").path.read_text(encoding="utf-8")
        assert html.count('<section class="half"') % 2 == 0
        assert "Audiences</h2>" in html


def test_every_whole_cohort_is_shown_or_counted_and_guests_are_named(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    text = _page(marts, tmp_path / "few")
    assert "7 guests who bought in these months are left out" in text
    assert "The first row holds all who bought in the first month" in text
    marts.execute(
        "insert into marts.retention_cohorts select cast(day as date), since, cast(day + to_months(since) as date), 5,"
        " 0, 1.0 from generate_series(timestamp '2024-01-01', timestamp '2025-12-01', interval '1 month') as days(day),"
        " range(2) as months(since)"
    )
    assert "8 earlier months are not shown" in _page(marts, tmp_path / "many")


def test_the_funnel_is_of_whole_months_and_says_of_which(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    assert "Visits of January to February 2026 that came to each step" in _page(marts, tmp_path / "whole")
    html = (tmp_path / "whole" / "index.html").read_text(encoding="utf-8")
    assert read_numbers(marts, "EUR").funnel.steps == [("Visit", 200), ("Product Added", 60), ("Order Completed", 20)]
    assert "The way to an order" in html
    marts.execute("delete from marts.funnel_steps where month_start < date '2026-03-01'")
    assert "Visits of March 2026, which is not over, that came" in _page(marts, tmp_path / "running")


def test_the_channels_are_those_of_the_companys_attribution_model(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    marts.execute("update marts.channel_performance set attribution_model = 'linear'")
    marts.execute(
        "insert into marts.marketing_efficiency select * replace ('email' as channel) from"
        " marts.marketing_efficiency where model = 'linear'"
    )
    text = _page(marts, tmp_path)
    assert "(model: linear)" in text and "Display €70.00 €70.00 €70.00 1 €70.00 1.00 1.00 none shown" in text
    assert "Paid search" not in text


def test_only_what_an_experiment_tells_is_said_without_a_may_be(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    assert "3.60 12 to 1,100" in _page(marts, tmp_path / "experiment")
    marts.execute("update marts.marketing_efficiency set lift_comparison = 'visit'")
    assert "3.60 may be 12 to 1,100" in _page(marts, tmp_path / "visit")


def test_tests_that_warned_or_failed_are_named(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    checks = Checks(passed=7, warned=["zero_price (order_lines)"], failed=["too_old (events)"])
    text = _page(marts, tmp_path / "warned", checks=checks)
    assert "Of the 9 tests of what they are made of, 7 passed." in text
    assert "1 warned: zero_price (order_lines). 1 failed: too_old (events)." in text
    assert "Of the 7 tests of what they are made of, 7 passed: all." in _page(
        marts, tmp_path / "well", checks=Checks(7, [], [])
    )
    assert "passed" not in _page(marts, tmp_path / "unknown")


def test_tests_that_have_not_run_are_counted_apart(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    some = _page(marts, tmp_path / "some", checks=Checks(7, [], [], not_run=2))
    assert "Of the 7 tests of what they are made of, 7 passed: all. 2 more tests have not run yet." in some
    none = _page(marts, tmp_path / "none", checks=Checks(0, [], [], not_run=1))
    assert "Of the" not in none and "1 more test has not run yet." in none


def test_a_rising_cost_is_bad_news_and_a_rising_revenue_good(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    html = write_report(marts, tmp_path, company="Test", currency="EUR").path.read_text(encoding="utf-8")
    assert re.search(r"Cost of a new customer<span>What it is\.</span></td><td>€20\.00<small class=\"bad\">", html)
    assert re.search(r"Order revenue<span>What it is\.</span></td><td>€1,235<small class=\"good\">", html)


def test_what_the_company_has_no_data_for_is_named_and_not_drawn(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    marts.execute("delete from marts.marketing_efficiency where channel = 'direct'; delete from marts.funnel_steps")
    report = write_report(marts, tmp_path, company="Test", currency="")
    assert {"What each channel brings", "The way to an order", "Monthly recurring revenue"} <= set(report.left_out)
    assert not set(report.left_out) & set(report.sections)
    text = _text(report.path)
    assert "no connected source tells of it" in text and "the way to an order" in text
    assert "Monthly recurring revenue –" not in text


def test_a_company_without_anything_has_a_page_too(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    for schema, table in marts.execute(
        "select table_schema, table_name from information_schema.tables where table_schema in ('marts', 'audiences')"
    ).fetchall():
        marts.execute(f"delete from {schema}.{table}")
    report = write_report(marts, tmp_path, company="New", currency="USD")
    assert report.sections == []
    assert "0 people known" in _text(report.path)


def test_the_same_numbers_give_the_same_bytes(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    pages = [write_report(marts, tmp_path / name, company="Test", currency="EUR").path for name in ("a", "b")]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_name_cannot_put_code_on_the_page(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    marts.execute(
        "update marts.marketing_efficiency set channel = '<script>alert(1)</script>' where channel = 'direct'"
    )
    html = write_report(marts, tmp_path, company="<b>x</b>", currency="EUR").path.read_text(encoding="utf-8")
    assert "<script" not in html and "<b>x" not in html


@pytest.mark.slow
def test_a_browser_shows_it_on_a_desk_and_on_a_telephone(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path, pytestconfig: pytest.Config
):
    report = write_report(marts, tmp_path, company="Test", currency="EUR")
    with launched(pytestconfig.cache.mkdir("npm")) as browser:
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("requestfailed", lambda request, said=said: said.append(request.url))
            page.goto(report.path.as_uri())
            assert said == []
            assert page.locator("h1").inner_text() == "Test"
            assert page.locator("section h2").all_inner_texts() == ["Scorecard", *report.sections]
            drawings = page.locator("section svg").all()
            assert len(drawings) >= 6
            for drawing in drawings:
                box = drawing.bounding_box()
                assert box and box["width"] > 200 and box["height"] > 40
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.close()
