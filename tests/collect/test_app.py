"""The collector over real HTTP: what is taken, what is kept aside, what is refused."""

from __future__ import annotations

import gzip
import json
import uuid
from typing import Any

import httpx
import pytest

from headwater.storage.log import Record
from tests.collect.conftest import WEB, CollectorProcess

TRACK = {"type": "track", "event": "Order Completed", "userId": "u1"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def mine(collector: CollectorProcess, mark: str) -> list[Record]:
    """The log's records whose id or payload holds the test's own mark."""
    return [r for r in collector.records() if mark in r.message_id or mark.encode() in r.payload]


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *((f"/v1/{name}", name) for name in ("track", "identify", "page", "screen", "group", "alias")),
        *(("/v1/t", "track"), ("/v1/i", "identify"), ("/v1/p", "page"), ("/v1/s", "screen")),
        *(("/v1/g", "group"), ("/v1/a", "alias")),
    ],
)
def test_every_single_route_names_the_type(shared_collector: CollectorProcess, mark: str, path: str, kind: str) -> None:
    answer = shared_collector.post(path, {"event": "X", "anonymousId": "a", "messageId": mark})
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert [r.envelope.type for r in mine(shared_collector, mark)] == [kind]


def test_the_clients_bytes_are_kept_as_they_came(shared_collector: CollectorProcess, mark: str) -> None:
    event = b'{ "type":"track",  "event":"X", "userId":17850, "messageId":"' + mark.encode() + '", "ü": 1.0 }'.encode()
    assert shared_collector.post("/v1/batch", content=b'{"batch": [' + event + b"]}").status_code == 200
    assert [(r.payload, r.message_id) for r in mine(shared_collector, mark)] == [(event, mark)]


@pytest.mark.parametrize(
    "options",
    [
        {"auth": WEB},
        {"headers": {"X-Write-Key": WEB[0]}},
        {"params": {"writeKey": WEB[0]}},
        {"in_body": True},
        {"in_body": True, "headers": {"Content-Type": "text/plain"}},
        {"headers": {"X-Write-Key": WEB[0], "Content-Type": "application/x-www-form-urlencoded"}},
    ],
)
def test_the_write_key_may_come_in_any_of_the_usual_places(
    shared_collector: CollectorProcess, mark: str, options: dict[str, Any]
) -> None:
    options = {"auth": None, **options}
    body = {"batch": [{**TRACK, "messageId": mark}]} | ({"writeKey": WEB[0]} if options.pop("in_body", False) else {})
    answer = shared_collector.post("/v1/batch", content=json.dumps(body).encode(), **options)
    assert answer.status_code == 200
    assert [r.envelope.source for r in mine(shared_collector, mark)] == ["web"]


@pytest.mark.parametrize("auth", [None, ("wk_of_nobody", "")])
def test_an_unknown_write_key_is_refused_and_leaves_nothing(
    shared_collector: CollectorProcess, mark: str, auth: tuple[str, str] | None
) -> None:
    answer = shared_collector.post("/v1/batch", {"batch": [{**TRACK, "messageId": mark}]}, auth=auth)
    assert answer.status_code == 401
    assert set(answer.json()) >= {"code", "message"}
    assert mine(shared_collector, mark) == []


def test_gzip_is_unpacked_with_and_without_its_header(shared_collector: CollectorProcess, mark: str) -> None:
    body = gzip.compress(json.dumps({"batch": [{**TRACK, "messageId": mark}]}).encode())
    for headers in ({"Content-Encoding": "gzip"}, {}):
        assert shared_collector.post("/v1/batch", content=body, headers=headers).status_code == 200
    assert [r.message_id for r in mine(shared_collector, mark)] == [mark, mark]


def test_one_bad_event_never_sinks_the_others(shared_collector: CollectorProcess, mark: str) -> None:
    good = {**TRACK, "messageId": f"{mark}-good"}
    bad: list[Any] = [{"type": "track", "event": "X", "x": mark}, {**TRACK, "type": "x", "x": mark}, f"{mark}"]
    answer = shared_collector.post("/v1/batch", {"batch": [bad[0], good, *bad[1:]]}).json()
    assert (answer["success"], answer["accepted"], answer["quarantined"]) == (True, 1, 3)
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [
        (0, "no_userid_or_anonymousid"),
        (2, "unknown_type"),
        (3, "not_an_object"),
    ]
    kept = {r.envelope.reason: json.loads(r.payload) for r in mine(shared_collector, mark) if r.envelope.reason}
    assert kept == dict(zip(["no userId or anonymousId", "unknown type", "not an object"], bad, strict=True))


