"""The reconciliation: every kind of outcome has its column, the rows balance, a lost or doubled event is named, and the
tool's own count is held against what it was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas
from tests.dbt_project.conftest import dbt

pytestmark = pytest.mark.slow
AT = datetime(2026, 3, 1, 12)
READ_AT = AT + timedelta(hours=1)
OUTCOMES = {
    "m1": ("delivered", ""),
    "m2": ("rejected", "400"),
    "m3": ("filtered", "consent"),
    "m4": ("filtered", "integrations"),
    "m5": ("filtered", "transformation"),
    "m6": ("filtered", "unsupported"),
    "m7": ("rejected", "500"),
    "m8": ("duplicate", ""),
    "lost": ("delivered", ""),
}
COUNTED = {"plan": 2, "quarantined": 3, "off": 4, "events": 5, "routes": 1, "start": 1}


IMPORTED = ("i1", "i2", "i3", "i4", "i5", "i6")  # no destination is for them: no suspects when one is lost
KNOWN = {"source": "web", "type": "track", "event": "Order Completed"}
TODAY, TOMORROW = AT.date(), AT.date() + timedelta(days=1)


@dataclass(frozen=True)
class Tool:
    """One destination of the warehouse."""

    con: DuckDBPyConnection
    name: str

    def insert(self, table: str, **row: Any) -> None:
        insert(self.con, table, destination=self.name, **row)

    def delivered(self, seq: int, message_id: str, **other: Any) -> None:
        row = {"seq": seq, "message_id": message_id, "status": "delivered", "reason": "", "segment": "01"}
        row |= {"received_at": AT, "at": AT, "attempts": 1, "tool_event": "purchase"} | KNOWN
        self.insert("raw.deliveries", **(row | other))

    def reports(self, count: int, day: date = TODAY) -> None:
        self.con.execute("delete from raw.destination_counts where destination = ? and day = ?", [self.name, day])
        self.insert("raw.destination_counts", day=day, event="purchase", events=count)

    def execute(self, statement: str, *values: Any) -> None:
        """`statement` ends with a condition, to which the destination's name is added."""
        self.con.execute(f"{statement} destination = ?", [*values, self.name])


def nothing(_: Tool) -> None:
    """It has what it was given."""


def lost(tool: Tool) -> None:
    tool.execute("delete from raw.deliveries where message_id = 'lost' and")
    tool.reports(2)


def doubled(tool: Tool) -> None:
    tool.delivered(100, "m2", status="rejected")


def fewer(tool: Tool) -> None:
    tool.reports(2)


def more(tool: Tool) -> None:
    tool.reports(5)


def none(tool: Tool) -> None:
    tool.execute("delete from raw.destination_counts where")


def fewer_though_it_counts_repeats(tool: Tool) -> None:
    tool.execute("update raw.destinations set knows_repeats = false where")
    tool.reports(1)


def no_report(tool: Tool) -> None:
    none(tool)
    tool.execute("delete from raw.destination_reports where")


def delivered_after_the_report(tool: Tool) -> None:
    tool.delivered(100, "m20", segment="04", at=READ_AT + timedelta(minutes=1))


def delivered_the_day_after(tool: Tool) -> None:
    """Received before midnight and delivered after it; the tool was asked then."""
    at = AT + timedelta(days=1)
    tool.execute("""update raw.deliveries set "at" = ? where message_id = 'm7' and segment = '' and""", at)
    tool.execute("update raw.destination_reports set read_at = ? where", at + timedelta(hours=1))
    tool.reports(2)
    tool.reports(1, TOMORROW)


def delivered_at_midnight(tool: Tool) -> None:
    """Our clock says tomorrow, the tool's still today."""
    delivered_the_day_after(tool)
    tool.reports(3)
    tool.reports(0, TOMORROW)


def counts_a_repeat(tool: Tool) -> None:
    tool.execute("update raw.destinations set knows_repeats = false where")
    tool.reports(4)


def used_before(tool: Tool) -> None:
    tool.reports(70, TODAY - timedelta(days=1))


