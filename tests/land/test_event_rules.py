"""The company's rules on landing: violations, drops and source transformations leave each row in its place."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.configuration import Config, load_config
from headwater.land.events import EventsLanded, land_events
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.log import Envelope, encode_envelope, frame
from headwater.storage.log.record import MAGIC

AT, LATER = datetime(2026, 5, 4, 10), datetime(2026, 5, 6, 8)
VIOLATIONS = [("wrong_type", "properties.total", "a text, where a number is planned")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", tmp_path / "config")
    made = load_settings(tmp_path / "home", tmp_path / "config", lake_url=str(tmp_path / "lake"))
    made.log_dir.mkdir(parents=True)
    return made


def transformed(settings: Settings, text: str) -> Config:
    """The config, its source `web` with a transformation of this text."""
    folder = settings.config_dir / "transformations"
    folder.mkdir()
    (folder / "tidy.py").write_text(text, encoding="utf-8")
    config = load_config(settings)
    config.sources["web"].transformations = ["tidy"]  # type: ignore[union-attr]
    return config


def land(settings: Settings, *rows: tuple[Envelope, str, Any], config: Config | None = None) -> EventsLanded:
    """Land one segment of these records."""
    number = len(list(settings.log_dir.glob("*.seg"))) + 1
    frames = [
        frame(encode_envelope(e), key, p if isinstance(p, bytes) else json.dumps(p).encode()) for e, key, p in rows
    ]
    (settings.log_dir / f"{number:012d}-0000000000001.seg").write_bytes(MAGIC + b"".join(frames))
    return land_events(settings, config or load_config(settings))


def read(settings: Settings, what: str, columns: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(
        f"select {columns} from read_parquet('{settings.lake_url}/{what}/**/*.parquet') order by all"
    ).fetchall()


def live(**fields: Any) -> Envelope:
    return Envelope(**{"source": "web", "route": "live", "received_at": AT} | fields)


def order(total: Any = 5, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order", "userId": "u1", "properties": {"total": total}, **fields}


def test_violations_stand_in_their_column_and_in_the_payload(settings: Settings) -> None:
    land(settings, (live(), "m1", order()), (live(violations=VIOLATIONS), "m2", order("x")))
    told = [{"type": "wrong_type", "property": "properties.total", "message": "a text, where a number is planned"}]
    (_, none, _), (_, column, payload) = read(settings, "events", "message_id, violations, payload")
    assert none is None
    assert json.loads(column) == json.loads(payload)["context"]["violationErrors"] == told


def test_what_the_plan_drops_is_no_event_but_can_be_found(settings: Settings) -> None:
    report = land(settings, (live(), "m1", order()), (live(violations=VIOLATIONS, verdict="drop"), "m2", order("x")))
    assert (report.events, report.dropped, report.objects) == (1, 1, 2)
    assert read(settings, "dropped", "reason, source, message_id, type, event, received_at") == [
        ("plan: wrong_type", "web", "m2", "track", "Order", AT)
    ]


def test_what_the_plan_keeps_aside_has_its_event_and_one_id_however_often_it_comes(settings: Settings) -> None:
    aside = live(
        route="quarantine", reason="plan: rule", detail="…", violations=VIOLATIONS, came_by="live", ip="192.0.2.1"
    )
    again = live(route="quarantine", reason="plan: rule", violations=VIOLATIONS, came_by="live", received_at=LATER)
    other = live(source="app", route="quarantine", reason="plan: rule", violations=VIOLATIONS)
    land(settings, (aside, "m1", order("x")), (again, "m1", order("x")), (other, "m1", order("x")))
    rows = read(settings, "quarantine", "source, message_id, type, event, route, ip, destination, quarantine_id")
    assert [row[:7] for row in rows] == [
        ("app", "m1", "track", "Order", None, None, None),
        ("web", "m1", "track", "Order", "live", "192.0.2.1", None),
        ("web", "m1", "track", "Order", "live", None, None),
    ]
    assert len({row[7] for row in rows}) == 2


def test_what_is_no_event_has_its_own_id_and_what_can_be_read_of_it(settings: Settings) -> None:
    aside = live(route="quarantine", reason="no userId or anonymousId", came_by="live")
    land(settings, (aside, "q1", {"type": "track", "event": "Order", "messageId": 7}), (aside, "q2", b"{"))
    assert read(settings, "quarantine", "quarantine_id, message_id, type, event") == [
        ("q1", "7", "track", "Order"),
        ("q2", None, None, None),
    ]


def test_one_that_is_kept_aside_again_is_the_same_row_and_one_that_passes_names_it(settings: Settings) -> None:
    failed = live(route="quarantine", reason="plan: rule", violations=VIOLATIONS, replays="q1", replayed_at=LATER)
    passed = live(replays="q2", replayed_at=LATER)
    land(settings, (failed, "m1", order("x")), (passed, "m2", order()))
    assert read(settings, "quarantine", "quarantine_id") == [("q1",)]
    assert read(settings, "events", "message_id, replays, received_at, known_at") == [("m2", "q2", AT, LATER)]


def test_a_source_transformation_keeps_the_original_beside_what_it_made(settings: Settings) -> None:
    text = (
        "def transform(event):\n    if event['userId'] == 'u2':\n        event['event'] = 'Bought'\n    return event\n"
    )
    config = transformed(settings, text)
    land(settings, (live(), "m1", order()), (live(), "m2", order(userId="u2")), config=config)
    (_, event, none), (_, bought, original) = read(settings, "events", "message_id, event, original")
    assert (event, none, bought) == ("Order", None, "Bought")
    assert json.loads(original)["event"] == "Order"


def test_what_a_transformation_drops_or_fails_lands_apart_with_its_reason(settings: Settings) -> None:
    text = "def transform(event):\n    return None if event['properties']['total'] / 1 == 0 else event\n"
    config = transformed(settings, text)
    rows = [(live(), "m1", order()), (live(), "m2", order(0)), (live(), "m3", order("x"))]
    report = land(settings, *rows, config=config)
    assert (report.events, report.dropped, report.quarantined) == (1, 1, 1)
    assert read(settings, "dropped", "reason, message_id") == [("transformation: tidy", "m2")]
    [(reason, detail, message_id, payload, route)] = read(
        settings, "quarantine", "reason, detail, message_id, payload, route"
    )
    assert (reason, message_id, route) == ("transformation: tidy", "m3", "live")
    assert detail.startswith("tidy.py, line 2: TypeError")
    assert json.loads(payload) == order("x")


def test_an_address_that_a_transformation_took_out_or_masked_is_not_brought_back(settings: Settings) -> None:
    text = (
        "def transform(event):\n"
        "    ip = event['context'].pop('ip')\n"
        "    keep = event['properties']['total']\n"
        "    event['properties']['seen'] = True\n"
        "    found = {'nothing': {}, 'all': {'ip': ip}, 'some': {'ip': '192.0.2.0'}}[keep]\n"
        "    return {**event, 'context': found}\n"
    )
    config = transformed(settings, text)
    land(settings, *[(live(ip="192.0.2.1"), keep, order(keep)) for keep in ("all", "nothing", "some")], config=config)
    assert read(settings, "events", "message_id, request_ip, payload->'context'->>'ip'") == [
        ("all", "192.0.2.1", "192.0.2.1"),
        ("nothing", None, None),
        ("some", None, "192.0.2.0"),
    ]
