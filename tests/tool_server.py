"""A small HTTP server that behaves as the tools do: for tests of pushing.

It enforces a token and batch limits, refuses records by index, can be told to fail the next requests, and keeps
everything it accepted.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "secret_token"
LIMITS = {"/crm/contacts/batch/upsert": 100, "/email/contacts/batch": 75, "/email/events": 100, "/webhook": 100}


@dataclass
class Failure:
    """How one coming request is to be answered instead. `then_keep`: take the records all the same."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"message": "told to fail"}'
    keeps_records: bool = False


class ToolServer:
    """Use as a context manager; `url` is its address, `received` what it was sent, request by request."""

    def __init__(self) -> None:
        self.received: list[tuple[str, list[dict[str, Any]]]] = []
        self.accepted: list[dict[str, Any]] = []
        self.failures: deque[Failure] = deque()
        self.refuse: Callable[[dict[str, Any]], tuple[str, str] | None] = lambda record: None
        self.statuses: list[int] = []
        self.delay = 0.0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                time.sleep(server.delay)
                status, headers, answer = server.answer(self.path, self.headers.get("Authorization"), body)
                server.statuses.append(status)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> ToolServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, path: str, token: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one request."""
        failure = self.failures.popleft() if self.failures else None
        if failure and not failure.keeps_records:
            return failure.status, failure.headers, failure.body
        if token != f"Bearer {TOKEN}":
            return 401, {}, b'{"message": "unknown token"}'
        if path not in LIMITS:
            return 404, {}, b'{"message": "no such route"}'
        records: list[dict[str, Any]] = next(iter(json.loads(body).values()))
        if len(records) > LIMITS[path]:
            return 400, {}, b'{"message": "batch too large"}'
        self.received.append((path, records))
        errors, taken = [], []
        for index, record in enumerate(records):
            refusal = self.refuse(record)
            if refusal:
                errors.append({"index": index, "code": refusal[0], "message": refusal[1]})
            else:
                taken.append(record)
        self.accepted += taken
        if failure:
            return failure.status, failure.headers, failure.body
        if path.startswith("/crm"):
            return (207 if errors else 200), {}, json.dumps({"results": taken, "errors": errors}).encode()
        return 201, {}, json.dumps({"accepted": len(taken), "errors": errors}).encode()