def profiles(tool: Tool) -> None:
    """Its report has as many updates of profiles as requests; it is not held to them."""
    tool.delivered(100, "m22", segment="04", type="identify", event=None, tool_event="(identify)")
    tool.insert("raw.destination_counts", day=TODAY, event="(identify)", events=5)


def profiles_counted(tool: Tool) -> None:
    profiles(tool)
    tool.execute("update raw.destinations set counted_types = ',identify,track,' where")


def removed(tool: Tool) -> None:
    """In the middle of segment 2, of which it had one event."""
    tool.execute("delete from raw.destinations where")
    tool.delivered(100, "m21", segment="02")
    tool.reports(4)


CASES: dict[str, Callable[[Tool], None]] = {
    case.__name__: case
    for case in (
        *(nothing, lost, doubled, fewer, more, none, fewer_though_it_counts_repeats, no_report, removed),
        *(profiles, profiles_counted),
        *(delivered_after_the_report, delivered_the_day_after, delivered_at_midnight, counts_a_repeat, used_before),
    )
}


def insert(con: DuckDBPyConnection, table: str, **row: Any) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    con.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))


def fill(con: DuckDBPyConnection) -> None:
    """Segments 1 to 3 have landed; each tool is through with the first, in the middle of the second."""
    accepted = len(OUTCOMES) + sum(COUNTED[reason] for reason in ("off", "events", "routes", "start"))
    landed = [("01", TODAY, "accepted", accepted), ("01", TODAY, "quarantined", 3), ("01", TODAY, "dropped", 2)]
    landed += [("02", TODAY, "accepted", 2), ("03", TOMORROW, "accepted", 9)]
    for segment, day, status, events in landed:
        row = {"segment": segment, "received_date": day, "status": status, "events": events}
        insert(con, "raw.arrivals", lake_object=f"{segment} {status}", **row, **KNOWN)
    # «a» is in a segment that adds up: whoever has no outcome there is no suspect
    objects = {message_id: "01 accepted" for message_id in OUTCOMES if message_id != "m8"} | {"a": "02 accepted"}
    objects |= dict.fromkeys(IMPORTED, "01 accepted")
    for message_id, lake_object in objects.items():
        route = "import" if message_id in IMPORTED else "live"
        row = {"message_id": message_id, "lake_object": lake_object, "received_at": AT, "timestamp": AT, "route": route}
        insert(con, "raw.events", **row, **KNOWN)
    for name, change in CASES.items():
        tool = Tool(con, name)
        for seq, (message_id, (status, reason)) in enumerate(OUTCOMES.items()):
            tool.delivered(seq, message_id, status=status, reason=reason)
        tool.delivered(99, "m7", segment="")
        for reason, events in COUNTED.items():
            row = {"segment": "01", "received_date": TODAY, "reason": reason, "events": events}
            tool.insert("raw.delivery_counts", **row, **KNOWN)
        tool.insert("raw.delivery_places", segment="02", is_whole=False)
        tool.insert("raw.destinations", type="webhook", knows_repeats=True)
        tool.insert("raw.destination_reports", read_at=READ_AT)
        tool.reports(3)
        change(tool)


Rows = dict[str, dict[date, dict[str, Any]]]


@dataclass(frozen=True)
class Reconciled:
    """The mart, the rows that fail for their sum, and those that fail for the tool's count: by destination and day."""

    mart: Rows
    unaccounted: Rows
    differing: Rows
    output: str


@pytest.fixture(scope="module")
def reconciled(tmp_path_factory: pytest.TempPathFactory) -> Reconciled:
    home = tmp_path_factory.mktemp("reconciliation") / "home"
    with connect(load_settings(home=home), purpose="fixture") as con:
        ensure_schemas(con)
        fill(con)
    result = dbt(home, "build", "--select", "+reconciliation")
    assert result.returncode == 0, result.stdout
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        tables = ("marts.reconciliation", "dbt_test__audit.unaccounted_events", "dbt_test__audit.differing_tool_counts")
        return Reconciled(*(rows(con, table) for table in tables), result.stdout)


def rows(con: DuckDBPyConnection, table: str) -> Rows:
    found = con.execute(f"from {table} order by all")
    names = [column[0] for column in found.description or ()]
    by_destination: Rows = {name: {} for name in CASES}
    for values in found.fetchall():
        row = dict(zip(names, values, strict=True))
        if row["event_name"] == KNOWN["event"] or table.startswith("dbt_test"):
            by_destination[row["destination"]][row["received_date"]] = row
    return by_destination


