"""The README's tutorial, followed to the letter: its two files in a copy of the config, and the order arrives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import load_config
from headwater.settings import CHECKOUT, Settings, load_settings
from tests.docs import documents
from tests.docs.conftest import BIN, free_ports
from tests.docs.test_documents import curl

FILES = {
    match.group(1): content
    for _, language, content in documents.fences()
    if language in ("yaml", "python") and (match := re.match(r"# (config/\S+)\n", content))
}

# an audience: tests/dbt_project/test_audiences.py; a notebook on the read copy: test_read_copy.py
HELD_ELSEWHERE = ("-- dbt_project/models/audiences/", "# dbt_project/models/audiences/", "import duckdb\n")


def sh(pattern: str) -> str:
    """The one command of the README that contains this."""
    (found,) = [command.text for command in documents.commands() if pattern in command.text]
    return found


@dataclass
class Followed:
    """Someone who has written the files, with their own service listening."""

    settings: Settings
    received: list[dict[str, Any]]
    environment: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        words = command.replace(".venv/bin/", f"{BIN}/")
        return subprocess.run(
            ["bash", "-c", words], cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, timeout=60
        )


def test_every_file_of_the_readme_says_where_it_belongs() -> None:
    blocks = [content for _, language, content in documents.fences() if language in ("yaml", "python", "sql")]
    assert len(FILES) == len([block for block in blocks if not block.startswith(HELD_ELSEWHERE)]) > 0


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copytree(CHECKOUT / "config", folder / "config", ignore=shutil.ignore_patterns("destinations"))
    (folder / "config" / "destinations").mkdir()
    for name in {"crm.yaml", "email.yaml"}:  # what the syncs name
        shutil.copy(CHECKOUT / "config" / "destinations" / name, folder / "config" / "destinations" / name)
    for name, content in FILES.items():
        (folder / name).write_text(content)
    received: list[dict[str, Any]] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["events"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    collector, api = free_ports(2)
    settings = load_settings(home=folder / "home", config=folder / "config")
    settings = replace(settings, collector_port=collector, api_port=api)
    url = f"http://127.0.0.1:{server.server_port}/events"
    environment = {**settings.environment(), "MY_WEBHOOK_URL": url}
    commands = [["collect", "--port", str(collector)], ["stream"]]
    started = [subprocess.Popen([BIN / "headwater", *command], env=environment) for command in commands]
    try:
        yield Followed(settings, received, environment)
    finally:
        for process in started:
            process.terminate()
            process.wait(60)
        server.shutdown()


def until(condition: Any, what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.1)


@pytest.mark.slow
def test_the_files_are_what_the_config_takes(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_WEBHOOK_URL", "http://127.0.0.1:1")
    names = {Path(name).stem for name in FILES}
    config = load_config(followed.settings)
    assert {"my_webhook", "my_totals"} == names
    assert config.destinations["my_webhook"].transformations == ["my_totals"]


@pytest.mark.slow
def test_the_order_arrives_changed_and_its_receipt_tells_so(followed: Followed) -> None:
    command = sh('"messageId": "mine-1"')
    shipped = {8080: followed.settings.collector_port}

    def is_sent() -> bool:
        try:
            return curl(command, shipped).status_code == 200
        except OSError:
            return False

    until(lambda: _answers(followed.settings), "the collector's start")
    assert is_sent()
    until(lambda: followed.received, "the delivery")
    (order,) = followed.received
    assert (order["messageId"], order["properties"]["total"], order["properties"]["total_cents"]) == (
        "mine-1",
        12.5,
        1250,
    )
    until(lambda: "my_webhook" in followed.run(sh("receipt mine-1")).stdout, "the receipt")
    told = followed.run(sh("receipt mine-1")).stdout
    assert re.search(r"my_webhook +delivered", told), told
    assert "my_totals: changed" in told
    assert re.search(r"verdict +accepted", told), told


@pytest.mark.slow
def test_the_destination_is_listed_and_switched_off(followed: Followed) -> None:
    assert re.search(r"my_webhook.*\bon\b", followed.run(sh("destination list")).stdout)
    assert followed.run(sh("destination off")).returncode == 0
    assert re.search(r"my_webhook.*\boff\b", followed.run(sh("destination list")).stdout)


@pytest.mark.slow
def test_the_transformations_cases_and_the_plan_pass(followed: Followed) -> None:
    for pattern in ("transform test", "plan check"):
        answer = followed.run(sh(pattern))
        assert answer.returncode == 0, answer.stdout + answer.stderr


def _answers(settings: Settings) -> bool:
    import httpx

    try:
        return httpx.get(f"{settings.collector_url}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
