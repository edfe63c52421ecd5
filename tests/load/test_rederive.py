"""Tables made anew: types that the plan states, values that do not fit kept beside, and all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import Config, Identity, PlannedEvent, Platform
from headwater.errors import UsageError
from headwater.load import rederive as module
from headwater.load.event_shape.planned import planned_types
from headwater.load.event_shape.rules import rules_of
from headwater.load.event_tables import load_event_tables
from headwater.load.events import load_events
from headwater.load.rederive import rederive
from headwater.settings import Settings, load_settings
from headwater.storage.lake import Lake, open_lake
from headwater.storage.warehouse import connect, ensure_schemas
from tests.load.landed import identify, land, track


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", lake_url=str(tmp_path / "lake"))


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return open_lake(settings)


def config(**events: dict[str, Any]) -> Config:
    """A config whose plan states these properties of tracks (`Order` is order) and of `identify`."""
    plan = {
        name: PlannedEvent(
            event="" if name == "identify" else name,
            type="identify" if name == "identify" else "track",
            schema={"type": "object", "properties": properties},
        )
        for name, properties in events.items()
    }
    return Config(
        platform=Platform(company="Test", currency="EUR", stacks=[]),
        sources={},
        import_source="web",
        identity=Identity(id_types={}, edges=[]),
        tracking_plan=plan,
    )


def loaded(settings: Settings, made: Config | None = None) -> None:
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        load_events(con, open_lake(settings))
        load_event_tables(con, open_lake(settings), rules_of(made) if made else None)


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with connect(settings, purpose="test") as con:
        return con.execute(sql).fetchall()


DISCARDS = "select table_name, row_id, column_name, column_value, reason from events.rudder_discards order by all"


def test_a_column_whose_type_is_planned_keeps_it_and_what_does_not_fit_stands_beside(settings, lake):
    made = config(Order={"total": {"type": "number"}, "paid": {"type": "boolean"}})
    land(lake, 1, [track("m1", "Order", {"total": 5, "paid": True}), track("m2", "Order", {"total": "7 EUR"})])
    land(lake, 2, [track("m3", "Order", {"total": 2.5, "paid": "maybe"}), track("m4", "Order", {"total": "8"})])
    loaded(settings, made)
    assert rows(settings, 'select id, total, paid, typeof(total) from events."_order" order by 1') == [
        ("m1", 5.0, True, "DOUBLE"),
        ("m2", None, None, "DOUBLE"),
        ("m3", 2.5, None, "DOUBLE"),
        ("m4", 8.0, None, "DOUBLE"),
    ]
    assert rows(settings, DISCARDS) == [
        ("_order", "m2", "total", "7 EUR", "the plan says DOUBLE"),
        ("_order", "m3", "paid", "maybe", "the plan says BOOLEAN"),
    ]
    raw = "select payload->>'$.properties.total' from raw.events where message_id = 'm2'"
    assert rows(settings, raw) == [("7 EUR",)]


def test_a_column_that_became_text_gets_its_planned_type_when_the_tables_are_made_anew(settings, lake):
    land(lake, 1, [track("m1", "Bought", {"total": 5}), track("m2", "Bought", {"total": "x"})])
    land(lake, 2, [track("m3", "Left", {"total": 5}), identify("m4", "u1", {"age": 3})])
    loaded(settings)
    assert rows(settings, "select distinct typeof(total) from events.bought") == [("VARCHAR",)]
    before = rows(settings, "select * exclude (uuid_ts) from events.tracks order by id")

    report = rederive(settings, config(Bought={"total": {"type": "integer"}}))
    assert (report.events, report.rows, report.discards) == (4, 7, 1)
    assert rows(settings, "select id, total, typeof(total) from events.bought order by 1") == [
        ("m1", 5, "BIGINT"), ("m2", None, "BIGINT"),
    ]  # fmt: skip
    assert rows(settings, DISCARDS) == [("bought", "m2", "total", "x", "the plan says BIGINT")]
    assert rows(settings, "select * exclude (uuid_ts) from events.tracks order by id") == before
    assert rows(settings, "select id, age from events.users") == [("u1", 3)]


def test_one_event_alone_is_made_anew_and_the_others_are_not_touched(settings, lake):
    made = config(Bought={"total": {"type": "number"}}, Left={"total": {"type": "number"}})
    land(lake, 1, [track("m1", "Bought", {"total": "x"}), track("m2", "Left", {"total": "x"})])
    land(lake, 2, [track("m3", "bought", {"total": 3})])
    loaded(settings)
    before = rows(settings, "select * from events.tracks order by all")
    report = rederive(settings, made, "Bought")
    assert (report.tables, report.rows) == (1, 2)
    assert rows(settings, "select id, total from events.bought order by 1") == [("m1", None), ("m3", 3.0)]
    assert rows(settings, 'select total from events."_left"') == [("x",)]
    assert rows(settings, "select * from events.tracks order by all") == before
    loaded(settings, made)
    assert rows(settings, "select count(*) from events.bought") == [(2,)]


def test_identifies_are_made_anew_together_with_users(settings, lake):
    land(lake, 1, [identify("m1", "u1", {"age": "old"}), identify("m2", "u1", {"age": 30}), track("m3", "Bought")])
    loaded(settings)
    rederive(settings, config(identify={"age": {"type": "integer"}}), "identify")
    assert rows(settings, "select id, age from events.identifies order by 1") == [("m1", None), ("m2", 30)]
    assert rows(settings, "select id, age from events.users") == [("u1", 30)]
    assert rows(settings, "select count(*) from events.tracks") == [(1,)]


def test_a_failure_half_way_leaves_the_old_tables(settings, lake, monkeypatch):
    land(lake, 1, [track("m1", "Bought", {"total": "x"})])
    loaded(settings)

    def broken(*_: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(module, "load_objects", broken)
    with pytest.raises(RuntimeError):
        rederive(settings, config())
    assert rows(settings, "select total from events.bought") == [("x",)]
    assert rows(settings, "select count(*) from raw.loaded_objects where target = 'events'") == [(1,)]


def test_an_event_that_never_came_is_told(settings, lake):
    land(lake, 1, [track("m1", "Bought")])
    loaded(settings)
    with pytest.raises(UsageError, match="no track «Sold»"):
        rederive(settings, config(), "Sold")


def test_only_types_that_the_plan_states_are_planned():
    made = config(
        Order={
            "total": {"type": ["number", "null"]},
            "count": {"type": "integer"},
            "either": {"type": ["integer", "string"]},
            "at": {"type": "string", "format": "date-time"},
            "name": {"type": "string"},
            "address": {"type": "object", "properties": {"isHome": {"type": "boolean"}}},
            "products": {"type": "array"},
            "user_id": {"type": "integer"},
            "anything": {},
        }
    )
    assert planned_types(made.tracking_plan.values()) == {
        "_order": {"total": "DOUBLE", "count": "BIGINT", "at": "TIMESTAMP", "address_is_home": "BOOLEAN"}
    }
