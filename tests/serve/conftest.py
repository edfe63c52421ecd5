"""A running profile API over a real Redis with a few people in it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headwater.settings import Settings, load_settings
from headwater.storage.online import OnlineStore, Pushed

TOKEN = "api_secret"
VERSION = 1_772_366_400_000_000


class Api:
    """The service as its own process. `get` asks it with the right token."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        command = [str(Path(sys.executable).with_name("headwater")), "serve", "--port", str(settings.api_port)]
        self.process = subprocess.Popen(command, env=settings.environment(), stdout=subprocess.DEVNULL)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{settings.api_port}", trust_env=False)
        self.client.headers["Authorization"] = f"Bearer {TOKEN}"

    def get(self, path: str, **more) -> httpx.Response:
        return self.client.get(path, **more)

    def wait(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                if self.get("/health").status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, "the service ended"
            assert time.monotonic() < end, "the service did not start"
            time.sleep(0.01)

    def stop(self) -> int:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_settings(folder: Path) -> Settings:
    config = folder / "config"
    config.mkdir()
    (config / "platform.yaml").write_text(
        json.dumps({"company": "T", "currency": "EUR", "stacks": ["starter"], "api_tokens": ["other", TOKEN]})
    )
    (config / "sources.yaml").write_text("{sources: {server: {kind: events, write_keys: [k]}}}")
    (config / "identity.yaml").write_text(
        json.dumps(
            {
                "id_types": {
                    "user_id": {"priority": 1},
                    "email": {"priority": 2, "normalise": "email"},
                    "anonymous_id": {"priority": 3, "junk": ["null"]},
                    "phone": {"priority": 4, "normalise": "phone"},
                },
                "edges": [],
                "default_region": "GB",
            }
        )
    )
    return load_settings(home=folder / "home", config=config, api_port=free_port())


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    running = Api(make_settings(tmp_path_factory.mktemp("api")))
    running.wait()
    yield running
    assert running.stop() == 0


@pytest.fixture
def store(api: Api) -> Iterator[OnlineStore]:
    from headwater.storage.online import ensure_redis

    opened = OnlineStore(ensure_redis(api.settings).url)
    opened.client.flushall()
    opened.put_profiles([("c1", '{"customer_id":"c1","ids":{},"profile":{"name":"Ünï"}}')], VERSION)
    opened.mark_pushed(Pushed("run", VERSION, "2026-03-01T00:00:00.000Z", "2026-03-01T12:00:00.000Z", 1, "v7"))
    yield opened
    opened.close()
