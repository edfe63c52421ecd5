"""The link that Dagster shows opens the report in a browser, and only for whoever has the link."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import httpx
import pytest

from headwater.storage.report_page import link, page_file
from tests.sdk.browser import launched
from tests.serve.conftest import Api

PAGE = "<!DOCTYPE html><title>T</title><style>h1 { color: rgb(1, 2, 3) }</style><h1>Grüße</h1>"


@pytest.fixture
def page(api: Api) -> Iterator[str]:
    """The link to a page that was written."""
    path = page_file(api.settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE, encoding="utf-8")
    yield link(api.settings)
    path.unlink()


def _status(url: str, **headers: str) -> int:
    return httpx.get(url, headers=headers, trust_env=False).status_code


def test_the_link_opens_the_page_without_a_token(page: str) -> None:
    answer = httpx.get(page, trust_env=False)
    assert answer.status_code == 200
    assert answer.text == PAGE
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_without_the_key_of_the_link_a_token_is_asked_for(api: Api, page: str) -> None:
    bare = page.partition("?")[0]
    for wrong in (bare, f"{bare}?key=", f"{bare}?key=guessed", f"{page}x", f"{bare}?key=%C3%A9"):
        assert _status(wrong) == 401
    assert _status(bare, Authorization="Bearer wrong") == 401
    assert api.get("/report").text == PAGE  # with an API token


def test_the_link_stays_the_same_and_its_key_is_for_the_owner_alone(api: Api, page: str) -> None:
    assert link(api.settings) == page
    [key] = page_file(api.settings).parent.glob("*.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_before_the_first_run_there_is_no_page_and_it_says_so(api: Api) -> None:
    answer = httpx.get(link(api.settings), trust_env=False)
    assert answer.status_code == 404
    assert "No report was written yet" in answer.json()["message"]


@pytest.mark.slow
def test_a_browser_follows_the_link_from_another_page(page: str, pytestconfig: pytest.Config) -> None:
    """As from Dagster's, which is of http too: a link to a file a browser would refuse."""
    with launched(pytestconfig.cache.mkdir("npm")) as browser:
        opened = browser.new_page()
        said: list[str] = []
        opened.on("console", lambda message: said.append(message.text))
        opened.goto(page.partition("/report")[0] + "/version")
        opened.evaluate('url => { document.body.innerHTML = `<a href="${url}">report</a>` }', page)
        opened.click("a")
        opened.wait_for_url("**/report?key=*")
        assert opened.locator("h1").inner_text() == "Grüße"
        assert opened.locator("h1").evaluate("it => getComputedStyle(it).color") == "rgb(1, 2, 3)"
        assert all("404" in line for line in said)  # an icon, which a browser asks for and nobody has
