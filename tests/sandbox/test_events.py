"""The events have the shape of the spec and the traits of real data."""

from __future__ import annotations

import gzip
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.clock import parse

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def events(large: Path) -> Events:
    files = sorted((large / "company" / "events").glob("*.gz"))
    lines = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    lines += (large / "company" / "live.ndjson").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines]


def test_every_event_has_what_the_spec_asks_for(events: Events) -> None:
    for event in events:
        assert event["messageId"] and event["timestamp"].endswith("Z") and event["sentAt"].endswith("Z")
        assert event.get("userId") or event.get("anonymousId")
        assert event["channel"] in ("web", "mobile", "server")
        assert event["context"]["library"]["name"]
        assert event["type"] != "track" or event["event"]
        assert event["type"] != "group" or event["groupId"]
        assert event["type"] != "alias" or event["previousId"]


def test_the_spec_s_event_names_are_used(events: Events) -> None:
    assert {event["event"] for event in events if event["type"] == "track"} == {
        "Application Opened", "Products Searched", "Product Viewed", "Product Added", "Product Removed", "Cart Viewed",
        "Checkout Started", "Order Completed", "Order Cancelled", "Order Refunded", "Subscription Started",
        "Subscription Cancelled", "Email Opened", "Email Link Clicked",
    }  # fmt: skip


def test_some_messages_come_twice_with_the_same_content(events: Events) -> None:
    times = Counter(event["messageId"] for event in events)
    share = sum(count > 1 for count in times.values()) / len(times)
    assert 0.003 < share < 0.02
    assert max(times.values()) == 2


def test_some_events_are_sent_hours_or_days_after_they_happened(events: Events) -> None:
    late = sum(parse(e["sentAt"]) - parse(e["timestamp"]) > 3_600_000 for e in events)
    assert 0.002 < late / len(events) < 0.05


def test_few_devices_have_a_wrong_clock(large: Path) -> None:
    wrong = right = 0
    for file in (large / "company" / "events").glob("mobile-*.gz"):
        day = file.name.split("-", 1)[1][:10]
        for line in gzip.decompress(file.read_bytes()).splitlines():
            is_right = orjson.loads(line)["sentAt"][:10] == day
            right += is_right
            wrong += not is_right
    assert 0 < wrong < 0.03 * right


def test_totals_currencies_and_emails_are_missing_now_and_then(events: Events) -> None:
    orders = [event["properties"] for event in events if event.get("event") == "Order Completed"]
    assert 0 < sum("total" not in order for order in orders) < 0.02 * len(orders)
    assert 0 < sum("currency" not in order for order in orders) < 0.04 * len(orders)
    known = [event for event in events if event["type"] == "identify"]
    assert 0 < sum("email" not in event["traits"] for event in known) < 0.15 * len(known)


def test_anonymous_visits_become_known(events: Events) -> None:
    first: dict[str, dict[str, Any]] = {}
    later: set[str] = set()
    for event in sorted(events, key=lambda e: e["timestamp"]):
        anonymous_id = event.get("anonymousId")
        if anonymous_id:
            first.setdefault(anonymous_id, event)
            if event.get("userId"):
                later.add(anonymous_id)
    became = [a for a in later if not first[a].get("userId")]
    assert len(became) > 500


def test_a_faulty_release_sent_undefined_as_user_id_for_two_days(events: Events) -> None:
    days = {event["timestamp"][:10] for event in events if event.get("userId") == "undefined"}
    assert 1 <= len(days) <= 3


def test_landing_pages_carry_campaigns_referrers_and_click_ids(events: Events) -> None:
    pages = [event["context"] for event in events if event["type"] == "page"]
    assert any("gclid=" in context["page"]["url"] for context in pages)
    assert any(context["page"].get("referrer", "").startswith("https://www.google") for context in pages)
    sources = {context["campaign"]["source"] for context in pages if "campaign" in context}
    assert {"google", "newsletter", "facebook", "instagram", "gear-reviews"} <= sources


def test_live_events_are_the_last_ten_thousand_in_order_of_sending(large: Path, events: Events) -> None:
    live = events[-10_000:]
    assert len((large / "company" / "live.ndjson").read_bytes().splitlines()) == 10_000
    right = [event for event in live if abs(parse(event["sentAt"]) - parse(live[0]["sentAt"])) < 30 * 86_400_000]
    times = [event["sentAt"] for event in right]
    in_order = sum(a <= b for a, b in pairwise(times))
    assert in_order > 0.97 * len(times)
