"""The company sends its latest events with an official SDK."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox.company.simulate import simulate
from sandbox.errors import SandboxError
from sandbox.live import send_live


class Receiver(ThreadingHTTPServer):
    """Keeps (write key, event) of every batch; answers `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.taken: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        batch = json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        key = base64.b64decode(self.headers["Authorization"].split()[1]).decode().rstrip(":")
        if self.server.status == 200:
            self.server.taken += [(key, event) for event in batch["batch"]]
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def company(tmp_path: Path) -> Path:
    simulate(tmp_path, people=20, seed=2, as_of=date(2026, 6, 20))
    return tmp_path


def test_every_event_arrives_once_as_its_source_with_what_it_said(company: Path, receiver: Receiver) -> None:
    written = [json.loads(line) for line in (company / "company" / "live.ndjson").read_bytes().splitlines()]
    assert send_live(company, receiver.url, {"mobile": "wk_other"}) == (len(written), 0)
    keys = {"web": "wk_web_demo", "mobile": "wk_other", "server": "wk_server_demo"}
    arrived = {event["messageId"]: (key, event) for key, event in receiver.taken}
    assert len(receiver.taken) == len(written)
    for event in written:
        key, got = arrived[event["messageId"]]
        assert key == keys[event["channel"]]
        assert datetime.fromisoformat(got["timestamp"]) == datetime.fromisoformat(event["timestamp"])
        for field in ("type", "userId", "event", "properties", "traits", "groupId", "previousId"):
            assert (got.get(field) or None) == (event.get(field) or None), field


@pytest.mark.slow
def test_what_a_collector_has_taken_is_not_sent_to_it_again(company: Path, receiver: Receiver) -> None:
    count, _ = send_live(company, receiver.url, {})
    assert send_live(company, receiver.url, {}) == (0, count)
    assert send_live(company, receiver.url, {}, again=True) == (count, 0)


@pytest.mark.slow
def test_a_collector_that_refuses_is_named_and_asked_again_next_time(company: Path, receiver: Receiver) -> None:
    receiver.status = 401
    with pytest.raises(SandboxError, match="did not take all live events"):
        send_live(company, receiver.url, {})
    receiver.status = 200
    sent, skipped = send_live(company, receiver.url, {})
    assert sent > 0 and skipped == 0


def test_without_a_simulation_there_is_nothing_to_send(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="simulate"):
        send_live(tmp_path, "http://127.0.0.1:9", {})