def test_an_element_that_is_not_json_does_not_sink_the_batch(shared_collector: CollectorProcess, mark: str) -> None:
    good = json.dumps({**TRACK, "messageId": f"{mark}-good"})
    bad = f'{{"type":"track","event":"X","userId":"u","messageId":"{mark}-nan","properties":{{"v":NaN,"t":"],}}"}}}}'
    body = f'{{"batch":[{bad}, {good}], "sentAt":"2026-01-01T00:00:00Z"}}'.encode()
    answer = shared_collector.post("/v1/batch", content=body).json()
    assert (answer["accepted"], answer["reasons"]) == (1, {"not JSON": 1})
    records = mine(shared_collector, mark)
    assert [r.payload for r in records] == [bad.encode(), good.encode()]
    assert records[1].envelope.sent_at == "2026-01-01T00:00:00Z"


def test_bytes_that_are_no_text_are_kept_aside(shared_collector: CollectorProcess, mark: str) -> None:
    body = b'{"batch":[{"type":"page","userId":"u","x":"\xff' + mark.encode() + b'"}]}'
    assert shared_collector.post("/v1/batch", content=body).json()["reasons"] == {"not JSON": 1}


def test_a_single_event_without_any_id_is_told_and_kept_aside(shared_collector: CollectorProcess, mark: str) -> None:
    answer = shared_collector.post("/v1/track", {"event": "X", "x": mark})
    assert (answer.status_code, answer.json()["code"]) == (400, "no_userid_or_anonymousid")
    assert [r.envelope.reason for r in mine(shared_collector, mark)] == ["no userId or anonymousId"]


def test_a_body_that_is_not_json_is_refused_and_kept_aside(shared_collector: CollectorProcess, mark: str) -> None:
    answer = shared_collector.post("/v1/batch", content=f"<xml>{mark}</xml>".encode())
    assert (answer.status_code, answer.json()["code"]) == (400, "not_json")
    (kept,) = mine(shared_collector, mark)
    assert (kept.envelope.reason, kept.envelope.source) == ("not JSON", "web")


