"""Companies that several tests read, and a running tools server."""

from __future__ import annotations

import csv
import gzip
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.company.simulate import simulate

DAY = date(2026, 6, 20)
TOKEN = {"Authorization": "Bearer sandbox_demo"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Three thousand people take seconds to tell: what reads them is slow."""
    for item in items:
        if item.path.parent == Path(__file__).parent and {"large"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred people up to 20 June 2026; only to be read."""
    out = tmp_path_factory.mktemp("small")
    simulate(out, people=400, seed=7, as_of=DAY)
    return out


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three thousand people up to 21 November 2026, enough for statistics; only to be read."""
    out = tmp_path_factory.mktemp("large")
    simulate(out, people=3000, seed=7, as_of=date(2026, 11, 21))
    return out


@pytest.fixture
def read_lines() -> Callable[[Path], list[bytes]]:
    """Reads every event line of a company: its day files, then the live events."""

    def read(out: Path) -> list[bytes]:
        lines: list[bytes] = []
        for file in sorted((out / "company" / "events").glob("*.ndjson.gz")):
            lines += gzip.decompress(file.read_bytes()).splitlines()
        return lines + (out / "company" / "live.ndjson").read_bytes().splitlines()

    return read


@pytest.fixture
def read_events(read_lines: Callable[[Path], list[bytes]]) -> Callable[[Path], list[dict[str, Any]]]:
    """The same, parsed."""
    return lambda out: [json.loads(line) for line in read_lines(out)]


@pytest.fixture
def read_truth() -> Callable[[Path, str], list[dict[str, str]]]:
    """Reads one table of the ground truth."""

    def read(out: Path, table: str) -> list[dict[str, str]]:
        with (out / "truth" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """Starts `python -m sandbox serve` on a folder; a context manager that gives a client with the token."""

    @contextmanager
    def start(folder: Path, *options: str) -> Iterator[httpx.Client]:
        port = _free_port()
        command = [sys.executable, "-m", "sandbox", "serve", "--dir", str(folder), "--port", str(port), *options]
        command += [] if "--db-port" in options else ["--no-database"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=TOKEN, follow_redirects=True) as client:
                _await(client, process)
                yield client
        finally:
            process.terminate()
            process.wait(60)

    return start


def _await(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        assert process.poll() is None, process.stdout and process.stdout.read()
        try:
            client.get("/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not answer")


@pytest.fixture(scope="session")
def tools_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company whose tools may be written to."""
    out = tmp_path_factory.mktemp("tools")
    simulate(out, people=300, seed=3, as_of=DAY)
    return out


@pytest.fixture(scope="session")
def tools(serving: Callable[..., Any], tools_dir: Path) -> Iterator[httpx.Client]:
    """The running tools of that company."""
    with serving(tools_dir) as client:
        yield client
