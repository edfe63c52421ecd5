"""`headwater up` as its user sees it: everything answers, what dies comes back, Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from headwater.configuration import KafkaSource, load_config
from headwater.entrance.processes import Processes
from headwater.entrance.services import Service, services, wanted
from headwater.entrance.up import RESTART_SECONDS, Watch
from headwater.settings import CHECKOUT, Settings, load_settings

HEADWATER = str(Path(sys.executable).with_name("headwater"))
DEADLINE_SECONDS = 600


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.1)


def shipped() -> list[Service]:
    """What the shipped config, which has no Kafka source, starts."""
    return [service for service in services(load_settings(config=CHECKOUT / "config")) if not service.kafka_only]


class Up:
    """A running `headwater up` with ports of its own, started as a terminal would: leader of its process group."""

    def __init__(self, home: Path, *options: str) -> None:
        names = ("collector", "api", "sandbox", "dagster")
        probes = [socket.socket() for _ in names]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        self.ports = {name: probe.getsockname()[1] for name, probe in zip(names, probes, strict=True)}
        for probe in probes:
            probe.close()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HEADWATER_", "SANDBOX_", "REDIS_"))}
        ports = {f"HEADWATER_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        self.environment = {**clean, **ports, "HEADWATER_HOME": str(home)}
        self.output = home.with_name("up.txt")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [HEADWATER, "up", *options], env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def said(self) -> str:
        return self.output.read_text()

    def has_said(self, pattern: str) -> bool:
        assert self.process.poll() is None or re.search(pattern, self.said()), self.said()
        return re.search(pattern, self.said()) is not None

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, *words: str) -> psutil.Process:
        """The direct child whose command holds these words."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if set(words) <= {Path(word).name for word in child.cmdline()})

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([HEADWATER, *arguments], env=self.environment, capture_output=True, text=True)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = Up(tmp_path_factory.mktemp("up") / "home", "--people", "60")
    try:
        wait_until(lambda: running.has_said("Everything is running"), "starting")
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            running.process.wait(DEADLINE_SECONDS)


@pytest.mark.slow
def test_every_service_answers_and_an_empty_home_is_told_what_fills_it(up: Up) -> None:
    shown = dict(re.findall(r"^  ([\w-]+) +(\S+)$", up.said(), re.MULTILINE))
    assert list(shown) == [service.name for service in shipped()]
    for path in ("collector/health", "api/health", "sandbox/", "dagster/server_info"):
        name, _, rest = path.partition("/")
        assert httpx.get(f"http://127.0.0.1:{up.ports[name]}/{rest}", trust_env=False).status_code == 200
    assert "Nothing has been brought in yet" in up.said()
    assert "make run" in up.said()


@pytest.mark.slow
@pytest.mark.parametrize("entrance", ["up", "run"])
def test_a_second_entrance_is_told_in_one_sentence_who_holds_the_home(up: Up, entrance: str) -> None:
    answer = up.call(entrance)
    assert answer.returncode == 3
    assert f"is in use by headwater up (process {up.process.pid})." in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.slow
def test_status_lists_what_runs(up: Up) -> None:
    answer = up.call("status")
    for service in shipped():
        assert re.search(rf"^  {service.name} +process \d+$", answer.stdout, re.MULTILINE)
    assert "holds nothing yet" in answer.stderr


