"""The example company from its first event to its profiles, run as a user runs it: again, killed, on S3, and with news.

The tests share one home and go in the order of this file; `twin` and `on_s3` are copies of it as it was when all events
had been collected and nothing had been made of them.
"""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headwater.report.words import money
from headwater.settings import CHECKOUT
from tests.e2e.product import OF_ATTEMPT, Product, differences, warehouse_is_held_by
from tests.s3_front import front
from tests.s3_server import KEYS, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CONFIG = CHECKOUT / "config"
# so few people hardly ever cancel; enough of them pause buying
CHURN = (
    "label: {kind: inactivity, horizon_days: 45}\ndescription: Likelihood that a customer buys nothing in 45 days.\n"
)
TOKEN = {"Authorization": "Bearer api_demo"}
# what a run adds about itself: its own row a sync, and the words about the model that it kept
OF_RUN = {"push.sync_runs", "ml.models"}


@dataclass
class Company:
    """The shared home, two copies of it from before its first graph, what the first run said and what it left."""

    product: Product
    twin: Product
    on_s3: Product
    text: str
    content: dict[str, tuple[int, int]]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("company")
    product = Product(folder / "home")
    config = folder / "config"
    shutil.copytree(CONFIG, config, ignore=shutil.ignore_patterns("examples"))
    (config / "predictions" / "churn.yaml").write_text(CHURN)
    # on a slow machine any transformation may take its second, and one warehouse would have an event less
    files = (config / "transformations").glob("[!_]*.py")
    patience = "".join(f"{file.stem}: {{timeout_seconds: 120}}\n" for file in files)
    (config / "transformations" / "_settings.yaml").write_text(patience)
    collecting = product.start("run", "--people", "300", "--config", str(config))
    collecting.wait_until(lambda: "the whole graph" in collecting.text(), "the graph")
    collecting.kill()
    product.await_rest()
    copies = [Product(folder / name, ports_of=product) for name in ("twin", "on_s3")]
    for copy in copies:
        shutil.copytree(product.home, copy.home, ignore=shutil.ignore_patterns("*.sock", "processes.json"))
    ended = product.run("run")
    assert ended.code == 0, ended.text
    return Company(product, *copies, ended.text, product.content())


def requests_to_tools(product: Product) -> int:
    """Rows and events sent to the company's tools, counted by the tools themselves."""
    with sqlite3.connect(product.home / "sandbox" / "tools.sqlite") as tools:
        return int(tools.execute("select count(*) from request_log where method = 'POST'").fetchone()[0])


def models(product: Product) -> list[tuple[Any, ...]]:
    return product.rows("select prediction, status, version from ml.models order by 1")


def dagster_runs(home: Path) -> list[str]:
    """The status of every run that Dagster remembers, oldest first."""
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as history:
        return [status for (status,) in history.execute("select status from runs order by create_timestamp, id")]


def test_the_report_shows_the_revenue_that_the_warehouse_has(company):
    page = company.product.home / "report" / "index.html"
    ((revenue,),) = company.product.rows(
        "select value from marts.executive_scorecard where metric = 'order_revenue' and period = 'last_month'"
    )
    assert revenue > 0
    row = page.read_text(encoding="utf-8").partition("<td>Order revenue<")[2].partition("</tr>")[0]
    assert f"<td>{money(revenue, 'USD')}<" in row
    checked = re.search(r"Of the (\d+) tests of what they are made of, (\d+) passed", page.read_text(encoding="utf-8"))
    assert checked and int(checked[1]) >= int(checked[2]) > 100
    assert str(page) in company.text


def test_a_run_ends_with_a_summary_of_what_is_in_the_warehouse(company):
    (events,), (people,) = company.product.rows(
        "select count(*) from raw.events union all select count(*) from marts.customer_360"
    )
    assert events > 10_000 and people > 300
    for line in (f"events      {events:>10,}", f"people      {people:>10,}", "crm_profiles", "email_profiles"):
        assert line in company.text
    assert "Traceback" not in company.text and "warning" not in company.text.lower()
    assert requests_to_tools(company.product) > 0
    assert [(prediction, status) for prediction, status, _ in models(company.product)] == [("churn", "trained")]


def test_a_second_run_on_unchanged_data_adds_nothing_and_sends_nothing(company):
    product = company.product
    sent, model = requests_to_tools(product), models(product)
    ended = product.run("run")
    assert ended.code == 0, ended.text
    assert set(differences(company.content, product.content())) <= OF_RUN
    assert models(product) == model
    assert requests_to_tools(product) == sent
    assert product.rows(
        "select sync, list(requests > 0 order by started_at), list(distinct status) from push.sync_runs group by 1"
        " order by 1"
    ) == [("crm_profiles", [True, False], ["succeeded"]), ("email_profiles", [True, False], ["succeeded"])]


