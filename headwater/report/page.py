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
CARDS = (
    "total_revenue",
    "order_revenue",
    "subscription_revenue",
    "margin",
    "new_customers",
    "cac",
    "conversion_rate",
    "average_order_value",
)
_SINCE = "*"
_COUNTRIES = 10
_MARKOV = " (Markov attribution: the more of the paths to a purchase run through a channel, the more it is credited)"


@dataclass(frozen=True)
class Report:
    """Where the page is, and what it shows."""

    path: Path
    sections: list[str]
    left_out: list[str]
    summary: str


@dataclass(frozen=True)
class Checks:
    """How the tests of what the page is made of ended: how many passed, which warned or failed, and how many have
    never been run, which are in no other number."""

    passed: int
    warned: list[str]
    failed: list[str]
    not_run: int = 0

    @property
    def total(self) -> int:
        return self.passed + len(self.warned) + len(self.failed)


@dataclass(frozen=True)
class Section:
    """One chart or table with its heading and what it says."""

    title: str
    text: str
    chart: str = ""
    table: tuple[list[str], list[list[str]]] | None = None
    is_half: bool = False

    @property
    def is_shown(self) -> bool:
        return bool(self.chart or self.table)


def write_report(
    con: duckdb.DuckDBPyConnection, folder: Path, *, company: str, currency: str, checks: Checks | None = None
) -> Report:
    """Write `index.html` into the folder. What a company has no data for is named at the page's end instead of shown
    empty.

    Args:
        con: the warehouse or its read copy, with the marts built.
        folder: made when it is not there.
        company: its name, for the heading.
        currency: the company's; empty: the commonest one of its orders.
        checks: of what the page is made of; without, it says nothing of tests.

    Raises:
        duckdb.CatalogException: a mart is not built.
    """
    numbers = read_numbers(con, currency)
    sections = list(_sections(numbers))
    # two to a row: where the others fill theirs, the audiences take a whole one
    is_half = sum(section.is_half and section.is_shown for section in sections) % 2 == 1
    sections.append(_audiences(numbers, is_half=is_half))
    shown = [section for section in sections if section.is_shown]
    left_out = [section.title for section in sections if not section.is_shown]
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
        checks=checks,
        periods_not_compared=any(metric.is_still_growing for metric in numbers.scorecard),
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
    found = {metric.name: metric for metric in _told(numbers) if metric.period == "last_month"}
    for name in CARDS:
        metric = found.get(name)
        if metric is None:
            continue
        over = [value for _, value, is_over in numbers.months.get(name, []) if is_over]
        yield {
            "title": metric.title,
            "value": words.value(metric.value, metric.unit, numbers.currency, short=True),
            "about": metric.description,
            **_change(metric),
            "line": charts.sparkline(over),
        }


def _told(numbers: Numbers) -> Iterator[Metric]:
    """What the company has data for; a nothing that was once something is a number too. Where there are no
    subscriptions the total is the orders', and where nobody buys wholesale all are retail."""
    without = set() if "subscription_revenue" in numbers.known else {"total_revenue"}
    if "revenue_per_wholesale_buyer" not in numbers.known:
        without |= {"revenue_per_retail_buyer"}
    return (metric for metric in numbers.scorecard if metric.name in numbers.known - without)


def _change(metric: Metric) -> dict[str, str]:
    """What was gained: of a share in points, of anything else as a part of what it was."""
    is_share = metric.unit == "share"
    gained = metric.difference if is_share else metric.change
    return {
        "change": words.points(gained) if is_share else words.change(gained),
        "mood": words.mood(gained, is_less_better=metric.is_less_better),
    }


def _scorecard(numbers: Numbers) -> Iterator[dict[str, Any]]:
    """A row a metric that the company has data for, a cell a period."""
    by_name: dict[str, dict[str, Metric]] = {}
    for metric in _told(numbers):
        by_name.setdefault(metric.name, {})[metric.period] = metric
    for periods in by_name.values():
        cells = [periods[period] for period in PERIODS if period in periods]
        yield {
            "title": cells[0].title,
            "about": cells[0].description,
            "cells": [
                {"value": words.value(cell.value, cell.unit, numbers.currency), **_change(cell)} for cell in cells
            ],
        }


