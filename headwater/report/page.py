"""The page: what stands where, and in which words.

Belongs here: filling `page.html` with numbers and charts, and writing it in one step. Does not belong here: queries
(`numbers`), drawing (`charts`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from headwater.report import charts, words
from headwater.report.numbers import Metric, Numbers, read_numbers

PERIODS = {"last_week": "Last week", "last_month": "Last month", "year_to_date": "Year to date"}
CARDS = ("revenue", "margin", "new_customers", "conversion_rate", "ltv", "cac", "mrr", "average_order_value")


@dataclass(frozen=True)
class Report:
    """Where the page is, and what it shows."""

    path: Path
    sections: list[str]
    left_out: list[str]
    summary: str


@dataclass(frozen=True)
class Section:
    """One chart or table with its heading and what it says."""

    title: str
    text: str
    chart: str = ""
    table: tuple[list[str], list[list[str]]] | None = None
    is_half: bool = False


def write_report(con: duckdb.DuckDBPyConnection, folder: Path, *, company: str, currency: str) -> Report:
    """Write `index.html` into the folder. What a company has no data for is named at the page's end instead of shown
    empty.

    Args:
        con: the warehouse or its read copy, with the marts built.
        folder: made when it is not there.
        company: its name, for the heading.
        currency: the company's; empty: the commonest one of its orders.

    Raises:
        duckdb.CatalogException: a mart is not built.
    """
    numbers = read_numbers(con, currency)
    shown = [section for section in _sections(numbers) if section.chart or section.table]
    left_out = [section.title for section in _sections(numbers) if not (section.chart or section.table)]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    html = environment.get_template("page.html").render(
        company=company,
        as_of=numbers.as_of,
        people=f"{numbers.people:,}",
        periods=_spans(numbers.scorecard),
        cards=list(_cards(numbers)),
        scorecard=list(_scorecard(numbers)),
        sections=shown,
        left_out=left_out,
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    partial = path.with_suffix(".part")
    partial.write_text(html, encoding="utf-8")
    partial.replace(path)
    return Report(path, [section.title for section in shown], left_out, _markdown(numbers))


def _spans(scorecard: list[Metric]) -> dict[str, str]:
    spans = {metric.period: words.span(metric.starts_at, metric.ends_at) for metric in scorecard}
    return {title: spans[period] for period, title in PERIODS.items() if period in spans}


def _cards(numbers: Numbers) -> Iterator[dict[str, Any]]:
    """The most looked-at metrics, of the last whole month."""
    found = {metric.name: metric for metric in numbers.scorecard if metric.period == "last_month"}
    for name in CARDS:
        metric = found.get(name)
        if metric is None or not metric.value:
            continue
        over = [value for _, value, is_over in numbers.months.get(name, []) if is_over]
        yield {
            "title": metric.title,
            "value": words.value(metric.value, metric.unit, numbers.currency, short=True),
            "change": words.change(metric.change),
            "mood": words.mood(metric.change, is_less_better=metric.is_less_better),
            "line": charts.sparkline(over),
        }


def _scorecard(numbers: Numbers) -> Iterator[dict[str, Any]]:
    """A row a metric that has a value in any period, a cell a period."""
    by_name: dict[str, dict[str, Metric]] = {}
    for metric in numbers.scorecard:
        by_name.setdefault(metric.name, {})[metric.period] = metric
    for periods in by_name.values():
        if not any(metric.value for metric in periods.values()):
            continue
        cells = [periods[period] for period in PERIODS if period in periods]
        yield {
            "title": cells[0].title,
            "cells": [
                {
                    "value": words.value(cell.value, cell.unit, numbers.currency),
                    "change": words.change(cell.change),
                    "mood": words.mood(cell.change, is_less_better=cell.is_less_better),
                }
                for cell in cells
            ],
        }


def _sections(numbers: Numbers) -> Iterator[Section]:
    currency = numbers.currency
    revenue = numbers.months.get("revenue", [])
    has_channels = len(numbers.channels) > 1  # one alone says only that nothing tells where people come from
    yield Section(
        "Revenue and margin",
        "Sales after coupons, less what was given back, by month. The pale bar is the running month. Margin is revenue"
        " less unit costs, where they are known.",
        charts.revenue(revenue, numbers.months.get("margin", []), currency) if _any(revenue) else "",
    )
    yield _trend(numbers, "mrr", "Monthly recurring revenue", "Price of the subscriptions that run at a month's end.")
    yield _trend(numbers, "new_customers", "New customers", "People who bought for the first time.")
    yield _trend(numbers, "visitors", "Visitors", "People who came to the shop or the app.")
    yield _trend(numbers, "conversion_rate", "Conversion rate", "Share of visits in which something was bought.")
    yield Section(
        "What each channel brings",
        "Revenue credited by Markov attribution, which asks how many purchases would be missing without a channel,"
        " beside what was spent on it, over all time.",
        charts.channels(numbers.channels, currency) if has_channels else "",
        (
            ["Channel", "Revenue", "Spend", "New customers", "Cost of each", "Return on spend"],
            [
                [
                    words.name(row["channel"]),
                    words.money(row["revenue_cents"] or 0, currency),
                    words.money(row["spend_cents"], currency) if row["spend_cents"] else words.NOTHING,
                    f"{row['new_customers'] or 0:,.0f}",
                    words.money(row["cac_cents"], currency) if row["cac_cents"] else words.NOTHING,
                    f"{row['roas']:.2f}" if row["roas"] else words.NOTHING,
                ]
                for row in numbers.channels
            ],
        )
        if has_channels
        else None,
    )
    yield Section(
        "Customers who come back",
        "Share of those who first bought in a month (a row, with their number) who bought again so many months later.",
        charts.cohorts(numbers.cohorts) if any(since for _, since, *_ in numbers.cohorts) else "",
    )
    yield Section(
        "The way to an order",
        "Visits of the last three months that came to each step.",
        charts.funnel(numbers.funnel) if numbers.funnel and numbers.funnel[0][1] else "",
        is_half=True,
    )
    yield Section(
        "Customers by value",
        "Groups by how recently, how often and for how much they bought.",
        charts.segments(numbers.segments) if numbers.segments else "",
        is_half=True,
    )
    yield _coupons(numbers)
    yield Section(
        "Audiences",
        "Who is in each list that campaigns and sales work with, and who came in and left in the last 30 days.",
        table=(
            ["Audience", "People", "Came in", "Left"],
            [
                [words.name(audience), f"{there:,}", f"{came:,}", f"{left:,}"]
                for audience, there, came, left in numbers.audiences
            ],
        )
        if numbers.audiences
        else None,
        is_half=True,
    )


def _trend(numbers: Numbers, metric: str, title: str, text: str) -> Section:
    months = numbers.months.get(metric, [])
    unit = next((found.unit for found in numbers.scorecard if found.name == metric), "count")

    def tell(number: float) -> str:
        if unit == "cents":
            return words.axis_money(number, numbers.currency)
        return f"{number * 100:.0f} %" if unit == "share" else f"{number:,.0f}"

    return Section(title, text, charts.trend(months, tell) if _any(months) else "", is_half=True)


def _coupons(numbers: Numbers) -> Section:
    """With and without a coupon side by side, an age group a row."""
    groups: dict[str, dict[bool, dict[str, Any]]] = {}
    for row in numbers.coupons:
        groups.setdefault(row["segment"], {})[row["has_coupon"]] = row
    body = []
    for segment, found in sorted(groups.items(), key=lambda item: _by_age(item[0])):
        orders = sum(row["orders"] for row in found.values())
        used = found.get(True)
        rates = [found[which]["margin_rate"] if which in found else None for which in (False, True)]
        body.append(
            [
                words.name(segment),
                f"{orders:,}",
                f"{used['orders'] / orders * 100:.1f} %" if used else "0 %",
                words.money(used["discount_cents"], numbers.currency) if used else words.NOTHING,
                *(words.value(rate, "share", numbers.currency) for rate in rates),
            ]
        )
    heads = ["Age", "Orders", "With coupon", "Taken off", "Margin without", "Margin with"]
    has_any = any(True in found for found in groups.values())
    return Section(
        "Coupons by age",
        "How many orders came with a coupon, and what margin was left with and without.",
        table=(heads, body) if has_any else None,
        is_half=True,
    )


def _by_age(group: str) -> tuple[bool, bool, str]:
    return group == "not known", group != "under 25", group


def _any(months: list[Any]) -> bool:
    return any(value for _, value, _ in months)


def _markdown(numbers: Numbers) -> str:
    """The scorecard as a table for Dagster's page."""
    lines = ["| |" + "|".join(PERIODS.values()) + "|", "|---|" + "---:|" * len(PERIODS)]
    for row in _scorecard(numbers):
        cells = [f"{cell['value']} ({cell['change']})" for cell in row["cells"]]
        lines.append(f"|{row['title']}|" + "|".join(cells) + "|")
    return "\n".join(lines)
