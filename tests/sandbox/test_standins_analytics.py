"""The stand-ins of the analytics tools refuse what the real ones refuse, in their words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.standins import STANDINS
from sandbox.standins.amplitude import Amplitude
from sandbox.standins.base import Standin
from sandbox.standins.ga4 import Ga4
from sandbox.standins.mixpanel import Mixpanel
from tests.standin_server import StandinServer

GA4 = "/mp/collect?measurement_id=G-SANDBOX01&api_secret=sandbox_demo"
NOW = int(time.time() * 1000)


def test_stand_ins_are_listed_once_by_name() -> None:
    names = [cls.name for cls in STANDINS]
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"name": "1st"}, "NAME_INVALID"),
        ({"name": "n" * 41}, "NAME_INVALID"),
        ({"name": "session_start"}, "NAME_RESERVED"),
        ({"name": "ga_own"}, "NAME_RESERVED"),
        ({"name": "ok", "params": {f"p{n}": n for n in range(26)}}, "EXCEEDED_MAX_ENTITIES"),
        ({"name": "ok", "params": {"p": "v" * 101}}, "VALUE_OUT_OF_BOUNDS"),
        ({"name": "ok", "params": {"p": {"a": 1}}}, "VALUE_INVALID"),
        ({"name": "ok", "params": {"items": [{"price": 1}]}}, "VALUE_REQUIRED"),
    ],
)
def test_ga4_says_nothing_and_keeps_nothing_that_its_validation_server_complains_of(
    tmp_path: Path, event: dict[str, Any], code: str
) -> None:
    hit = {"client_id": "c", "events": [event, {"name": "good"}]}
    with StandinServer(Ga4, tmp_path) as tool:
        told = tool.client.post(GA4.replace("/mp", "/debug/mp"), json=hit).json()["validationMessages"]
        assert [message["validationCode"] for message in told] == [code]
        answer = tool.client.post(GA4, json=hit)
        assert (answer.status_code, answer.content) == (204, b"")
        assert tool.counts() == {"good": 1}


@pytest.mark.parametrize(
    "hit",
    [[], {"events": [{"name": "ok"}]}, {"client_id": "c", "events": []}, {"client_id": "c", "events": [{}] * 26},
     {"client_id": "c", "events": [{"name": "ok"}], "user_properties": {"n" * 25: {"value": 1}}}],
)  # fmt: skip
def test_ga4_keeps_nothing_of_a_request_that_is_wrong_as_a_whole(tmp_path: Path, hit: Any) -> None:
    with StandinServer(Ga4, tmp_path) as tool:
        assert tool.client.post(GA4, json=hit).status_code == 204
        assert tool.client.post(GA4.replace("/mp", "/debug/mp"), json=hit).json()["validationMessages"]
        assert tool.kept() == []
        assert tool.client.post(GA4, content=b"x" * 130_001).status_code == 413


def mixpanel_event(**changes: Any) -> dict[str, Any]:
    properties = {"time": NOW, "distinct_id": "u1", "$insert_id": "i1", **changes.pop("properties", {})}
    return {"event": "Seen", "properties": properties, **changes}


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"event": ""}, "event"),
        (mixpanel_event(event="e" * 256), "event"),
        (mixpanel_event(properties={"time": "today"}), "properties.time"),
        (mixpanel_event(properties={"time": NOW + 2 * 3_600_000}), "properties.time"),
        (mixpanel_event(properties={"time": 1000}), "properties.time"),
        (mixpanel_event(properties={"distinct_id": 7}), "properties.distinct_id"),
        (mixpanel_event(properties={"distinct_id": "$device:null"}), "properties.distinct_id"),
        (mixpanel_event(properties={"$insert_id": "i" * 37}), "properties.$insert_id"),
        (mixpanel_event(properties={f"p{n}": n for n in range(256)}), "properties"),
    ],
)
def test_mixpanel_names_the_bad_and_keeps_the_good(tmp_path: Path, event: dict[str, Any], field: str) -> None:
    with StandinServer(Mixpanel, tmp_path) as tool:
        answer = tool.client.post("/import?strict=1", json=[mixpanel_event(), event], auth=("sandbox_demo", ""))
        assert answer.status_code == 400
        said = answer.json()
        assert said["num_records_imported"] == 1
        assert [(record["index"], record["field"]) for record in said["failed_records"]] == [(1, field)]
        assert tool.counts() == {"Seen": 1}


def test_mixpanel_refuses_too_many_and_strangers(tmp_path: Path) -> None:
    with StandinServer(Mixpanel, tmp_path, largest_body=600_000) as tool:

        def post(body: Any, auth: tuple[str, str] = ("sandbox_demo", "")) -> httpx.Response:
            return tool.client.post("/import?strict=1", json=body, auth=auth)

        assert post([mixpanel_event()] * 2001).json()["error"] == "request exceeds the limit of 2000 events"
        assert post([], ("wrong", "")).status_code == 401
        assert post("x" * 600_001).status_code == 413
        assert "project_id" in post([], ("robot.sandbox", "sandbox_demo")).json()["error"]


def amplitude_event(**changes: Any) -> dict[str, Any]:
    return {"user_id": "user-1", "event_type": "Seen", "time": NOW, "insert_id": "i1", **changes}


@pytest.mark.parametrize(
    ("event", "group", "field"),
    [
        ({"user_id": "user-1"}, "events_with_missing_fields", "event_type"),
        ({"event_type": "Seen"}, "events_with_missing_fields", "user_id"),
        (amplitude_event(time="now"), "events_with_invalid_fields", "time"),
        (amplitude_event(revenue="1"), "events_with_invalid_fields", "revenue"),
        (amplitude_event(quantity=1.5), "events_with_invalid_fields", "quantity"),
        (amplitude_event(event_properties=[]), "events_with_invalid_fields", "event_properties"),
        (amplitude_event(user_id="null"), "events_with_invalid_fields", "user_id"),
        (amplitude_event(user_id="u1"), "events_with_invalid_id_lengths", "user_id"),
    ],
)
def test_amplitude_refuses_the_whole_batch_and_names_the_bad(
    tmp_path: Path, event: dict[str, Any], group: str, field: str
) -> None:
    with StandinServer(Amplitude, tmp_path) as tool:
        body = {"api_key": "sandbox_demo", "events": [amplitude_event(), event]}
        answer = tool.client.post("/2/httpapi", json=body)
        assert answer.status_code == 400
        assert answer.json()[group] == {field: [1]}
        assert tool.kept() == []


def test_amplitude_throttles_a_user_and_refuses_strangers_and_too_much(tmp_path: Path) -> None:
    with StandinServer(Amplitude, tmp_path, eps_threshold=1) as tool:

        def post(events: Any, key: str = "sandbox_demo") -> httpx.Response:
            return tool.client.post("/2/httpapi", json={"api_key": key, "events": events})

        many = [amplitude_event(insert_id=f"i{n}") for n in range(30)]
        assert post(many).json()["events_ingested"] == 30
        told = post([amplitude_event(user_id="user-2"), *many])
        assert told.status_code == 429
        assert told.json()["throttled_events"] == list(range(1, 31))
        assert post([amplitude_event(user_id="user-2")]).status_code == 200
        assert post([amplitude_event()], "wrong").json()["error"] == "Invalid API key: wrong"
        assert post([amplitude_event()] * 2001).status_code == 413
        assert post([amplitude_event(words="x" * 1_000_000)]).status_code == 413
        assert post([]).json()["missing_field"] == "events"


@pytest.mark.parametrize(
    ("cls", "path", "says"),
    [(Mixpanel, "/import", "exponential backoff"), (Amplitude, "/2/httpapi", "Too many requests")],
)
def test_who_asks_too_often_is_told_so(tmp_path: Path, cls: type[Standin], path: str, says: str) -> None:
    with StandinServer(cls, tmp_path, rate=0.001) as tool:
        assert tool.client.post(path, json=[]).status_code != 429
        answer = tool.client.post(path, json=[])
        assert answer.status_code == 429
        assert says in answer.json()["error"]
