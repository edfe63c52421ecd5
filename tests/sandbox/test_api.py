"""The tools' APIs behave as real ones do: paging, errors, limits, refusals."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.company.simulate import simulate
from sandbox.company.tools_file import COLUMNS

TABLES = [tuple(table.split("_", 1)) for table in COLUMNS]


def pull(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        answer = client.get(path, params={**query, **({"page_token": token} if token else {})})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["data"]
        token = page["next_page_token"]
        if token is None:
            return rows


def one(folder: Path, sql: str, *parameters: Any) -> Any:
    with closing(sqlite3.connect(folder / "tools.sqlite")) as database:
        return database.execute(sql, parameters).fetchone()[0]


@pytest.mark.parametrize(("tool", "table"), TABLES)
def test_a_list_gives_every_row_once_in_order_with_the_contract_s_columns(
    tools: httpx.Client, tools_dir: Path, tool: str, table: str
) -> None:
    rows = pull(tools, f"/{tool}/v1/{table}", limit=1000)
    assert len(rows) == one(tools_dir, f"select count(*) from {tool}_{table}")
    assert len({row["id"] for row in rows}) == len(rows)
    assert [(r["updated_at"], r["id"]) for r in rows] == sorted((r["updated_at"], r["id"]) for r in rows)
    assert rows and list(rows[0]) == COLUMNS[f"{tool}_{table}"].split(", ")


def test_paging_is_complete_when_many_rows_share_one_time(tools: httpx.Client, tools_dir: Path) -> None:
    at = "2031-01-01T00:00:00.000Z"
    with closing(sqlite3.connect(tools_dir / "tools.sqlite")) as database, database:
        for number in range(57):
            sql = "insert into crm_activities (id, contact_id, kind, occurred_at, updated_at) values (?, ?, ?, ?, ?)"
            database.execute(sql, (f"act_equal{number:03d}", "crm_x", "call", at, at))
    rows = pull(tools, "/crm/v1/activities", limit=10, updated_since=at)
    assert [row["id"] for row in rows] == [f"act_equal{number:03d}" for number in range(57)]


def test_updated_since_includes_its_own_moment_and_reads_other_zones(tools: httpx.Client) -> None:
    rows = pull(tools, "/payments/v1/orders", limit=500)
    middle = rows[len(rows) // 2]["updated_at"]
    later = [row["id"] for row in rows if row["updated_at"] >= middle]
    assert [row["id"] for row in pull(tools, "/payments/v1/orders", limit=500, updated_since=middle)] == later
    same = middle.replace("Z", "+00:00")
    assert [row["id"] for row in pull(tools, "/payments/v1/orders", limit=500, updated_since=same)] == later


def test_booleans_are_booleans(tools: httpx.Client) -> None:
    deals = pull(tools, "/crm/v1/opportunities")
    assert {type(deal["is_open"]) for deal in deals} == {bool}
    assert {deal["is_open"] for deal in deals} == {deal["closed_at"] is None for deal in deals}


def test_without_the_token_nothing_is_told(tools: httpx.Client) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        answer = tools.get("/crm/v1/contacts", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "INVALID_AUTHENTICATION"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/crm/v1/nothing", 404, "NOT_FOUND"),
        ("/crm/v1/contacts/crm_nobody", 404, "CONTACT_NOT_FOUND"),
        ("/crm/v1/contacts?limit=0", 400, "INVALID_LIMIT"),
        ("/crm/v1/contacts?limit=many", 400, "INVALID_LIMIT"),
        ("/crm/v1/contacts?limit=1001", 400, "INVALID_LIMIT"),
        ("/crm/v1/contacts?updated_since=yesterday", 400, "INVALID_TIME"),
        ("/crm/v1/contacts?page_token=zzz", 400, "INVALID_PAGE_TOKEN"),
        ("/crm/v1/contacts?page_token=%C3%A9", 400, "INVALID_PAGE_TOKEN"),
    ],
)
def test_a_wrong_request_is_answered_with_its_reason(tools: httpx.Client, path: str, status: int, code: str) -> None:
    answer = tools.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def upsert(client: httpx.Client, *inputs: Any) -> httpx.Response:
    return client.post("/crm/v1/contacts/batch/upsert", json={"inputs": list(inputs)})


def with_email(tools_dir: Path) -> tuple[str, str]:
    with closing(sqlite3.connect(tools_dir / "tools.sqlite")) as database:
        sql = "select id, email from crm_contacts where email like '%@%.%' order by id limit 1"
        found: tuple[str, str] = database.execute(sql).fetchone()
    return found


def test_the_crm_takes_known_contacts_by_email_in_any_case_and_by_id(tools: httpx.Client, tools_dir: Path) -> None:
    contact_id, email = with_email(tools_dir)
    answer = upsert(
        tools,
        {"id_property": "email", "id": email.upper(), "properties": {"likelihood_to_churn": 0.25}},
        {"id_property": "id", "id": contact_id, "properties": {"count_orders": 3}},
    )
    assert answer.status_code == 200
    assert [result["id"] for result in answer.json()["results"]] == [contact_id, contact_id]
    assert tools.get(f"/crm/v1/contacts/{contact_id}").json()["properties"] == {
        "likelihood_to_churn": 0.25,
        "count_orders": 3,
    }
    upsert(tools, {"id_property": "id", "id": contact_id, "properties": {"count_orders": 4}})
    properties = tools.get(f"/crm/v1/contacts/{contact_id}").json()["properties"]
    assert properties == {"likelihood_to_churn": 0.25, "count_orders": 4}


def test_the_crm_refuses_rows_one_by_one(tools: httpx.Client, tools_dir: Path) -> None:
    contact_id, email = with_email(tools_dir)
    answer = upsert(
        tools,
        {"id_property": "email", "id": "nobody@example.com", "properties": {"count_orders": 1}},
        {"id_property": "email", "id": "not an address", "properties": {"count_orders": 1}},
        {"id_property": "email", "id": email, "properties": {"count_order": 1}},
        {"id_property": "email", "id": email, "properties": {"count_orders": {"a": 1}}},
        {"id_property": "phone", "id": "1", "properties": {}},
        "nonsense",
        {"id_property": "id", "id": contact_id, "properties": {"currency": "USD"}},
    )
    assert answer.status_code == 207
    body = answer.json()
    assert [(error["index"], error["code"]) for error in body["errors"]] == [
        (0, "CONTACT_NOT_FOUND"),
        (1, "INVALID_EMAIL"),
        (2, "PROPERTY_DOESNT_EXIST"),
        (3, "INVALID_PROPERTY_VALUE"),
        (4, "INVALID_INPUT"),
        (5, "INVALID_INPUT"),
    ]
    assert [result["index"] for result in body["results"]] == [6]


def test_the_email_tool_makes_contacts_and_refuses_wrong_and_suppressed_ones(
    tools: httpx.Client, tools_dir: Path
) -> None:
    gone = one(
        tools_dir,
        "select email from email_contacts where status = 'unsubscribed' and email glob '*[a-z0-9]@[a-z]*' limit 1",
    )
    answer = tools.post(
        "/email/v1/contacts/batch",
        json={
            "contacts": [
                {"email": "new.person@example.com", "attributes": {"likelihood_to_churn": 0.5}},
                {"email": "wrong@@example.com", "attributes": {}},
                {"email": gone.upper(), "attributes": {"count_orders": 1}},
                {"email": "new.person@example.com", "attributes": {"2nd": 1}},
                {"attributes": {}},
            ]
        },
    )
    assert answer.status_code == 201
    assert answer.json()["accepted"] == 1
    assert [(error["index"], error["code"]) for error in answer.json()["errors"]] == [
        (1, "INVALID_EMAIL"),
        (2, "CONTACT_SUPPRESSED"),
        (3, "INVALID_ATTRIBUTE"),
        (4, "INVALID_EMAIL"),
    ]
    made = tools.get("/email/v1/contacts/new.person@example.com").json()
    assert made["properties"] == {"likelihood_to_churn": 0.5}


@pytest.mark.parametrize(
    ("path", "name", "most"),
    [
        ("/crm/v1/contacts/batch/upsert", "inputs", 100),
        ("/email/v1/contacts/batch", "contacts", 75),
        ("/email/v1/events", "events", 100),
    ],
)
def test_a_batch_over_the_limit_is_refused_whole(tools: httpx.Client, path: str, name: str, most: int) -> None:
    answer = tools.post(path, json={name: [{}] * (most + 1)})
    assert (answer.status_code, answer.json()["code"]) == (400, "BATCH_TOO_LARGE")
    assert tools.post(path, json={name: [{}] * most}).status_code in (200, 201, 207)


def test_a_body_that_is_no_json_is_refused(tools: httpx.Client) -> None:
    answer = tools.post("/email/v1/events", content=b"{")
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_JSON")
    answer = tools.post("/email/v1/events", json=[])
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_BODY")


def test_events_are_kept_once_by_message_id(tools: httpx.Client, tools_dir: Path) -> None:
    events = [{"messageId": f"m{n}", "type": "track", "event": "Order Completed", "userId": "u"} for n in range(3)]
    assert tools.post("/email/v1/events", json={"events": events}).json()["new"] == 3
    again = tools.post("/email/v1/events", json={"events": [*events, {"messageId": "m9"}, {"userId": "u"}]}).json()
    assert (again["accepted"], again["new"]) == (3, 0)
    assert [error["code"] for error in again["errors"]] == ["MISSING_IDENTIFIER", "MISSING_MESSAGE_ID"]
    assert one(tools_dir, "select count(*) from written_email_events where message_id like 'm_'") == 3


def test_the_email_tool_reports_the_events_that_it_keeps_by_day_and_name(tools: httpx.Client) -> None:
    def reported() -> dict[tuple[str, str], int]:
        return {(row["day"], row["event"]): row["count"] for row in tools.get("/email/_counts").json()}

    before, first = reported(), datetime.now(UTC).date()
    events = [
        {"messageId": "counted-1", "type": "track", "event": "Counted", "userId": "u"},
        {"messageId": "counted-2", "type": "track", "event": "Counted", "userId": "u"},
        {"messageId": "counted-3", "type": "identify", "userId": "u"},
        {"messageId": "counted-4", "type": "identify"},
    ]
    for _ in range(2):
        assert tools.post("/email/v1/events", json={"events": events}).json()["accepted"] == 3
    days = {str(first), str(datetime.now(UTC).date())}
    added = {key: count - before.get(key, 0) for key, count in reported().items() if count != before.get(key, 0)}
    assert {day for day, _ in added} <= days
    assert Counter({name: sum(n for (_, one), n in added.items() if one == name) for _, name in added}) == {
        "Counted": 2, "identify": 1,
    }  # fmt: skip


@pytest.mark.slow
def test_too_many_requests_are_told_when_to_come_again(serving: Callable[..., Any], tools_dir: Path) -> None:
    with serving(tools_dir, "--rate", "crm=0.5") as client:
        assert client.get("/crm/v1/leads").status_code == 200
        answer = client.get("/crm/v1/leads")
        assert answer.status_code == 429
        assert answer.json()["code"] == "RATE_LIMIT"
        assert 1 <= int(answer.headers["Retry-After"]) <= 2
        assert client.get("/payments/v1/orders").status_code == 200


def test_the_request_log_proves_what_was_sent(tools: httpx.Client, tools_dir: Path) -> None:
    last = tools.get("/admin/requests").json()["last_id"]
    tools.get("/crm/v1/leads")
    upsert(tools)
    counts = tools.get("/admin/requests", params={"since_id": last}).json()["counts"]
    assert counts["crm"] == {"GET": 1, "POST": 1}
    assert counts["email"] == {}


@pytest.mark.slow
def test_what_was_written_outlives_a_simulation_and_moves_no_cursor(
    tmp_path: Path, serving: Callable[..., Any]
) -> None:
    simulate(tmp_path, people=60, seed=5, as_of=date(2026, 6, 19))
    with serving(tmp_path) as client:
        before = pull(client, "/crm/v1/contacts")
        key = before[0]["id"]
        upsert(client, {"id_property": "id", "id": key, "properties": {"likelihood_to_churn": 0.75}})
        assert pull(client, "/crm/v1/contacts") == before
        simulate(tmp_path, as_of=date(2026, 6, 20))
        assert client.get(f"/crm/v1/contacts/{key}").json()["properties"] == {"likelihood_to_churn": 0.75}
