"""Any bytes at all, asked of the application with a real log behind it.

Never a 500; good events beside bad ones are always accepted; everything bad is in the log with a reason.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as options
from hypothesis import strategies as st

from headwater.collect.app import Collector
from headwater.collect.rules import Rules
from headwater.configuration import Config, Cookie, EventSource, Identity, Limits, PlannedEvent, Platform
from headwater.storage.log import LogReader, LogWriter, Record

MORE = options(
    max_examples=options.default.max_examples * 3 // 2,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
PLANNED = PlannedEvent(
    event="Order Completed",
    schema={"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    on_violation={"missing_required": "quarantine", "wrong_type": "drop"},
)
NOISY = (b"cookie", b"content-length", b"content-encoding", b"user-agent", b"x-forwarded-for", b"origin", b"referer")
good = st.builds(
    lambda n, text: json.dumps({"type": "page", "userId": f"good{n}", "properties": {"v": text}}).encode(),
    st.integers(0, 999),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "page", "identify", "alias", "nothing"]) | anything,
        "event": st.sampled_from(["Order Completed", "X", " "]) | anything,
        "userId": anything,
        "anonymousId": anything,
        "messageId": anything,
        "timestamp": anything | st.sampled_from(["9999-12-31T23:59:59Z", "2026-01-01"]),
        "properties": anything,
        "context": anything,
        "traits": anything,
        "writeKey": anything,
    },
)
# broken inside, but its brackets and quotes can be followed, so that its neighbours can be found
odd = st.one_of(
    st.builds(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), events | anything),
    st.sampled_from(
        [
            b'{"type":"page","userId":"u","v":NaN}',
            b'{"type":"page","userId":"u","v":"\\ud800"}',
            b'{"type":"page","userId":"u","v":"\\x"}',
            b'{"type":"page","userId":"u","v":"\xff"}',
            b'{"type":"page","userId":"u",}',
            b"{'type':1}",
            b"nothing",
            b'{"a":' * 400 + b"1" + b"}" * 400,
            b"[" * 2000 + b"]" * 2000,
            b'"a\nb"',
            b"1 2",
        ]
    ),
)


class Asked:
    """An application with its log; `post` gives status, JSON and what was appended meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        config = Config(
            platform=Platform(company="c", currency="USD", stacks=["starter"]),
            sources={"web": EventSource(write_keys=["k"])},
            import_source="web",
            identity=Identity(id_types={}, edges=[]),
            tracking_plan={"order": PLANNED},
        )
        config.platform.collector.limits = Limits(event_bytes=20_000, request_bytes=200_000)
        self.log = LogWriter(folder)
        self.log.open()
        self.reader = LogReader(folder, "fuzz")
        self.app = Collector(self.log, Rules.from_config(config))

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, Any, list[Record]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        given = {"x-write-key": "k", **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        self.runner.run(self.app(scope, receive, send))
        records: list[Record] = []
        while some := self.reader.read():
            records += some
        return sent[0]["status"], json.loads(sent[1]["body"]), records


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    asked = Asked(tmp_path_factory.mktemp("fuzz"))
    yield asked
    asked.runner.run(asked.log.close())
    asked.runner.close()


def check(items: list[bytes], goods: list[bytes], told: dict[str, Any], records: list[Record]) -> None:
    assert told["accepted"] + told["quarantined"] == len(items) == len(records)
    accepted = [r.payload for r in records if r.envelope.route != "quarantine"]
    aside = [r for r in records if r.envelope.route == "quarantine"]
    assert len(accepted) == told["accepted"]
    for payload in goods:
        assert payload in accepted
    assert all(r.envelope.reason for r in aside)
    assert sum(told.get("reasons", {}).values()) == len(aside)


@MORE
@given(st.lists(good | odd, max_size=8), st.lists(good, max_size=3), st.booleans(), st.randoms())
def test_good_events_of_a_batch_pass_whatever_is_beside_them(
    app: Asked, items: list[bytes], goods: list[bytes], is_packed: bool, shuffled: Any
) -> None:
    items = [*items, *goods]
    shuffled.shuffle(items)
    body = b'{"sentAt":"2026-01-01T00:00:00Z", "batch": [' + b" , ".join(items) + b"]}"
    headers = {"content_encoding": "gzip"} if is_packed else {}
    status, told, records = app.post("/v1/batch", gzip.compress(body) if is_packed else body, **headers)
    assert status == 200
    check(items, goods, told, records)


@MORE
@given(st.lists(good | odd | st.binary(max_size=60), max_size=8), st.lists(good, max_size=3))
def test_good_lines_pass_whatever_is_between_them(app: Asked, items: list[bytes], goods: list[bytes]) -> None:
    rows = [row.replace(b"\n", b"") for row in [*items, *goods]]
    rows = [row for row in rows if row.strip()]
    assume(not rows or not rows[0].startswith(b"\x1f\x8b"))  # that would be gzip
    status, told, records = app.post("/v1/import", b"\n".join(rows), content_type="application/x-ndjson")
    assert status == 200
    check(rows, goods, told, records)


@MORE
@given(good | odd | st.binary(max_size=200), st.sampled_from(["track", "identify", "page", "alias", "g"]))
def test_a_single_body_is_accepted_or_kept_aside_and_told(app: Asked, body: bytes, name: str) -> None:
    status, told, records = app.post(f"/v1/{name}", body)
    if body[:2] == b"\x1f\x8b":
        assert status in (400, 413)
        return
    assert len(records) == 1
    if status == 200:
        assert records[0].payload == body
        assert records[0].envelope.route == "live"
    else:
        assert status == 400
        assert told["code"]
        assert told["message"]
        assert records[0].envelope.route == "quarantine"


@MORE
@given(
    st.sampled_from(["/v1/batch", "/v1/import", "/v1/track", "/beacon/v1/batch"]),
    st.lists(good, min_size=1, max_size=3),
    st.binary(max_size=30),
    st.integers(0, 400),
    st.integers(0, 40),
    st.booleans(),
)
def test_no_damage_at_all_makes_a_defect_or_silence(
    app: Asked, path: str, goods: list[bytes], noise: bytes, at: int, length: int, is_packed: bool
) -> None:
    body = b'{"batch":[' + b",".join(goods) + b"]}"
    body = gzip.compress(body) if is_packed else body
    damaged = body[:at] + noise + body[at + length :]
    status, told, records = app.post(path, damaged)
    assert status in (200, 400, 413)
    if status == 400:
        assert told["code"]
        assert damaged == b"" or any(r.envelope.reason for r in records)
    elif status == 200:
        assert len(records) == told["accepted"] + told["quarantined"]


@MORE
@given(st.binary(max_size=40), st.text(max_size=20))
def test_no_header_or_query_makes_a_defect(app: Asked, noise: bytes, text: str) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"batch":[]}'}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    for method, path in (("POST", "/v1/batch"), ("GET", "/pixel/v1/track"), ("GET", "/v1/projects/x/settings")):
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": noise + b"&data=" + noise + b"&userId=" + text.encode("utf-8", "surrogatepass"),
            "headers": [(b"authorization", b"Basic " + noise), *((name, noise) for name in NOISY)],
        }
        app.runner.run(app.app(scope, receive, send))
        assert sent[-2]["status"] in (200, 400, 401, 404, 415)


def test_the_cookie_fills_in_for_any_event_without_an_id(app: Asked) -> None:
    rules = app.app.rules
    app.app.rules = Rules(rules.write_keys, rules.limits, cookie=Cookie())
    try:

        @MORE
        @given(st.dictionaries(st.text(max_size=4), anything, max_size=3), st.sampled_from(["", " ", "\n\t"]))
        def run(fields: dict[str, Any], blank: str) -> None:
            body = (blank + json.dumps(fields, allow_nan=True) + blank).encode("utf-8", "surrogatepass")
            status, _, records = app.post("/v1/page", body)
            if status == 200:
                payload = json.loads(records[0].payload)
                assert payload.pop("anonymousId", payload.get("userId")) is not None
                assert {key: value for key, value in fields.items() if key != "anonymousId"} == payload

        run()
    finally:
        app.app.rules = rules
