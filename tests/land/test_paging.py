"""Ways in which tools page and know us, over real HTTP; and a company's own Python over each row before it is typed."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from headwater.configuration import Auth, Config, Paging, RestSource, RestTable, Transformation
from headwater.errors import DataError, UnavailableError
from headwater.land.extracts import pull
from headwater.settings import Settings

Answer = tuple[dict[str, str], Any]
COLUMNS: dict[str, Any] = {"id": "text", "updated_at": "timestamp"}
ROWS = [{"id": f"r{n}", "updated_at": f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}Z"} for n in range(25)]


class Tool:
    """Answers every request by `answer(path, query, headers)`; None is a 401."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Callable[[str, dict[str, str], Any], Answer | None] = lambda path, query, headers: None
        tool = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                tool.asked.append(query)
                found = tool.answer(parts.path, query, self.headers)
                headers, content = found or ({}, {"error": "no"})
                body = json.dumps(content).encode()
                self.send_response(200 if found else 401)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[Tool]:
    made = Tool()
    yield made
    made.close()


@pytest.fixture
def pulled(
    settings: Settings, web: Tool, config_of: Callable[..., Config], landed_rows: Callable[[str], list[Any]]
) -> Callable[..., list[str]]:
    """Pull the tool's one table with what is told of the source; the ids that have landed."""

    def run(table: dict[str, Any] | None = None, **source: Any) -> list[str]:
        rows = RestTable(path="rows", columns=dict(COLUMNS), **(table or {}))
        config = config_of(tool=RestSource(base_url=web.url, tables={"rows": rows}, page_size=10, **source))
        pull(settings, config, "tool")
        return sorted(row[0] for row in landed_rows("extracts/tool/rows/"))

    return run


EVERY = sorted(row["id"] for row in ROWS)


def test_pages_are_counted(web: Tool, pulled: Callable[..., list[str]]) -> None:
    def answer(path: str, query: dict[str, str], _: Any) -> Answer:
        start = (int(query["page"]) - 1) * int(query["per_page"])
        return {}, ROWS[start : start + int(query["per_page"])]

    web.answer = answer
    assert pulled(paging=Paging(kind="page", rows="", param="page", size_param="per_page")) == EVERY


def test_a_counted_page_that_was_cut_short_is_asked_for_again(web: Tool, pulled: Callable[..., list[str]]) -> None:
    def answer(path: str, query: dict[str, str], _: Any) -> Answer:
        page = int(query["page"])
        is_cut = page == 2 and sum(asked.get("page") == "2" for asked in web.asked) == 1
        return {}, {"data": ROWS[(page - 1) * 10 : page * 10 - (5 if is_cut else 0)]}

    web.answer = answer
    assert sorted(set(pulled(paging=Paging(kind="page", param="page")))) == EVERY


def test_offsets_grow_by_what_came(web: Tool, pulled: Callable[..., list[str]]) -> None:
    def answer(path: str, query: dict[str, str], _: Any) -> Answer:
        start = int(query["skip"])
        return {}, {"data": {"items": ROWS[start : start + (3 if start == 10 else 10)]}}

    web.answer = answer
    assert pulled(paging=Paging(kind="offset", rows="data.items", param="skip")) == EVERY


@pytest.mark.parametrize("where", ["header", "body"])
def test_links_are_followed(where: str, web: Tool, pulled: Callable[..., list[str]]) -> None:
    def answer(path: str, query: dict[str, str], _: Any) -> Answer:
        start = int(query.get("from", 0))
        following = f"{web.url}/rows?from={start + 10}" if start + 10 < len(ROWS) else None
        link = {"Link": f'<{following}>; rel="next"'} if following and where == "header" else {}
        return link, {"data": ROWS[start : start + 10], "links": {"next": following if where == "body" else None}}

    web.answer = answer
    assert pulled(paging=Paging(kind="link", next="links.next" if where == "body" else "")) == EVERY


def test_a_link_to_another_host_is_not_followed_with_our_token(web: Tool, pulled: Callable[..., list[str]]) -> None:
    web.answer = lambda path, query, headers: ({}, {"data": ROWS[:1], "next": "http://127.0.0.2:1/rows"})
    with pytest.raises(DataError, match="names a next page on another host"):
        pulled(token="secret", paging=Paging(kind="link", next="next"))


