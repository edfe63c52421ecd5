"""The routes beside the SDKs' own, with everything that a company can configure, over real HTTP."""

from __future__ import annotations

import base64
import json
import re
import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from headwater.configuration import load_config
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.failures import Failures
from headwater.storage.log import LogReader, Record
from tests.collect.conftest import WEB, CollectorProcess, free_port

PLATFORM = """
collector:
  path_aliases:
    /hello: /v1
    /hello/beans: /beacon/v1/batch
    /img: /pixel/v1
  cookie: {name: shop_id, domain: shop.example, is_secure: false}
admin_tokens:
  - {token: admin_demo, scopes: [plan]}
"""
PLAN = """
event: Order Completed
owner: test
on_violation: {wrong_type: quarantine, missing_required: drop}
schema:
  type: object
  required: [order_id]
  additionalProperties: false
  properties: {order_id: {type: string}, total: {type: number}}
"""
# as printed in the Data Maturity Guide
ADD_TO_CART = b"""{
  "type": "track",
  "event": "add_to_cart",
  "properties": {
    "amount": 100,
    "SKU" : "ABC123",
    "model" : "xyz"
  }
}"""
IDENTIFY = b"""{  
  "type": "identify",  
  "traits": {  
    "name": "Name Surname",  
    "email": "sample@example.com"  
  },  
  "userId": "hashed_user_id"  
}"""  # noqa: W291
BASIC = {"Authorization": "Basic " + base64.b64encode(b"wk_web_demo:").decode()}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One running collector of a company that uses all of it."""
    folder = tmp_path_factory.mktemp("routes")
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", folder / "config")
    with (folder / "config" / "platform.yaml").open("a") as file:
        file.write(PLATFORM)
    (folder / "config" / "tracking_plan").mkdir()
    (folder / "config" / "tracking_plan" / "order.yaml").write_text(PLAN)
    settings = load_settings(folder / "home", folder / "config", collector_port=free_port())
    made = CollectorProcess(settings, load_config(settings)).start()
    yield made
    made.stop(signal.SIGKILL)


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


def mine(collector: CollectorProcess, mark: str) -> list[Record]:
    return [r for r in collector.records() if mark in r.message_id or mark.encode() in r.payload]


def post(collector: CollectorProcess, path: str, content: bytes, **options: Any) -> httpx.Response:
    """A request without the kept connection's cookies, so that each test is a browser of its own."""
    return httpx.post(f"{collector.url}{path}", content=content, **{"headers": BASIC, **options})


def test_the_guides_track_as_printed_gets_its_id_by_cookie(collector: CollectorProcess) -> None:
    before = len(collector.records())
    first = post(collector, "/v1/track", ADD_TO_CART)
    assert first.status_code == 200
    cookie = first.headers["set-cookie"]
    found = re.match(r"shop_id=([0-9a-f-]{36}); Path=/; Max-Age=31536000; HttpOnly; Domain=shop.example", cookie)
    assert found, cookie
    second = post(collector, "/v1/batch", b'{"batch":[' + ADD_TO_CART + b"]}", headers={**BASIC, "Cookie": cookie})
    assert second.json()["accepted"] == 1
    payloads = [json.loads(r.payload) for r in collector.records()[before:]]
    assert [p["anonymousId"] for p in payloads] == [found[1]] * 2
    assert [p["properties"] for p in payloads] == [{"amount": 100, "SKU": "ABC123", "model": "xyz"}] * 2


def test_the_guides_identify_as_printed_is_accepted_and_needs_no_cookie(collector: CollectorProcess) -> None:
    for path, body in (("/v1/identify", IDENTIFY), ("/v1/batch", b'{"batch": [' + IDENTIFY + b"]}")):
        answer = post(collector, path, body)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert collector.records()[-1].payload == IDENTIFY


def test_without_a_cookie_configured_the_guides_track_is_kept_aside(shared_collector: CollectorProcess) -> None:
    answer = post(shared_collector, "/v1/track", ADD_TO_CART)
    assert (answer.status_code, answer.json()["code"]) == (400, "no_userid_or_anonymousid")


