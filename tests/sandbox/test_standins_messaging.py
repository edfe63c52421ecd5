"""The stand-ins of the messaging tools refuse what the real ones refuse, in their words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.standins.base import Standin
from sandbox.standins.braze import Braze
from sandbox.standins.customerio import CustomerIo
from sandbox.standins.klaviyo import Klaviyo
from tests.standin_server import StandinServer

AT = "2026-11-20T10:00:00.000Z"
BRAZE = {"Authorization": "Bearer sandbox_demo"}
KLAVIYO = {"Authorization": "Klaviyo-API-Key sandbox_demo", "revision": "2025-01-15"}
BASIC = ("sandbox", "sandbox_demo")


@pytest.mark.parametrize(
    ("kind", "one", "says"),
    [
        ("attributes", {"email": "nobody", "external_id": "u"}, "'email' must be"),
        ("attributes", {"plan": "free"}, "is required"),
        ("attributes", {"user_alias": {"alias_name": "a"}}, "'user_alias' must be"),
        ("events", {"external_id": "u", "time": AT}, "'name' is required"),
        ("events", {"external_id": "u", "name": "Seen"}, "'time' must be"),
        ("events", {"external_id": "u", "name": "ecommerce.order_placed", "time": AT}, "'order_id' is required"),
        ("purchases", {"external_id": "u", "time": AT, "product_id": "p", "price": 1}, "'currency' must be"),
        ("purchases", {"external_id": "u", "time": AT, "product_id": "p", "currency": "EUR"}, "'price' is required"),
        ("purchases", {"external_id": "u", "time": AT, "product_id": "p", "currency": "EUR", "price": 1,
                       "quantity": 101}, "'quantity' must be"),
    ],
)  # fmt: skip
def test_braze_names_the_bad_by_list_and_place_and_keeps_the_good(
    tmp_path: Path, kind: str, one: dict[str, Any], says: str
) -> None:
    good = {"external_id": "u", "name": "Good", "time": AT}
    body: dict[str, Any] = {"events": [good]}
    body.setdefault(kind, []).append(one)
    with StandinServer(Braze, tmp_path) as tool:
        answer = tool.client.post("/users/track", json=body, headers=BRAZE)
        assert answer.status_code == 201
        assert answer.json()["events_processed"] == 1
        [error] = answer.json()["errors"]
        assert (error["input_array"], error["index"]) == (kind, len(body[kind]) - 1)
        assert says in error["type"]
        assert tool.counts() == {"Good": 1}
        assert answer.headers["X-RateLimit-Limit"] == "3000"


def test_braze_refuses_too_many_and_strangers(tmp_path: Path) -> None:
    event = {"external_id": "u", "name": "Seen", "time": AT}
    with StandinServer(Braze, tmp_path) as tool:

        def post(path: str, body: Any, headers: dict[str, str] = BRAZE) -> httpx.Response:
            return tool.client.post(path, json=body, headers=headers)

        assert "75" in post("/users/track", {"events": [event] * 76}).json()["message"]
        assert post("/users/track", {}).status_code == 400
        assert post("/users/track", {"events": [event]}, {}).status_code == 401
        alias = {"external_id": "u", "user_alias": {"alias_name": "d", "alias_label": "l"}}
        assert post("/users/identify", {"aliases_to_identify": [alias] * 51}).status_code == 400
        assert post("/users/identify", {"aliases_to_identify": [alias]}).json()["aliases_processed"] == 1


def klaviyo_event(**changes: Any) -> dict[str, Any]:
    profile = {"data": {"type": "profile", "attributes": changes.pop("profile", {"external_id": "u"})}}
    metric = {"data": {"type": "metric", "attributes": {"name": "Seen"}}}
    attributes = {"metric": metric, "profile": profile, "properties": {}, "unique_id": "1", **changes}
    return {"data": {"type": "event", "attributes": attributes}}


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        (klaviyo_event(profile={}), "/data/attributes/profile/data/attributes"),
        (klaviyo_event(profile={"email": "nobody"}), "/data/attributes/profile/data/attributes/email"),
        (klaviyo_event(profile={"phone_number": "0123"}), "/data/attributes/profile/data/attributes/phone_number"),
        (klaviyo_event(profile={"id": "1", "plan": 1}), "/data/attributes/profile/data/attributes/plan"),
        (klaviyo_event(metric={}), "/data/attributes/metric"),
        (klaviyo_event(properties=[]), "/data/attributes/properties"),
        (klaviyo_event(value="1"), "/data/attributes/value"),
        (klaviyo_event(value_currency="euro"), "/data/attributes/value_currency"),
        (klaviyo_event(time="now"), "/data/attributes/time"),
        ({"data": {"type": "profile"}}, "/data"),
    ],
)
def test_klaviyo_points_to_the_fault(tmp_path: Path, event: dict[str, Any], pointer: str) -> None:
    with StandinServer(Klaviyo, tmp_path) as tool:
        answer = tool.client.post("/api/events", json=event, headers=KLAVIYO)
        assert answer.status_code == 400
        assert [error["source"]["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert tool.client.post("/api/events", json=klaviyo_event(), headers=KLAVIYO).status_code == 202
        assert tool.counts() == {"Seen": 1}


def test_klaviyo_refuses_strangers_and_odd_revisions(tmp_path: Path) -> None:
    with StandinServer(Klaviyo, tmp_path) as tool:

        def post(headers: dict[str, str], body: Any = None) -> httpx.Response:
            return tool.client.post("/api/profile-import", json=body, headers=headers)

        assert post(KLAVIYO | {"Authorization": "Bearer sandbox_demo"}).status_code == 401
        assert "revision" in post(KLAVIYO | {"revision": "latest"}).json()["errors"][0]["detail"]
        profile = {"data": {"type": "profile", "attributes": {"email": "ana@example.com"}}}
        assert [post(KLAVIYO, profile).status_code for _ in range(2)] == [201, 200]


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ({"type": "thing"}, "type"),
        ({"type": "person", "action": "dance"}, "action"),
        ({"type": "person", "action": "event", "name": "Seen"}, "identifiers"),
        ({"type": "person", "action": "identify", "identifiers": {"anonymous_id": "d"}}, "identifiers"),
        ({"type": "person", "action": "identify", "identifiers": {"id": 7}}, "identifiers"),
        ({"type": "person", "action": "identify", "identifiers": {"id": "u"},
          "attributes": {f"a{n}": n for n in range(301)}}, "attributes"),
        ({"type": "person", "action": "identify", "identifiers": {"id": "u"}, "attributes": {"a": "x" * 1001}},
         "attributes.a"),
        ({"type": "person", "action": "event", "identifiers": {"id": "u"}}, "name"),
        ({"type": "person", "action": "event", "identifiers": {"id": "u"}, "name": "é" * 51}, "name"),
        ({"type": "person", "action": "event", "identifiers": {"id": "u"}, "name": "Seen", "id": "m1"}, "id"),
        ({"type": "person", "action": "event", "identifiers": {"id": "u"}, "name": "Seen", "timestamp": "now"},
         "timestamp"),
        ({"type": "person", "action": "merge", "primary": {"id": "u"}}, "secondary"),
        ({"type": "object", "action": "identify", "identifiers": {"object_id": "a"}}, "identifiers.object_type_id"),
        ({"type": "person", "words": "x" * 33_000}, ""),
    ],
)  # fmt: skip
def test_customerio_names_the_bad_and_keeps_the_good(tmp_path: Path, operation: dict[str, Any], field: str) -> None:
    good = {"type": "person", "action": "event", "identifiers": {"anonymous_id": "d"}, "name": "Good"}
    with StandinServer(CustomerIo, tmp_path) as tool:
        answer = tool.client.post("/api/v2/batch", json={"batch": [good, operation]}, auth=BASIC)
        assert answer.status_code == 207
        assert [(error["batch_index"], error["field"]) for error in answer.json()["errors"]] == [(1, field)]
        assert tool.counts() == {"Good": 1}
        alone = tool.client.post("/api/v2/entity", json=operation, auth=BASIC)
        assert alone.status_code == 400
        assert alone.json()["errors"][0]["field"] == field


def test_customerio_refuses_strangers_and_too_much(tmp_path: Path) -> None:
    with StandinServer(CustomerIo, tmp_path) as tool:

        def post(body: Any, auth: tuple[str, str] = BASIC) -> httpx.Response:
            return tool.client.post("/api/v2/batch", json=body, auth=auth)

        assert post({"batch": []}, ("sandbox", "wrong")).status_code == 401
        assert post({"batch": []}).status_code == 400
        assert post({"batch": ["x" * 500_000]}).status_code == 413


def test_who_asks_too_often_is_told_so_in_each_tools_way(tmp_path: Path) -> None:
    def second(cls: type[Standin], path: str) -> httpx.Response:
        with StandinServer(cls, tmp_path / cls.name, rate=0.02) as tool:
            assert tool.client.post(path, json={}).status_code != 429
            answer = tool.client.post(path, json={})
        assert answer.status_code == 429
        return answer

    assert second(Braze, "/users/track").headers["X-RateLimit-Remaining"] == "0"
    throttled = second(Klaviyo, "/api/events")
    assert 1 <= int(throttled.headers["Retry-After"]) <= 50
    assert throttled.json()["errors"][0]["code"] == "throttled"
    assert second(CustomerIo, "/api/v2/batch").json() == {"meta": {"error": "too many requests"}}
