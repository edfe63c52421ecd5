"""Each stand-in has a page that shows people what it was told."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.standins import STANDINS
from sandbox.standins.base import Standin


def send(tools: httpx.Client, *events: dict[str, Any]) -> None:
    answer = tools.post("/webhook/events", json={"events": list(events)})
    assert answer.json() == {"taken": len(events), "errors": []}


@pytest.fixture
def webhook(tools: httpx.Client) -> httpx.Client:
    tools.delete("/webhook/_kept")
    return tools


@pytest.mark.parametrize("standin", STANDINS, ids=lambda cls: cls.name)
def test_the_index_links_every_stand_in_s_page(tools: httpx.Client, standin: type[Standin]) -> None:
    index = tools.get("/").text
    assert "Analytics, messaging, ads" in index and f'href="/{standin.name}"' in index
    page = tools.get(f"/{standin.name}")
    assert page.status_code == 200 and f"<h1>{standin.title}</h1>" in page.text


def test_a_page_lists_what_arrived_with_counts_by_event(webhook: httpx.Client) -> None:
    assert "Nothing here yet" in webhook.get("/webhook").text
    clicks = [{"type": "track", "event": "Product Clicked", "messageId": f"c{n}", "userId": "u-77"} for n in range(3)]
    send(webhook, *clicks, {"type": "page", "messageId": "p1", "anonymousId": "a-1"})
    page = webhook.get("/webhook").text
    assert '<td>Product Clicked</td><td class="number">3</td>' in page
    assert '<td>page</td><td class="number">1</td>' in page
    assert "<td>u-77</td>" in page and "<td>a-1</td>" in page
    assert "&#34;messageId&#34;: &#34;c2&#34;" in page


def test_a_page_escapes_what_it_was_told(webhook: httpx.Client) -> None:
    script = "<script>alert(1)</script>"
    send(webhook, {"type": "track", "event": script, "messageId": "x", "userId": script, "properties": {"a": script}})
    page = webhook.get("/webhook").text
    assert "<script>" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 6  # count, row, user, and three in the payload


def test_a_page_shows_the_newest_fifty_and_counts_all(webhook: httpx.Client) -> None:
    send(webhook, *({"type": "track", "event": "Seen", "messageId": f"m{n:03}", "userId": "u"} for n in range(60)))
    page = webhook.get("/webhook").text
    assert '<td class="number">60</td>' in page and page.count("<details>") == 50
    assert "m059" in page and "m010" in page and "m009" not in page
