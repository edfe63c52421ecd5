"""What stands between an SDK and the collector when things go wrong: passes requests on, but for the faults told.

Faults, one a POST, in order: `close` (no answer at all, as when the collector is down), `503` (what the collector
answers when its disk is full), `lose` (the collector takes it, its answer is lost on the way).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx

PASSED_BACK = ("content-type", "retry-after", "vary", "set-cookie")


@dataclass
class Seen:
    """One request as the SDK sent it, and what it was answered (0: nothing)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0


@dataclass
class Front:
    """A server on a port of its own. `faults` may be set at any time; `seen` is every request."""

    collector_url: str
    faults: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                front._answer(self)

            do_GET = do_OPTIONS = do_POST  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._client = httpx.Client(timeout=120)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def posts(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "POST"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.command, urlsplit(request.path).path, headers, body)
        self.seen.append(seen)
        fault = self.faults.pop(0) if self.faults and seen.method == "POST" else ""
        if fault == "close":
            request.close_connection = True
            return
        if fault == "503":
            told = b'{"success":false,"code":"log_unavailable","message":"The event log cannot be written."}'
            extra = {"access-control-allow-origin": headers["origin"]} if "origin" in headers else {}
            seen.status = 503
            self._send(request, 503, {"content-type": "application/json", "retry-after": "1", **extra}, told)
            return
        passed = {name: value for name, value in headers.items() if name not in ("host", "connection")}
        answer = self._client.request(seen.method, self.collector_url + request.path, headers=passed, content=body)
        if fault == "lose":
            request.close_connection = True
            return
        seen.status = answer.status_code
        kept = {n: v for n, v in answer.headers.items() if n in PASSED_BACK or n.startswith("access-control-")}
        self._send(request, answer.status_code, kept, answer.content)

    def _send(self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
