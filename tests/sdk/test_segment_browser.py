"""npm `@segment/analytics-next`, unmodified, in a headless Chromium; the page has another origin than the collector."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.sdk.journey import FAULTS, ORDER, TRAITS, WRITE_KEY, Journey, check_calls, check_clock, check_once

pytestmark = pytest.mark.slow
PAGE = """<!doctype html><meta charset="utf-8"><title>The shop</title>
<script src="/umd/index.js"></script><h1>The shop</h1>"""
LOAD = """([url, writeKey, delivery]) => {
  const host = url.replace("http://", "");
  window.analytics = AnalyticsNext.AnalyticsBrowser.load(
    { writeKey, cdnURL: url },
    { integrations: { "Segment.io": { apiHost: host + "/v1", protocol: "http", ...delivery } } },
  );
  return analytics.ready();
}"""
CALLS = """async ([traits, order]) => {
  await analytics.identify("u1", traits);
  await analytics.track("Order Completed", order);
  await analytics.page(null, "Shop", { depth: 3 });
  await analytics.screen(null, "Shop", { depth: 3 });
  await analytics.group("g1", { seats: 12 });
  await analytics.alias("u1", "before");
}"""
BATCHING = {"deliveryStrategy": {"strategy": "batching", "config": {"size": 10, "timeout": 200}}}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def origin(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's own server: a page and the SDK's files, as npm has them."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(PAGE)
    (folder / "umd").symlink_to(node_modules / "@segment" / "analytics-next" / "dist" / "umd")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def opened(browser: Browser, origin: str, journey: Journey, delivery: dict[str, Any], complaints: list[str]) -> Page:
    page = browser.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(origin)
    page.evaluate(LOAD, [journey.front.url, WRITE_KEY, delivery])
    return page


def wait_for(page: Page, journey: Journey, event: str, count: int) -> None:
    """Until the collector has so many of an event; the SDK sends again in its own time."""
    for _ in range(600):
        found = {record.message_id for record in journey.collector.events() if event.encode() in record.payload}
        if len(found) >= count:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"only {len(found)} of {count} {event} arrived")


@pytest.fixture(scope="module")
def journey(begun: Journey, browser: Browser, origin: str) -> Iterator[Journey]:
    complaints: list[str] = []
    page = opened(browser, origin, begun, {}, complaints)
    page.evaluate(CALLS, [TRAITS, ORDER])
    begun.front.faults = list(FAULTS)
    page.evaluate("() => { for (let n = 0; n < 4; n++) analytics.track('Retried', { n }); }")
    wait_for(page, begun, "Retried", 4)
    page.close()
    page = opened(browser, origin, begun, BATCHING, complaints)
    page.evaluate("() => { for (let n = 0; n < 25; n++) analytics.track('Counted', { n }); }")
    wait_for(page, begun, "Counted", 25)
    page.close()
    assert complaints == []
    begun.finish()
    yield begun


def test_every_call_arrives_as_it_was_made(journey: Journey) -> None:
    check_calls(journey, group_traits={"seats": 12})


def test_what_was_sent_again_after_faults_is_there_once(journey: Journey) -> None:
    check_once(journey, retried=4)


def test_the_clock_and_the_library_are_told(journey: Journey) -> None:
    check_clock(journey, "analytics.js")


def test_the_browser_asks_for_its_settings_and_whether_it_may_send(journey: Journey) -> None:
    asked = [(seen.method, seen.path, seen.status) for seen in journey.front.seen]
    assert ("GET", f"/v1/projects/{WRITE_KEY}/settings", 200) in asked
    assert ("OPTIONS", "/v1/t", 204) in asked
    assert {path for method, path, _ in asked if method == "POST"} == {f"/v1/{short}" for short in "tipsgab"}


def test_the_browser_s_own_context_and_id_arrive(journey: Journey) -> None:
    row = journey.of("page")
    assert row.anonymous_id
    assert row.payload["context"]["page"]["title"] == "The shop"
    assert "Chrom" in row.payload["context"]["userAgent"]
    assert {each.anonymous_id for each in journey.rows if each.event == "Retried"} == {row.anonymous_id}


def test_a_batch_of_the_browser_is_taken(journey: Journey) -> None:
    assert sorted(row.payload["properties"]["n"] for row in journey.named("Counted")) == list(range(25))
