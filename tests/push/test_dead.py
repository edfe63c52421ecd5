"""Dead letters are put through again after what was wrong is mended, each once."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from click.testing import CliRunner

from headwater.cli import cli
from headwater.configuration import Config, Destination, Stream, Transformation
from headwater.errors import BusyError, ConfigError, UnavailableError
from headwater.policy.choice import Choice
from headwater.push.dead import replay
from headwater.push.progress import Progress, exclusive, save_progress
from headwater.push.stream import drain
from headwater.settings import Settings
from headwater.storage.deliveries import Deliveries, delivery_path
from headwater.storage.deliveries.progress import standing
from headwater.storage.deliveries.switch import set_enabled
from tests.push.log_events import track, write_events
from tests.tool_server import TOKEN, Failure, ToolServer


def letters(settings: Settings) -> list[tuple[str, str]]:
    store = Deliveries(delivery_path(settings, "events"), read_only=True)
    try:
        return [(letter.message_id, letter.code) for letter in store.dead_letters()]
    finally:
        store.close()


def statuses(settings: Settings, message_id: str) -> list[str]:
    store = Deliveries(delivery_path(settings, "events"), read_only=True)
    try:
        return [row.status for row in store.find(message_id)]
    finally:
        store.close()


def test_refused_events_are_put_through_once_and_those_refused_again_stay_dead(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    tool.refuse = lambda event: ("NO_CONTACT", "nobody") if event["messageId"] in ("m1", "m2") else None
    write_events(settings.log_dir, *[track(number) for number in range(4)])
    drain(settings, config, "events")
    tool.refuse = lambda event: ("STILL", "no") if event["messageId"] == "m2" else None
    report = replay(settings, config, "events")
    assert (report.replayed, report.delivered, report.rejected) == (2, 1, 1)
    assert letters(settings) == [("m2", "STILL")]
    assert statuses(settings, "m1") == ["rejected", "delivered"]
    assert statuses(settings, "m2") == ["rejected", "rejected"]
    tool.refuse = lambda event: None
    assert replay(settings, config, "events").delivered == 1
    requests = len(tool.received)
    assert replay(settings, config, "events").replayed == 0
    assert len(tool.received) == requests
    assert sorted(event["messageId"] for event in tool.accepted) == ["m0", "m1", "m2", "m3"]


def test_a_mended_transformation_is_applied_to_the_event_as_it_was(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    folder = settings.config_dir / "transformations"
    folder.mkdir(parents=True)
    (folder / "t.py").write_text("def transform(event):\n    return event['properties']['price'] > 3 and event\n")
    config.transformations["t"] = Transformation()
    config.destinations["events"].transformations = ["t"]
    write_events(settings.log_dir, track(1, properties={}))
    drain(settings, config, "events")
    assert letters(settings) == [("m1", "")]
    (folder / "t.py").write_text("def transform(event):\n    event['properties']['mended'] = True\n    return event\n")
    assert replay(settings, config, "events", Choice("transformation T")).delivered == 1
    assert tool.accepted[0]["properties"] == {"mended": True}


def test_only_the_reason_that_was_named_is_replayed(settings: Settings, config: Config, tool: ToolServer) -> None:
    tool.refuse = lambda event: (event["userId"].upper(), f"no {event['userId']}")
    write_events(settings.log_dir, *[track(number) for number in range(3)])
    drain(settings, config, "events")
    tool.refuse = lambda event: None
    assert replay(settings, config, "events", Choice("no u1")).replayed == 1
    assert replay(settings, config, "events", Choice("something else")).replayed == 0
    assert [event["messageId"] for event in tool.accepted] == ["m1"]


def test_a_tool_that_goes_down_in_the_middle_keeps_the_rest_dead(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    tool.refuse = lambda event: ("NO", "no")
    write_events(settings.log_dir, *[track(number) for number in range(150)])
    drain(settings, config, "events")
    tool.refuse = lambda event: None
    answer = tool.answer
    tool.answer = lambda *given: answer(*given) if len(tool.accepted) < 100 else (500, {}, b"")  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        replay(settings, config, "events", sleep=lambda _: None)
    assert len(letters(settings)) == 50
    tool.answer = answer  # type: ignore[method-assign]
    assert replay(settings, config, "events").delivered == 50
    assert len(tool.accepted) == 150


def test_a_replay_goes_beside_the_worker_but_not_beside_another_replay(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    tool.failures.append(Failure(400))
    write_events(settings.log_dir, track(1))
    drain(settings, config, "events")
    with exclusive(settings, "events.replay"), pytest.raises(BusyError, match="being replayed already"):
        replay(settings, config, "events")
    with exclusive(settings, "events"):
        assert replay(settings, config, "events").delivered == 1


def test_the_commands_switch_list_and_replay(settings: Settings, config: Config, tool: ToolServer) -> None:
    folder = settings.config_dir / "destinations"
    folder.mkdir(parents=True)
    (settings.config_dir / "platform.yaml").write_text("{company: T, currency: EUR, stacks: [starter]}")
    (settings.config_dir / "sources.yaml").write_text("{sources: {server: {kind: events, write_keys: [k]}}}")
    (settings.config_dir / "identity.yaml").write_text("{id_types: {}, edges: []}")
    given = {"type": "email", "base_url": f"{tool.url}/email", "token": TOKEN, "stream": {}}
    (folder / "events.yaml").write_text(json.dumps(given))
    where = ["--home", str(settings.home), "--config", str(settings.config_dir)]

    def call(*words: str) -> str:
        result = CliRunner().invoke(cli, [*words, *where], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    tool.refuse = lambda event: ("NO", "no")
    write_events(settings.log_dir, track(1))
    drain(settings, config, "events")
    [line] = [line for line in call("destination", "list").splitlines() if line.startswith("events")]
    assert line.split() == ["events", "email", "on", "0", "1", "0"]
    assert "events is off" in call("destination", "off", "events")
    assert " off " in call("destination", "list")
    assert "events is on" in call("destination", "on", "events")
    tool.refuse = lambda event: None
    assert "1 delivered" in call("replay", "--destination", "events", "--reason", "no")
    result = CliRunner().invoke(cli, ["destination", "off", "nobody", *where])
    assert "is no streaming destination; those are: events" in str(result.exception)


def test_one_that_is_switched_off_has_no_problem(settings: Settings, config: Config) -> None:
    failing = Progress(failing_since=dt.datetime(2026, 5, 4), last_error="it is down", suspended="a transformation is")
    save_progress(settings, "events", failing)
    told = standing(settings, config, "events")
    assert (told.last_error, told.suspended) == ("it is down", "a transformation is")
    set_enabled(settings, "events", False)
    told = standing(settings, config, "events")
    assert (told.failing_since, told.last_error, told.suspended) == (None, "", "")


def test_a_list_holds_each_destination_to_its_class_and_ends_with_what_is_wrong(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    folder = settings.config_dir / "destinations"
    folder.mkdir(parents=True)
    (settings.config_dir / "platform.yaml").write_text("{company: T, currency: EUR, stacks: [starter]}")
    (settings.config_dir / "sources.yaml").write_text("{sources: {server: {kind: events, write_keys: [k]}}}")
    (settings.config_dir / "identity.yaml").write_text("{id_types: {}, edges: []}")
    good = {"type": "webhook", "base_url": f"{tool.url}/webhook", "stream": {}}
    for name, given in (("good", good), ("typo", good | {"type": "webhok"}), ("odd", good | {"settings": {"x": 1}})):
        (folder / f"{name}.yaml").write_text(json.dumps(given))
    where = ["--home", str(settings.home), "--config", str(settings.config_dir)]
    result = CliRunner().invoke(cli, ["destination", "list", *where])
    told = {line.split()[0]: line for line in result.output.splitlines()}
    assert "cannot be used as configured" not in told["good"]
    for name, why in (("typo", "type «webhok» is unknown"), ("odd", "unknown field `x`")):
        assert "cannot be used as configured" in told[name]
        assert why in str(result.exception)
    assert isinstance(result.exception, ConfigError)
    (folder / "good.yaml").write_text("strem: {}")
    result = CliRunner().invoke(cli, ["destination", "list", *where])
    for text in (result.output, str(result.exception)):
        assert "good.yaml, line 1: Object contains unknown field `strem`" in text
    (settings.config_dir / "platform.yaml").write_text("{")
    result = CliRunner().invoke(cli, ["destination", "list", *where])
    assert "platform.yaml" in str(result.exception)
    assert "A running worker goes on with the config as it was before" in str(result.exception)


def test_a_destination_without_dead_letters_has_nothing_to_replay(settings: Settings, config: Config) -> None:
    config.destinations["new"] = Destination(type="webhook", base_url="http://127.0.0.1:9", stream=Stream())
    assert replay(settings, config, "new").replayed == 0
