"""The profile API as a process: quick to start, plain about a busy port, alive through the loss of its Redis."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from headwater.settings import load_settings
from headwater.storage.online import OnlineStore, ensure_redis
from tests.serve.conftest import VERSION, Api, make_settings

HEADWATER = str(Path(sys.executable).with_name("headwater"))


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys, headwater.serve.command, headwater.serve.server, granian.server.embed\n"
        "print(sorted({'duckdb', 'pandas', 'numpy', 'pyarrow', 'sklearn', 'dagster', 'boto3'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_busy_port_is_one_sentence(api: Api) -> None:
    port = str(api.settings.api_port)
    answer = subprocess.run(
        [HEADWATER, "serve", "--port", port],
        env=api.settings.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 3
    assert re.fullmatch(
        rf"headwater: Port {port} for the profile API is taken by «headwater» \(process {api.process.pid}\)\. "
        r"End that process or choose another port with --port\.",
        answer.stderr.strip(),
    )


@pytest.mark.slow
def test_when_the_owner_of_redis_ends_the_api_goes_on_with_the_same_data(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    owner = ensure_redis(settings)
    OnlineStore(owner.url).put_profiles([("c1", '{"customer_id":"c1"}')], VERSION)
    api = Api(settings)
    api.wait()
    assert api.get("/v1/profiles/customer_id/c1").status_code == 200
    owner.stop()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(owner.url).ping()
    assert api.get("/v1/profiles/customer_id/c1").json()["customer_id"] == "c1"
    assert api.stop() == 0
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(owner.url).ping()


@pytest.mark.slow
def test_while_redis_is_away_requests_are_told_to_come_back_and_then_answered(tmp_path: Path) -> None:
    elsewhere = load_settings(home=tmp_path / "elsewhere")
    server = ensure_redis(elsewhere)
    (tmp_path / "api").mkdir()
    settings = make_settings(tmp_path / "api")
    settings = load_settings(
        home=settings.home, config=settings.config_dir, api_port=settings.api_port, redis_url=server.url
    )
    api = Api(settings)
    api.wait()
    server.stop()
    for path in ("/v1/profiles/customer_id/c1", "/health"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
    server = ensure_redis(elsewhere)
    OnlineStore(server.url).put_profiles([("c1", "{}")], VERSION)
    wait_until(lambda: api.get("/v1/profiles/customer_id/c1").status_code == 200)
    assert api.stop() == 0
    server.stop()


@pytest.mark.slow
def test_a_wrong_config_is_one_sentence(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    (settings.config_dir / "platform.yaml").write_text("company: T\ncurrency: EUR\nstacks: [starter]\napi_token: [x]\n")
    answer = subprocess.run(
        [HEADWATER, "serve"], env=settings.environment(), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert "platform.yaml, line 4" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert os.linesep not in answer.stderr.strip()