def _sections(numbers: Numbers) -> Iterator[Section]:
    currency = numbers.currency
    yield Section(
        "Revenue and margin",
        "By month. Order revenue is sales after coupons, less what was given back; subscription revenue is the invoices"
        " that were paid. Margin is order revenue less unit costs, where they are known; subscriptions are not in it."
        " Pale bars: the running month.",
        charts.revenue(
            numbers.months.get("order_revenue", []),
            numbers.months.get("subscription_revenue", []),
            numbers.months.get("margin", []),
            currency,
        )
        if numbers.known & {"order_revenue", "subscription_revenue"}
        else "",
    )
    yield _trend(numbers, "mrr", "Monthly recurring revenue", "Price of the subscriptions that run at a month's end.")
    yield _trend(numbers, "new_customers", "New customers", "People who bought for the first time, guests left out.")
    yield _trend(numbers, "visitors", "Visitors", "People who came to the shop or the app.")
    yield _trend(numbers, "conversion_rate", "Conversion rate", "Share of visits in which something was bought.")
    yield _channels(numbers)
    yield _cohorts(numbers)
    yield _funnel(numbers)
    yield Section(
        "Customers by value",
        "Groups by how recently, how often and for how much they bought.",
        charts.segments(numbers.segments) if numbers.segments else "",
        is_half=True,
    )
    yield _coupons(numbers)


def _channels(numbers: Numbers) -> Section:
    currency, model = numbers.currency, numbers.attribution_model
    how = _MARKOV if model == "markov" else f" (model: {words.name(model).lower()})"
    has_any = len(numbers.channels) > 1  # one alone says only that nothing tells where people come from
    rows = [
        [
            words.name(row["channel"]),
            words.money(row["revenue_cents"] or 0, currency),
            words.money(row["retail_revenue_cents"] or 0, currency),
            words.money(row["spend_cents"], currency) if row["spend_cents"] else words.NOTHING,
            f"{row['new_customers'] or 0:,.0f}",
            words.money(row["cac_cents"], currency) if row["cac_cents"] else words.NOTHING,
            f"{row['roas']:.2f}" if row["roas"] else words.NOTHING,
            f"{row['retail_roas']:.2f}" if row["retail_roas"] else words.NOTHING,
            _lift(row),
        ]
        for row in numbers.channels
    ]
    heads = ["Channel", "Revenue", "Of it retail", "Spend", "New customers", "Cost of each", "Return on spend"]
    heads += ["Of retail", "Orders it brought"]
    return Section(
        "What each channel brings",
        f"Order revenue of all time, shared out among the channels by which buyers came{how}, beside what was spent on"
        " each. That does not tell what would not have been bought without a channel; the orders it brought do, as a"
        " 95 % interval: of an ad platform's experiment, or, where there is none, of people reached beside people like"
        " them, which says no more than that they may be so many. The cost of each"
        " new customer is a channel's spend over those credited to it; the blended cost in the scorecard is lower,"
        " because it counts those who came without an ad, too.",
        charts.channels(numbers.channels, currency) if has_any else "",
        (heads, rows) if has_any else None,
    )


def _lift(row: dict[str, Any]) -> str:
    """Orders that came because of a channel, as the interval says."""
    if row["incremental_orders_low"] is None:
        return words.NOTHING
    if not row["is_incremental"]:
        return "none shown"
    span = f"{row['incremental_orders_low']:,.0f} to {row['incremental_orders_high']:,.0f}"
    return span if row["lift_comparison"] == "experiment" else f"may be {span}"


def _cohorts(numbers: Numbers) -> Section:
    found = numbers.cohorts
    said = [
        "Share of those who first bought in a month (a row, with their number) who bought again so many months later."
        " The running month is left out."
    ]
    if found.begins_with_history:
        said.append("The first row holds all who bought in the first month of the data, also those who had before.")
    if found.count_earlier:
        said.append(f"{found.count_earlier} earlier months are not shown.")
    if found.count_guests:
        said.append(
            f"{found.count_guests:,} guests who bought in these months are left out: nothing tells whether they came"
            " back."
        )
    has_any = any(since for _, since, *_ in found.rows)
    return Section("Customers who come back", " ".join(said), charts.cohorts(found.rows) if has_any else "")


def _funnel(numbers: Numbers) -> Section:
    found = numbers.funnel
    has_any = bool(found.steps and found.steps[0][1] and found.first_month and found.last_month)
    span = words.months(found.first_month, found.last_month) if found.first_month and found.last_month else ""
    return Section(
        "The way to an order",
        f"Visits of {span}{'' if found.is_over else ', which is not over,'} that came to each step.",
        charts.funnel(found.steps) if has_any else "",
        is_half=True,
    )


