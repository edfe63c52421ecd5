"""The profile API as its callers see it: a real process over a real Redis."""

from __future__ import annotations

import json
from urllib.parse import quote

import httpx
import pytest

from headwater.storage.online import OnlineStore
from tests.serve.conftest import VERSION, Api


def test_a_person_is_answered_with_profile_and_freshness(api: Api, store: OnlineStore) -> None:
    answer = api.get("/v1/profiles/customer_id/c1")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.pop("age_seconds") > 0
    assert body == {
        "as_of": "2026-03-01T00:00:00.000Z",
        "pushed_at": "2026-03-01T12:00:00.000Z",
        "model_version": "v7",
        "version": VERSION,
        "customer_id": "c1",
        "ids": {},
        "profile": {"name": "Ünï"},
    }


@pytest.mark.parametrize("value", ["plain", "a/b//c", "x:y}{", "é 🦆", "..%2f", "q?a=1&b#c", "100%", "+1 2"])
def test_identifiers_of_any_shape_are_found(api: Api, store: OnlineStore, value: str) -> None:
    store.put_identifiers([("user_id", value, "c1")])
    assert api.get(f"/v1/profiles/user_id/{quote(value, safe='')}").json()["customer_id"] == "c1"


def test_email_is_found_however_it_is_written(api: Api, store: OnlineStore) -> None:
    store.put_identifiers([("email", "ana@x.y", "c1")])
    assert api.get("/v1/profiles/email/%20Ana@X.Y").json()["customer_id"] == "c1"
    store.put_identifiers([("user_id", "Ana", "c1")])
    assert api.get("/v1/profiles/user_id/ana").status_code == 404


def test_a_telephone_number_is_found_however_it_is_written(api: Api, store: OnlineStore) -> None:
    store.put_identifiers([("phone", "+442079460958", "c1")])
    for written in ("020 7946 0958", "+44 (0)20 7946-0958"):
        assert api.get(f"/v1/profiles/phone/{quote(written)}").json()["customer_id"] == "c1"
    assert api.get("/v1/profiles/phone/12").status_code == 404


def test_junk_names_nobody(api: Api, store: OnlineStore) -> None:
    store.put_identifiers([("anonymous_id", "null", "c1")])
    assert api.get("/v1/profiles/anonymous_id/NULL").status_code == 404


def test_a_customer_id_from_before_a_merge_leads_to_the_person(api: Api, store: OnlineStore) -> None:
    store.put_identifiers([("customer_id", "c0", "c1")])
    assert api.get("/v1/profiles/customer_id/c0").json()["customer_id"] == "c1"


def test_a_live_session_comes_with_its_anonymous_id(api: Api, store: OnlineStore) -> None:
    store.put_identifiers([("anonymous_id", "a", "c1")])
    assert "session" not in api.get("/v1/profiles/anonymous_id/a").json()
    store.put_sessions([("a", "p", b'{"count_views":3}', 100)])
    assert api.get("/v1/profiles/anonymous_id/a").json()["session"] == {"count_views": 3}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/profiles/email/nobody@x.y", "not_found"),
        ("/v1/profiles/customer_id/nobody", "not_found"),
        ("/v1/profiles/email/", "not_found"),
        ("/v1/profiles/shoe_size/44", "unknown_id_type"),
        ("/v1/profiles", "not_found"),
        ("/favicon.ico", "not_found"),
    ],
)
def test_nobody_and_nothing_are_404_in_one_shape(api: Api, store: OnlineStore, path: str, code: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, set(answer.json()), answer.json()["code"]) == (404, {"code", "message"}, code)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Bearer api_secre", "Basic api_secret"])
def test_without_the_token_nothing_is_told(api: Api, store: OnlineStore, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for known in ("c1", "nobody"):
        answer = httpx.get(f"{api.client.base_url}/v1/profiles/customer_id/{known}", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_every_token_of_the_config_opens(api: Api, store: OnlineStore) -> None:
    assert api.get("/v1/profiles/customer_id/c1", headers={"Authorization": "Bearer other"}).status_code == 200


def test_a_method_that_is_not_there_is_405_in_the_same_shape(api: Api) -> None:
    answer = api.client.post("/v1/profiles/customer_id/c1", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_health_and_version_need_no_token(api: Api, store: OnlineStore) -> None:
    url = str(api.client.base_url)
    health = httpx.get(f"{url}/health", trust_env=False).json()
    assert (health["status"], health["people"], health["as_of"]) == ("ok", 1, "2026-03-01T00:00:00Z")
    assert set(httpx.get(f"{url}/version", trust_env=False).json()) == {"version"}


def test_before_the_first_push_health_says_so(api: Api, store: OnlineStore) -> None:
    store.client.flushall()
    assert api.get("/health").json() == {
        "status": "ok", "people": None, "as_of": None, "pushed_at": None, "age_seconds": None,
    }  # fmt: skip


def test_the_description_names_every_route_and_needs_nothing_from_elsewhere(api: Api) -> None:
    described = api.get("/openapi.json").json()
    inside = {"receipts/{message_id}", "live", "plan", "destinations", "destinations/{name}", "replay"}
    routes = {"/v1/profiles/{id_type}/{id}", "/health", "/version", "/report", *(f"/v1/{path}" for path in inside)}
    assert set(described["paths"]) == routes
    answers = described["paths"]["/v1/profiles/{id_type}/{id}"]["get"]["responses"]
    assert {"200", "401", "404", "503"} <= set(answers)
    page = api.get("/docs").text
    assert "/v1/profiles/{id_type}/{id}" in page
    assert "src=" not in page
    assert "https://" not in page
    json.dumps(described)
