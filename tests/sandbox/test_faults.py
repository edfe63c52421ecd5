"""Each fault that the tools can be told to have does what its name says, and is over when it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.clock import parse
from sandbox.tools.faults import KINDS

PATH = "/crm/v1/contacts"
MOST = 40


@pytest.fixture(scope="module")
def tools(serving: Callable[..., Any], tools_dir: Path) -> Iterator[httpx.Client]:
    """Tools of our own, which no other test finds at fault, and without the usual limit of requests."""
    with serving(tools_dir, "--rate", "crm=100000") as client:
        yield client


@pytest.fixture(autouse=True)
def no_faults_afterwards(tools: httpx.Client) -> Iterator[None]:
    yield
    tools.delete("/admin/faults")


def put(tools: httpx.Client, kind: str, **options: Any) -> dict[str, Any]:
    answer = tools.post("/admin/faults", json={"tool": "crm", "table": "contacts", "kind": kind, **options})
    assert answer.status_code == 201, answer.text
    return answer.json()


def pages(tools: httpx.Client, path: str = PATH, **query: Any) -> list[list[dict[str, Any]]]:
    """Pages until there is none, or `MOST` of them."""
    found: list[list[dict[str, Any]]] = []
    token = None
    while len(found) < MOST:
        asked = {"limit": 50, **query, **({"page_token": token} if token else {})}
        content = tools.get(path, params=asked).json()
        found.append(content["data"])
        token = content["next_page_token"]
        if not token:
            break
    return found


def rows(tools: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    return [row for page in pages(tools, **query) for row in page]


@pytest.fixture
def contacts(tools: httpx.Client) -> list[dict[str, Any]]:
    found = rows(tools)
    assert 100 < len(found) < 50 * (MOST - 1)
    return found


def test_too_many_requests_for_so_many_requests_of_one_table(tools: httpx.Client) -> None:
    put(tools, "429", times=2, retry_after=7)
    for _ in range(2):
        answer = tools.get(PATH)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
        assert tools.get("/crm/v1/leads").status_code == 200
    assert tools.get(PATH).status_code == 200
    assert tools.get("/admin/faults").json() == {"faults": []}


def test_an_inner_error_of_a_whole_tool_until_it_is_taken_back(tools: httpx.Client) -> None:
    answer = tools.post("/admin/faults", json={"tool": "crm", "kind": "500", "times": None})
    assert answer.json()["times"] is None
    for path in (PATH, "/crm/v1/leads", PATH):
        assert tools.get(path).status_code == 500
    assert tools.post("/crm/v1/contacts/batch/upsert", json={"inputs": []}).status_code == 500
    assert tools.get("/payments/v1/orders").status_code == 200
    tools.delete("/admin/faults")
    assert tools.get(PATH).status_code == 200


def test_an_answer_that_comes_too_late(tools: httpx.Client) -> None:
    put(tools, "timeout", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        tools.get(PATH, timeout=0.3)
    put(tools, "timeout", seconds=0)
    assert tools.get(PATH).status_code == 504


def test_half_a_page_is_no_json(tools: httpx.Client) -> None:
    whole = tools.get(PATH).content
    put(tools, "half_page")
    half = tools.get(PATH)
    assert half.status_code == 200
    assert whole.startswith(half.content) and 0 < len(half.content) <= len(whole) // 2 + 1
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        half.json()
    assert tools.get(PATH).content == whole


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"loyalty_tier": "gold"}),
        ({"change": "type", "column": "created_at", "value": 17}, {"created_at": 17}),
    ],
)
def test_a_column_more_or_of_another_type(
    tools: httpx.Client, contacts: list[dict[str, Any]], options: dict[str, Any], expected: dict[str, Any]
) -> None:
    put(tools, "schema_change", times=None, **options)
    assert rows(tools) == [row | expected for row in contacts]


def test_a_column_less(tools: httpx.Client, contacts: list[dict[str, Any]]) -> None:
    put(tools, "schema_change", times=None, change="drop", column="phone")
    assert rows(tools) == [{name: value for name, value in row.items() if name != "phone"} for row in contacts]


def test_newest_first_in_whole_even_when_the_fault_is_over_after_the_first_page(
    tools: httpx.Client, contacts: list[dict[str, Any]]
) -> None:
    put(tools, "page_order", times=1)
    assert rows(tools) == contacts[::-1]
    assert rows(tools) == contacts


def test_a_clock_that_went_back_tells_of_later_changes_as_earlier_ones(
    tools: httpx.Client, contacts: list[dict[str, Any]]
) -> None:
    at = contacts[len(contacts) // 2]["updated_at"]
    put(tools, "clock_back", times=None, seconds=7200, at=at)
    told = {row["id"]: row for row in rows(tools)}
    assert told.keys() == {row["id"] for row in contacts}
    for row in contacts:
        moved = 7_200_000 if row["updated_at"] >= at else 0
        assert parse(row["updated_at"]) - parse(told[row["id"]]["updated_at"]) == moved
    times = [row["updated_at"] for row in told.values()]
    assert times == sorted(times)
    since = contacts[-1]["updated_at"]
    assert contacts[-1]["id"] not in {row["id"] for row in rows(tools, updated_since=since)}


def test_rows_come_again_on_the_next_page(tools: httpx.Client, contacts: list[dict[str, Any]]) -> None:
    put(tools, "duplicate_rows", times=None, rows=4)
    found = pages(tools)
    assert len(found) > 2
    for page, following in pairwise(found):
        assert page[-4:] == following[:4]
    seen = [row["id"] for page in found for row in page]
    assert len(seen) == len(contacts) + 4 * (len(found) - 1)
    assert set(seen) == {row["id"] for row in contacts}


def test_a_cursor_that_never_ends(tools: httpx.Client, contacts: list[dict[str, Any]]) -> None:
    put(tools, "endless_cursor", times=None)
    found = pages(tools)
    assert len(found) == MOST
    assert found[1] == found[-1] != found[0]
    assert pages(tools, limit=1000)[1] == []


def test_what_cannot_be_understood_is_refused_with_the_choices(tools: httpx.Client) -> None:
    for told, words in (
        ({"tool": "crm", "kind": "earthquake"}, "half_page"),
        ({"tool": "fax", "kind": "500"}, "payments"),
        ({"tool": "crm", "kind": "500", "times": 0}, "above 0"),
        ({"tool": "crm", "kind": "429", "seconds": 3}, "retry_after"),
        ({"tool": "crm", "kind": "schema_change", "change": "colour"}, "drop"),
        ([], "object"),
    ):
        answer = tools.post("/admin/faults", json=told)
        assert answer.status_code == 400
        assert words in answer.json()["message"]
    assert tools.get("/admin/faults").json() == {"faults": []}


def test_every_kind_has_a_test_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{kind}"' in source for kind in KINDS)
