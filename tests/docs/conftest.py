"""The services that the documents' examples talk to, on ports of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.online import OnlineStore, Pushed, ensure_redis

BIN = Path(sys.executable).parent
PERSON = "someone@example.com"
VERSION = 1_772_366_400_000_000


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The shipped config's collector and profile API, with the person of the README in the online store."""
    collector, api = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("docs") / "home", config=CHECKOUT / "config")
    settings = replace(settings, collector_port=collector, api_port=api)
    with ensure_redis(settings) as redis:
        store = OnlineStore(redis.url)
        store.put_profiles([("c1", '{"customer_id":"c1","ids":{},"profile":{}}')], VERSION)
        store.put_identifiers([("email", PERSON, "c1")])
        store.mark_pushed(Pushed("run", VERSION, "2026-03-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z", 1, None))
        started = [
            subprocess.Popen(
                [str(BIN / "headwater"), command, "--port", str(port)],
                env=settings.environment(),
                stdout=subprocess.DEVNULL,
            )
            for command, port in (("collect", collector), ("serve", api))
        ]
        try:
            for process, port in zip(started, (collector, api), strict=True):
                _await(process, f"http://127.0.0.1:{port}/health")
            yield settings
        finally:
            for process in started:
                process.terminate()
                process.wait(60)
            store.close()


def _await(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, "the service ended"
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError(f"{url} does not answer")