@pytest.mark.slow
def test_a_killed_service_is_started_again_and_its_user_told(up: Up) -> None:
    before = up.child("headwater", "collect")
    before.kill()
    wait_until(lambda: up.has_said(r"The collector was ended by SIGKILL.*collector\.log"), "noticing")
    wait_until(lambda: up.has_said("The collector is started again"), "restarting")
    url = f"http://127.0.0.1:{up.ports['collector']}/v1/track"

    def is_taken() -> bool:
        try:
            body = {"userId": "u1", "event": "Product Viewed"}
            return httpx.post(url, json=body, auth=("wk_web_demo", ""), trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(is_taken, "answering")
    assert up.child("headwater", "collect").pid != before.pid


@pytest.mark.slow
def test_ctrl_c_ends_everything_and_a_taken_port_is_named_before_anything_starts(up: Up) -> None:
    family = up.family()
    assert len(family) >= len(shipped())
    os.killpg(up.process.pid, signal.SIGINT)
    assert up.process.wait(DEADLINE_SECONDS) == 0
    assert up.said().rstrip().endswith("Stopping.")
    assert "Traceback" not in up.said()
    wait_until(lambda: all(is_gone(process) for process in family), "ending")
    assert "No service is running" in up.call("status").stdout
    with socket.create_server(("127.0.0.1", up.ports["api"])):
        answer = up.call("up")
    assert answer.returncode == 3
    assert f"Port {up.ports['api']} for the api is taken" in answer.stderr
    assert f"process {os.getpid()}" in answer.stderr
    assert "HEADWATER_API_PORT" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.slow
def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    up = Up(tmp_path / "home", "--people", "60")
    wait_until(lambda: up.has_said("Everything is running"), "starting")
    family = up.family()
    up.process.kill()
    up.process.wait()
    wait_until(lambda: all(is_gone(process) for process in family), "ending")


@pytest.mark.slow
def test_stopping_while_it_is_still_starting_is_no_error(tmp_path: Path) -> None:
    up = Up(tmp_path / "home", "--people", "60")
    wait_until((tmp_path / "home" / "logs").is_dir, "beginning")
    family = up.family()
    up.process.terminate()
    assert up.process.wait(DEADLINE_SECONDS) == 0
    assert "Traceback" not in up.said()
    wait_until(lambda: all(is_gone(process) for process in family), "ending")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path, config=CHECKOUT / "config")


def test_what_keeps_failing_is_started_again_after_longer_and_longer_pauses(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = Service("failing", ("python", "-c", "import sys; sys.exit('no luck')"))
    now = 1000.0
    with Processes(settings) as processes:
        watch = Watch(processes, [failing])
        processes.start(failing)
        for pause in (*RESTART_SECONDS, RESTART_SECONDS[-1]):
            wait_until(processes.ended, "ending")
            watch.look(now)
            assert f"ended with code 1: no luck. It is started again in {pause} s" in capsys.readouterr().out
            watch.look(now + pause - 0.1)
            assert "failing" not in processes.children
            now += pause
            watch.look(now)
            assert "is started again." in capsys.readouterr().out


def test_a_port_that_was_taken_meanwhile_ends_nothing_else(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    calm = Service("calm", ("python", "-c", "import time; time.sleep(600)"))
    with socket.socket() as holder, Processes(settings) as processes:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        web = Service("web", ("python", "-m", "http.server", str(port), "--bind", "127.0.0.1"), port, "/")
        holder.close()
        watch = Watch(processes, [calm, web])
        processes.start(calm)
        processes.start(web)
        processes.children["web"].kill()
        processes.children["web"].wait()
        with socket.create_server(("127.0.0.1", port)):
            watch.look(0)
            watch.look(2)
            assert f"The web cannot start: Port {port} for the web is taken" in capsys.readouterr().out
        watch.look(10)
        assert "The web is started again." in capsys.readouterr().out
        assert set(processes.children) == {"calm", "web"}


def test_kafka_is_read_only_where_a_source_is_kafka(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, config=CHECKOUT / "config")
    config = load_config(settings)
    assert [service.name for service in wanted(settings, config, with_example=True)] == [
        service.name for service in shipped()
    ]
    config.sources["bus"] = KafkaSource(bootstrap_servers="kafka:9092", topics=["shop"], write_key="wk_bus")
    names = [service.name for service in wanted(settings, config, with_example=False)]
    assert names == ["collector", "consume", "stream", "api", "dagster-webserver", "dagster-daemon"]
    assert config.write_keys()["wk_bus"] == "bus"


def test_the_example_companys_tools_are_told_the_configs_secrets_where_no_list_of_processes_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_WEBHOOK_SECRET", "of=our own")
    settings = load_settings(home=tmp_path, config=CHECKOUT / "config")
    sandbox, *others = wanted(settings, load_config(settings), with_example=True)
    told = sandbox.environment["SANDBOX_HOOK_SECRETS"].splitlines()
    assert "email_activity=of=our own" in told
    assert "survey=whsec_survey_demo" in told
    assert not [word for word in sandbox.argv() if "our own" in word]
    assert not any(service.environment for service in others)
