"""`marts.plan_violations`: violations counted whatever became of their event."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from headwater.policy.pipeline import violation_errors
from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas

from .conftest import build

pytestmark = pytest.mark.slow

MISSING = ("missing_required", "properties.total", "properties.total is missing")
TYPE = ("wrong_type", "properties.products[].price", "properties.products[0].price is text, not a number")
RULE = ("rule", "properties.debug", "properties.debug must be False")
UNPLANNED = ("unplanned_event", "event", "the tracking plan has no track «Nope»")


def test_every_violation_is_counted_by_day_event_kind_and_outcome(tmp_path: Path) -> None:
    home = tmp_path / "home"
    rows = [
        ("events", "m1", "Order Completed", 1, [TYPE, RULE], None),
        ("events", "m2", "Order Completed", 1, [TYPE], None),
        ("events", "m3", "Order Completed", 2, [TYPE], None),
        ("events", "m4", "Nope", 2, [UNPLANNED], None),
        ("events", "m5", "Order Completed", 2, [], None),
        ("quarantine", "m6", "Order Completed", 2, [MISSING], None),
        ("quarantine", "m7", "Order Completed", 2, [MISSING], "2026-01-03"),
        ("dropped", "m8", "Product Viewed", 2, [RULE], None),
    ]
    with connect(load_settings(home=home), purpose="test") as con:
        ensure_schemas(con)
        for table, message_id, event, day, violations, replayed_at in rows:
            told = violation_errors(violations)
            row = {"message_id": message_id, "type": "track", "event": event, "source": "web"}
            row |= {"received_at": f"2026-01-0{day} 10:00:00", "payload": json.dumps({"context": {}})}
            if table == "dropped":
                row |= {"reason": "plan: rule", "payload": json.dumps({"context": {"violationErrors": told}})}
            else:
                row["violations"] = json.dumps(told) if told else None
            if table == "quarantine":
                row |= {"reason": "plan: missing_required properties.total", "replayed_at": replayed_at}
            names = ", ".join(row)
            con.execute(f"insert into raw.{table} ({names}) values ({', '.join('?' * len(row))})", list(row.values()))
        con.execute("insert into raw.quarantine (reason, payload) values ('not JSON', '{')")
        con.execute(
            "insert into raw.dropped (reason, message_id, payload)"
            " values ('transformation: x', 'm9', '{\"context\": 5}')"
        )
    built = build(home, "--select", "stg_events__violations", "plan_violations")
    found = built.rows(
        "select received_date, event_name, kind, property_path, outcome, events, example_message_id"
        " from marts.plan_violations order by 1, 2, 3, 5"
    )
    first, second = date(2026, 1, 1), date(2026, 1, 2)
    assert found == [
        (first, "Order Completed", "rule", "properties.debug", "forwarded", 1, "m1"),
        (first, "Order Completed", "wrong_type", "properties.products[].price", "forwarded", 2, "m1"),
        (second, "Nope", "unplanned_event", "event", "forwarded", 1, "m4"),
        (second, "Order Completed", "missing_required", "properties.total", "quarantined", 1, "m6"),
        (second, "Order Completed", "missing_required", "properties.total", "replayed", 1, "m7"),
        (second, "Order Completed", "wrong_type", "properties.products[].price", "forwarded", 1, "m3"),
        (second, "Product Viewed", "rule", "properties.debug", "dropped", 1, "m8"),
    ]
