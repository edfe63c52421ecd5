"""What ads cost and cause: the tables of the ad platforms, the visits that they lead to, and the truth agree."""

from __future__ import annotations

import gzip
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.company.advertising import CAMPAIGNS

pytestmark = pytest.mark.slow

ReadTruth = Callable[[Path, str], list[dict[str, str]]]


@pytest.fixture(scope="module")
def landings(large: Path) -> list[dict[str, Any]]:
    """The web's page views with a campaign or a click id."""
    found: dict[str, dict[str, Any]] = {}
    lines = (large / "company" / "live.ndjson").read_bytes().splitlines()
    for file in (large / "company" / "events").glob("web-*.gz"):
        lines += gzip.decompress(file.read_bytes()).splitlines()
    for line in lines:
        if b'"type":"page"' in line and (b"utm_source" in line or b"clid=" in line):
            event = orjson.loads(line)
            if "?" in event["context"]["page"]["url"]:
                found[event["messageId"]] = event
    return list(found.values())


@pytest.fixture
def database(large: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(large / "tools.sqlite")
    connection.row_factory = sqlite3.Row
    return connection


def test_every_tagged_visit_names_a_campaign_and_an_ad_of_the_ad_platforms(
    landings: list[dict[str, Any]], database: sqlite3.Connection
) -> None:
    sql = (
        "select c.utm_source, c.utm_medium, c.utm_campaign, a.utm_content, a.created_at "
        "from ads_ads a join ads_campaigns c on c.id = a.campaign_id"
    )
    ads = {tuple(row)[:4]: row["created_at"] for row in database.execute(sql)}
    seen: Counter[tuple[str, ...]] = Counter()
    for page in landings:
        campaign = page["context"].get("campaign")
        if campaign and campaign["medium"] != "email":
            key = (campaign["source"], campaign["medium"], campaign["name"], campaign["content"])
            assert ads[key] <= page["timestamp"]
            url = page["context"]["page"]["url"]
            assert all(
                f"utm_{name}={value}" in url for name, value in zip(("source", "content"), key[::3], strict=True)
            )
            seen[key] += 1
    assert set(seen) == set(ads)


def test_click_ids_tell_paid_visits_that_carry_no_campaign(landings: list[dict[str, Any]]) -> None:
    untagged = [page for page in landings if "campaign" not in page["context"]]
    names = Counter(re.search(r"[?&](\w+clid)=", page["context"]["page"]["url"]).group(1) for page in untagged)
    assert names["gclid"] > 10 and names["fbclid"] > 100
    for page in landings:
        source = page["context"].get("campaign", {}).get("source")
        url = page["context"]["page"]["url"]
        assert ("gclid=" in url) == (source == "google" or (source is None and "gclid=" in url))
        assert source not in ("facebook", "instagram") or "fbclid=" in url


def test_clicks_cover_the_visits_of_each_day_and_cost_money(
    landings: list[dict[str, Any]], database: sqlite3.Connection
) -> None:
    contents = {row["id"]: row["utm_content"] for row in database.execute("select * from ads_ads")}
    days = {
        (contents[row["ad_id"]], row["day"]): row for row in database.execute("select * from ads_daily_performance")
    }
    visits: Counter[tuple[str, str]] = Counter()
    for page in landings:
        campaign = page["context"].get("campaign")
        if campaign and "content" in campaign:
            visits[campaign["content"], page["timestamp"][:10]] += 1
    wrong = sum(key not in days or days[key]["clicks"] < count for key, count in visits.items())
    assert wrong < 0.03 * len(visits)  # visits on a device with a wrong clock, and around midnight
    assert sum(row["clicks"] for row in days.values()) < 1.8 * visits.total()
    for row in days.values():
        assert row["impressions"] >= row["clicks"] >= 0
        assert (row["spend_cents"] > 0) == (row["clicks"] > 0)
        assert row["updated_at"][:10] >= row["day"]
    assert sum(row["updated_at"][:10] > row["day"] for row in days.values()) > 0.9 * len(days)


def test_the_effects_of_the_channels_are_those_of_the_orders(large: Path, read_truth: ReadTruth) -> None:
    expected: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for order in read_truth(large, "orders"):
        total, additional = int(order["total_cents"]), int(order["is_incremental"])
        told = expected[order["channel"]]
        for place, value in enumerate((1, additional, total, total * additional)):
            told[place] += value
    names = ("orders", "incremental_orders", "revenue_cents", "incremental_revenue_cents")
    effects = {row["channel"]: row for row in read_truth(large, "channel_effects")}
    assert {channel: [int(row[name]) for name in names] for channel, row in effects.items()} == dict(expected)
    by_campaign: dict[str, int] = defaultdict(int)
    for row in read_truth(large, "campaign_effects"):
        by_campaign[row["channel"]] += int(row["orders"])
    assert by_campaign == {
        one: int(effects[one]["orders"]) for one in ("affiliate", "email", "paid_search", "paid_social")
    }


def test_some_channels_cause_orders_and_some_only_harvest(large: Path, read_truth: ReadTruth) -> None:
    effects = {row["channel"]: row for row in read_truth(large, "channel_effects")}
    caused = {channel: int(row["incremental_orders"]) for channel, row in effects.items()}
    assert caused["paid_social"] > 1.3 * caused["paid_search"] > 1.3 * caused["email"] > 100
    assert {channel for channel, row in effects.items() if row["is_incremental"] == "1"} == {
        "paid_social", "paid_search", "email",
    }  # fmt: skip
    assert {channel for channel, count in caused.items() if count == 0} == {
        "affiliate", "direct", "organic_search", "referral",
    }  # fmt: skip
    campaigns = {row["campaign"]: row for row in read_truth(large, "campaign_effects")}
    brand = campaigns["brand-search"]
    assert int(brand["orders"]) > 50 and brand["incremental_orders"] == brand["is_incremental"] == "0"


def test_orders_that_an_ad_brings_later_end_with_another_touch(large: Path, read_truth: ReadTruth) -> None:
    sessions = {(row["person_id"], row["started_at"][:10]): row["channel"] for row in read_truth(large, "sessions")}
    own = {one.channel: {other.source for other in CAMPAIGNS if other.channel == one.channel} for one in CAMPAIGNS}
    last = Counter(
        sessions.get((order["person_id"], order["ordered_at"][:10]))
        for order in read_truth(large, "orders")
        if order["channel"] == "paid_social"
    )
    others = sum(count for channel, count in last.items() if channel not in own["paid_social"])
    assert others > 50
    assert last["affiliate"] > 3 and last["google_cpc"] > 3