@pytest.mark.parametrize(
    "event", [{"properties": {"a": 1}}, {"event": "X", "messageId": "m" * 2000}], ids=["no name", "a long messageId"]
)
def test_what_is_kept_aside_is_as_it_came_and_its_browser_gets_no_cookie(
    collector: CollectorProcess, mark: str, event: dict[str, Any]
) -> None:
    body = json.dumps(event | {"anonymousId": None, "context": {"mark": mark}}).encode()
    answer = post(collector, "/v1/track", body)
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers
    assert [r.payload for r in mine(collector, mark)] == [body]
    aside = post(collector, "/v1/track", b'{"event": "Order Completed", "properties": {"order_id": 5}}')
    assert (aside.status_code, aside.headers.get("set-cookie")) == (400, None)


@pytest.mark.parametrize(
    "sent", ["shop_id=", "shop_id=x", 'shop_id="><script>', "shop_id=" + "a" * 500, "other=abcdefghij"]
)
def test_a_cookie_that_cannot_be_ours_is_replaced(collector: CollectorProcess, sent: str) -> None:
    answer = post(collector, "/v1/track", ADD_TO_CART, headers={**BASIC, "Cookie": sent})
    assert re.match(r"shop_id=[0-9a-f-]{36};", answer.headers["set-cookie"])


def test_the_cookie_fills_in_an_id_that_is_null_or_blank(collector: CollectorProcess, mark: str) -> None:
    for given in ({"anonymousId": None}, {"userId": "  ", "anonymousId": ""}, {"anonymousId": {"a": [1]}}):
        event = {"type": "page", "messageId": mark, **given}
        assert post(collector, "/v1/page", json.dumps(event).encode()).status_code == 200
    assert all(len(json.loads(r.payload)["anonymousId"]) == 36 for r in mine(collector, mark))


def test_an_imported_row_gets_no_id_from_its_senders_cookie(collector: CollectorProcess) -> None:
    answer = post(collector, "/v1/import", b'{"batch":[' + ADD_TO_CART + b"]}").json()
    assert answer["reasons"] == {"no userId or anonymousId": 1}


def test_first_party_paths_lead_to_the_routes_that_they_stand_for(collector: CollectorProcess, mark: str) -> None:
    event = json.dumps({"type": "page", "userId": "u", "messageId": mark}).encode()
    for path in ("/hello/p", "/hello/page/", "/hello/batch", "/hello/beans"):
        body = event if "/p" in path else b'{"batch":[' + event + b"]}"
        assert post(collector, path, body).status_code == 200, path
    assert len(mine(collector, mark)) == 4
    settings = httpx.get(f"{collector.url}/hello/projects/wk_web_demo/settings").json()
    assert settings["integrations"]["Segment.io"]["apiKey"] == "wk_web_demo"
    assert httpx.get(f"{collector.url}/hellox/projects/wk_web_demo/settings").status_code == 404
    params = {"writeKey": WEB[0], "event": "Mail Opened", "userId": "u", "messageId": f"{mark}-pixel"}
    assert httpx.get(f"{collector.url}/img/track", params=params).headers["content-type"] == "image/gif"


