"""Clients that send slowly, or nothing: cut off after their time, while everybody else is served."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Iterator

import psutil
import pytest

from headwater.configuration import load_config
from headwater.settings import CHECKOUT, load_settings
from tests.collect.conftest import CollectorProcess, free_port

PAGE = {"type": "page", "userId": "u"}
HEAD = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nX-Write-Key: wk_web_demo\r\n"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that waits for nobody longer than a second."""
    folder = tmp_path_factory.mktemp("slow")
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", folder / "config")
    with (folder / "config" / "platform.yaml").open("a") as file:
        file.write("collector: {limits: {header_seconds: 1, body_seconds: 1, incoming_bytes: 30_000_000}}\n")
    settings = load_settings(folder / "home", folder / "config", collector_port=free_port())
    made = CollectorProcess(settings, load_config(settings)).start()
    yield made
    made.stop(signal.SIGKILL)


def connect(collector: CollectorProcess, data: bytes) -> socket.socket:
    """A connection that has sent so much and now waits."""
    made = socket.create_connection(("127.0.0.1", collector.settings.collector_port), timeout=120)
    made.sendall(data)
    return made


def all_said(client: socket.socket) -> bytes:
    """What the server says until it closes."""
    said = b""
    while part := client.recv(4096):
        said += part
    return said


@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", b"POST /v1/bat", HEAD], ids=["nothing", "half a line", "half a head"])
def test_a_head_that_does_not_end_is_cut_off(collector: CollectorProcess, begun: bytes) -> None:
    with connect(collector, begun) as client:
        assert not all_said(client).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
@pytest.mark.parametrize(
    "begun",
    [
        HEAD + b"Content-Length: 100\r\n\r\n",
        HEAD + b'Content-Length: 100\r\n\r\n{"batch":',
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"bat\r\n',
    ],
    ids=["no body", "half a body", "half of the chunks"],
)
def test_a_body_that_does_not_end_is_answered_with_408(collector: CollectorProcess, begun: bytes) -> None:
    with connect(collector, begun) as client:
        said = all_said(client)
    assert said.startswith(b"HTTP/1.1 408")
    assert b'"code":"slow_body"' in said


def test_a_body_that_is_too_large_and_does_not_end_is_refused_in_its_time(collector: CollectorProcess) -> None:
    with connect(collector, HEAD + b"Content-Length: 10000000\r\n\r\n" + b" " * 200_000) as client:
        assert all_said(client).startswith(b"HTTP/1.1 413")


def test_a_head_without_measure_is_refused(collector: CollectorProcess) -> None:
    with connect(collector, HEAD + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n") as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 431")


def test_many_slow_clients_hold_up_nobody_and_little_memory(collector: CollectorProcess) -> None:
    assert collector.process is not None
    process = psutil.Process(collector.process.pid)
    before = process.memory_info().rss
    half = HEAD + b"Content-Length: 4000000\r\n\r\n" + b" " * 100_000
    slow = [connect(collector, half) for _ in range(200)]
    try:
        for _ in range(20):
            assert collector.post("/v1/page", PAGE).status_code == 200
        assert process.memory_info().rss - before < 100_000_000
    finally:
        for client in slow:
            client.close()
    assert collector.post("/v1/page", PAGE).status_code == 200
