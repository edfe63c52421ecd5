"""A small tool with list routes, for tests of pulling: real HTTP on a free port, with faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, str], bytes]
TOKEN = "secret"


class PagedTool:
    """Serves `rows[table]` as the tools do: ordered by (updated_at, id), `updated_since` inclusive.

    `fault(path, count)` may answer instead, for the count-th request; None lets the request through.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.fault: Callable[[str, int], Answer | None] = lambda path, count: None
        tool = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                tool.requests.append(self.path)
                authorised = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                fault = tool.fault(self.path, len(tool.requests))
                status, headers, body = fault or (tool.list(self.path) if authorised else (401, {}, b'{"error":"no"}'))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def list(self, path: str) -> Answer:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        rows = self.rows.get(parts.path.rpartition("/")[2])
        if rows is None:
            return 404, {}, b'{"error": "no such table"}'
        rows = sorted(rows, key=lambda row: (str(row.get("updated_at")), str(row.get("id"))))
        if "updated_since" in query:
            since = datetime.fromisoformat(query["updated_since"])
            rows = [row for row in rows if datetime.fromisoformat(row["updated_at"]) >= since]
        start, limit = int(query.get("page_token", 0)), int(query["limit"])
        token = str(start + limit) if start + limit < len(rows) else None
        return 200, {}, json.dumps({"data": rows[start : start + limit], "next_page_token": token}).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
