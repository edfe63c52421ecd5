"""Children of an entrance: started, waited for, watched, stopped; none outlives a killed parent.

Belongs here: process groups, ports, log files, and cleaning up after an entrance that was killed. Does not belong
here: which processes there are (`headwater.entrance.services`).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

import psutil

from headwater.entrance.services import Service
from headwater.errors import BusyError, HeadwaterError, UnavailableError
from headwater.settings import CHECKOUT, Settings

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Linux: the kernel ends this child when the thread that started it ends, however that happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Processes:
    """The children of one entrance. Use as a context manager: leaving it stops them, last started first."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self._record = settings.home / "processes.json"

    def __enter__(self) -> Processes:
        self.end_leftovers()
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self.children)):
            self.stop(name)

    def end_leftovers(self) -> int:
        """End what a killed entrance of this home left running; returns how many. Only processes that this home
        recorded are touched: same id and same start time."""
        try:
            recorded = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return 0
        ended = 0
        for entry in recorded:
            with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
                process = psutil.Process(entry["pid"])
                if abs(process.create_time() - entry["started"]) < 1:
                    family = [*process.children(recursive=True), process]
                    for member in family:
                        with contextlib.suppress(psutil.Error):
                            member.terminate()
                    _, alive = psutil.wait_procs(family, timeout=5)
                    for member in alive:
                        with contextlib.suppress(psutil.Error):
                            member.kill()
                    psutil.wait_procs(alive, timeout=5)
                    ended += 1
        self._record.unlink(missing_ok=True)
        return ended

    def start(self, service: Service, *, wait: bool = True, timeout: float = 60) -> None:
        """Start a service; with `wait`, return once it answers.

        Raises:
            BusyError: its port is taken, named with the service.
            UnavailableError: it ended or did not answer in time; names its log file and last line.
        """
        if service.port:
            require_free_port(self.settings.host, service.port, service.name)
        log = self.log_path(service.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.children[service.name] = subprocess.Popen(
                service.argv(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.settings.environment(),
                cwd=CHECKOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self._write_record()
        if wait and service.health:
            self.await_health(service, timeout)

    def await_health(self, service: Service, timeout: float = 60) -> None:
        """Return once the service's health path answers 200; see `start` for what is raised."""
        url = f"http://{self.settings.host}:{service.port}{service.health}"
        child = self.children[service.name]
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise UnavailableError(
                    f"The {service.name} ended with code {child.returncode} while starting: "
                    f"{last_line(self.log_path(service.name))}"
                )
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.05)
        raise UnavailableError(
            f"The {service.name} did not answer at {url} within {timeout:.0f} s.",
            hint=f"Its log is {self.log_path(service.name)}.",
        )

    def stop(self, name: str, grace: float = 20) -> None:
        """Ask the child to end, wait, and only then end it by force, with all that it started."""
        child = self.children.pop(name, None)
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(grace)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        self._write_record()

    def ended(self) -> dict[str, int]:
        """Children that have ended by themselves, with their exit codes."""
        return {name: child.returncode for name, child in self.children.items() if child.poll() is not None}

    def log_path(self, name: str) -> Path:
        return self.settings.logs_dir / f"{name}.log"

    def _write_record(self) -> None:
        entries = []
        for child in self.children.values():
            with contextlib.suppress(psutil.Error):
                entries.append({"pid": child.pid, "started": psutil.Process(child.pid).create_time()})
        temporary = self._record.with_suffix(".tmp")
        temporary.write_text(json.dumps(entries))
        temporary.replace(self._record)


def require_free_port(host: str, port: int, name: str) -> None:
    """Raise BusyError, naming the holder where the system tells, when something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BusyError(
                f"Port {port} for the {name} is taken{_listener(port)}.",
                hint=f"End that process or choose another port: HEADWATER_{_variable(name)}_PORT.",
            ) from error


def _listener(port: int) -> str:
    with contextlib.suppress(psutil.Error, PermissionError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by «{psutil.Process(connection.pid).name()}» (process {connection.pid})"
    return ""


def _variable(name: str) -> str:
    return {"dagster-webserver": "DAGSTER"}.get(name, name.upper())


def last_line(path: Path) -> str:
    """The last line with text of a log file, or a pointer to it."""
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1] if lines else f"see {path}."


def run_step(settings: Settings, argv: list[str], name: str, *, quiet: bool = True) -> None:
    """Run one command of the flow to its end, output to `logs/<name>.log` (or to the terminal).

    Raises:
        HeadwaterError: it failed; the message is its last line.
    """
    log = settings.logs_dir / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        result = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output if quiet else None,
            stderr=subprocess.STDOUT if quiet else output,
            env=settings.environment(),
            cwd=CHECKOUT,
            preexec_fn=_die_with_parent,
            check=False,
        )
    if result.returncode and not quiet:
        raise HeadwaterError(f"The {name} did not finish: see the lines above.", hint=f"More is in {log}.")
    if result.returncode:
        text = last_line(log).removeprefix("headwater: ").removeprefix("Error: ")
        raise HeadwaterError(f"{name} failed: {text}", hint=f"Its log is {log}.")


def stop_on_signals() -> None:
    """Turn SIGTERM into KeyboardInterrupt, so that `with` blocks stop the children."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
