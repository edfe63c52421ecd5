"""The process that runs a chain of a company's transformations: `python -I -m headwater.policy.transform_worker`.

Belongs here: loading the files, calling them, saying which line failed. Does not belong here: the time limit, which
the parent holds from outside (`headwater.policy.transform`), or what becomes of an event. Starts in a tenth of a
second, so nothing heavy is imported.

In: a line `<count> <bytes>`, then so many bytes: one event a line. Out: first `ready` or `broken <step> <why>`, then
for each event a line `<status> <step> <microseconds> <changed> <body>` (`changed`: a bit for each step that changed
it), told at the latest when a few milliseconds have passed.
Which event and step is being run, and since when, stands in the shared `progress` file; a signal dumps the stack.
"""

from __future__ import annotations

import faulthandler
import importlib.util
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from mmap import mmap
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import msgspec

from headwater.event import fault

# event (-1: between events, or still loading), step, a bit for each step that changed it, since when (monotonic)
PROGRESS = struct.Struct("<qqQd")
_STEPS_TOLD = 2**64 - 1
FLUSH_SECONDS = 0.002
LONGEST_DETAIL = 500

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_Step = Callable[[dict[str, Any]], Any]


def main(folder: Path, names: list[str], progress: mmap, limit: float) -> None:
    """Serve until the parent closes the pipe.

    Args:
        limit: seconds after which this process ends by itself, in case that no parent is left to end it.
    """
    commands, answers = _private_pipes()
    steps: list[_Step] = []
    for number, name in enumerate(names):
        PROGRESS.pack_into(progress, 0, -1, number, 0, monotonic())
        try:
            steps.append(_load(folder / f"{name}.py"))
        except BaseException as error:  # noqa: BLE001 - whatever it raises, sys.exit() too, is the file's own fault
            _write(answers, b"broken %d %s\n" % (number, _explain(folder, name, error).encode("utf-8", "replace")))
            return
    _write(answers, b"ready\n")
    while header := commands.readline():
        count, size = map(int, header.split())
        lines = commands.read(size).split(b"\n")[:count]
        _run_batch(folder, names, steps, lines, answers, progress, limit)


def _run_batch(
    folder: Path, names: list[str], steps: list[_Step], lines: list[bytes], answers: int, progress: mmap, limit: float
) -> None:
    out: list[bytes] = []
    flushed = monotonic()
    for number, line in enumerate(lines):
        signal.setitimer(signal.ITIMER_REAL, limit)
        started = monotonic()
        status, step, changed, body = _run(folder, names, steps, line, number, progress)
        now = monotonic()
        out.append(b"%b %d %d %d %b\n" % (status, step, (now - started) * 1e6, changed, body))
        if now - flushed > FLUSH_SECONDS:
            PROGRESS.pack_into(progress, 0, -1, 0, 0, now)
            _write(answers, b"".join(out))
            out.clear()
            flushed = now
    signal.setitimer(signal.ITIMER_REAL, 0)
    PROGRESS.pack_into(progress, 0, -1, 0, 0, monotonic())
    _write(answers, b"".join(out))


def _run(
    folder: Path, names: list[str], steps: list[_Step], line: bytes, number: int, progress: mmap
) -> tuple[bytes, int, int, bytes]:
    """One event through the chain: status, step that decided, steps that changed it, body."""
    step, changed, before = 0, 0, line
    try:
        event = _decode(line)
        message_id, received_at, was_faulty = event.get("messageId"), event.get("receivedAt"), _fault(event) is not None
        for step, call in enumerate(steps):
            PROGRESS.pack_into(progress, 0, number, step, changed & _STEPS_TOLD, monotonic())
            event = call(event)
            if event is None:
                return b"dropped", step, changed, b""
            wrong = _wrong(event, message_id, received_at, was_faulty and step < len(steps) - 1)
            if wrong:
                return b"failed", step, changed, f"{names[step]}.py: {wrong}".encode("utf-8", "replace")
            body = _encode(event)
            if _decode(body) != event:  # the encoder mends what is no JSON: NaN becomes null, a set a list
                wrong = _not_json(event)
                if wrong:
                    return b"failed", step, changed, f"{names[step]}.py: returned {wrong}".encode("utf-8", "replace")
            changed |= (body != before) << step
            before = body
    except BaseException as error:  # noqa: BLE001
        return b"failed", step, changed, _explain(folder, names[step], error).encode("utf-8", "replace")
    return (b"unchanged", step, changed, b"") if before == line else (b"changed", step, changed, before)


