"""User transformations: a company's own Python on each event, which harms nobody else when it fails.

Belongs here: the process that runs a chain, its time limit, what comes back. Does not belong here: running the files
themselves (`transform_worker`), which events, or what happens to one that failed.

A transformation is `config/transformations/<name>.py` with `def transform(event: dict) -> dict | None`, and perhaps
`def setup()`, called once. None drops the event. `messageId` and `receivedAt` may not change: duplicates, receipts and
reconciliation go by them. Anything else may, also `type`, as long as the outcome is a spec event. It sees its own copy,
none of the platform's environment, and has a memory limit; what it prints goes nowhere unless asked for.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Literal

import msgspec

from headwater.configuration import Config, Transformation
from headwater.errors import ConfigError, UnavailableError
from headwater.policy.breaker import Breaker
from headwater.policy.transform_worker import PROGRESS
from headwater.settings import Settings

START_SECONDS = 20.0
EVENTS_PER_BATCH = 500
BYTES_PER_BATCH = 4 * 1024 * 1024
_GRACE_SECONDS = 5.0  # a process without a parent ends itself so long after its limit

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Result:
    """What one chain did to one event.

    Attributes:
        status: `changed`, `unchanged`, `dropped` (None was returned) or `failed`.
        payload: the event afterwards; None when dropped or failed.
        name: the transformation that dropped or failed it, else the last one.
        detail: why it failed, with the line of the company's file.
        seconds: how long the chain took.
        is_suspended: it was not tried, because the chain hung at those before it.
        steps: (name, what it did) of each transformation that was run, in order; the last one is the one that dropped
            it, failed or hung.
    """

    status: Literal["changed", "unchanged", "dropped", "failed"]
    payload: dict[str, Any] | None
    name: str
    detail: str = ""
    seconds: float = 0.0
    steps: tuple[tuple[str, str], ...] = ()
    is_suspended: bool = False


class Transformer:
    """A chain of transformations in a process of its own, started with the first event and again after it was ended.
    For one thread at a time. A changed file is read by a new Transformer only.

    Args:
        folder: `config/transformations/`.
        names: the chain, in order.
        settings: time and memory limits by name.
        is_loud: what the files print goes to this process's stderr.
        breaker: when a chain that hangs again and again is not asked any more; None: it always is.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        settings: Mapping[str, Transformation],
        *,
        is_loud: bool = False,
        breaker: Breaker | None = None,
    ) -> None:
        self.breaker = breaker
        self.folder, self.names, self.settings = folder.absolute(), tuple(names), dict(settings)
        self._limits = [settings.get(name, Transformation()).timeout_seconds for name in names]
        self._is_loud = is_loud
        self._worker: _Worker | None = None
        self._broken: Result | None = None
        self._start_took = 0.0  # what a new process costs after one that hung

    @classmethod
    def of(
        cls, settings: Settings, config: Config, names: Sequence[str], breaker: Breaker | None = None
    ) -> Transformer:
        """The chain of `names` in this company's config; one that hangs is suspended, by default for a minute."""
        folder = settings.config_dir / "transformations"
        return cls(folder, names, config.transformations, breaker=breaker or Breaker())

    def start(self) -> None:
        """Start the process now, to know whether every file can be loaded.

        Raises:
            ConfigError: one cannot; names file and line.
        """
        if self._ready() is None and self._broken is not None:
            raise ConfigError(
                f"{self.folder / self._broken.name}.py cannot be used: {self._broken.detail.rstrip('.')}."
            )

    def run(self, payloads: Sequence[dict[str, Any]]) -> list[Result]:
        """Each event through the chain, in order; the given payloads are not changed.

        Never fails as a whole: where a file cannot be loaded, each event has failed with the reason. One that hangs
        or ends the process has failed, and those after it are run in a new process, until the breaker says that it
        was enough.

        Raises:
            UnavailableError: no process can be started on this machine.
        """
        if not self.names:
            return [Result("unchanged", payload, "") for payload in payloads]
        results: list[Result] = []
        for some in _batches(payloads):
            sent = [(payload, line) for payload, line in some if isinstance(line, bytes)]
            ran = iter(self._run_batch([payload for payload, _ in sent], [line for _, line in sent]))
            for _, line in some:
                results.append(next(ran) if isinstance(line, bytes) else Result("failed", None, self.names[0], line))
        return results

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _run_batch(self, payloads: Sequence[dict[str, Any]], lines: list[bytes]) -> list[Result]:
        results: list[Result] = []
        while len(results) < len(lines):
            was_fresh = self._worker is None
            worker = self._ready()
            if worker is None:
                assert self._broken is not None
                return results + [self._broken] * (len(lines) - len(results))
            done = len(results)
            most = self.breaker.most() if self.breaker else None
            if most == 0:
                return results + [self._suspended()] * (len(lines) - done)
            try:
                answers, ended = worker.ask(lines[done : done + most if most else None], self._limits), None
            except _EndedError as error:
                self.close()
                answers, ended = error.answers, error
            results += [self._result(payloads[done + i], answer) for i, answer in enumerate(answers)]
            if answers and self.breaker:
                self.breaker.passed()
            if ended is None or (ended.guilty is None and not was_fresh):
                continue  # ended while idle, by somebody else: once more
            done, guilty = len(results), done + (len(answers) if ended.guilty is None else ended.guilty)
            # those before it had been run, but not been told of yet
            results += self._run_batch(payloads[done:guilty], lines[done:guilty])
            name, steps = self.names[ended.step], self._steps("failed", ended.step, ended.changed)
            detail = ended.detail if ".py, line " in ended.detail else f"{name}.py: {ended.detail}"
            results.append(Result("failed", None, name, detail, ended.seconds, steps))
            if self.breaker:
                self.breaker.hung(name, detail, ended.seconds + min(self._start_took, 1.0))
        return results

    def _suspended(self) -> Result:
        assert self.breaker
        name = self.breaker.name
        return Result("failed", None, name, self.breaker.suspended, 0.0, ((name, "failed"),), is_suspended=True)

    def _result(self, payload: dict[str, Any], answer: bytes) -> Result:
        status, step, micros, changed, body = answer.split(b" ", 4)
        last, seconds = int(step), int(micros) / 1e6
        name, steps = self.names[last], self._steps(status.decode(), last, int(changed))
        if status == b"unchanged":
            return Result("unchanged", payload, name, "", seconds, steps)
        if status == b"changed":
            return Result("changed", _decode(body), name, "", seconds, steps)
        if status == b"dropped":
            return Result("dropped", None, name, "", seconds, steps)
        return Result("failed", None, name, body.decode(), seconds, steps)

    def _steps(self, status: str, last: int, changed: int) -> tuple[tuple[str, str], ...]:
        told = ["changed" if changed >> number & 1 else "unchanged" for number in range(last + 1)]
        if status in ("dropped", "failed"):
            told[last] = status
        return tuple(zip(self.names, told, strict=False))

    def _ready(self) -> _Worker | None:
        if self._broken is None and self._worker is None:
            memory = max(self.settings.get(name, Transformation()).memory_mb for name in self.names)
            began = monotonic()
            worker = _Worker(self.folder, self.names, memory, max(self._limits), self._is_loud)
            trouble = worker.wait_ready()
            self._start_took = monotonic() - began
            if trouble is None:
                self._worker = worker
            else:
                worker.close()
                step, why = trouble
                self._broken = Result("failed", None, self.names[step], why)
        return self._worker


