"""The reconciliation: every kind of outcome has its column, the rows balance, and a lost event is named."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.settings import load_settings
from headwater.storage.warehouse import connect, ensure_schemas
from tests.dbt_project.conftest import dbt

pytestmark = pytest.mark.slow
AT = datetime(2026, 3, 1, 12)
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
COUNTED = {"plan": 2, "quarantined": 3, "off": 4, "events": 5, "routes": 1}


def fill(home: Path, lost: set[str]) -> None:
    """Segments 1 and 2 have landed; the tool is through with the first, in the middle of the second."""
    with connect(load_settings(home=home), purpose="fixture") as con:
        ensure_schemas(con)

        def insert(table: str, **row: Any) -> None:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            con.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))

        accepted = len(OUTCOMES) + COUNTED["off"] + COUNTED["events"] + COUNTED["routes"]
        known = {"source": "web", "type": "track", "event": "Order Completed"}
        for status, events in (("accepted", accepted), ("quarantined", 3), ("dropped", 2)):
            day = {"segment": "01", "received_date": AT.date(), "events": events, "lake_object": status}
            insert("raw.arrivals", status=status, **day, **known)
        insert(
            "raw.arrivals", status="accepted", segment="02", received_date=AT.date(), events=2, lake_object="x", **known
        )
        for seq, (message_id, (status, reason)) in enumerate(OUTCOMES.items()):
            if message_id not in {"m8"}:
                insert("raw.events", message_id=message_id, received_at=AT, timestamp=AT, **known)
            if message_id not in lost:
                insert(
                    "raw.deliveries",
                    **{"destination": "tool", "seq": seq, "message_id": message_id, "status": status, "reason": reason},
                    **{"segment": "01", "received_at": AT, "at": AT, "attempts": 1, "tool_event": "purchase"},
                    **known,
                )
        again = {"destination": "tool", "seq": 99, "message_id": "m7", "status": "delivered", "reason": ""}
        insert("raw.deliveries", **again, segment="", received_at=AT, at=AT, tool_event="purchase", **known)
        for reason, events in COUNTED.items():
            insert(
                "raw.delivery_counts",
                **{"destination": "tool", "segment": "01", "received_date": AT.date(), "reason": reason},
                **{"events": events, **known},
            )
        insert("raw.delivery_places", destination="tool", segment="02", is_whole=False)
        insert("raw.destination_counts", destination="tool", day=AT.date(), event="purchase", events=3)


def reconciled(home: Path) -> tuple[dict[str, Any], str]:
    result = dbt(home, "build", "--select", "+reconciliation", "--store-failures")
    assert result.returncode == 0, result.stdout
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        found = con.execute("from marts.reconciliation")
        names = [column[0] for column in found.description or ()]
        (row,) = found.fetchall()
    return dict(zip(names, row, strict=True)), result.stdout


def test_every_kind_of_outcome_has_its_column_and_the_row_balances(tmp_path: Path) -> None:
    fill(tmp_path / "home", lost=set())
    row, said = reconciled(tmp_path / "home")
    assert "WARN=0" in said
    assert {name: row[name] for name in row if name not in ("destination", "received_date", "event_name")} == {
        "received": 26,
        "quarantined": 3,
        "filtered_plan": 2,
        "filtered_consent": 1,
        "filtered_integrations": 1,
        "filtered_transformation": 1,
        "filtered_settings": 6,
        "filtered_unsupported": 1,
        "filtered_off": 4,
        "duplicates": 1,
        "delivered": 3,
        "rejected": 1,
        "pending": 2,
        "loaded": 8,
        "tool_count": 3,
        "difference": 0,
    }


def test_a_lost_event_fails_the_check_which_names_it(tmp_path: Path) -> None:
    fill(tmp_path / "home", lost={"lost"})
    row, said = reconciled(tmp_path / "home")
    assert row["difference"] == 1
    assert "WARN=1" in said
    with duckdb.connect(str(tmp_path / "home" / "warehouse.duckdb"), read_only=True) as con:
        tables = con.execute(
            "select table_schema, table_name from information_schema.tables where table_name like 'every_event%'"
        ).fetchall()
        (named,) = con.execute(f"select message_ids from {tables[0][0]}.{tables[0][1]}").fetchone() or ("",)
    assert named == "lost"
