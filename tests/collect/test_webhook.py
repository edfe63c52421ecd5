"""The route of calls from SaaS tools, with a tool that exists only here; the real ones have tests of their own."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headwater.collect.app import Collector
from headwater.collect.limits import Bucket
from headwater.collect.rules import Rules
from headwater.collect.webhooks import Call, Unreadable, registry
from headwater.configuration import WebhookSource
from headwater.storage.log import LogReader, LogWriter, Record


class Tool:
    """Sends `{"items": [{"id", "who"}]}` with its secret in a header."""

    def verify(self, secret: str, call: Call) -> bool:
        return hmac.compare_digest(secret, call.headers.get("x-tool", ""))

    def translate(self, body: bytes) -> Sequence[dict[str, Any] | Unreadable]:
        found: list[dict[str, Any] | Unreadable] = []
        for item in msgspec.json.decode(body)["items"]:
            if "id" not in item:
                found.append(Unreadable(json.dumps(item).encode(), "no id"))
                continue
            event = {"type": "track", "event": "Mail Opened", "messageId": f"tool-{item['id']}"}
            found.append(event | ({"userId": item["who"]} if "who" in item else {}))
        return found


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Rules:
    monkeypatch.setitem(registry.TYPES, "tool", Tool())
    return Rules({"k": "web"}, webhooks={"mails": WebhookSource(type="tool", secret="s3cret")})


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def call(
    runner: asyncio.Runner, folder: Path, rules: Rules, body: bytes, secret: str = "s3cret", path: str = "mails"
) -> tuple[int, dict[str, Any], list[Record]]:
    """Status and JSON of one call, and what it left in the log."""
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        log = LogWriter(folder)
        log.open()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"x-tool", secret.encode()), (b"user-agent", b"Tool/1")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/v1/webhook/{path}",
            "query_string": b"",
            "headers": headers,
        }
        await Collector(log, rules)(scope, receive, send)
        await log.close()

    runner.run(run())
    return sent[0]["status"], json.loads(sent[1]["body"]), LogReader(folder, "test").read()


def test_a_call_becomes_events_and_a_bad_item_sinks_nobody(
    runner: asyncio.Runner, tmp_path: Path, rules: Rules
) -> None:
    body = b'{"items": [{"id": 1, "who": "u1"}, {"what": 5}, {"id": 2}, {"id": 3, "who": "u3"}]}'
    status, told, records = call(runner, tmp_path, rules, body)
    assert (status, told["accepted"], told["quarantined"]) == (200, 2, 2)
    assert told["reasons"] == {"no id": 1, "no userId or anonymousId": 1}
    assert [(r.message_id, r.envelope.source) for r in records if r.envelope.route == "live"] == [
        ("tool-1", "mails"),
        ("tool-3", "mails"),
    ]
    assert {r.envelope.user_agent for r in records} == {None}


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"<xml/>", "not JSON"), (b"{}", "not this tool's shape"), (b'{"items": [5]}', "not this tool's shape")],
)
def test_a_body_that_cannot_be_read_is_kept_aside_whole(
    runner: asyncio.Runner, tmp_path: Path, rules: Rules, body: bytes, reason: str
) -> None:
    status, told, records = call(runner, tmp_path, rules, body)
    assert (status, told["quarantined"]) == (200, 1)
    assert [(r.payload, r.envelope.reason) for r in records] == [(body, reason)]


def test_a_wrong_signature_is_refused_and_leaves_nothing(runner: asyncio.Runner, tmp_path: Path, rules: Rules) -> None:
    status, told, records = call(runner, tmp_path, rules, b'{"items": []}', secret="guess")
    assert (status, told["code"], records) == (401, "bad_signature", [])


def test_an_unknown_source_is_told(runner: asyncio.Runner, tmp_path: Path, rules: Rules) -> None:
    status, told, _ = call(runner, tmp_path, rules, b"{}", path="nobody")
    assert (status, told["code"]) == (404, "unknown_source")


def test_a_tool_that_sends_too_much_is_told_to_wait(runner: asyncio.Runner, tmp_path: Path, rules: Rules) -> None:
    bucket = Bucket(1, 1, 0.0)
    bucket.take(10**9, 0.0)
    rules.buckets = {"mails": bucket}
    assert call(runner, tmp_path, rules, b'{"items": []}')[0] == 429
