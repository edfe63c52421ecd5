"""The report's charts, each an SVG that stands in the page.

Belongs here: how numbers are drawn, with matplotlib. Does not belong here: the numbers (`numbers`) and the words around
a chart (`page`). The same numbers give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from headwater.report.words import axis_money, month, name

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, LIGHT_BLUE, TEAL, LIGHT_TEAL, AMBER, CORAL = "#2456a6", "#a9c1e8", "#1f8a70", "#a5d3c7", "#e0a030", "#c8553d"
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "svg.fonttype": "path",
}
Month = tuple[date, float | None, bool]


def revenue(orders: Sequence[Month], subscriptions: Sequence[Month], margin: Sequence[Month], currency: str) -> str:
    """Bars of order revenue by month with that of subscriptions on top, the running month pale, and the margin as a
    line."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "revenue"}):
        figure, axes = _canvas(8.6, 2.9)
        heights = [(value or 0) / 100 for _, value, _ in orders]
        axes.bar(
            range(len(orders)),
            heights,
            color=[BLUE if is_over else LIGHT_BLUE for _, _, is_over in orders],
            width=0.66,
            label="Order revenue",
        )
        if any(value for _, value, _ in subscriptions):
            axes.bar(
                range(len(subscriptions)),
                [(value or 0) / 100 for _, value, _ in subscriptions],
                bottom=heights,
                color=[TEAL if is_over else LIGHT_TEAL for _, _, is_over in subscriptions],
                width=0.66,
                label="Subscription revenue",
            )
        line = [(place, value / 100) for place, (_, value, _) in enumerate(margin) if value is not None]
        if line:
            axes.plot(
                *zip(*line, strict=True), color=AMBER, marker="o", markersize=4, linewidth=2, label="Margin of orders"
            )
        axes.legend(frameon=False, loc="upper left", ncols=3, bbox_to_anchor=(0, 1.13))
        axes.axhline(0, color=MUTED, linewidth=0.6)
        _month_axis(axes, [day for day, _, _ in orders])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda amount, _: axis_money(amount * 100, currency)))
        return _svg(figure)


def trend(months: Sequence[Month], tell: Callable[[float], str], *, color: str = TEAL) -> str:
    """One metric by month as a line; the running month dotted."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "trend"}):
        figure, axes = _canvas(4.2, 2.3)
        known = [(place, value, is_over) for place, (_, value, is_over) in enumerate(months) if value is not None]
        over = [(place, value) for place, value, is_over in known if is_over]
        axes.plot([place for place, _ in over], [value for _, value in over], color=color, linewidth=2)
        axes.fill_between([place for place, _ in over], [value for _, value in over], color=color, alpha=0.1)
        if known and not known[-1][2]:
            tail = [(place, value) for place, value, _ in known[-2:]]
            axes.plot(*zip(*tail, strict=True), color=color, linewidth=1.5, linestyle=":")
        axes.set_ylim(bottom=0)
        _month_axis(axes, [day for day, _, _ in months], every=2)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: tell(number)))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return _svg(figure)


def sparkline(values: Sequence[float | None], color: str = BLUE) -> str:
    """A line without axes, for a card."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return ""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "spark"}):
        figure = Figure(figsize=(1.9, 0.42))
        axes = figure.add_axes((0.01, 0.08, 0.97, 0.84))
        axes.axis("off")
        axes.plot(*zip(*known, strict=True), color=color, linewidth=1.6)
        axes.plot(*known[-1], marker="o", markersize=4, color=color)
        axes.margins(x=0.04, y=0.15)
        return _svg(figure)


