"""Access tokens: fetched once, again when they end, and what a failed login means."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Request
from headwater.push.oauth import ASSUMED_SECONDS, AccessToken
from headwater.push.sender import Sender


class Tool:
    """Issues numbered tokens at `/token` and takes the newest at any other path."""

    def __init__(self) -> None:
        self.issued, self.asked = 0, []  # type: ignore[var-annotated]
        self.login: Callable[[], tuple[int, Any]] = self.issue
        self.accepts_none = False
        tool = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/token":
                    status, answer = tool.login()
                else:
                    tool.asked.append(self.headers.get("Authorization"))
                    is_good = tool.asked[-1] == f"Bearer token-{tool.issued}" and not tool.accepts_none
                    status, answer = (200, {}) if is_good else (401, {"error": "expired"})
                body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def issue(self) -> tuple[int, Any]:
        self.issued += 1
        return 200, {"access_token": f"token-{self.issued}", "expires_in": 3600, "token_type": "Bearer"}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def tool() -> Iterator[Tool]:
    found = Tool()
    yield found
    found.close()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sender(tool: Tool, clock: Clock | None = None) -> Sender:
    login = Request("POST", f"{tool.url}/token", {}, b"grant_type=client_credentials")
    auth = AccessToken("tool", lambda: login, clock=clock or Clock())
    return Sender("tool", 1000, attempts=3, auth=auth, sleep=lambda seconds: None)


def ask(tool: Tool, by: Sender) -> int:
    return by.send(Request("POST", f"{tool.url}/events", {}, b"{}")).status


def test_a_token_is_fetched_once_and_anew_shortly_before_it_ends(tool: Tool) -> None:
    clock = Clock()
    with sender(tool, clock) as by:
        assert [ask(tool, by) for _ in range(3)] == [200, 200, 200]
        assert tool.issued == 1
        clock.now = 3539
        ask(tool, by)
        assert tool.issued == 1
        clock.now = 3540
        ask(tool, by)
    assert tool.asked == ["Bearer token-1"] * 4 + ["Bearer token-2"]


def test_a_lifetime_that_is_not_told_is_assumed(tool: Tool) -> None:
    def without_lifetime() -> tuple[int, Any]:
        status, answer = tool.issue()
        return status, {"access_token": answer["access_token"]}

    tool.login = without_lifetime
    clock = Clock()
    with sender(tool, clock) as by:
        ask(tool, by)
        clock.now = ASSUMED_SECONDS
        ask(tool, by)
    assert tool.issued == 2


def test_a_token_that_was_revoked_is_replaced_without_losing_the_request(tool: Tool) -> None:
    with sender(tool) as by:
        ask(tool, by)
        tool.issued += 1  # the tool takes only a newer one
        assert ask(tool, by) == 200
    assert tool.asked == ["Bearer token-1", "Bearer token-1", "Bearer token-3"]


def test_a_tool_that_takes_no_token_at_all_is_not_asked_for_ever(tool: Tool) -> None:
    tool.accepts_none = True
    with sender(tool) as by, pytest.raises(ConfigError, match="does not accept our token"):
        ask(tool, by)
    assert len(tool.asked) == 1
    assert tool.issued == 1


def test_a_refused_login_is_for_a_person_to_mend(tool: Tool) -> None:
    tool.login = lambda: (400, {"error": "invalid_grant"})
    with sender(tool) as by, pytest.raises(ConfigError, match=r"does not let us log in \(400 .*invalid_grant"):
        ask(tool, by)
    assert tool.asked == []


@pytest.mark.parametrize(
    "answer", [(500, {}), (503, "busy"), (429, {}), (200, "<html>"), (200, {"token": "x"}), (302, "")]
)
def test_a_login_that_cannot_be_had_now_is_tried_again(tool: Tool, answer: tuple[int, Any]) -> None:
    tool.login = lambda: answer
    with sender(tool) as by:
        with pytest.raises(UnavailableError, match=f"after 3 attempts: login failed: {answer[0]}"):
            ask(tool, by)
        assert tool.asked == [], "nothing goes out without a token"
        tool.login = tool.issue
        assert ask(tool, by) == 200