def test_a_pixel_is_an_event_with_properties_as_json_or_flat(collector: CollectorProcess, mark: str) -> None:
    params = {
        "writeKey": WEB[0],
        "anonymousId": "a1",
        "event": "Mail Opened",
        "messageId": mark,
        "properties": '{"campaign": {"id": 7}}',
        "properties.subject": "Hi & bye",
        "template": "ü",
        "context.locale": "en",
    }
    headers = {"Referer": "https://shop.example/mail", "User-Agent": "Mailer/1"}
    answer = httpx.get(f"{collector.url}/pixel/v1/track", params=params, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content[:6] == b"GIF89a"
    assert "no-store" in answer.headers["cache-control"]
    (record,) = mine(collector, mark)
    payload = json.loads(record.payload)
    assert (record.envelope.type, record.envelope.user_agent) == ("track", "Mailer/1")
    assert payload["properties"] == {"campaign": {"id": 7}, "subject": "Hi & bye", "template": "ü"}
    assert payload["context"] == {"locale": "en", "page": {"url": "https://shop.example/mail"}}
    assert "writeKey" not in payload


def test_a_page_pixel_without_id_gets_the_cookie(collector: CollectorProcess, mark: str) -> None:
    answer = httpx.get(f"{collector.url}/pixel/v1/page", params={"writeKey": WEB[0], "name": "Home", "messageId": mark})
    (record,) = mine(collector, mark)
    assert f"shop_id={json.loads(record.payload)['anonymousId']};" in answer.headers["set-cookie"]
    assert json.loads(record.payload)["name"] == "Home"


def test_segments_pixel_data_is_read(collector: CollectorProcess, mark: str) -> None:
    event = {"writeKey": WEB[0], "userId": "u", "event": "Mail Opened", "messageId": mark, "properties": {"a": 1}}
    data = base64.urlsafe_b64encode(json.dumps(event).encode()).decode().rstrip("=")
    assert httpx.get(f"{collector.url}/pixel/v1/track", params={"data": data}).status_code == 200
    assert [json.loads(r.payload)["properties"] for r in mine(collector, mark)] == [{"a": 1}]


def test_a_bad_pixel_shows_no_broken_image_and_is_kept_aside(collector: CollectorProcess, mark: str) -> None:
    answer = httpx.get(f"{collector.url}/pixel/v1/track", params={"writeKey": WEB[0], "userId": "u", "x": mark})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert [r.envelope.reason for r in mine(collector, mark)] == ["track without an event name"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/pixel/v1/track?event=X&userId=u", 401, "unknown_write_key"),
        ("GET", "/pixel/v1/track?writeKey=&event=X&userId=u", 401, "unknown_write_key"),
        ("GET", "/pixel/v1/identify?writeKey=wk_web_demo&userId=u", 404, "not_found"),
        ("POST", "/pixel/v1/track?writeKey=wk_web_demo", 405, "method_not_allowed"),
        ("GET", "/pixel/v1/track?writeKey=wk_web_demo&data=%25%25", 400, "not_json"),
        ("GET", "/pixel/v1/track?writeKey=wk_web_demo&data=W10", 400, "not_an_object"),
        ("POST", "/beacon/v1/batch?writeKey=nobody", 401, "unknown_write_key"),
        ("GET", "/beacon/v1/batch?writeKey=wk_web_demo", 405, "method_not_allowed"),
        ("GET", "/v1/projects/nobody/settings", 404, "unknown_write_key"),
        ("POST", "/v1/projects/wk_web_demo/settings", 405, "method_not_allowed"),
        ("PUT", "/health", 405, "method_not_allowed"),
        ("DELETE", "/health", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
        ("PATCH", "/version", 405, "method_not_allowed"),
    ],
)
def test_refusals_say_why(collector: CollectorProcess, method: str, path: str, status: int, code: str) -> None:
    answer = httpx.request(method, f"{collector.url}{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


def test_a_beacon_sends_its_key_in_the_query_and_plain_text(collector: CollectorProcess, mark: str) -> None:
    event = {"type": "page", "anonymousId": "a", "messageId": mark}
    answer = post(
        collector,
        f"/beacon/v1/batch?writeKey={WEB[0]}",
        json.dumps({"batch": [event], "sentAt": "2026-01-01T00:00:00Z"}).encode(),
        headers={"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://shop.example"},
    )
    assert answer.json()["accepted"] == 1
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert [r.envelope.sent_at for r in mine(collector, mark)] == ["2026-01-01T00:00:00Z"]


def test_the_plans_verdict_goes_into_the_log_and_sinks_nobody(collector: CollectorProcess, mark: str) -> None:
    order = {"type": "track", "event": "Order Completed", "userId": "u"}
    batch = [
        order | {"messageId": f"{mark}-fits", "properties": {"order_id": "1", "total": 2}},
        order | {"messageId": f"{mark}-aside", "properties": {"order_id": 5}},
        order | {"messageId": f"{mark}-dropped", "properties": {}},
        order | {"messageId": f"{mark}-forwarded", "properties": {"order_id": "1", "extra": 1}},
        {"type": "track", "event": "Nobody Planned", "userId": "u", "messageId": f"{mark}-unplanned"},
        {"type": "page", "userId": "u", "messageId": f"{mark}-page"},
    ]
    answer = post(collector, "/v1/batch", json.dumps({"batch": batch}).encode()).json()
    assert (answer["accepted"], answer["quarantined"]) == (5, 1)
    assert answer["rejected"][0]["code"] == "violates_plan"
    found = {r.message_id.partition("-")[2]: r.envelope for r in mine(collector, mark)}
    kinds = {name: [kind for kind, _, _ in e.violations or ()] for name, e in found.items()}
    assert kinds == {
        "fits": [],
        "aside": ["wrong_type"],
        "dropped": ["missing_required"],
        "forwarded": ["additional_property"],
        "unplanned": ["unplanned_event"],
        "page": [],
    }
    assert {name: e.verdict for name, e in found.items() if e.verdict} == {"dropped": "drop"}
    aside = found["aside"]
    assert (aside.route, aside.came_by, aside.reason) == ("quarantine", "live", "plan: wrong_type properties.order_id")


def test_a_single_event_that_the_plan_keeps_aside_is_told(collector: CollectorProcess) -> None:
    event = {"event": "Order Completed", "userId": "u", "properties": {"order_id": 5}}
    answer = post(collector, "/v1/track", json.dumps(event).encode())
    assert (answer.status_code, answer.json()["code"]) == (400, "violates_plan")
    assert "order_id" in answer.json()["message"]


def test_metrics_are_read_by_prometheus_and_count_what_happened(collector: CollectorProcess) -> None:
    before = metrics(collector)
    good = b'{"type":"page","userId":"u"}'
    drop = b'{"type":"track","event":"Order Completed","userId":"u","properties":{}}'
    post(collector, "/v1/batch", b'{"batch":[' + good + b"," + good + b",{}," + drop + b"]}")
    unplanned = b'{"type":"track","event":"Nobody Planned","userId":"u"}'
    post(collector, "/v1/b", b'{"batch":[' + unplanned + b"," + unplanned + b"]}")
    post(collector, "/nowhere/" + uuid.uuid4().hex, b"")
    reader = LogReader(collector.log_dir, "someone")
    reader.read()
    reader.commit()
    with closing(Failures(collector.log_dir)) as failures:
        failures.decide("web", "000000000009-1", 9, {9: ("picky", "suspended after 3 hangs in a row", True)})
    after = metrics(collector)
    assert after['headwater_source_transformations_suspended{source="web"}'] == 1
    risen = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
    name = "headwater_collector_events_total"
    assert risen[f'{name}{{source="web",outcome="accepted",reason=""}}'] == 2
    assert risen[f'{name}{{source="web",outcome="quarantined",reason="unknown type"}}'] == 1
    assert risen[f'{name}{{source="web",outcome="dropped",reason="plan: missing_required"}}'] == 1
    kinds = "headwater_collector_violations_total"
    assert risen[f'{kinds}{{source="web",kind="unplanned_event",action="forward"}}'] == 2
    assert risen[f'{kinds}{{source="web",kind="missing_required",action="drop"}}'] == 1
    assert risen['headwater_collector_requests_total{route="/v1/batch",status="200"}'] == 1
    assert risen['headwater_collector_requests_total{route="other",status="404"}'] == 1
    assert risen["headwater_collector_fsyncs_total"] >= 1
    assert risen['headwater_collector_request_seconds_bucket{le="+Inf"}'] >= 3
    assert after["headwater_collector_waiting_bytes"] == 0
    assert after['headwater_log_lag_bytes{reader="someone"}'] >= 0


def metrics(collector: CollectorProcess) -> dict[str, float]:
    """Each sample by its name with labels; anything that is not Prometheus' text format fails."""
    answer = httpx.get(f"{collector.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            sample = re.fullmatch(r'([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})?) (\S+)', line)
            assert sample, line
            found[sample[1]] = float(sample[2])
    return found
