"""Questions of people, asked by dbt analyses, against the ground truth worked out in plain Python.

«Top pageviews of qualified leads with more than 5 purchases in the last year»: what the simulator's people looked at,
as their events were written; who they are, by the truth; whom sales qualified, by the CRM's own records.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from headwater.settings import CHECKOUT

from .conftest import BIN, Company, T, dbt_run
from .test_high_value import NOW, Truth, _time, _written, customers, people

pytestmark = pytest.mark.slow
__all__ = ["customers", "people"]

QUESTION = "top_pageviews_of_qualified_leads"
SINCE = NOW - timedelta(days=365)
Views = Counter[tuple[str, str]]


def _is_in_the_year(at: datetime) -> bool:
    return SINCE <= at < NOW


@pytest.fixture(scope="module")
def asked(company: Company, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with the models that the question asks, and the question as dbt writes it for that home."""
    home = tmp_path_factory.mktemp("questions") / "home"
    home.mkdir()
    shutil.copyfile(company.warehouse, home / "warehouse.duckdb")
    dbt_run(home, "+qualified_leads", "orders", "int_events_identified", "stg_events__pages")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HEADWATER", "DBT"))}
    result = subprocess.run(
        [str(BIN / "dbt"), "compile", "--select", QUESTION],
        cwd=CHECKOUT / "dbt_project",
        env={**environment, "HEADWATER_HOME": str(home), "HEADWATER_AS_OF": T},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (written,) = (home / "dbt" / "target" / "compiled").rglob(f"{QUESTION}.sql")
    return home / "warehouse.duckdb", written.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def true_views(company: Company, people: dict[str, Truth]) -> Views:
    """(person, page) → views in the year, of the people whom the question is about."""
    with sqlite3.connect(company.folder / "tools.sqlite") as tools:
        leads = tools.execute(
            "select email from crm_leads where is_qualified and created_at < ?", [f"{NOW.isoformat()}Z"]
        )
        qualified = {email.strip().lower() for (email,) in leads.fetchall()}
    owners: dict[tuple[str, str], str] = {}
    with duckdb.connect() as con:
        truth = f"read_csv('{company.truth / 'identities.csv'}', all_varchar = true)"
        for person, kind, value in con.execute(f"select person_id, id_type, id_value from {truth}").fetchall():
            owners[kind, value.lower()] = person
    leaders = {owners[kind, value] for kind, value in owners if kind == "email" and value in qualified}
    buyers = {
        person
        for person in leaders
        if people[person].is_comparable and sum(_is_in_the_year(at) for at, _ in people[person].orders.values()) > 5
    }
    views: Views = Counter()
    seen = set()
    for event in _written(company.folder / "company" / "events"):
        if event["type"] != "page" or event["messageId"] in seen or not _is_in_the_year(_time(event["timestamp"])):
            continue
        seen.add(event["messageId"])
        owner = owners.get(("user_id", str(event.get("userId")).lower())) or owners.get(
            ("anonymous_id", str(event.get("anonymousId")).lower())
        )
        if owner in buyers:
            views[owner, event["context"]["page"]["path"]] += 1
    return views


def test_the_views_behind_the_answer_are_those_of_the_ground_truth(
    asked: tuple[Path, str],
    true_views: Views,
    people: dict[str, Truth],
    customers: dict[str, set[str]],
) -> None:
    """Person by person and page by page, of everybody who can be compared."""
    warehouse, question = asked
    head, found, _ = question.partition("select *\nfrom final")
    assert found
    by_person = f"{head}select customer_id, page, count(*) from views group by all"
    owner = {customer: person for person, found in customers.items() for customer in found}
    with duckdb.connect(str(warehouse), read_only=True) as con:
        said = {
            (owner[customer], page): count
            for customer, page, count in con.execute(by_person).fetchall()
            if people[owner[customer]].is_comparable
        }
    assert said == dict(true_views)
    assert len({person for person, _ in said}) >= 3
    assert sum(said.values()) > 100


def test_the_answer_is_the_most_viewed_pages_in_order(asked: tuple[Path, str]) -> None:
    warehouse, question = asked
    with duckdb.connect(str(warehouse), read_only=True) as con:
        rows = con.execute(question).fetchall()
    assert len(rows) > 5
    assert rows == sorted(rows, key=lambda row: (-row[1], -row[2], row[0]))
    assert all(viewers <= views for _, views, viewers in rows)