class _EndedError(Exception):
    """The process ended, or had to be ended. `answers` are the first ones; `guilty` is the number of the event that
    was being run, None when there was none; `step` where in the chain it was, `changed` a bit for each step before."""

    def __init__(
        self, answers: list[bytes], guilty: int | None, step: int, changed: int, detail: str, seconds: float = 0.0
    ) -> None:
        super().__init__(detail)
        self.answers, self.guilty, self.step, self.changed = answers, guilty, step, changed
        self.detail, self.seconds = detail, seconds


class _Worker:
    """One process and its pipes."""

    def __init__(self, folder: Path, names: Sequence[str], memory_mb: int, limit: float, is_loud: bool) -> None:
        self._folder = folder
        self._progress_file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._stacks = tempfile.TemporaryFile()  # noqa: SIM115
        self._progress_file.write(PROGRESS.pack(-1, 0, 0, 0.0))
        self._progress_file.flush()
        self._progress = mmap(self._progress_file.fileno(), PROGRESS.size)
        shared = (self._progress_file.fileno(), self._stacks.fileno())
        numbers = [*map(str, shared), str(memory_mb * 1024 * 1024), str(limit + _GRACE_SECONDS)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "headwater.policy.transform_worker", *numbers, str(folder), *names],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if is_loud else subprocess.DEVNULL,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                pass_fds=shared,
                bufsize=0,
            )
        except OSError as error:
            raise UnavailableError(f"No process for transformations can be started: {error}.") from error
        assert self._process.stdin and self._process.stdout
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._buffer = b""

    def wait_ready(self) -> tuple[int, str] | None:
        """None when every file is loaded, else which is not and why."""
        until = monotonic() + START_SECONDS
        while b"\n" not in self._buffer:
            if not select.select([self._out], [], [], max(until - monotonic(), 0))[0]:
                where = self._line_it_is_at()
                return self._step_it_is_at(), f"{where}loading and setup() took longer than {START_SECONDS:g} s"
            if not self._read():
                return self._step_it_is_at(), f"the process ended while loading ({self._ending()})"
        line, _, self._buffer = self._buffer.partition(b"\n")
        if line == b"ready":
            return None
        _, step, why = line.split(b" ", 2)
        return int(step), why.decode()

    def ask(self, lines: list[bytes], limits: list[float]) -> list[bytes]:
        """The answer to each line.

        Raises:
            _EndedError: the process ended, or took too long over an event; it is of no use any more.
        """
        body = b"\n".join(lines)
        unsent = memoryview(b"%d %d\n%b" % (len(lines), len(body), body))
        answers: list[bytes] = []
        PROGRESS.pack_into(self._progress, 0, -1, 0, 0, monotonic())
        suspect: tuple[int, int, int, float] | None = None
        while len(answers) < len(lines):
            place = number, step, changed, since = PROGRESS.unpack_from(self._progress, 0)
            limit = limits[step] if number >= 0 else START_SECONDS
            left = since + limit - monotonic()
            if left <= 0 and place == suspect:
                raise self._overdue(answers, number, step, changed, limit)
            # looked at twice: what is half written is not believed
            suspect, left = (place, 0.01) if left <= 0 else (None, min(left, *limits))
            poll = select.poll()
            poll.register(self._out, select.POLLIN)
            if unsent:
                poll.register(self._in, select.POLLOUT)
            ready = dict(poll.poll(left * 1000 + 1))
            if self._in in ready:
                try:
                    unsent = unsent[os.write(self._in, unsent) :]
                except BlockingIOError:
                    pass
                except BrokenPipeError:
                    unsent = memoryview(b"")
            if self._out in ready:
                if not self._read():
                    raise self._dead(answers)
                *whole, self._buffer = self._buffer.split(b"\n")
                answers += whole
        return answers

    def close(self) -> None:
        """End the process, whatever it does, and give back what it used."""
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._progress, self._progress_file, self._stacks):
            if file:
                with suppress(OSError):
                    file.close()

    def _read(self) -> bool:
        """Take what is there; False at the end."""
        try:
            data = os.read(self._out, 1024 * 1024)
        except BlockingIOError:
            return True
        self._buffer += data
        return bool(data)

    def _overdue(self, answers: list[bytes], number: int, step: int, changed: int, limit: float) -> _EndedError:
        if number < 0:
            return _EndedError(answers, None, step, 0, "the process does not answer")
        why = f"{self._line_it_is_at()}took longer than {limit:g} s"
        return _EndedError(answers, number, step, changed, why, limit)

    def _dead(self, answers: list[bytes]) -> _EndedError:
        number, step, changed, _ = PROGRESS.unpack_from(self._progress, 0)
        guilty = number if number >= len(answers) else None
        return _EndedError(answers, guilty, step, changed, f"the process ended ({self._ending()})")

    def _ending(self) -> str:
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _step_it_is_at(self) -> int:
        step: int = PROGRESS.unpack_from(self._progress, 0)[1]
        return step

    def _line_it_is_at(self) -> str:
        """Where it hangs, as `file, line n: `, asked of the process itself."""
        self._process.send_signal(signal.SIGUSR1)
        until, text = monotonic() + 0.5, ""
        while monotonic() < until and '  File "<frozen runpy>"' not in text:
            sleep(0.005)
            self._stacks.seek(0)
            text = self._stacks.read().decode("utf-8", "replace")
        for path, line in re.findall(r'File "(.+)", line (\d+) in ', text):
            if Path(path).parent == self._folder:
                return f"{Path(path).name}, line {line}: "
        return ""


def _batches(payloads: Sequence[dict[str, Any]]) -> Iterator[list[tuple[dict[str, Any], bytes | str]]]:
    """Payloads with their JSON, or why there is none, in groups of bounded size."""
    batch: list[tuple[dict[str, Any], bytes | str]] = []
    size = 0
    for payload in payloads:
        line: bytes | str
        try:
            line = _encode(payload)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            line = f"the event is not JSON: {error}"
        batch.append((payload, line))
        size += len(line)
        if len(batch) >= EVENTS_PER_BATCH or size >= BYTES_PER_BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
