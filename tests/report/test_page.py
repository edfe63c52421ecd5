"""The page shows the marts' numbers, and names what it cannot show."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from headwater.report import write_report
from tests.sdk.browser import launched


def _text(path: Path) -> str:
    """What a person reads: without tags, drawings and style."""
    html = re.sub(r"<(svg|style).*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_page_shows_each_number_in_its_unit_with_its_change(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    text = _text(write_report(marts, tmp_path, company="Test & Sons", currency="EUR").path)
    assert "Test &amp; Sons" in text
    assert "Revenue €1,235 ▲ 23.5 %" in text
    assert "Conversion rate 12.5 % ▼ 50.0 %" in text
    assert "1 to 28 Feb 2026" in text and "1 Jan to 9 Mar 2026" in text and "2 to 8 Mar 2026" in text
    assert "Paid search €200.00 €50.00 4 €12.50 4.00" in text
    assert "Direct €900.00 – 9 – –" in text
    assert "Qualified leads 2 1 1" in text
    assert "Under 25 4 25.0 % €5.00 90.0 % 50.0 %" in text


def test_a_rising_cost_is_bad_news_and_a_rising_revenue_good(marts: duckdb.DuckDBPyConnection, tmp_path: Path):
    html = write_report(marts, tmp_path, company="Test", currency="EUR").path.read_text(encoding="utf-8")
    assert re.search(r"Cost of a new customer</td><td>€20\.00<small class=\"bad\">", html)
    assert re.search(r"Revenue</td><td>€1,235<small class=\"good\">", html)


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
