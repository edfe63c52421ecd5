"""Children of an entrance: started, waited for, watched, stopped; none outlives a killed parent.

Belongs here: process groups, log files, and cleaning up after an entrance that was killed. Does not belong
here: which processes there are (`headwater.entrance.services`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import IO, Any

import click
import psutil

from headwater.entrance.services import Service
from headwater.errors import BusyError, ConfigError, DataError, HeadwaterError, UnavailableError
from headwater.settings import CHECKOUT, Settings
from headwater.storage.home import FULL_DISK, unwritable
from headwater.storage.port import require_free_port

RECORD = "processes.json"
GRACE_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1
_ASKED = Event()
_ERRORS = {kind.exit_code: kind for kind in (ConfigError, BusyError, UnavailableError, DataError)}


def _die_with_parent() -> None:
    """Linux: the kernel ends this child when the thread that started it ends, however that happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Processes:
    """The children of one entrance. Use as a context manager: leaving it stops them, last started first."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self._record = settings.home / RECORD

    def __enter__(self) -> Processes:
        self.end_leftovers()
        return self

    def __exit__(self, *_: object) -> None:
        names = list(reversed(self.children))
        try:
            for name in names:  # all are asked before any is waited for, and all share one time to end
                self.children[name].terminate()
            deadline = time.monotonic() + GRACE_SECONDS
            for name in names:
                self.stop(name, grace=max(0.0, deadline - time.monotonic()))
        except KeyboardInterrupt:  # asked twice: no more waiting
            for name in reversed(list(self.children)):
                self.stop(name, grace=0)

    def end_leftovers(self) -> int:
        """End what a killed entrance of this home left running; returns how many. Only processes that this home
        recorded are touched: same id and same start time."""
        ended = 0
        for _, process in _recorded(self._record):
            with contextlib.suppress(psutil.Error):
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
        check_ports(self.settings, [service])
        log = self.log_path(service.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.children[service.name] = subprocess.Popen(
                service.argv(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self.settings.environment(), **service.environment},
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

    def stop(self, name: str, grace: float = GRACE_SECONDS) -> None:
        """Ask the child to end, wait, and only then end it by force, with all that it started."""
        child = self.children.get(name)
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(grace)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        del self.children[name]
        self._write_record()

    def ended(self) -> dict[str, int]:
        """Children that have ended by themselves, with their exit codes."""
        return {name: child.returncode for name, child in self.children.items() if child.poll() is not None}

    def log_path(self, name: str) -> Path:
        return self.settings.logs_dir / f"{name}.log"

    def _write_record(self) -> None:
        entries = []
        for name, child in self.children.items():
            with contextlib.suppress(psutil.Error):
                started = psutil.Process(child.pid).create_time()
                entries.append({"name": name, "pid": child.pid, "started": started})
        temporary = self._record.with_suffix(".tmp")
        temporary.write_text(json.dumps(entries))
        temporary.replace(self._record)


def check_ports(settings: Settings, wanted: Iterable[Service]) -> None:
    """Raise BusyError, naming port, service and how to choose another, when one of them cannot listen."""
    for service in wanted:
        if service.port:
            require_free_port(settings.host, service.port, service.name, service.port_variable or "--port")


def running(settings: Settings) -> dict[str, int]:
    """Service → process id of what an entrance of this home has started and is still alive."""
    return {entry["name"]: process.pid for entry, process in _recorded(settings.home / RECORD)}


def _recorded(record: Path) -> Iterator[tuple[dict[str, Any], psutil.Process]]:
    """The living processes of a record: same id and same start time, so never one that only reuses the id."""
    try:
        entries = json.loads(record.read_text())
    except (OSError, ValueError):
        return
    for entry in entries:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(entry["pid"])
            if abs(process.create_time() - entry["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                yield entry, process


def last_line(path: Path) -> str:
    """The last line with text of a log file, or a pointer to it."""
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1] if lines else f"see {path}."


def run_step(settings: Settings, argv: list[str], name: str, *, quiet: bool = True) -> None:
    """Run one command of the flow to its end. Its output goes to `logs/<name>.log`; without `quiet` what it writes to
    standard output goes to the terminal instead.

    Raises:
        UnavailableError: the disk is full.
        HeadwaterError: it failed; the message is its last line.
    """
    log = settings.logs_dir / f"{name}.log"
    said: deque[str] = deque(maxlen=100)
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if quiet else subprocess.PIPE,
        env=settings.environment(),
        cwd=CHECKOUT,
        preexec_fn=_die_with_parent,
        text=True,
        errors="replace",
    )
    try:
        shown = None if quiet else Thread(target=_show, args=(child.stdout, said), daemon=True)
        if shown:
            shown.start()
        _log(child.stdout if quiet else child.stderr, log, said)
        if shown:
            shown.join()
        child.wait()
    except BaseException:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1)
        child.kill()
        raise
    if not child.returncode:
        return
    if any(words in line for line in said for words in FULL_DISK):
        raise unwritable(settings.home, OSError(errno.ENOSPC, ""))
    last = next((line.strip() for line in reversed(said) if line.strip()), "it said nothing.")
    kind = _ERRORS.get(child.returncode, HeadwaterError)
    if last.startswith("headwater: ") and not quiet:
        raise kind(last.removeprefix("headwater: "))
    if not quiet:
        raise kind(f"The {name} did not finish: see the lines above.", hint=f"More is in {log}.")
    text = last.removeprefix("headwater: ").removeprefix("Error: ")
    raise kind(f"{name} failed: {text}", hint=f"Its log is {log}.")


def _show(output: IO[str] | None, said: deque[str]) -> None:
    for line in output or ():
        said.append(line)
        click.echo(line, nl=False)


def _log(output: IO[str] | None, log: Path, said: deque[str]) -> None:
    """Keep what a step says; a disk that takes no more must not hide why the step fails."""
    with contextlib.ExitStack() as stack:
        file = None
        with contextlib.suppress(OSError):
            log.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(log.open("ab", buffering=0))
        for line in output or ():
            said.append(line)
            if file:
                with contextlib.suppress(OSError):
                    file.write(line.encode())


def stop_on_signals() -> None:
    """Turn SIGTERM and SIGINT into KeyboardInterrupt, so that `with` blocks stop the children, and remember them:
    Python drops an exception that a signal raises inside a destructor (see `is_asked_to_stop`)."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        _ASKED.set()
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


def is_asked_to_stop() -> bool:
    """Whether a signal came; for loops that would otherwise go on for ever when its exception was dropped."""
    return _ASKED.is_set()
