"""The audience of high-value customers against its rule, computed anew from the ground truth in plain Python.

Comparable is everybody but those of whom the platform cannot know what the rule asks for:

* whose identifiers no record ties together, or who share a device with another person (`is_knowable` is 0);
* who used a device with a wrong clock: an import keeps the times that it tells;
* who placed an order of which neither the payment tool nor any event that was sent by now tells.

Nobody is left out for being near a limit.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from .conftest import Company, T

pytestmark = pytest.mark.slow

NOW = datetime.fromisoformat(T)
SECOND = timedelta(seconds=1)


@dataclass
class Truth:
    """What the simulator knows about one person."""

    birth_date: date | None
    is_knowable: bool
    visits: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    orders: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    reversed: dict[str, list[tuple[datetime, int]]] = field(default_factory=lambda: defaultdict(list))
    is_clock_wrong: bool = False
    has_unheard_order: bool = False

    @property
    def is_comparable(self) -> bool:
        return self.is_knowable and not self.is_clock_wrong and not self.has_unheard_order

    def fails(self, *, refunds: bool = True) -> set[str]:
        """The parts of the rule that do not hold at `NOW`."""
        missed = set()
        if self._orders_that_count(refunds) < 5:
            missed.add("orders")
        if self.birth_date is None or not 25 <= _years(self.birth_date, NOW.date()) <= 45:
            missed.add("age")
        if self._weeks_with_a_session() != {0, 1, 2, 3}:
            missed.add("sessions")
        return missed

    def _orders_that_count(self, refunds: bool) -> int:
        def given_back(order: str) -> int:
            return sum(cents for at, cents in self.reversed[order] if at <= NOW)

        return sum(
            cents > 100_00 and NOW - timedelta(365) <= at < NOW and not (refunds and given_back(order) >= cents)
            for order, (at, cents) in self.orders.items()
        )

    def _weeks_with_a_session(self) -> set[int]:
        """Visits with at most 30 minutes in between are one session, which counts for the week of its start."""
        starts = []
        for platform in ("web", "mobile"):
            last = datetime.min
            for _, began, ended in sorted(visit for visit in self.visits if visit[0] == platform):
                if began - last > timedelta(minutes=30):
                    starts.append(began)
                last = max(last, ended)
        return {(NOW - SECOND / 1000 - at).days // 7 for at in starts if NOW - timedelta(28) <= at < NOW}


def _years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _rows(company: Company, table: str) -> Iterator[dict[str, str]]:
    with (company.truth / f"{table}.csv").open() as file:
        yield from csv.DictReader(file)


def _written(folder: Path) -> Iterator[dict[str, Any]]:
    """Every event that the company wrote, as it wrote it."""
    for path in folder.iterdir():
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            yield from (json.loads(line) for line in lines)


@pytest.fixture(scope="module")
def people(company: Company) -> dict[str, Truth]:
    """person_id → the truth about everybody."""
    found = {
        row["person_id"]: Truth(
            date.fromisoformat(row["crm_birth_date"]) if row["crm_birth_date"] else None, row["is_knowable"] == "1"
        )
        for row in _rows(company, "people")
    }
    told, ordered = defaultdict(set), set()
    for event in _written(company.folder / "company" / "events"):
        told[event.get("anonymousId")].add(event["timestamp"])
        if event.get("event") == "Order Completed":
            ordered.add(event["properties"]["order_id"])
    for row in _rows(company, "sessions"):
        person = found[row["person_id"]]
        person.visits.append((row["source"], _time(row["started_at"]), _time(row["ended_at"])))
        person.is_clock_wrong |= row["started_at"] not in told[row["anonymous_id"]]
    for row in _rows(company, "orders"):
        person = found[row["person_id"]]
        person.orders[row["order_id"]] = _time(row["ordered_at"]), int(row["total_cents"])
        person.has_unheard_order |= row["in_payments"] == "0" and row["order_id"] not in ordered
        if row["cancelled_at"]:
            person.reversed[row["order_id"]].append((_time(row["cancelled_at"]), int(row["total_cents"])))
    for row in _rows(company, "refunds"):
        refund = _time(row["refunded_at"]), int(row["amount_cents"])
        found[row["person_id"]].reversed[row["order_id"]].append(refund)
    return found


@pytest.fixture
def customers(warehouse: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """person_id → the customers that hold the person's identifiers; shared devices tell nothing."""
    found: dict[str, set[str]] = defaultdict(set)
    for person, customer in warehouse.execute(
        "select distinct i.person_id, b.customer_id from truth.identities i join built.identity.identifiers b"
        " on b.id_type = i.id_type and lower(b.id_value) = lower(i.id_value) where i.is_shared = '0'"
    ).fetchall():
        found[person].add(customer)
    return found


def test_few_people_are_left_out_of_the_comparison(people: dict[str, Truth]) -> None:
    seen = [person for person in people.values() if person.visits]
    assert len(seen) > 1500
    assert sum(person.is_comparable for person in seen) > 0.7 * len(seen)
    assert 0 < sum(person.is_clock_wrong for person in seen) < 0.05 * len(seen)
    assert sum(person.has_unheard_order for person in seen) < 0.005 * len(seen)


def test_a_comparable_person_is_exactly_one_customer(people: dict[str, Truth], customers: dict[str, set[str]]) -> None:
    comparable = {person: customers[person] for person, truth in people.items() if truth.is_comparable}
    assert {person: found for person, found in comparable.items() if len(found) != 1} == {}
    owners = Counter(customer for found in customers.values() for customer in found)
    assert {person: found for person, found in comparable.items() if owners[next(iter(found))] > 1} == {}


def test_the_audience_is_the_rule_on_the_ground_truth(
    people: dict[str, Truth], customers: dict[str, set[str]], warehouse: duckdb.DuckDBPyConnection
) -> None:
    members = warehouse.execute("select customer_id from built.audiences.high_value_customers").fetchall()
    audience = {customer for (customer,) in members}
    comparable = {person for person, truth in people.items() if truth.is_comparable}
    said = {person for person in comparable if customers[person] & audience}
    assert said == {person for person in comparable if not people[person].fails()}
    assert len(said) > 20
    accounted_for = {customer for found in customers.values() for customer in found}
    assert audience <= accounted_for


def test_each_part_of_the_rule_alone_keeps_somebody_out(people: dict[str, Truth]) -> None:
    """Else the comparison could not tell a build that forgets one of them."""
    comparable = [truth for truth in people.values() if truth.is_comparable]
    for part in ("orders", "age", "sessions"):
        assert sum(truth.fails() == {part} for truth in comparable) > 3, part
    assert any(truth.fails() and not truth.fails(refunds=False) for truth in comparable)
