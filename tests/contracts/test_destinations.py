"""What every destination class that rows are synced to promises, held against each registered one.

A new class is covered as soon as its file is there: it needs a route below `/<type>` in `tests/tool_server.py`, with
the tool's real limits. Classes that take events: `test_streaming`, `test_standins`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import UnavailableError
from headwater.push.destinations import CLASSES
from headwater.push.destinations.base import Answer, Destination, Record, RecordDestination, Request, Streamed
from headwater.push.sender import Sender
from tests.tool_server import TOKEN, ToolServer

SYNCS = [(cls, name) for cls in CLASSES.values() for name in cls.objects]
SYNCED = [cls for cls in CLASSES.values() if cls.objects]


@pytest.fixture
def tool() -> Iterator[ToolServer]:
    with ToolServer() as server:
        yield server


def make(cls: type[Destination], url: str = "http://127.0.0.1:9") -> Destination:
    return cls(DestinationConfig(type=cls.type, base_url=f"{url}/{cls.type}", token=TOKEN))


def records(count: int) -> list[Record]:
    return [
        Record(f"person{n}@x.y", msgspec.Raw(json.dumps({"email": f"person{n}@x.y", "name": f"Ünï {n}"}).encode()))
        for n in range(count)
    ]


def sync_request(destination: Destination, name: str, batch: list[Record]) -> Request:
    field = "email" if "email" in destination.objects[name].identifiers else destination.objects[name].identifiers[0]
    return destination.sync_request(name, field, batch)


@pytest.mark.parametrize("cls", CLASSES.values(), ids=lambda cls: cls.type)
def test_a_class_takes_rows_or_events_as_its_data_says(cls: type[Destination]) -> None:
    assert cls.__doc__
    assert cls.objects or cls.streaming
    assert bool(cls.objects) == issubclass(cls, RecordDestination)
    assert bool(cls.streaming) == issubclass(cls, Streamed)
    assert cls.rate_per_second > 0
    for capability in cls.objects.values():
        assert capability.batch_size > 0
        assert capability.identifiers
        assert "upsert" in capability.modes


@pytest.mark.parametrize("cls", SYNCED, ids=lambda cls: cls.type)
def test_the_token_goes_into_a_header_and_nowhere_else(cls: type[Destination]) -> None:
    destination = make(cls)
    for request in [sync_request(destination, name, records(1)) for name in cls.objects]:
        assert TOKEN in " ".join(request.headers.values())
        assert TOKEN not in request.url
        assert TOKEN.encode() not in request.body
        assert request.url.startswith("http://127.0.0.1:9/")
        assert "//" not in request.url.removeprefix("http://")


@pytest.mark.parametrize(("cls", "name"), SYNCS, ids=lambda value: getattr(value, "type", value))
def test_a_full_batch_of_records_is_taken_and_refusals_find_their_row(
    cls: type[Destination], name: str, tool: ToolServer
) -> None:
    size = cls.objects[name].batch_size
    refused = {0, size // 2, size - 1}
    batch = records(size)
    tool.refuse = lambda record: ("INVALID", "no") if any(batch[n].key in record.values() for n in refused) else None
    destination = make(cls, tool.url)
    with Sender("tool", 1000) as sender:
        answer = sender.send(sync_request(destination, name, batch))
    outcomes = destination.outcomes(answer, size)
    assert {n for n, outcome in enumerate(outcomes) if not outcome.is_accepted} == refused
    assert (outcomes[0].code, outcomes[0].message, outcomes[0].is_transient) == ("INVALID", "no", False)
    assert len(tool.accepted) == size - 3
    assert "Ünï 1" in json.dumps(tool.accepted, ensure_ascii=False)


@pytest.mark.parametrize("cls", SYNCED, ids=lambda cls: cls.type)
@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"message": "one of them was bad"}]},
        {"errors": [{"index": 3}]},
        {"errors": [{"index": -1}]},
        {"errors": ["bad"]},
    ],
)
def test_an_answer_that_cannot_be_tied_to_rows_accepts_none(cls: type[Destination], body: Any) -> None:
    with pytest.raises(UnavailableError):
        make(cls).outcomes(Answer(207, body, json.dumps(body)), 3)


@pytest.mark.parametrize("cls", SYNCED, ids=lambda cls: cls.type)
def test_a_refusal_that_may_pass_is_told_apart(cls: type[Destination]) -> None:
    destination = make(cls)
    assert destination.is_transient("503")
    assert destination.is_transient("429")
    assert not destination.is_transient("400")
    assert not destination.is_transient("INVALID_EMAIL")
