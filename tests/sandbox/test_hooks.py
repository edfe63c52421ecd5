"""What the tools call others with: sent again until it is taken, the same for the same happening, never in a circle."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox.hooks.calls import Call
from sandbox.hooks.happenings import MAILINGS, Happenings, recent_calls
from sandbox.hooks.outbox import Outbox
from sandbox.tools.store import Store


class Receiver:
    """Answers with the given statuses in turn, then 200; keeps (path, headers, body)."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        left = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.got.append((self.path, dict(self.headers), body))
                self.send_response(left.pop(0) if left else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver(503, 429, 500)
    yield made
    made.server.shutdown()
    made.server.server_close()


def emptied(outbox: Outbox) -> None:
    assert outbox.wait_empty(30)
    outbox.close()


def test_a_call_is_sent_until_it_is_taken(receiver: Receiver) -> None:
    outbox = Outbox(receiver.url, pause=0.01)
    outbox.put(Call("survey", "token", b'{"a": 1}'))
    emptied(outbox)
    assert [(path, body) for path, _, body in receiver.got] == [("/v1/webhook/survey", {"a": 1})] * 4
    assert (outbox.sent, outbox.refused) == ({"survey": 1}, [])


def test_a_call_that_is_refused_for_good_is_given_up_and_told(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    unwelcome = Receiver(401)
    outbox = Outbox(unwelcome.url, pause=0.01)
    outbox.put(Call("survey", "token", b"{}"))
    emptied(outbox)
    assert len(unwelcome.got) == 1
    assert outbox.refused[0].startswith("survey: 401")
    assert "did not take a call of survey" in capsys.readouterr().err
    unwelcome.server.shutdown()
    unwelcome.server.server_close()


def test_an_event_leads_to_the_same_mailing_however_often_it_comes(tmp_path: Path) -> None:
    receiver = Receiver()
    outbox = Outbox(receiver.url, pause=0.01)
    happenings = Happenings(Store(tmp_path / "tools.sqlite"), outbox, pace=0)
    order = {"event": "Order Completed", "messageId": "m1", "email": "ann@example.com"}
    happenings.answer([order, order, {"event": "Order Completed", "messageId": "m2"}])  # nobody to write to
    emptied(outbox)
    ids = [body["event_id"] for _, _, body in receiver.got]
    metrics = {body["metric"] for _, _, body in receiver.got}
    assert {"sent", "delivered"} <= metrics
    assert len(ids) == 2 * len(set(ids)) == 2 * len(metrics)
    assert {body["data"]["identifiers"]["email"] for _, _, body in receiver.got} == {"ann@example.com"}
    receiver.server.shutdown()
    receiver.server.server_close()


def test_nothing_that_a_mailing_causes_causes_a_mailing() -> None:
    assert not [name for name in MAILINGS if name.startswith(("Email", "Unsubscribed"))]


@pytest.mark.slow
def test_the_same_records_give_the_same_calls_and_another_moment_others(small: Path) -> None:
    store = Store(small / "tools.sqlite")
    first = recent_calls(store, 20)  # of the latest few tickets perhaps none is rated
    assert {call.source for call in first} == {
        "payment_activity", "ticket_activity", "sales_activity", "marketplace", "survey"
    }  # fmt: skip
    assert recent_calls(store, 20) == first
    later = recent_calls(store, 20, at=1_800_000_000_000)
    assert not {call.body for call in first} & {call.body for call in later}
