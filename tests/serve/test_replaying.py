"""Replays over HTTP: by choice as the command chooses, of rows that are sent along, and each event once."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from headwater.cli import cli
from headwater.configuration import load_config
from headwater.land.events import land_events
from headwater.push.stream import drain
from headwater.settings import Settings
from tests.collect.conftest import CollectorProcess
from tests.push.log_events import write_events
from tests.serve.conftest import Api, free_port
from tests.tool_server import TOKEN, ToolServer

PLAN = "event: Order Completed\nschema: {properties: {total: {type: KIND}}}\non_violation: {wrong_type: quarantine}\n"
WHY = "plan: wrong_type properties.total"
CONFIG = {
    "platform.yaml": """
company: Test
currency: USD
stacks: [starter]
api_tokens: [api_secret]
admin_tokens:
  - {token: all_secret, scopes: [destinations, replay]}
""",
    "sources.yaml": """
import_source: web
sources:
  web: {kind: events, write_keys: [wk]}
  app: {kind: events, write_keys: [wk_app]}
""",
    "identity.yaml": "id_types:\n  user_id: {priority: 1}\nedges: []\n",
    "tracking_plan/order.yaml": PLAN.replace("KIND", "number"),
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = Settings(
        home=tmp_path / "home",
        config_dir=tmp_path / "config",
        lake_url=str(tmp_path / "home" / "lake"),
        api_port=free_port(),
        collector_port=free_port(),
    )
    for name, text in CONFIG.items():
        path = made.config_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, value in made.environment().items():
        if name.startswith("HEADWATER_"):
            monkeypatch.setenv(name, value)  # for the command
    return made


@pytest.fixture
def collector(settings: Settings) -> Iterator[CollectorProcess]:
    """A collector whose mended plan lets through what it kept aside: four orders of two sources."""
    made = CollectorProcess(settings, load_config(settings)).start()
    try:
        for number, key in enumerate(("wk", "wk", "wk", "wk_app")):
            event = {"event": "Order Completed", "userId": "u", "messageId": f"m{number}", "properties": {"total": "x"}}
            made.post("/v1/track", event, auth=(key, ""))
        made.stop()
        land_events(settings, load_config(settings))
        (settings.config_dir / "tracking_plan" / "order.yaml").write_text(PLAN.replace("KIND", "string"))
        yield made.start()
    finally:
        made.stop(signal.SIGKILL)


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    running = Api(settings)
    try:
        running.wait()
        running.client.headers["Authorization"] = "Bearer all_secret"
        running.client.timeout = 120
        yield running
    finally:
        running.stop()


def replayed(collector: CollectorProcess) -> list[str]:
    return sorted(record.message_id for record in collector.events() if record.envelope.replays)


@pytest.mark.slow
@pytest.mark.slow
def test_a_choice_puts_through_what_it_names_once_and_the_command_no_second_time(
    api: Api, collector: CollectorProcess
) -> None:
    def ask(**choice: Any) -> dict[str, Any]:
        answer = api.client.post("/v1/replay", json={"quarantine": True, **choice})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    assert ask(dry_run=True)["reasons"] == {f"{WHY} (web)": 3, f"{WHY} (app)": 1}
    assert ask(source="app", reason="--home", dry_run=True)["chosen"] == 0, "a value is never taken for an option"
    assert ask(event="Order Completed", until="2020-01-01")["chosen"] == 0
    assert ask(ids=["m0", "m3"], source="web", reason="PLAN", since="2020-01-01")["accepted"] == 1
    assert ask(source="app")["accepted"] == 1
    assert replayed(collector) == ["m0", "m3"]
    told = json.loads(CliRunner().invoke(cli, ["replay", "--quarantine", "--json"]).output)
    assert (told["accepted"], told["already"]) == (2, 2)
    assert (ask()["chosen"], ask()["already"]) == (0, 4)
    assert replayed(collector) == ["m0", "m1", "m2", "m3"]


@pytest.mark.slow
@pytest.mark.slow
def test_rows_that_are_sent_along_go_to_the_collector(api: Api, collector: CollectorProcess, tmp_path: Path) -> None:
    file = tmp_path / "rows.ndjson"
    assert CliRunner().invoke(cli, ["replay", "--quarantine", "--export", str(file)]).exit_code == 0
    headers = {"Content-Type": "application/x-ndjson; charset=utf-8"}
    for counts in ((4, 0), (0, 4)):
        told = api.client.post("/v1/replay", content=file.read_bytes(), headers=headers).json()
        assert (told["accepted"], told["alreadyReplayed"]) == counts
    assert replayed(collector) == ["m0", "m1", "m2", "m3"]


@pytest.mark.slow
@pytest.mark.slow
def test_dead_letters_are_put_through_by_choice_and_the_list_counts_as_the_command_does(
    api: Api, settings: Settings
) -> None:
    with ToolServer() as tool:
        folder = settings.config_dir / "destinations"
        folder.mkdir()
        given = {"type": "email", "base_url": f"{tool.url}/email", "token": TOKEN, "stream": {"types": ["track"]}}
        (folder / "mail.yaml").write_text(json.dumps(given))
        tool.refuse = lambda event: ("NO", "nobody") if event["messageId"] != "m0" else None
        events = [{"messageId": f"m{n}", "type": "track", "event": f"E{n % 2}", "userId": "u"} for n in range(5)]
        write_events(settings.log_dir, *events, {"messageId": "p", "type": "page", "userId": "u"})
        drain(settings, load_config(settings), "mail")
        tool.refuse = lambda event: None

        def ask(**choice: Any) -> int:
            told = api.client.post("/v1/replay", json={"destination": "mail", **choice}).json()
            assert told["destination"] == "mail"
            assert told["replayed"] == told["delivered"]
            return int(told["replayed"])

        assert [ask(ids=["m1", "m0"]), ask(event="E1", source="web"), ask(reason="something else")] == [1, 1, 0]
        assert [ask(source="app"), ask(since="2999-01-01"), ask(event="track", until="2999-01-01")] == [0, 0, 2]
        assert ask() == 0
        assert sorted(event["messageId"] for event in tool.accepted) == ["m0", "m1", "m2", "m3", "m4"]

        tool.refuse = lambda event: ("NO", "nobody")
        write_events(settings.log_dir, {"messageId": "late", "type": "track", "event": "E", "userId": "u"})
        drain(settings, load_config(settings), "mail")
        api.client.put("/v1/destinations/mail", json={"is_enabled": True})
        listed = CliRunner().invoke(cli, ["destination", "list"]).output.splitlines()[1].split()
        [told] = api.get("/v1/destinations").json()
        assert listed == ["mail", "email", "on", "5", "1", "1"]
        assert (told["name"], told["type"], told["is_enabled"]) == ("mail", "email", True)
        assert [told[count] for count in ("delivered", "dead", "filtered")] == [5, 1, 1]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "not JSON"),
        (b"[]", "body"),
        (b"{}", "what to replay"),
        (b'{"quarantine": true, "destination": "mail"}', "what to replay"),
        (b'{"quarantine": true, "sources": "web"}', "sources"),
        (b'{"quarantine": true, "since": "yesterday"}', "since"),
        (b'{"quarantine": true, "reason": "a\\u0000b"}', "reason"),
        (b'{"quarantine": true, "reason": "\\ud800"}', "reason"),
        (b'{"quarantine": "yes"}', "quarantine"),
        (b'{"destination": "mail", "dry_run": true}', "dry_run"),
        (b'{"destination": "nobody"}', "nobody"),
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused_and_says_why(shared: Api, body: bytes, word: str) -> None:
    answer = shared.client.post("/v1/replay", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert word in answer.json()["message"]


def test_other_answers_say_what_to_do(shared: Api) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl says of itself
    answer = shared.client.post("/v1/replay", content=b'{"quarantine": true, "dry_run": true}', headers=form)
    assert answer.json()["chosen"] == 0
    assert shared.client.post("/v1/replay", content=b" " * 2_000_000, headers=form).status_code == 413
    answer = shared.client.post("/v1/replay", content=b"{}", headers={"Content-Type": "application/x-ndjson"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), "the collector is away"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API for the tests that change nothing."""
    folder = tmp_path_factory.mktemp("replaying")
    settings = Settings(folder / "home", folder / "config", str(folder / "lake"))
    settings = replace(settings, api_port=free_port(), collector_port=free_port())
    for name, text in CONFIG.items():
        path = settings.config_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    running = Api(settings)
    try:
        running.wait()
        running.client.headers["Authorization"] = "Bearer all_secret"
        running.client.timeout = 120
        yield running
    finally:
        running.stop()