def test_every_kind_of_outcome_has_its_column_and_the_row_balances(reconciled: Reconciled) -> None:
    row = reconciled.mart["nothing"][TODAY]
    assert {name: row[name] for name in row if name not in ("destination", "received_date", "event_name")} == {
        "is_configured": True,
        "received": 27,
        "quarantined": 3,
        "filtered_plan": 2,
        "filtered_consent": 1,
        "filtered_integrations": 1,
        "filtered_transformation": 1,
        "filtered_settings": 7,
        "filtered_unsupported": 1,
        "filtered_off": 4,
        "duplicates": 1,
        "delivered": 3,
        "rejected": 1,
        "pending": 2,
        "loaded": 15,
        "delivered_that_day": 3,
        "tool_count": 3,
        "tool_difference": 0,
        "difference": 0,
    }
    assert reconciled.mart["nothing"][TOMORROW]["pending"] == reconciled.mart["nothing"][TOMORROW]["received"] == 9


def test_only_what_does_not_balance_fails(reconciled: Reconciled) -> None:
    assert {name for name, days in reconciled.unaccounted.items() if days} == {"lost", "doubled"}
    assert {name for name, days in reconciled.differing.items() if days} == {
        "fewer", "more", "none", "fewer_though_it_counts_repeats", "profiles_counted"
    }  # fmt: skip
    assert "WARN=2" in reconciled.output


@pytest.mark.parametrize(("case", "difference", "message_id"), [("lost", 1, "lost"), ("doubled", -1, "m2")])
def test_a_lost_and_a_doubled_event_are_named(
    reconciled: Reconciled, case: str, difference: int, message_id: str
) -> None:
    found = reconciled.unaccounted[case][TODAY]
    assert reconciled.mart[case][TODAY]["difference"] == found["difference"] == difference
    assert found["message_ids"] == message_id


@pytest.mark.parametrize(
    ("case", "difference"), [("fewer", -1), ("more", 2), ("none", -3), ("fewer_though_it_counts_repeats", -2)]
)
def test_a_tool_that_has_another_number_is_named_with_the_day_the_event_and_how_much(
    reconciled: Reconciled, case: str, difference: int
) -> None:
    assert reconciled.differing[case] == {TODAY: {
        "destination": case, "received_date": TODAY, "event_name": "Order Completed", "delivered_that_day": 3,
        "tool_count": 3 + difference, "tool_difference": difference,
    }}  # fmt: skip


def test_an_event_counts_on_the_day_on_which_the_tool_got_it(reconciled: Reconciled) -> None:
    days = reconciled.mart["delivered_the_day_after"]
    told = {day: (row["delivered"], row["delivered_that_day"], row["tool_count"]) for day, row in days.items()}
    assert told == {TODAY: (3, 2, 2), TOMORROW: (0, 1, 1)}


def test_what_came_after_the_report_is_not_held_against_the_tool(reconciled: Reconciled) -> None:
    row = reconciled.mart["delivered_after_the_report"][TODAY]
    assert (row["delivered_that_day"], row["tool_count"], row["tool_difference"]) == (4, 3, 0)


def test_what_a_tool_counted_before_it_was_a_destination_is_left_out(reconciled: Reconciled) -> None:
    assert min(reconciled.mart["used_before"]) == TODAY


def test_a_tool_that_does_not_report_has_no_count(reconciled: Reconciled) -> None:
    row = reconciled.mart["no_report"][TODAY]
    assert (row["tool_count"], row["tool_difference"], row["delivered_that_day"]) == (None, None, 3)


def test_a_removed_destination_keeps_its_days_and_nothing_of_later_waits_for_it(reconciled: Reconciled) -> None:
    assert list(reconciled.mart["removed"]) == [TODAY]
    row = reconciled.mart["removed"][TODAY]
    assert (row["is_configured"], row["received"], row["delivered"], row["pending"]) == (False, 26, 4, 0)
    assert (row["tool_count"], row["difference"]) == (4, 0)