def _wrong(event: Any, message_id: Any, received_at: Any, may_be_faulty: bool) -> str | None:
    """Why what a transformation returned is no event, or None."""
    if type(event) is not dict:
        return f"returned {type(event).__name__}, not an event (dict) or None"
    if event.get("messageId") != message_id or event.get("receivedAt") != received_at:
        return "changed messageId or receivedAt, by which an event is told from others"
    wrong = None if may_be_faulty else _fault(event)
    return f"returned an event that cannot be used: {wrong}" if wrong else None


def _fault(event: dict[str, Any]) -> str | None:
    return fault(event.get("type"), event.get("event"), event.get("userId"), event.get("anonymousId"))


def _not_json(value: Any, path: str = "") -> str | None:
    """What in an event is nothing that JSON has, or None; tuples pass for lists."""
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and isfinite(value)):
        return None
    where = path or "the event"
    if isinstance(value, float):
        return f"{value} as {where}, a number that JSON does not have"
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                return f"a key of type {type(key).__name__} in {where}; JSON's keys are texts"
            if wrong := _not_json(inner, f"{path}.{key}".removeprefix(".")):
                return wrong
        return None
    if isinstance(value, list | tuple):
        return next((wrong for item in value if (wrong := _not_json(item, f"{path}[]"))), None)
    return f"a value of type {type(value).__name__} as {where}, which JSON does not have"


def _load(path: Path) -> _Step:
    spec = importlib.util.spec_from_file_location(f"transformations_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    step = getattr(module, "transform", None)
    if not callable(step):
        raise AttributeError("there is no function transform(event)")
    setup = getattr(module, "setup", None)
    if callable(setup):
        setup()
    loaded: _Step = step
    return loaded


def _explain(folder: Path, name: str, error: BaseException) -> str:
    """`file, line: what`, by the innermost line that is the company's."""
    where, place = f"{name}.py", error.__traceback__
    own = _own_line(folder, place)
    if isinstance(error, SyntaxError) and error.filename:
        own = (Path(error.filename).name, error.lineno or 0)
    if own:
        where = f"{own[0]}, line {own[1]}"
    text = f"{where}: {type(error).__name__}: {error}" if str(error) else f"{where}: {type(error).__name__}"
    return " ".join(text.split())[:LONGEST_DETAIL]


def _own_line(folder: Path, place: TracebackType | None) -> tuple[str, int] | None:
    found = None
    while place is not None:
        path = place.tb_frame.f_code.co_filename
        if path.startswith(f"{folder}{os.sep}"):
            found = (Path(path).name, place.tb_lineno)
        place = place.tb_next
    return found


def _private_pipes() -> tuple[Any, int]:
    """The parent's pipes under numbers that user code does not know: what it prints or reads is not ours."""
    commands, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return os.fdopen(commands, "rb", buffering=1024 * 1024), answers


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _start(arguments: list[str]) -> None:
    progress_file, stacks_file, memory, limit, folder, *names = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the pipe
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1, file=int(stacks_file), all_threads=False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS knows the limit, but does not take it
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    sys.path.append(folder)
    main(Path(folder), names, mmap(int(progress_file), PROGRESS.size), float(limit))


if __name__ == "__main__":
    _start(sys.argv[1:])
