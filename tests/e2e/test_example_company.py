"""The example company from its first event to its profiles, run as a user runs it: once, again, and with news.

The tests share one home and go in the order of this file. Runs that are killed or have their lake on S3 are files of
their own, for other workers to take.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest

from headwater.report.words import money
from tests.e2e.product import OF_RUN, Product, differences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TOKEN = {"Authorization": "Bearer api_demo"}


def requests_to_tools(product: Product) -> int:
    """Rows and events sent to the company's tools, counted by the tools themselves."""
    with sqlite3.connect(product.home / "sandbox" / "tools.sqlite") as tools:
        return int(tools.execute("select count(*) from request_log where method = 'POST'").fetchone()[0])


def models(product: Product) -> list[tuple[Any, ...]]:
    return product.rows("select prediction, status, version from ml.models order by 1")


def test_the_report_shows_the_revenue_that_the_warehouse_has(ran):
    page = ran.product.home / "report" / "index.html"
    ((revenue,),) = ran.product.rows(
        "select value from marts.executive_scorecard where metric = 'order_revenue' and period = 'last_month'"
    )
    assert revenue > 0
    row = page.read_text(encoding="utf-8").partition("<td>Order revenue<")[2].partition("</tr>")[0]
    assert f"<td>{money(revenue, 'USD')}<" in row
    checked = re.search(r"Of the (\d+) tests of what they are made of, (\d+) passed", page.read_text(encoding="utf-8"))
    assert checked and int(checked[1]) >= int(checked[2]) > 100
    assert str(page) in ran.text


def test_a_run_ends_with_a_summary_of_what_is_in_the_warehouse(ran):
    (events,), (people,) = ran.product.rows(
        "select count(*) from raw.events union all select count(*) from marts.customer_360"
    )
    assert events > 10_000 and people > 300
    for line in (f"events      {events:>10,}", f"people      {people:>10,}", "crm_profiles", "email_profiles"):
        assert line in ran.text
    assert "Traceback" not in ran.text and "warning" not in ran.text.lower()
    assert requests_to_tools(ran.product) > 0
    assert [(prediction, status) for prediction, status, _ in models(ran.product)] == [("churn", "trained")]


def test_a_second_run_on_unchanged_data_adds_nothing_and_sends_nothing(ran):
    product = ran.product
    sent, model = requests_to_tools(product), models(product)
    ended = product.run("run")
    assert ended.code == 0, ended.text
    assert set(differences(ran.content, product.content())) <= OF_RUN
    assert models(product) == model
    assert requests_to_tools(product) == sent
    assert product.rows(
        "select sync, list(requests > 0 order by started_at), list(distinct status) from push.sync_runs group by 1"
        " order by 1"
    ) == [("crm_profiles", [True, False], ["succeeded"]), ("email_profiles", [True, False], ["succeeded"])]


def test_an_event_posted_to_the_collector_comes_back_as_a_profile_under_each_of_its_ids(ran):
    product = ran.product
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
