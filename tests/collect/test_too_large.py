"""A refusal reaches a client that is still sending its body: the rest is taken first, within bounds."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest

from headwater.collect.request import DRAINED_BYTES, Incoming
from tests.collect.conftest import CollectorProcess

BODY = json.dumps({"userId": "u", "event": "E", "properties": {"text": "x" * 10_000_000}}).encode()


@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [
        ("/v1/track", "wk_web_demo", 413, "too_large"),
        ("/v1/batch", "wk_web_demo", 413, "too_large"),
        ("/v1/batch", "nobody", 401, "unknown_write_key"),
        ("/v1/nothing", "wk_web_demo", 404, "not_found"),
    ],
)
def test_a_plain_client_that_sends_ten_megabytes_reads_why_they_are_refused(
    shared_collector: CollectorProcess, path: str, key: str, status: int, code: str
) -> None:
    headers = {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
    for body in (BODY, iter([BODY[:5_000_000], BODY[5_000_000:]])):
        request = urllib.request.Request(f"{shared_collector.url}{path}", body, headers)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)
        assert (refusal.value.code, json.loads(refusal.value.read())["code"]) == (status, code)


def test_a_client_that_asks_first_is_refused_before_it_sends(shared_collector: CollectorProcess) -> None:
    head = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: nobody\r\nExpect: 100-continue\r\n"
    with socket.create_connection(("127.0.0.1", shared_collector.settings.collector_port), timeout=20) as client:
        client.sendall(head + b"Content-Length: 10000000\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 401")


def drained(headers: dict[bytes, bytes], messages: list[dict[str, Any]], seconds: float = 60) -> int:
    """How many messages were taken of a client that sends these, and then nothing more."""
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if taken == len(messages):
            await asyncio.sleep(3600)
        taken += 1
        return messages[taken - 1]

    asyncio.run(Incoming(receive, headers).drain(seconds))
    return taken


def test_what_is_taken_has_bounds() -> None:
    part = {"type": "http.request", "body": b" " * 1_000_000, "more_body": True}
    last = {**part, "more_body": False}
    chunked = {b"transfer-encoding": b"chunked"}
    assert drained(chunked, [part, part, last]) == 3, "to its end"
    assert drained(chunked, [part, {"type": "http.disconnect"}]) == 2, "until the client goes"
    assert drained(chunked, [part] * 1000) == -(-DRAINED_BYTES // 1_000_000), "so much and no more"
    assert drained({b"content-length": b"%d" % (DRAINED_BYTES + 1)}, [last]) == 0, "nothing of what is beyond"
    assert drained(chunked, [part], seconds=0.05) == 1, "a slow client holds nobody"
    assert drained({}, [last]) == drained({b"content-length": b"0"}, [last]) == 0, "there is no body"
