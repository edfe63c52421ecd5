"""`headwater stream` as it runs: in time, apart from each other, through faults and kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import Config, Destination, Stream, load_config
from headwater.push import worker
from headwater.push.progress import load_progress
from headwater.push.worker import work
from headwater.settings import Settings
from headwater.storage.deliveries.progress import standing
from headwater.storage.deliveries.switch import set_enabled
from headwater.storage.online import open_online_store
from tests.push.log_events import track, write_events
from tests.tool_server import TOKEN, Failure, ToolServer


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@contextmanager
def working(settings: Settings, config: Config) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(settings, config, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def test_events_are_delivered_as_they_arrive_and_sessions_kept(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    with working(settings, config):
        for number in range(3):
            write_events(settings.log_dir, track(number, anonymousId="a"))
            wait_until(lambda sent=number + 1: len(tool.accepted) == sent)
        with open_online_store(settings) as store:
            wait_until(lambda: b'"count_events":3' in store.get_sessions(["a"]).get("a", ("", b""))[1])
    assert load_progress(settings, "events").delivered == 3


def test_a_dead_destination_delays_no_other_and_gets_everything_when_it_is_back(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    with ToolServer() as dead:
        dead.failures.extend([Failure(503)] * 100_000)
        config.destinations["dead"] = Destination(
            type="webhook", base_url=f"{dead.url}/webhook", token=TOKEN, stream=Stream(), rate_per_second=1000
        )
        with working(settings, config):
            write_events(settings.log_dir, *[track(number) for number in range(120)])
            wait_until(lambda: len(dead.statuses) > 2)
            wait_until(lambda: len(tool.accepted) == 120)
            assert dead.accepted == []
            dead.failures.clear()
            wait_until(lambda: len(dead.accepted) == 120)


def test_stopping_does_not_wait_for_a_tool_that_asked_for_patience(
    settings: Settings, config: Config, tool: ToolServer
) -> None:
    tool.failures.extend([Failure(429, {"Retry-After": "200"})])
    write_events(settings.log_dir, track(1))
    with working(settings, config):
        wait_until(lambda: tool.statuses == [429])
    assert load_progress(settings, "events").delivered == 0


def test_a_start_leaves_out_what_cannot_be_used_and_names_its_file(
    settings: Settings, tool: ToolServer, caplog: pytest.LogCaptureFixture
) -> None:
    write_config(settings, good=webhook(tool), typo=webhook(tool, type="webhok"), takes_none=webhook(tool, type="crm"),
                 lacks=webhook(tool, transformations=["nowhere"]), wrong=webhook(tool))  # fmt: skip
    (settings.config_dir / "destinations" / "wrong.yaml").write_text("type: [")
    write_events(settings.log_dir, track(1))
    config = load_config(settings)
    with working(settings, config):
        wait_until(lambda: len(tool.accepted) == 1)
    whys = {
        "typo": "type «webhok» is unknown",
        "takes_none": "type crm, which takes no events",
        "lacks": "there is no transformations/nowhere.py",
        "wrong": "line 1: not YAML",
    }
    for name, why in whys.items():
        said = standing(settings, config, name).last_error
        assert said.startswith("cannot be used as configured: ")
        assert f"{name}.yaml" in said
        assert why in said
        assert f"{name} cannot be used as it is configured now; it waits: {said.split(': ', 1)[1]}" in caplog.text
    assert standing(settings, config, "good").last_error == ""


@pytest.mark.slow
def test_a_worker_killed_again_and_again_loses_no_event_and_repeats_at_most_one_batch_each_time(
    settings: Settings, config: Config, tool: ToolServer, tmp_path: Path
) -> None:
    folder = settings.config_dir
    (folder / "destinations").mkdir(parents=True)
    (folder / "platform.yaml").write_text("{company: T, currency: EUR, stacks: [starter]}")
    (folder / "sources.yaml").write_text("{sources: {server: {kind: events, write_keys: [k]}}}")
    (folder / "identity.yaml").write_text("{id_types: {}, edges: []}")
    (folder / "destinations" / "events.yaml").write_text(
        json.dumps(
            {
                "type": "email",
                "base_url": f"{tool.url}/email",
                "token": TOKEN,
                "rate_per_second": 1000,
                "stream": {"batch_size": 10},
            }
        )
    )
    tool.delay = 0.005
    total, kills = 600, 0
    write_events(settings.log_dir, *[track(number) for number in range(total)])
    command = [str(Path(sys.executable).with_name("headwater")), "stream"]
    for target in (100, 250, 400):
        process = subprocess.Popen(command, env=settings.environment(), stdout=subprocess.DEVNULL)
        wait_until(lambda target=target: len(tool.accepted) >= target)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    process = subprocess.Popen(command, env=settings.environment(), stdout=subprocess.DEVNULL)
    wait_until(lambda: load_progress(settings, "events").delivered >= total - 10 * kills)
    wait_until(lambda: len({event["messageId"] for event in tool.accepted}) == total)
    process.terminate()
    assert process.wait(60) == 0
    assert len(tool.accepted) <= total + 10 * kills


def write_config(settings: Settings, **destinations: dict[str, Any]) -> None:
    folder = settings.config_dir
    (folder / "destinations").mkdir(parents=True, exist_ok=True)
    (folder / "platform.yaml").write_text("{company: T, currency: EUR, stacks: [starter]}")
    (folder / "sources.yaml").write_text("{sources: {server: {kind: events, write_keys: [k]}}}")
    (folder / "identity.yaml").write_text("{id_types: {}, edges: []}")
    for name, destination in destinations.items():
        (folder / "destinations" / f"{name}.yaml").write_text(json.dumps(destination))


def webhook(tool: ToolServer, **more: Any) -> dict[str, Any]:
    return {"type": "webhook", "base_url": f"{tool.url}/webhook", "token": TOKEN, "rate_per_second": 1000,
            "stream": {}, **more}  # fmt: skip


@pytest.mark.slow
def test_edits_of_the_config_are_followed_while_it_runs_and_a_broken_one_is_not(
    settings: Settings, tool: ToolServer, caplog: pytest.LogCaptureFixture
) -> None:
    write_config(settings, one=webhook(tool))
    numbers = iter(range(1000))

    def arrives(server: ToolServer, event: str = "Order Completed") -> bool:
        number = next(numbers)
        write_events(settings.log_dir, track(number))
        time.sleep(0.3)
        return any(told["messageId"] == f"m{number}" and told["event"] == event for told in server.accepted)

    with ToolServer() as other, working(settings, load_config(settings)):
        wait_until(lambda: arrives(tool))
        write_config(settings, two=webhook(other))
        wait_until(lambda: arrives(other))
        folder = settings.config_dir / "transformations"
        folder.mkdir()
        (folder / "t.py").write_text("def transform(event):\n    event['event'] = 'A'\n    return event\n")
        write_config(settings, two=webhook(other, transformations=["t"]))
        wait_until(lambda: arrives(other, "A"))
        (folder / "t.py").write_text("def transform(event):\n    event['event'] = 'B2'\n    return event\n")
        wait_until(lambda: arrives(other, "B2"))
        (folder / "_words.py").write_text("NAME = 'C'\n")
        (folder / "names.txt").write_text("D")
        (folder / "t.py").write_text(
            "from pathlib import Path\nfrom _words import NAME\n"
            "READ = Path(__file__).with_name('names.txt').read_text()\n"
            "def transform(event):\n    event['event'] = NAME + READ\n    return event\n"
        )
        wait_until(lambda: arrives(other, "CD"))
        (folder / "_words.py").write_text("NAME = 'E'\n")
        wait_until(lambda: arrives(other, "ED"))
        (folder / "names.txt").write_text("F")
        wait_until(lambda: arrives(other, "EF"))
        (settings.config_dir / "destinations" / "two.yaml").write_text("type: [")
        wait_until(lambda: "two.yaml, line 1: not YAML" in caplog.text)
        assert "two cannot be used as it is configured now; it goes on as it was" in caplog.text
        wait_until(lambda: arrives(other, "EF"))
        (settings.config_dir / "destinations" / "two.yaml").write_bytes(b"\xff\xfe\x00type")
        wait_until(lambda: "UnicodeDecodeError" in caplog.text)
        wait_until(lambda: arrives(other, "EF"))
        (settings.config_dir / "destinations" / "two.yaml").unlink()
        wait_until(lambda: not arrives(other, "EF"))
        wait_until(lambda: arrives(tool))
    assert len({event["messageId"] for event in tool.accepted}) == len(tool.accepted)
    assert len({event["messageId"] for event in other.accepted}) == len(other.accepted)


@pytest.mark.slow
def test_a_destination_that_cannot_be_used_stays_as_it_was_and_the_others_follow(
    settings: Settings, tool: ToolServer, caplog: pytest.LogCaptureFixture
) -> None:
    write_config(settings, one=webhook(tool))
    with ToolServer() as other, working(settings, load_config(settings)):
        write_events(settings.log_dir, track(1))
        wait_until(lambda: len(tool.accepted) == 1)
        write_config(settings, one=webhook(tool, settings={"no_such": 1}), two=webhook(other), three={"type": "webhok",
                     "stream": {}})  # fmt: skip
        wait_until(lambda: len(other.accepted) == 1)
        write_events(settings.log_dir, track(2))
        wait_until(lambda: len(tool.accepted) == len(other.accepted) == 2)
        assert "one cannot be used as it is configured now; it goes on as it was" in caplog.text
        assert "three cannot be used as it is configured now; it waits" in caplog.text
        write_config(settings, one=webhook(other), two=webhook(other, is_enabled=False), three=webhook(tool))
        wait_until(lambda: len(tool.accepted) == 4)
    assert [event["messageId"] for event in tool.accepted] == ["m1", "m2", "m1", "m2"]


@pytest.mark.slow
def test_a_removed_destination_that_hangs_does_not_hold_up_an_edit(
    settings: Settings, tool: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, free, real = threading.Event(), threading.Event(), worker._delivery

    class Hanging:
        outlives_failures = True

        def step(self) -> int:
            began.set()
            free.wait(600)
            return 0

        def is_turned(self) -> bool:
            return False

        def close(self) -> None:
            pass

    def delivery(given: Settings, config: Config, name: str) -> Callable[[threading.Event], Any]:
        return (lambda _: Hanging()) if name == "one" else real(given, config, name)

    monkeypatch.setattr(worker, "PATIENCE_AT_END", 3600)
    monkeypatch.setattr(worker, "_delivery", delivery)
    write_config(settings, one=webhook(tool))
    write_events(settings.log_dir, track(1))
    with working(settings, load_config(settings)):
        try:
            assert began.wait(120)
            (settings.config_dir / "destinations" / "one.yaml").unlink()
            write_config(settings, two=webhook(tool))
            wait_until(lambda: len(tool.accepted) == 1)
        finally:
            free.set()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", ["250", "3600"], ids=["within a delivery", "between deliveries"])
def test_switching_off_or_an_edit_ends_the_wait_that_a_tool_asked_for(
    settings: Settings, tool: ToolServer, seconds: str
) -> None:
    write_config(settings, one=webhook(tool))
    tool.failures.append(Failure(429, {"Retry-After": seconds}))
    write_events(settings.log_dir, track(1))
    with working(settings, load_config(settings)):
        wait_until(lambda: tool.statuses == [429])
        set_enabled(settings, "one", False)
        wait_until(lambda: load_progress(settings, "one").filtered == 1)
        set_enabled(settings, "one", True)
        tool.failures.append(Failure(429, {"Retry-After": seconds}))
        wait_until(lambda: is_delivering(settings, tool))
        write_config(settings, one=webhook(tool, rate_per_second=999))
        wait_until(lambda: bool(tool.accepted))


def is_delivering(settings: Settings, tool: ToolServer) -> bool:
    """Whether a new event reached the tool, which asked for patience again."""
    if len(tool.statuses) == 1:
        write_events(settings.log_dir, track(2 + load_progress(settings, "one").filtered))
        time.sleep(0.3)
    return len(tool.statuses) == 2


@pytest.mark.slow
def test_a_signal_ends_the_worker_though_a_tool_hangs_and_another_asked_for_patience(
    settings: Settings, tool: ToolServer
) -> None:
    with ToolServer() as hanging:
        hanging.delay = 60
        write_config(settings, patient=webhook(tool), hanging=webhook(hanging))
        tool.failures.append(Failure(429, {"Retry-After": "200"}))
        write_events(settings.log_dir, track(1))
        command = [str(Path(sys.executable).with_name("headwater")), "stream"]
        process = subprocess.Popen(command, env=settings.environment(), stdout=subprocess.DEVNULL)
        wait_until(lambda: tool.statuses == [429])
        time.sleep(0.5)
        process.terminate()
        assert process.wait(60) == 0
    assert tool.accepted == hanging.accepted == []
