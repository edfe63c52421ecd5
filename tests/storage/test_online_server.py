"""One Redis server for one home: shared, owned, never left behind, its data kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import redis

from headwater.errors import UnavailableError
from headwater.settings import Settings, load_settings
from headwater.storage.online import OnlineStore, ensure_redis
from headwater.storage.online.server import SOCKET_PATH_LIMIT, socket_path

HOLD = """
import sys, time
from headwater.settings import load_settings
from headwater.storage.online import ensure_redis
handle = ensure_redis(load_settings(home=sys.argv[1]))
print(handle.is_owner, flush=True)
time.sleep(120)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


def hold(settings: Settings) -> subprocess.Popen[str]:
    """Another process that has called `ensure_redis`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(settings.home)], stdout=subprocess.PIPE, text=True, env=settings.environment()
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in ("True", "False")
    return process


def servers(settings: Settings) -> list[psutil.Process]:
    """The server processes of this home."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if "redis-server" in (process.info["name"] or "") and str(settings.redis_dir) in " ".join(
            [*(process.info["cmdline"] or []), *_folder(process)]
        ):
            found.append(process)
    return found


def _folder(process: psutil.Process) -> list[str]:
    try:
        return [process.cwd()]
    except psutil.Error:
        return []


def wait_until(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_second_user_of_the_home_shares_the_server_and_does_not_stop_it(settings: Settings) -> None:
    with ensure_redis(settings) as owner:
        with ensure_redis(settings) as guest:
            assert (owner.is_owner, guest.is_owner, owner.url) == (True, False, guest.url)
        assert redis.Redis.from_url(owner.url).ping()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(owner.url).ping()


def test_data_outlives_the_server(settings: Settings) -> None:
    with ensure_redis(settings) as handle:
        redis.Redis.from_url(handle.url).set("kept", "yes")
    with ensure_redis(settings) as handle:
        assert redis.Redis.from_url(handle.url).get("kept") == b"yes"


def test_a_killed_owner_leaves_no_server_and_a_guest_takes_over_with_all_data(settings: Settings) -> None:
    owner = hold(settings)
    with ensure_redis(settings) as guest:
        assert not guest.is_owner
        client = redis.Redis.from_url(guest.url)
        client.set("kept", "yes")
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        wait_until(lambda: not servers(settings))
        with ensure_redis(settings) as successor:
            assert successor.is_owner
            assert redis.Redis.from_url(successor.url).get("kept") == b"yes"


def test_a_killed_supervisor_takes_its_server_with_it(settings: Settings) -> None:
    with ensure_redis(settings):
        [server] = servers(settings)
        supervisor = server.parent()
        assert supervisor is not None
        supervisor.kill()
        wait_until(lambda: not servers(settings))
        with ensure_redis(settings) as successor:
            assert successor.is_owner


@pytest.mark.slow
def test_processes_that_start_at_once_agree_on_one_server(settings: Settings) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(settings.home)],
            stdout=subprocess.PIPE,
            text=True,
            env=settings.environment(),
        )
        for _ in range(3)
    ]
    owners = sorted(process.stdout.readline().strip() for process in processes)  # type: ignore[union-attr]
    assert owners == ["False", "False", "True"]
    assert len(servers(settings)) == 1
    for process in processes:
        process.kill()
        process.wait()
    wait_until(lambda: not servers(settings))


def test_a_long_home_gets_a_short_socket(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / ("long" * 40))
    assert len(os.fsencode(socket_path(settings))) <= SOCKET_PATH_LIMIT
    with ensure_redis(settings) as handle:
        assert redis.Redis.from_url(handle.url).ping()
    assert (settings.redis_dir / "appendonly.aof").exists() or (settings.redis_dir / "appendonlydir").exists()


def test_a_server_named_by_url_is_used_and_left_alone(settings: Settings, tmp_path: Path) -> None:
    with ensure_redis(settings) as elsewhere:
        other = load_settings(home=tmp_path / "other", redis_url=elsewhere.url)
        with ensure_redis(other) as handle:
            assert (handle.url, handle.is_owner) == (elsewhere.url, False)
        assert OnlineStore(elsewhere.url).pushed() is None
        assert not other.redis_dir.exists()


def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="The Redis server of REDIS_URL does not answer"):
        ensure_redis(load_settings(home=tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock"))
    with pytest.raises(UnavailableError, match="REDIS_URL is not a Redis URL"):
        ensure_redis(load_settings(home=tmp_path, redis_url="nonsense"))


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="Redis cannot keep its data in"):
        ensure_redis(load_settings(home=tmp_path / "file"))