def _audiences(numbers: Numbers, *, is_half: bool) -> Section:
    said = "Who is in each list that campaigns and sales work with, and who came in and left in the last 30 days."
    rows = []
    for found in numbers.audiences:
        if found.is_young and found.began_at and found.began_at >= numbers.as_of:
            moved = ["no history yet", "no history yet"]
        else:
            moved = [f"{count:,}{_SINCE if found.is_young else ''}" for count in (found.came, found.left)]
        rows.append([words.name(found.name), f"{found.people:,}", *moved])
    if any(_SINCE in cell for row in rows for cell in row):
        said += f" {_SINCE} Since the day on which the list was first built: before it there is no history."
    has_any = any(found.began_at for found in numbers.audiences)
    heads = ["Audience", "People", "Came in", "Left"]
    return Section("Audiences", said, table=(heads, rows) if has_any else None, is_half=is_half)


def _trend(numbers: Numbers, metric: str, title: str, text: str) -> Section:
    months = numbers.months.get(metric, [])
    unit = next((found.unit for found in numbers.scorecard if found.name == metric), "count")

    def tell(number: float) -> str:
        if unit == "cents":
            return words.axis_money(number, numbers.currency)
        return f"{number * 100:.0f} %" if unit == "share" else f"{number:,.0f}"

    return Section(title, text, charts.trend(months, tell) if metric in numbers.known else "", is_half=True)


def _coupons(numbers: Numbers) -> Section:
    """With and without a coupon side by side: all of retail, its age groups, its countries; what other types used."""
    groups: dict[tuple[str, str, str], dict[bool, dict[str, Any]]] = {}
    for row in numbers.coupons:
        groups.setdefault((row["customer_type"], row["segment_kind"], row["segment"]), {})[row["has_coupon"]] = row
    orders = {group: sum(row["orders"] for row in found.values()) for group, found in groups.items()}
    countries = sorted((g for g in groups if g[:2] == ("retail", "country")), key=lambda g: (-orders[g], g))
    ages = sorted((g for g in groups if g[:2] == ("retail", "age_group")), key=lambda g: _by_age(g[2]))
    whole = sorted(g for g in groups if g[1] == "everybody")
    retail = [g for g in whole if g[0] == "retail"]
    shown = [*retail, *ages, *countries[:_COUNTRIES], *(g for g in whole if g not in retail)]
    body = []
    for group in shown:
        customer_type, kind, segment = group
        found, used = groups[group], groups[group].get(True)
        rates = [
            found[has]["margin_rate"] if has in found and customer_type == "retail" else None for has in (False, True)
        ]
        who = {"everybody": "all", "age_group": f"age {segment}", "country": f"country {segment}"}[kind]
        body.append(
            [
                f"{words.name(customer_type)}, {who}",
                f"{orders[group]:,}",
                f"{used['orders'] / orders[group] * 100:.1f} %" if used else "0 %",
                words.money(used["discount_cents"], numbers.currency) if used else words.NOTHING,
                *(words.value(rate, "share", numbers.currency) for rate in rates),
            ]
        )
    said = "How many orders came with a coupon, and what margin was left with and without."
    if len(countries) > _COUNTRIES:
        said += f" Of {len(countries)} countries the {_COUNTRIES} with the most orders."
    if len(whole) > len(retail):
        said += (
            " Margins are compared within retail alone: where prices are agreed with each customer, it would be the"
            " agreements that are compared."
        )
    heads = ["Customers", "Orders", "With coupon", "Taken off", "Margin without", "Margin with"]
    has_any = any(True in found for found in groups.values())
    return Section("Coupons by age and country", said, table=(heads, body) if has_any else None)


def _by_age(group: str) -> tuple[bool, bool, str]:
    return group == "not known", group != "under 25", group


def _markdown(numbers: Numbers) -> str:
    """The scorecard as a table for Dagster's page."""
    lines = ["| |" + "|".join(PERIODS.values()) + "|", "|---|" + "---:|" * len(PERIODS)]
    for row in _scorecard(numbers):
        cells = [f"{cell['value']} ({cell['change']})" for cell in row["cells"]]
        lines.append(f"|{row['title']}|" + "|".join(cells) + "|")
    return "\n".join(lines)
