"""The tools' pages: what a person who works in the tool sees, with the fields that Headwater wrote.

Belongs here: pages and their templates. Does not belong here: which tables there are (`views`), APIs (`api`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.tools.received import TITLES, Received
from sandbox.tools.store import Row, Store
from sandbox.tools.views import TOOLS, View

PER_PAGE = 50


class Pages:
    """The HTML pages over one store and over what the stand-ins received."""

    def __init__(self, store: Store, chats: Path, received: Received) -> None:
        self.store, self.chats, self.received = store, chats, received
        self.templates = Environment(loader=PackageLoader("sandbox.tools"), autoescape=select_autoescape())
        self.templates.filters.update(cell=_cell, heading=_heading)
        self.templates.globals["tools"] = {name: title for name, (title, _) in TOOLS.items()}

    def routes(self) -> list[Route]:
        """Every page."""
        return [
            Route("/", self._page(self._home)),
            Route("/crm/contacts/{id}", self._page(self._contact)),
            Route("/contact-centre", self._page(self._days)),
            Route("/contact-centre/{day}", self._page(self._chats_of)),
            Route("/{tool:str}", self._page(self._first)),
            Route("/{tool:str}/{view:str}", self._page(self._table)),
        ]

    def _page(self, act: Callable[[Request], Response | None]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            answer = await run_in_threadpool(act, request)
            return answer or self._render("missing.html", 404, title="Not found", path=request.url.path)

        return endpoint

    def _render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self.templates.get_template(template).render(**values), status)

    def _home(self, request: Request) -> Response:
        cards = []
        for tool, (title, views) in TOOLS.items():
            tables = [(view.title, self._count(view, "")) for view in views.values()]
            cards.append({"href": f"/{tool}", "title": title, "tables": tables})
        days = len(list(self.chats.glob("*.jsonl"))) if self.chats.is_dir() else 0
        cards.append({"href": "/contact-centre", "title": "Contact centre", "tables": [("Days with chats", days)]})
        return self._render(
            "home.html", title="The example company's tools", cards=cards, active="",
            received=self.received.cards(),
        )  # fmt: skip

    def _first(self, request: Request) -> Response | None:
        tool = request.path_params["tool"]
        if tool in TITLES:
            return self._render("received.html", active="", **self.received.page(tool))
        return RedirectResponse(f"/{tool}/{next(iter(TOOLS[tool][1]))}") if tool in TOOLS else None

    def _table(self, request: Request) -> Response | None:
        tool, name = request.path_params["tool"], request.path_params["view"]
        if tool not in TOOLS or name not in TOOLS[tool][1]:
            return None
        title, views = TOOLS[tool]
        view, query = views[name], request.query_params.get("q", "").strip()
        asked = request.query_params.get("page", "1")
        page = int(asked) if asked.isdigit() and int(asked) > 0 else 1
        where, parameters = _matching(view, query)
        sql = (
            f"select * from ({view.sql}) {where} order by {view.order} limit {PER_PAGE} offset {(page - 1) * PER_PAGE}"
        )
        rows = self.store.rows(sql, parameters)
        written = _spread(rows) if view.custom else []
        total = self._count(view, query)
        pages = max(1, -(-total // PER_PAGE))
        return self._render(
            "table.html", title=f"{title} · {view.title}", tool=tool, tool_title=title, active=tool,
            view=view, name=name,
            views=views, rows=rows, columns=[c for c in (rows[0] if rows else {}) if c not in written], written=written,
            query=query, page=page, pages=pages, total=total,
        )  # fmt: skip

    def _count(self, view: View, query: str) -> int:
        where, parameters = _matching(view, query)
        rows = self.store.rows(f"select count(*) as n from ({view.sql}) {where}", parameters)
        return int(rows[0]["n"]) if rows else 0

    def _contact(self, request: Request) -> Response | None:
        contact_id = request.path_params["id"]
        found = self.store.rows("select * from crm_contacts where id = ?", (contact_id,))
        if not found:
            return None
        custom = self.store.rows("select custom, written_at from written_crm where contact_id = ?", (contact_id,))
        activities = self.store.rows(
            "select occurred_at, kind, note from crm_activities where contact_id = ? order by 1 desc limit 50",
            (contact_id,),
        )
        return self._render(
            "contact.html", title=f"{found[0]['first_name']} {found[0]['last_name']}", active="crm", contact=found[0],
            custom=json.loads(custom[0]["custom"]) if custom else {}, activities=activities,
            written_at=custom[0]["written_at"] if custom else "",
        )  # fmt: skip

    def _days(self, request: Request) -> Response:
        files = sorted(self.chats.glob("*.jsonl"), reverse=True) if self.chats.is_dir() else []
        days = [(file.stem, file.read_bytes().count(b"\n")) for file in files]
        return self._render("days.html", title="Contact centre", active="contact-centre", days=days)

    def _chats_of(self, request: Request) -> Response | None:
        day = request.path_params["day"]
        file = self.chats / f"{day}.jsonl"
        if not day.replace("-", "").isdigit() or not file.is_file():
            return None
        chats = [json.loads(line) for line in file.read_bytes().splitlines()]
        return self._render("chats.html", title=f"Chats of {day}", active="contact-centre", chats=chats, day=day)


def _matching(view: View, query: str) -> tuple[str, tuple[str, ...]]:
    if not query:
        return "", ()
    text = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    clauses = [f"{expression} like ? escape '\\'" for expression in view.search]
    return f"where {' or '.join(clauses)}", (f"%{text}%",) * len(clauses)


def _spread(rows: list[Row]) -> list[str]:
    """Turn the JSON column `custom` into columns; their names, those that matter most to a reader first."""
    names: dict[str, None] = {}
    for row in rows:
        values = json.loads(row.pop("custom") or "{}")
        names.update(dict.fromkeys(values))
        row.update({f"hw:{name}": value for name, value in values.items()})
    first = ("likelihood_to_churn", "churn_percentile", "is_high_value", "lifetime_revenue_cents", "count_orders")
    ordered = [name for name in first if name in names] + [name for name in names if name not in first]
    for row in rows:
        for name in ordered:
            row.setdefault(f"hw:{name}", None)
    return [f"hw:{name}" for name in ordered]


def _heading(column: str) -> str:
    name = column.removeprefix("hw:").removesuffix("_cents").removesuffix("_at").replace("_", " ")
    return name[:1].upper() + name[1:]


def _cell(value: Any, column: str) -> str:
    """One value as a person reads it."""
    if value is None or value == "":
        return "–"
    if column.endswith("_cents") and isinstance(value, int | float):
        return f"{value / 100:,.2f}"
    if column.startswith("is_"):
        return "yes" if value else "no"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if column.endswith("_at") and isinstance(value, str) and len(value) >= 16:
        return value[:16].replace("T", " ")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
