"""What was kept aside goes through again after a fix, once, as it would have gone then."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headwater.collect.unlanded import count_unlanded
from headwater.configuration import load_config
from headwater.entrance.replay import replay
from headwater.errors import UsageError
from headwater.land.events import land_events
from headwater.load.dropped import load_dropped
from headwater.load.events import load_events
from headwater.load.quarantine import load_quarantine
from headwater.policy.choice import Choice
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.failures import Failures
from headwater.storage.lake import open_lake
from headwater.storage.log import segments
from headwater.storage.warehouse import connect, ensure_schemas
from tests.collect.conftest import CollectorProcess, free_port
from tests.push.log_events import write_events

PLAN = """
event: Order Completed
schema:
  type: object
  properties: {total: {type: TYPE}}
on_violation: {wrong_type: ACTION}
"""
TOKEN = {"Authorization": "Bearer secret"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorProcess]:
    """A collector whose plan wants a number for the total of an order, and keeps aside what has none."""
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", tmp_path / "config")
    with (tmp_path / "config" / "platform.yaml").open("a") as file:
        file.write("\nadmin_tokens:\n  - {token: secret, scopes: [replay]}\n  - {token: other, scopes: [live]}\n")
    lake, port = str(tmp_path / "lake"), free_port()
    monkeypatch.setenv("HEADWATER_LAKE", lake)
    monkeypatch.setenv("HEADWATER_COLLECTOR_PORT", str(port))
    settings = load_settings(tmp_path / "home", tmp_path / "config")
    planned(tmp_path, "number")
    made = CollectorProcess(settings, load_config(settings)).start()
    yield made
    made.stop(signal.SIGKILL)


def planned(tmp_path: Path, kind: str, action: str = "quarantine") -> None:
    folder = tmp_path / "config" / "tracking_plan"
    folder.mkdir(exist_ok=True)
    (folder / "order_completed.yaml").write_text(PLAN.replace("TYPE", kind).replace("ACTION", action), encoding="utf-8")


def order(number: int, total: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": "u1",
        "messageId": f"m{number}",
        "properties": {"total": total},
    }


def again(shop: CollectorProcess, *options: str) -> Result:
    where = ["--home", str(shop.settings.home), "--config", str(shop.settings.config_dir)]
    return CliRunner().invoke(replay, ["--quarantine", *options, *where], catch_exceptions=False)


def marks(shop: CollectorProcess) -> Path:
    return shop.settings.log_dir / "replayed.sqlite"


def landed(shop: CollectorProcess) -> None:
    """Everything that was acknowledged is in the lake; the collector runs again, under the config of now."""
    shop.stop()
    land_events(shop.settings, load_config(shop.settings))
    shop.start()


def loaded(shop: CollectorProcess, sql: str) -> list[tuple[Any, ...]]:
    with connect(shop.settings, purpose="test") as con:
        ensure_schemas(con)
        lake = open_lake(shop.settings)
        load_events(con, lake)
        load_dropped(con, lake)
        load_quarantine(con, lake)
        return con.execute(sql).fetchall()


def test_the_whole_loop_violation_fix_replay_once_and_nothing_the_second_time(shop, tmp_path):
    shop.post("/v1/batch", {"batch": [order(1, 5), order(2, "7 EUR")]})
    landed(shop)
    assert loaded(shop, "select message_id, replayed_at from raw.quarantine") == [("m2", None)]
    assert "0 events accepted, 0 dropped by the plan, 1 rows stay" in again(shop).output

    planned(tmp_path, "[number, string]")
    landed(shop)
    assert "1 rows would be sent" in again(shop, "--dry-run").output
    assert "1 rows put through again: 1 events accepted" in again(shop).output
    assert "0 rows put through again" in again(shop).output
    landed(shop)
    marks(shop).unlink()  # the lake knows it too
    output = again(shop).output
    assert "0 rows put through again" in output
    assert "1 rows were already replayed" in output

    columns = "message_id, received_at, known_at, replays"
    first, second = loaded(shop, f"select {columns} from raw.events order by 1")
    assert (first[0], first[3], second[0]) == ("m1", None, "m2")
    assert second[1] == first[1]
    assert second[2] > second[1]
    [(quarantine_id, replayed_at)] = loaded(shop, "select quarantine_id, replayed_at from raw.quarantine")
    assert (quarantine_id, replayed_at) == (second[3], second[2])


@pytest.mark.slow
def test_rows_that_have_not_landed_are_told_and_not_taken(shop, tmp_path):
    shop.post("/v1/batch", {"batch": [order(1, "x")]})
    landed(shop)
    shop.post("/v1/batch", {"batch": [order(2, "y"), order(3, 5), order(4, "z")]})
    planned(tmp_path, "string")
    assert "2 rows have not landed yet" in again(shop, "--dry-run").output
    assert "1 row has not landed yet" in again(shop, "--dry-run", "--id", "m4").output
    assert "not landed" not in again(shop, "--dry-run", "--event", "Order Cancelled").output
    assert json.loads(again(shop, "--json", "--reason", "wrong_type").output)["waiting"] == 2
    landed(shop)
    assert "not landed" not in again(shop, "--dry-run").output


def test_what_a_transformation_failed_at_waits_for_landing_too(tmp_path):
    settings = load_settings(tmp_path / "home", tmp_path / "config")
    write_events(settings.log_dir, {**order(1, 5)}, {**order(2, 5)})
    (segment,) = segments(settings.log_dir)
    last = [record.end for record in segment.records()][-1]
    with closing(Failures(settings.log_dir)) as failures:
        failures.decide("web", segment.name, last, {last: ("tidy", "tidy.py, line 2: ZeroDivisionError", False)})
    assert count_unlanded(settings, Choice()) == 1
    assert count_unlanded(settings, Choice(reason="zerodivision", source="web", event="Order Completed")) == 1
    assert count_unlanded(settings, Choice(ids=("m1",))) == 0


@pytest.mark.slow
def test_a_row_that_is_sent_again_when_the_marks_are_lost_is_the_same_event(shop, tmp_path):
    shop.post("/v1/track", {"event": "Order Completed", "userId": "u1", "properties": {"total": "x"}})
    landed(shop)
    planned(tmp_path, "string")
    landed(shop)
    again(shop)
    marks(shop).unlink()
    again(shop)
    assert len([record for record in shop.events() if record.envelope.replays]) == 2
    landed(shop)
    assert loaded(shop, "select count(*) from raw.events") == [(1,)]


@pytest.mark.slow
def test_only_the_chosen_rows_are_sent(shop, tmp_path):
    shop.post("/v1/batch", {"batch": [order(1, "a"), {"type": "track", "userId": "u1"}, {"type": "page", "name": "x"}]})
    shop.post("/v1/batch", content=b'{"batch": [')
    landed(shop)
    planned(tmp_path, "string")
    landed(shop)
    assert "4 rows would be sent" in again(shop, "--dry-run").output
    assert "1 rows would be sent" in again(shop, "--dry-run", "--event", "Order Completed").output
    assert "1 rows would be sent" in again(shop, "--dry-run", "--reason", "NOT json").output
    assert "0 rows would be sent" in again(shop, "--dry-run", "--source", "app").output
    assert "0 rows would be sent" in again(shop, "--dry-run", "--since", "2999-01-01").output
    assert "4 rows would be sent" in again(shop, "--dry-run", "--since", "2020-01-01").output
    assert "0 rows would be sent" in again(shop, "--dry-run", "--until", "2020-01-01").output
    assert "4 rows would be sent" in again(shop, "--dry-run", "--until", "2999-01-01T00:00:00+01:00").output
    assert "1 rows would be sent" in again(shop, "--dry-run", "--id", "m1", "--id", "nobody").output
    told = json.loads(again(shop, "--dry-run", "--source", "web", "--json").output)
    assert (told["chosen"], told["reasons"]["not JSON (web)"]) == (4, 1)
    output = again(shop).output
    assert "4 rows put through again: 1 events accepted, 0 dropped by the plan, 3 rows stay kept aside" in output
    assert "still: no userId or anonymousId" in output


@pytest.mark.slow
def test_what_the_plan_drops_now_is_through_too(shop, tmp_path):
    shop.post("/v1/batch", {"batch": [order(1, "a")]})
    landed(shop)
    planned(tmp_path, "number", "drop")
    landed(shop)
    assert "0 events accepted, 1 dropped by the plan, 0 rows stay" in again(shop).output
    landed(shop)
    assert loaded(shop, "select message_id from raw.dropped") == [("m1",)]
    assert loaded(shop, "select count(*) from raw.quarantine where replayed_at is not null") == [(1,)]


@pytest.mark.slow
def test_one_that_a_transformation_fails_again_may_be_put_through_once_more(shop, tmp_path):
    folder = tmp_path / "config" / "transformations"
    folder.mkdir()
    sources = tmp_path / "config" / "sources.yaml"
    sources.write_text(sources.read_text().replace("    write_keys", "    transformations: [tidy]\n    write_keys", 1))

    def tidy(line: str) -> None:
        (folder / "tidy.py").write_text(f"def transform(event):\n    {line}\n    return event\n")

    tidy("event['properties']['total'] / 0")
    shop.post("/v1/batch", {"batch": [order(1, 5)]})
    landed(shop)
    tidy("event['properties']['total'] / 0.0")
    assert "1 rows put through again: 1 events accepted" in again(shop).output
    assert "0 rows put through again" in again(shop).output
    landed(shop)
    tidy("pass")
    assert "1 rows put through again: 1 events accepted" in again(shop).output
    landed(shop)
    assert "0 rows put through again" in again(shop).output
    assert loaded(shop, "select count(*) from raw.events") == [(1,)]
    assert loaded(shop, "select reason, replayed_at is not null from raw.quarantine") == [
        ("transformation: tidy", True)
    ]


@pytest.mark.slow
def test_a_person_exports_mends_and_sends_what_was_not_json(shop, tmp_path):
    shop.post("/v1/batch", content=b'{"batch": [{"type": "page", "userId": "u1"}, {"type": "page", "userId": "u2"}')
    shop.post("/v1/batch", {"batch": [{"type": "page", "name": "Home", "messageId": "m5"}]})
    landed(shop)
    file = tmp_path / "aside.ndjson"
    assert "2 rows written" in again(shop, "--export", str(file)).output
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {type(row["payload"]) for row in rows} == {str, dict}
    for row in rows:
        if isinstance(row["payload"], str):
            row["payload"] += "]}"
        else:
            row["payload"]["anonymousId"] = "a1"
    file.write_text("\n".join(map(json.dumps, rows)))
    assert "2 rows put through again: 3 events accepted" in again(shop, "--mended", str(file)).output
    output = again(shop, "--mended", str(file)).output
    assert "0 rows put through again" in output
    assert "2 rows were already replayed" in output
    assert "0 rows put through again" in again(shop).output
    landed(shop)
    found = loaded(shop, "select user_id, anonymous_id, source from raw.events order by all")
    assert found == [("u1", None, "web"), ("u2", None, "web"), (None, "a1", "web")]


@pytest.mark.parametrize(
    "words",
    [
        ["--destination", "hook", "--dry-run"],
        ["--warehouse", "--source", "web"],
        ["--quarantine", "--since", "yesterday"],
        ["--quarantine", "--mended", "file.ndjson", "--reason", "plan"],
        ["--quarantine", "--warehouse"],
    ],
    ids=" ".join,
)
def test_words_that_would_not_be_heeded_are_refused(words):
    assert isinstance(CliRunner().invoke(replay, words).exception, UsageError)


def test_an_export_never_overwrites(shop, tmp_path):
    file = tmp_path / "aside.ndjson"
    file.write_text("my work")
    result = CliRunner().invoke(
        replay, ["--quarantine", "--export", str(file), "--home", str(shop.settings.home),
                 "--config", str(shop.settings.config_dir)]
    )  # fmt: skip
    assert "exists already" in str(result.exception)
    assert file.read_text() == "my work"


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({}, "", 401, "unknown_token"),
        ({"Authorization": "Bearer nobody"}, "", 401, "unknown_token"),
        ({"Authorization": "Basic secret"}, "", 401, "unknown_token"),
        ({"Authorization": "Bearer other"}, "", 403, "missing_scope"),
        (TOKEN, "{", 400, "not_a_row"),
        (TOKEN, '{"quarantineId": "q", "source": "web", "payload": {}, "receivedAt": "today"}', 400, "not_a_row"),
        (TOKEN, '{"quarantineId": "", "source": "web", "payload": {}, "receivedAt": "2026-01-01"}', 400, "not_a_row"),
    ],
)
def test_the_route_refuses_what_it_must(shared_shop, headers, body, status, code):
    answer = shared_shop.client.post(f"{shared_shop.url}/v1/replay", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_row_keeps_its_source_route_time_and_address(shared_shop):
    row = {
        "quarantineId": "q1",
        "source": "gone",
        "payload": json.dumps({"event": "Order Completed", "userId": "u1"}),
        "receivedAt": "2026-05-04T10:00:00.5",
        "route": "import",
        "sentAt": "2026-05-04T09:00:00Z",
        "type": "track",
        "ip": "192.0.2.1",
        "userAgent": "Browser",
        "backfill": True,
    }
    answer = shared_shop.client.post(f"{shared_shop.url}/v1/replay", content=json.dumps(row), headers=TOKEN)
    told = answer.json()
    replayed_at = told.pop("replayedAt")
    counts = {"accepted": 1, "dropped": 0, "quarantined": 0, "alreadyReplayed": 0}
    assert told == {"success": True, **counts, "still": [], "already": []}
    [record] = [one for one in shared_shop.records() if one.envelope.replays == "q1"]
    envelope = record.envelope
    assert (record.message_id, envelope.source, envelope.route, envelope.type) == ("q1", "gone", "import", "track")
    assert envelope.received_at.isoformat() == "2026-05-04T10:00:00.500000"
    assert (envelope.sent_at, envelope.ip, envelope.user_agent) == ("2026-05-04T09:00:00Z", "192.0.2.1", "Browser")
    assert envelope.backfill
    assert envelope.replayed_at.isoformat() == replayed_at


@pytest.fixture(scope="module")
def shared_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", folder / "config")
    with (folder / "config" / "platform.yaml").open("a") as file:
        file.write("\nadmin_tokens:\n  - {token: secret, scopes: [replay]}\n  - {token: other, scopes: [live]}\n")
    settings = load_settings(folder / "home", folder / "config", collector_port=free_port())
    made = CollectorProcess(settings, load_config(settings)).start()
    yield made
    made.stop(signal.SIGKILL)