def test_killed_again_and_again_it_ends_in_the_same_warehouse(company):
    """Each kill comes a moment (seeded) after the run has got to a place; three of them inside a pooled step."""
    twin, seed = company.twin, random.Random(20)
    places = {
        "loading events": lambda run: (
            "lake/events" in run.text() and warehouse_is_held_by(twin.home, "orchestration.launch")
        ),
        "dbt": lambda run: warehouse_is_held_by(twin.home, "bin/dbt"),
        "sending to the tools": lambda run: "marts/customer_activation" in run.text(),
    }
    for place, is_there in places.items():
        run = twin.start("run")
        run.wait_until(lambda run=run, is_there=is_there: is_there(run), place)
        time.sleep(seed.uniform(0, 0.4))
        run.kill()
        assert run.process.returncode == -9
    assert dagster_runs(twin.home).count("STARTED") == 1
    ended = twin.run("run")
    assert ended.code == 0, ended.text
    assert dagster_runs(twin.home) == ["FAILURE"] * len(places) + ["SUCCESS"]
    undisturbed = company.product.content(leave_out=OF_ATTEMPT)
    assert set(differences(undisturbed, twin.content(leave_out=OF_ATTEMPT))) <= OF_RUN | {"push.online_runs"}


def test_a_lake_on_s3_gives_the_same_rows_though_the_server_is_away_for_a_while(company, tmp_path):
    product, wrong = company.on_s3, "wr0ng-s3cr3t-of-the-tests"
    with s3_server(tmp_path) as endpoint, front(endpoint) as server:
        product.environment |= KEYS | {"AWS_ENDPOINT_URL": server.url}
        lake = ("run", "--lake", "s3://bucket/some/prefix")
        refused = product.run(*lake, AWS_SECRET_ACCESS_KEY=wrong)
        assert refused.code == 4, refused.text
        assert f"{server.url} refuses the keys" in refused.text and len(refused.text.splitlines()) == 1
        nowhere = product.run("run", "--lake", "s3://nowhere/prefix")
        assert nowhere.code == 4 and "has no bucket «nowhere». Make the bucket" in nowhere.text
        assert not product.home.joinpath("warehouse.duckdb").exists()

        run = product.start(*lake)
        run.wait_until(lambda: "raw/events" in run.text(), "loading events", seconds=900)
        server.is_down = True
        run.process.wait(1200)
        assert run.process.returncode != 0
        assert f"{server.url} does not answer" in run.text()
        server.is_down = False

        ended = product.run("run")  # the home knows its lake
        assert ended.code == 0, ended.text
        assert "the lake at s3://bucket/some/prefix" in ended.text
    undisturbed = company.product.content(leave_out=OF_ATTEMPT)
    assert set(differences(undisturbed, product.content(leave_out=OF_ATTEMPT))) <= OF_RUN | {"push.online_runs"}
    assert not (product.home / "lake").exists()
    told = refused.text + nowhere.text + run.text() + ended.text
    assert not [secret for secret in (wrong, KEYS["AWS_SECRET_ACCESS_KEY"]) if secret in told]
    for file in (path for path in product.home.rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert wrong.encode() not in content and KEYS["AWS_SECRET_ACCESS_KEY"].encode() not in content, file


def test_an_event_posted_to_the_collector_comes_back_as_a_profile_under_each_of_its_ids(company):
    product = company.product
    known = product.rows("select count(*) from marts.customer_360")[0][0]
    anonymous_id, user_id, email = "e2e-device-1", "e2e-user-1", "Nina.New@example.com"
    with product.service("collect", "COLLECTOR") as collector:
        about = {"userId": user_id, "anonymousId": anonymous_id}
        traits = {"email": email, "firstName": "Nina", "lastName": "New"}
        order = {
            "order_id": "e2e-order-1", "total": 42.5, "currency": "USD",
            "products": [{"product_id": "p1", "price": 42.5, "quantity": 1}],
        }  # fmt: skip
        for route, event in (
            ("identify", about | {"traits": traits}),
            ("track", about | {"event": "Order Completed", "properties": order}),
        ):
            answer = collector.post(f"/v1/{route}", json=event, auth=("wk_web_demo", ""))
            assert answer.status_code == 200, answer.text
    ended = product.run("run")
    assert ended.code == 0, ended.text
    assert product.rows("select count(*) from marts.customer_360") == [(known + 1,)]
    with product.service("serve", "API") as api:
        first = api.get(f"/v1/profiles/user_id/{user_id}", headers=TOKEN)
        assert first.status_code == 200, first.text
        found = first.json()
        profile = found["profile"]
        assert (profile["first_name"], profile["email"]) == ("Nina", email.lower())
        assert (profile["count_orders"], profile["revenue_cents"]) == (1, 4250)
        assert found["ids"] == {"user_id": [user_id], "email": [email.lower()], "anonymous_id": [anonymous_id]}
        for id_type, value in (
            ("email", email),
            ("anonymous_id", anonymous_id),
            ("customer_id", found["customer_id"]),
        ):
            answer = api.get(f"/v1/profiles/{id_type}/{value}", headers=TOKEN)
            assert (answer.status_code, answer.json()["customer_id"]) == (200, found["customer_id"])
        assert api.get("/v1/profiles/user_id/nobody", headers=TOKEN).status_code == 404
        assert api.get(f"/v1/profiles/user_id/{user_id}").status_code == 401
        assert api.get(f"/v1/profiles/user_id/{user_id}", headers={"Authorization": "Bearer no"}).status_code == 401