def test_a_truncated_gzip_is_refused_and_kept_aside(shared_collector: CollectorProcess, mark: str) -> None:
    body = gzip.compress(json.dumps({"batch": [{**TRACK, "messageId": mark}]}).encode())[:-12]
    answer = shared_collector.post("/v1/batch", content=body, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (400, "truncated_gzip")
    assert [r.envelope.reason for r in shared_collector.aside() if r.payload == body] == ["truncated gzip"]


@pytest.mark.parametrize("body", [{"events": []}, {"batch": {"a": 1}}, [], 5])
def test_what_is_no_batch_is_refused(shared_collector: CollectorProcess, body: Any) -> None:
    answer = shared_collector.post("/v1/batch", content=json.dumps(body).encode())
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_batch")


def test_a_50_kb_event_passes(shared_collector: CollectorProcess, mark: str) -> None:
    event = {**TRACK, "messageId": mark, "properties": {"products": ["x" * 50] * 1000}}
    assert shared_collector.post("/v1/batch", {"batch": [event]}).json()["accepted"] == 1


def test_a_2_mb_event_is_kept_aside_and_its_neighbour_passes(shared_collector: CollectorProcess, mark: str) -> None:
    huge = {**TRACK, "messageId": f"{mark}-huge", "properties": {"text": "x" * 2_000_000}}
    answer = shared_collector.post("/v1/batch", {"batch": [huge, {**TRACK, "messageId": f"{mark}-small"}]}).json()
    assert (answer["accepted"], answer["reasons"]) == (1, {"event larger than the limit": 1})
    assert json.loads(mine(shared_collector, f"{mark}-huge")[0].payload) == huge


def test_a_request_over_the_limit_is_refused(shared_collector: CollectorProcess) -> None:
    answer = shared_collector.post("/v1/batch", content=b" " * (4 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_zip_bomb_is_refused_without_being_unpacked(shared_collector: CollectorProcess) -> None:
    bomb = gzip.compress(b" " * 200_000_000, compresslevel=9)
    answer = shared_collector.post("/v1/batch", content=bomb, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_json_nested_without_end_is_refused(shared_collector: CollectorProcess) -> None:
    body = b'{"batch":' + b"[" * 500_000
    assert shared_collector.post("/v1/batch", content=body).status_code == 400
    deep = b'{"batch":[{"type":"page","userId":"u","x":' + b"[" * 5000 + b"]" * 5000 + b"}]}"
    assert shared_collector.post("/v1/batch", content=deep).json()["reasons"] == {"not JSON": 1}


def test_lines_are_imported_each_for_itself(shared_collector: CollectorProcess, mark: str) -> None:
    rows = [json.dumps({**TRACK, "x": mark}), f'{{"broken": "{mark}"', "", json.dumps({**TRACK, "x": mark})]
    content = "\n".join(rows).encode()
    params = {"file": f"{mark}.ndjson", "line": 11}
    answers = [
        shared_collector.post("/v1/import", content=content, headers=NDJSON, params=params).json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert (answers[0]["accepted"], answers[0]["reasons"]) == (2, {"not JSON": 1})
    first, second = mine(shared_collector, mark)[:3], mine(shared_collector, mark)[3:]
    assert [r.message_id for r in first] == [r.message_id for r in second]
    assert len({r.message_id for r in first}) == 3
    assert [r.envelope.detail.split(";")[0] for r in first if r.envelope.detail] == [f"{mark}.ndjson, line 12"]


def test_an_import_carries_no_address_and_remembers_the_backfill(shared_collector: CollectorProcess, mark: str) -> None:
    body = {"batch": [{**TRACK, "messageId": mark}], "backfill": True}
    assert shared_collector.post("/v1/import", body).status_code == 200
    (record,) = mine(shared_collector, mark)
    envelope = record.envelope
    assert (envelope.route, envelope.backfill, envelope.ip, envelope.user_agent) == ("import", True, None, None)


def test_an_import_tells_its_latest_event(shared_collector: CollectorProcess) -> None:
    times = ["2011-12-09T12:50:00.000Z", "2011-12-09T14:00:00+02:00", "2011-12-08T00:00:00Z", "soon"]
    body = {"batch": [{**TRACK, "timestamp": text} for text in times]}
    assert shared_collector.post("/v1/import", body).json()["last_event_at"] == "2011-12-09T12:50:00"


def test_rows_that_a_sender_could_not_read_are_kept_aside(shared_collector: CollectorProcess, mark: str) -> None:
    row = {"payload": f"half a line {mark}", "reason": "truncated gzip", "file": "a.ndjson.gz", "line": 7}
    answer = shared_collector.post("/v1/import", {"batch": [], "rejected": [row]}).json()
    assert (answer["accepted"], answer["reasons"]) == (0, {"truncated gzip": 1})
    assert [r.envelope.detail for r in mine(shared_collector, mark)] == ["a.ndjson.gz, line 7"]


def test_a_browsers_preflight_is_answered(shared_collector: CollectorProcess) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, x-retry-count",
    }
    answer = httpx.options(f"{shared_collector.url}/v1/t", headers=asked)
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_a_refusal_can_be_read_by_a_browser(shared_collector: CollectorProcess) -> None:
    answer = shared_collector.post("/v1/t", content=b"x", headers={"Origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_health_version_and_settings_answer(shared_collector: CollectorProcess) -> None:
    assert httpx.get(f"{shared_collector.url}/health").json()["status"] == "ok"
    assert httpx.get(f"{shared_collector.url}/version").json()["name"] == "headwater"
    settings = httpx.get(f"{shared_collector.url}/v1/projects/wk_web_demo/settings").json()
    assert settings["integrations"]["Segment.io"]["apiKey"] == "wk_web_demo"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/track", 405), ("POST", "/v1/nothing", 404), ("GET", "/", 404)]
)
def test_every_error_has_a_code_and_a_message(
    shared_collector: CollectorProcess, method: str, path: str, status: int
) -> None:
    answer = httpx.request(method, f"{shared_collector.url}{path}", auth=WEB)
    assert answer.status_code == status
    assert answer.json()["code"]
    assert answer.json()["message"]
