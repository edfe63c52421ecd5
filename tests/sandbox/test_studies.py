"""The ad platform's lift studies: who is kept from a campaign by lot, and what the platform reports of both groups."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import variance

import pytest

from sandbox.clock import day_number
from sandbox.company import studies
from sandbox.company.advertising import UNDER_STUDY
from sandbox.company.calendar import world
from sandbox.company.simulate import simulate
from sandbox.company.studies import BUCKETS, CONTROL, TEST, WINDOW_DAYS

pytestmark = pytest.mark.slow

ReadTruth = Callable[[Path, str], list[dict[str, str]]]
LARGE = world(7, 3000, date(2025, 10, 1))


@pytest.fixture
def database(large: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(large / "tools.sqlite")
    connection.row_factory = sqlite3.Row
    return connection


def test_who_is_held_out_never_orders_by_the_campaign_and_the_lots_are_fair(large: Path, read_truth: ReadTruth) -> None:
    people = [person["person_id"] for person in read_truth(large, "people")]
    orders = read_truth(large, "orders")
    for campaign in UNDER_STUDY:
        day = day_number(date(2026, 5, 17))
        lots = [studies.place(LARGE, campaign, person, day) for person in people]
        held_out = [bucket for group, bucket in lots if group == CONTROL]
        assert abs(len(held_out) / len(lots) - campaign.study.held_out) < 0.03
        assert set(held_out) == set(range(BUCKETS))
        others = [studies.place(LARGE, campaign, person, day + 31)[0] for person in people]
        stayed = sum(now == then == CONTROL for (now, _), then in zip(lots, others, strict=True)) / len(held_out)
        assert abs(stayed - campaign.study.held_out) < 0.06  # each month draws anew
        checked = 0
        for order in orders:
            placed = date.fromisoformat(order["ordered_at"][:10])
            if order["campaign"] == campaign.utm[2] and placed.day > WINDOW_DAYS:  # the ad was in the same month
                checked += 1
                assert studies.place(LARGE, campaign, order["person_id"], day_number(placed))[0] == TEST
        assert checked > 30


def test_each_month_is_reported_of_both_groups_in_buckets_once_its_days_after_are_over(
    database: sqlite3.Connection,
) -> None:
    for campaign in UNDER_STUDY:
        rows = database.execute(
            "select * from ads_lift_results where campaign_id = ? order by first_day", [campaign.campaign_id]
        ).fetchall()
        periods = list(dict.fromkeys((row["first_day"], row["last_day"]) for row in rows))
        assert periods[0][0] == (date(2025, 10, 1) + timedelta(campaign.begins)).isoformat()
        assert periods[-1] == ("2026-10-01", "2026-10-31")
        for (_, last), (first, _) in pairwise(periods):
            assert date.fromisoformat(first) - date.fromisoformat(last) == timedelta(1)
        assert len(rows) == len(periods) * 2 * BUCKETS == len({row["id"] for row in rows})
        for row in rows:
            told_after = date.fromisoformat(row["updated_at"][:10]) - date.fromisoformat(row["last_day"])
            assert told_after.days == WINDOW_DAYS + 1
        users: dict[tuple[str, str], int] = defaultdict(int)
        for row in rows:
            users[row["first_day"], row["study_group"]] += row["users"]
        assert len(users) == len(periods) * 2 and min(users.values()) > 0


def test_the_groups_differ_by_what_the_campaign_truly_brought(
    large: Path, database: sqlite3.Connection, read_truth: ReadTruth
) -> None:
    effects = {row["campaign"]: int(row["incremental_orders"]) for row in read_truth(large, "campaign_effects")}
    for campaign in UNDER_STUDY:
        cells: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        for row in database.execute("select * from ads_lift_results where campaign_id = ?", [campaign.campaign_id]):
            cell = cells[row["study_group"], row["user_bucket"]]
            cell[0] += row["users"]
            cell[1] += row["orders"]
        groups = {group: [cells[group, bucket] for bucket in range(BUCKETS)] for group in (TEST, CONTROL)}
        users = {group: sum(one for one, _ in found) for group, found in groups.items()}
        ratio = users[TEST] / users[CONTROL]
        more = sum(orders for _, orders in groups[TEST]) - ratio * sum(orders for _, orders in groups[CONTROL])
        errors = {group: BUCKETS * variance([orders for _, orders in found]) for group, found in groups.items()}
        error = (errors[TEST] + ratio**2 * errors[CONTROL]) ** 0.5
        assert abs(more - effects[campaign.utm[2]]) < 3 * error
        if campaign.effect:
            assert more > 2 * error


def test_a_study_changes_no_life_but_those_it_keeps_from_coming(
    tmp_path: Path, read_truth: ReadTruth, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, told = studies.place, {}
    lots = {
        "none": lambda *of: (TEST, 0),
        "brand": lambda *of: place(*of) if of[1].campaign_id == "cmp_google_brand" else (TEST, 0),
        "all": place,
    }
    for name, lot in lots.items():
        monkeypatch.setattr(studies, "place", lot)
        simulate(tmp_path / name, people=400, seed=7, as_of=date(2026, 6, 20))
        told[name] = {
            table: read_truth(tmp_path / name, table) for table in ("orders", "sessions", "talks", "cancellations")
        }
    # an ad that brings nobody: the same visits, some of them by another door, and all else as it was
    visits = [(one["channel"], other["channel"]) for one, other in _pairs(told, "sessions")]
    assert {pair for pair in visits if pair[0] != pair[1]} == {("google_cpc", "google_organic")}
    for table, owed in (("sessions", {"channel"}), ("orders", {"channel", "campaign", "ad_id", "cause"}),
        ("talks", set()), ("cancellations", set())):  # fmt: skip
        for one, other in _pairs(told, table):
            assert {key for key in one if one[key] != other[key]} <= owed
    # ads that bring people: nobody lives otherwise who would not have come by one of them
    reached = {row["person_id"] for row in told["none"]["sessions"] if row["channel"] == "google_cpc"}
    apart = [[row for row in told[name]["orders"] if row["person_id"] not in reached] for name in ("none", "all")]
    assert apart[0] == apart[1] and len(apart[0]) > 100
    assert len(told["all"]["sessions"]) < len(told["none"]["sessions"])


def _pairs(told: dict[str, dict[str, list[dict[str, str]]]], table: str) -> list[tuple[dict[str, str], dict[str, str]]]:
    return list(zip(told["none"][table], told["brand"][table], strict=True))