@pytest.mark.parametrize("kind", ["page", "offset"])
def test_a_tool_that_does_not_count_is_noticed(kind: Any, web: Tool, pulled: Callable[..., list[str]]) -> None:
    web.answer = lambda path, query, headers: ({}, {"data": ROWS[:10]})
    with pytest.raises(DataError, match="its pages have no end"):
        pulled(paging=Paging(kind=kind, param="page"))


def test_a_cursor_that_is_ever_new_with_the_same_rows_is_noticed(web: Tool, pulled: Callable[..., list[str]]) -> None:
    web.answer = lambda path, query, headers: ({}, {"data": ROWS[:10], "next_page_token": str(len(web.asked))})
    with pytest.raises(DataError, match=r"the same rows .*; its pages have no end"):
        pulled()


@pytest.mark.parametrize(
    ("since_format", "expected"),
    [("iso", "2025-12-31T23:55:24.000000Z"), ("epoch", "1767225324"), ("epoch_ms", "1767225324000")],
)
def test_what_changed_is_asked_for_as_the_tool_reads_times(
    since_format: Any, expected: str, web: Tool, pulled: Callable[..., list[str]]
) -> None:
    web.answer = lambda path, query, headers: ({}, {"data": ROWS})
    for _ in range(2):
        pulled(
            {"params": {"expand": "all"}},
            paging=Paging(kind="single", since_param="since", since_format=since_format),
        )
    assert web.asked[-1] == {"expand": "all", "limit": "10", "since": expected}


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (Auth(kind="bearer", token="t"), "Bearer t"),
        (Auth(kind="basic", username="u", token="t"), f"Basic {base64.b64encode(b'u:t').decode()}"),
        (Auth(kind="header", name="X-Key", token="t"), "t"),
        (Auth(kind="query", name="key", token="t"), "t"),
    ],
    ids=["bearer", "basic", "header", "query"],
)
def test_each_way_of_saying_who_we_are(auth: Auth, expected: str, web: Tool, pulled: Callable[..., list[str]]) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Answer | None:
        told = query.get("key") or headers.get("X-Key") or headers.get("Authorization")
        return ({}, {"data": ROWS}) if told == expected else None

    web.answer = answer
    assert pulled(auth=auth, paging=Paging(kind="single")) == EVERY
    with pytest.raises(UnavailableError, match="answered 401") as caught:
        pulled(auth=Auth(auth.kind, "wrong", auth.username, auth.name), paging=Paging(kind="single"))
    assert "wrong" not in str(caught.value)


@pytest.mark.slow
def test_a_transformation_changes_leaves_out_and_fails_rows_before_they_are_typed(
    settings: Settings,
    web: Tool,
    config_of: Callable[..., Config],
    landed_rows: Callable[[str], list[Any]],
) -> None:
    folder = settings.config_dir / "transformations"
    folder.mkdir(parents=True)
    (folder / "tidy.py").write_text(
        "def transform(event):\n"
        "    row = event['properties']\n"
        "    if row['id'] == 'r0':\n        return None\n"
        "    if row['id'] == 'r1':\n        raise ValueError('no')\n"
        "    row['id'] = event['context']['table'] + '-' + row.pop('id')\n"
        "    return event\n"
    )
    web.answer = lambda path, query, headers: ({}, {"data": ROWS[:4]})
    table = RestTable(path="rows", columns=dict(COLUMNS), transform="tidy")
    config = config_of(tool=RestSource(base_url=web.url, tables={"rows": table}, paging=Paging(kind="single")))
    config.transformations["tidy"] = Transformation()
    found = pull(replace(settings), config, "tool").tables["rows"]
    assert (found.rows, found.quarantined) == (2, 1)
    assert sorted(row[0] for row in landed_rows("extracts/tool/rows/")) == ["rows-r2", "rows-r3"]
    assert [row[0] for row in landed_rows("quarantine/extracts/")] == ["transformation failed"]
