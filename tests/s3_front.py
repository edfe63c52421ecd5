"""What stands between the platform and an S3 server in tests: it counts, and fails when it is told to."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUSY = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.'
    b"</Message></Error>"
)


class Front:
    """A server that hands requests on as they are.

    Attributes:
        url: for AWS_ENDPOINT_URL.
        requests: how many came, by what they are: LIST, GET, HEAD, PUT, POST.
        connections: how many were opened.
        fails: asked with each request's kind and path; True answers 503 in its place.
        on_request: called before a request is handed on.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self.fails: Callable[[str, str], bool] = lambda kind, path: False
        self.is_down = False
        self.lock = threading.Lock()


@contextmanager
def front(behind: str) -> Iterator[Front]:
    """In front of the server at `behind`, while the block runs."""
    target = urlsplit(behind).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = ""

        def setup(self) -> None:
            super().setup()
            with told.lock:
                told.connections += 1
            self.onward = http.client.HTTPConnection(target, timeout=60)

        def finish(self) -> None:
            self.onward.close()
            super().finish()

        def take(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            kind = "LIST" if self.command == "GET" and "list-type=2" in self.path else self.command
            with told.lock:
                told.requests[kind] += 1
            if told.is_down:
                self.close_connection = True
                return
            if self.headers.get("Expect") == "100-continue":
                self.send_response_only(100)
                self.end_headers()
            body = self.rfile.read(length)
            if told.fails(kind, self.path):
                self.answer(503, {"Content-Type": "application/xml"}, BUSY)
                return
            self.onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    self.onward.putheader(name, value)
            self.onward.endheaders(body or None)
            answer = self.onward.getresponse()
            self.answer(answer.status, dict(answer.getheaders()), answer.read())

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = take  # noqa: N815

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        def log_message(self, *_: object) -> None:
            """Tests read nothing of it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = Front(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
