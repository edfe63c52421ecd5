"""From an SDK's calls to rows: a collector, a front with faults before it, then landing and loading.

`CALLS` is what each SDK is asked to send, in this order, once undisturbed; `check` holds what arrived against it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from headwater.land.events import land_events
from headwater.load.events import load_events
from headwater.storage.lake import open_lake
from headwater.storage.warehouse import connect, ensure_schemas
from tests.collect.conftest import WEB, CollectorProcess
from tests.sdk.front import Front

WRITE_KEY = WEB[0]
FAULTS = ["close", "503", "lose"]
ORDER = {"order_id": "o1", "total": 27.5, "currency": "EUR", "products": [{"product_id": "p1", "quantity": 2}]}
TRAITS = {"email": "ada@example.com", "plan": "gold", "age": 36, "address": {"city": "Łódź"}}
CALLS = ("identify", "track", "page", "screen", "group", "alias")


@dataclass
class Row:
    """One row of `raw.events`."""

    message_id: str
    type: str
    event: str | None
    user_id: str | None
    anonymous_id: str | None
    timestamp: datetime
    original_timestamp: datetime | None
    sent_at: datetime | None
    received_at: datetime
    payload: dict[str, Any]


@dataclass
class Journey:
    """One collector for one SDK. Send to `front.url`, then `finish`."""

    collector: CollectorProcess
    front: Front
    rows: list[Row] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)

    def finish(self) -> None:
        """Stop the collector, land, load; fill `rows` (the warehouse), `logged` and `quarantined` (the log)."""
        self.front.close()
        self.collector.stop()
        self.logged = [record.message_id for record in self.collector.events()]
        self.quarantined = [str(record.envelope.reason) for record in self.collector.aside()]
        settings = self.collector.settings
        land_events(settings, self.collector.config)
        columns = ", ".join(name for name in Row.__annotations__)
        with connect(settings, purpose="test", wait_seconds=1) as connection:
            ensure_schemas(connection)
            load_events(connection, open_lake(settings))
            found = connection.execute(f"select {columns} from raw.events order by lake_object, row_number").fetchall()
        self.rows = [Row(*row[:-1], json.loads(row[-1])) for row in found]

    def named(self, event: str) -> list[Row]:
        return [row for row in self.rows if row.event == event]

    def of(self, kind: str) -> Row:
        """The one row of a type that is sent once."""
        (row,) = [row for row in self.rows if row.type == kind and row.event in (None, "", "Order Completed", "Shop")]
        return row


def check_calls(journey: Journey, *, group_traits: dict[str, Any], kinds: tuple[str, ...] = CALLS) -> None:
    """Each kind of call arrived once, whole, with what it was called with."""
    assert journey.quarantined == []
    for kind in kinds:
        row = journey.of(kind)
        assert row.payload["messageId"] == row.message_id
        if kind == "track":
            assert row.event == "Order Completed"
            assert {key: row.payload["properties"][key] for key in ORDER} == ORDER
        elif kind == "identify":
            traits = row.payload.get("traits") or row.payload["context"]["traits"]
            assert {key: traits[key] for key in TRAITS} == TRAITS
        elif kind in ("page", "screen"):
            assert row.payload["name"] == "Shop"
            assert row.payload["properties"]["depth"] == 3
        elif kind == "group":
            assert row.payload["groupId"] == "g1"
            assert {key: row.payload["traits"][key] for key in group_traits} == group_traits
        elif kind == "alias":
            assert (row.payload["previousId"], row.user_id) == ("before", "u1")
        if kind != "alias":
            assert row.user_id == "u1"


def python_calls(client: Any) -> None:
    """`CALLS`, by an SDK of Python's."""
    client.identify("u1", TRAITS)
    client.track("u1", "Order Completed", ORDER)
    client.page("u1", None, "Shop", {"depth": 3})
    client.screen("u1", None, "Shop", {"depth": 3})
    client.group("u1", "g1", {"seats": 12})
    client.alias("before", "u1")


def check_once(journey: Journey, retried: int) -> None:
    """Nothing is missing or there twice, though the front's faults made the SDK send again what had been taken.

    Args:
        retried: how many `Retried` were sent, with their number as `n`, while the front had faults.
    """
    assert journey.front.faults == []
    assert sorted(row.payload["properties"]["n"] for row in journey.named("Retried")) == list(range(retried))
    ids = [row.message_id for row in journey.rows]
    assert len(ids) == len(set(ids))
    assert set(ids) == set(journey.logged)
    assert len(journey.logged) > len(ids), "no request was taken twice, so this shows nothing"


def check_clock(journey: Journey, library: str) -> None:
    """Times are told and close to each other (this machine has one clock), and the SDK has named itself."""
    for row in journey.rows:
        assert row.sent_at is not None
        assert row.original_timestamp is not None
        assert abs(row.timestamp - row.received_at) < timedelta(minutes=1)
        expected = row.received_at - (row.sent_at - row.original_timestamp)
        assert abs(row.timestamp - expected) < timedelta(milliseconds=2)
        assert row.payload["context"]["library"]["name"] == library
        assert row.payload["context"]["library"]["version"]
        assert row.payload["context"]["ip"] == "127.0.0.1"
