"""Each tool has a page that shows its records as its user sees them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from sandbox.tools.views import TOOLS


@pytest.mark.parametrize("path", ["/", *(f"/{tool}/{view}" for tool, (_, views) in TOOLS.items() for view in views)])
def test_every_page_shows_records(tools: httpx.Client, path: str) -> None:
    answer = tools.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "Nothing here" not in answer.text or path == "/email/events"


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_s_address_leads_to_its_first_table(tools: httpx.Client, tool: str) -> None:
    assert tools.get(f"/{tool}").url.path == f"/{tool}/{next(iter(TOOLS[tool][1]))}"


def test_a_search_finds_a_contact_and_the_fields_that_were_written(tools: httpx.Client, tools_dir: Path) -> None:
    with closing(sqlite3.connect(tools_dir / "tools.sqlite")) as database:
        sql = "select id, email, last_name from crm_contacts where email like '%@%.%' order by id desc limit 1"
        contact_id, email, last_name = database.execute(sql).fetchone()
    entry = {
        "id_property": "id",
        "id": contact_id,
        "properties": {"likelihood_to_churn": 0.8125, "is_high_value": True},
    }
    tools.post("/crm/v1/contacts/batch/upsert", json={"inputs": [entry]})
    table = tools.get("/crm/contacts", params={"q": email}).text
    assert "Likelihood to churn" in table and "0.812" in table and "1 contacts" in table
    page = tools.get(f"/crm/contacts/{contact_id}").text
    assert last_name in page and "Is high value" in page and "0.812" in page


def test_a_search_takes_any_text_as_it_stands(tools: httpx.Client) -> None:
    for text in ("%", "_", "'", "<script>alert(1)</script>"):
        answer = tools.get("/crm/contacts", params={"q": text})
        assert answer.status_code == 200
        assert "<script>" not in answer.text
    assert "Nothing here" in tools.get("/crm/contacts", params={"q": "%"}).text


def test_chats_can_be_read_by_day(tools: httpx.Client, tools_dir: Path) -> None:
    day = sorted((tools_dir / "company" / "chats").glob("*.jsonl"))[0].stem
    assert day in tools.get("/contact-centre").text
    assert 'class="agent"' in tools.get(f"/contact-centre/{day}").text
    assert tools.get("/contact-centre/1999-01-01").status_code == 404


def test_an_unknown_page_says_so(tools: httpx.Client) -> None:
    for path in ("/nowhere", "/crm/nowhere", "/crm/contacts/nobody"):
        answer = tools.get(path)
        assert answer.status_code == 404
        assert path in answer.text