def channels(rows: Sequence[dict[str, Any]], currency: str) -> str:
    """Revenue that attribution credits to each channel, beside what was spent on it."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "channels"}):
        figure, axes = _canvas(8.6, 0.6 + 0.42 * len(rows))
        places = list(range(len(rows)))[::-1]
        credited = [float(row["revenue_cents"] or 0) for row in rows]
        spent = [float(row["spend_cents"] or 0) for row in rows]
        axes.barh([place + 0.19 for place in places], credited, height=0.36, color=BLUE, label="Revenue credited")
        axes.barh([place - 0.19 for place in places], spent, height=0.36, color=CORAL, label="Spend")
        axes.set_yticks(places, [name(str(row["channel"])) for row in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda cents, _: axis_money(cents, currency)))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.legend(frameon=False, loc="lower right")
        return _svg(figure)


def funnel(steps: Sequence[tuple[str, int]]) -> str:
    """The visits that came to each step, centred."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "funnel"}):
        figure, axes = _canvas(4.2, 2.6)
        first = max(steps[0][1], 1)
        for place, (step, visits) in enumerate(reversed(steps)):
            share = visits / first
            axes.barh(place, share, left=(1 - share) / 2, height=0.72, color=BLUE, alpha=0.35 + 0.65 * (1 - share))
            axes.text(-0.03, place, step, ha="right", va="center")
            axes.text(1.03, place, f"{visits:,}  ({share * 100:.1f} %)", ha="left", va="center", color=MUTED)
        axes.set_xlim(0, 1)
        axes.axis("off")
        return _svg(figure)


def cohorts(rows: Sequence[tuple[date, int, int, float]]) -> str:
    """A row a month of first purchase, a column a month since; the darker, the more came back."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "cohorts"}):
        begun = sorted({cohort for cohort, *_ in rows})
        widest = max(since for _, since, *_ in rows)
        sizes = {cohort: customers for cohort, _, customers, _ in rows}
        highest = max((kept for _, since, _, kept in rows if since), default=0) or 1
        shade = mpl.colormaps["YlGnBu"]
        figure, axes = _canvas(8.6, 0.7 + 0.27 * len(begun))
        for cohort, since, _, kept in rows:
            place = len(begun) - 1 - begun.index(cohort)
            depth = 0.15 + 0.75 * kept / highest if since else 0.95
            axes.add_patch(mpl.patches.Rectangle((since, place), 0.97, 0.94, color=shade(min(depth, 0.95))))
            axes.text(
                since + 0.49,
                place + 0.46,
                f"{kept * 100:.0f} %",
                ha="center",
                va="center",
                fontsize=7.5,
                color="white" if depth > 0.55 else INK,
            )
        axes.set_xlim(0, widest + 1)
        axes.set_ylim(0, len(begun))
        labels = [f"{cohort:%b %Y}  ({sizes[cohort]:,})" for cohort in reversed(begun)]
        axes.set_yticks([place + 0.46 for place in range(len(begun))], labels)
        axes.set_xticks([since + 0.49 for since in range(widest + 1)], [str(since) for since in range(widest + 1)])
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("Months since the first purchase")
        return _svg(figure)


def segments(rows: Sequence[tuple[str, int, int]]) -> str:
    """Each segment's share of the customers beside its share of the revenue."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "segments"}):
        figure, axes = _canvas(4.2, 0.75 + 0.33 * len(rows))
        people = sum(count for _, count, _ in rows) or 1
        brought = sum(max(cents, 0) for _, _, cents in rows) or 1
        places = list(range(len(rows)))[::-1]
        axes.barh(
            [place + 0.19 for place in places],
            [count / people for _, count, _ in rows],
            height=0.34,
            color=LIGHT_BLUE,
            label="Share of customers",
        )
        axes.barh(
            [place - 0.19 for place in places],
            [max(cents, 0) / brought for *_, cents in rows],
            height=0.34,
            color=BLUE,
            label="Share of revenue",
        )
        axes.set_yticks(places, [name(segment) for segment, *_ in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.0f} %"))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.3, -0.12), ncols=2, fontsize=8)
        return _svg(figure)


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="both", length=0)
    return figure, axes


def _month_axis(axes: Axes, days: Sequence[date], *, every: int = 1) -> None:
    places = [place for place in range(len(days)) if (len(days) - 1 - place) % every == 0]
    axes.set_xticks(places, [month(days[place]) for place in places])


def _svg(figure: Figure) -> str:
    """The drawing without its preamble and date, as wide as the place that it stands in."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    drawing = written.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'width="100%" aria-hidden="true"', drawing, count=1)
