"""What every reader of the log does first: complete, note what the plan said, apply the source's transformations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from headwater.policy.pipeline import Pipeline
from headwater.policy.transform import Transformer
from headwater.storage.log import Envelope, Record

AT = datetime(2026, 5, 4, 10)


def record(number: int, payload: Any, **envelope: Any) -> Record:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Record(
        f"m{number}", Envelope(**{"source": "web", "route": "live", "received_at": AT} | envelope), body, 0, 0
    )


def order(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "userId": "u1", **fields}


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Callable[..., Pipeline]]:
    made: list[Pipeline] = []

    def make(**by_source: str) -> Pipeline:
        for source, text in by_source.items():
            (tmp_path / f"{source}.py").write_text(text, encoding="utf-8")
        made.append(Pipeline({source: Transformer(tmp_path, [source], {}) for source in by_source}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_an_event_without_rules_is_completed_and_nothing_else(pipeline):
    [taken] = pipeline().run([record(1, order())])
    assert (taken.status, taken.original, taken.steps) == ("ok", None, ())
    assert taken.event.message_id == taken.event.payload["messageId"] == "m1"
    assert taken.event.payload["receivedAt"] == "2026-05-04T10:00:00.000Z"


def test_bytes_that_are_no_event_are_unreadable_and_the_others_are_not_harmed(pipeline):
    bad = [b"{", b"[1]", b'{"a": "\xff"}', b"[" * 100_000]
    taken = pipeline().run(
        [record(0, order()), *[record(n, body) for n, body in enumerate(bad, 1)], record(9, order())]
    )
    assert [item.status for item in taken] == ["ok", *["unreadable"] * len(bad), "ok"]
    assert all(item.reason == "not JSON" and item.detail for item in taken[1:-1])


def test_violations_are_written_into_the_context(pipeline):
    violations = [("wrong_type", "properties.revenue", "a text, where a number is planned")]
    [taken] = pipeline().run([record(1, order(context={"ip": "203.0.113.7"}), violations=violations)])
    assert taken.event.payload["context"] == {
        "ip": "203.0.113.7",
        "violationErrors": [
            {"type": "wrong_type", "property": "properties.revenue", "message": "a text, where a number is planned"}
        ],
    }


def test_what_the_plan_drops_is_dropped_with_its_kinds(pipeline):
    violations = [("rule", "a", "…"), ("missing_required", "b", "…"), ("rule", "c", "…")]
    [taken] = pipeline().run([record(1, order(), violations=violations, verdict="drop")])
    assert (taken.status, taken.reason) == ("dropped", "plan: missing_required, rule")


def test_only_the_sources_own_events_go_through_its_transformations(pipeline):
    text = "def transform(event):\n    event['event'] = 'Changed'\n    return event\n"
    taken = pipeline(shop=text).run([record(1, order(), source="web"), record(2, order(), source="shop")])
    assert [item.event.event for item in taken] == ["Order Completed", "Changed"]
    assert taken[0].original is None
    assert json.loads(taken[1].original)["event"] == "Order Completed"
    assert [step.status for step in taken[1].steps] == ["changed"]


def test_columns_follow_what_a_transformation_wrote(pipeline):
    text = (
        "def transform(event):\n    body = event.pop('body')\n"
        "    event.update(type='identify', userId=body['id'], timestamp=body['at'])\n    return event\n"
    )
    body = {"id": 17850, "at": "2026-05-03T09:00:00+02:00"}
    [taken] = pipeline(crm=text).run([record(1, {"type": "webhook", "body": body}, source="crm", type="webhook")])
    event = taken.event
    assert (event.type, event.event, event.user_id) == ("identify", None, "17850")
    assert event.timestamp == datetime(2026, 5, 3, 7)
    assert event.received_at == event.known_at == AT


def test_one_that_fails_keeps_the_event_as_it_came(pipeline):
    [taken] = pipeline(web="def transform(event):\n    event['event'] = 1 / 0\n").run([record(1, order())])
    assert (taken.status, taken.reason) == ("failed", "transformation: web")
    assert taken.detail == "web.py, line 2: ZeroDivisionError: division by zero"
    assert taken.event.event == "Order Completed"


def test_one_that_drops_says_which(pipeline):
    [taken] = pipeline(web="def transform(event):\n    return None\n").run([record(1, order())])
    assert (taken.status, taken.reason, taken.event.event) == ("dropped", "transformation: web", "Order Completed")
