"""How long the whole flow takes and how much memory all its processes hold at their peak.

Belongs here: `headwater run` as a user starts it, on the example company or on a folder of one's own. Does not belong
here: the speed of one verb (`benchmarks.collector`). Run by itself: `python -m benchmarks.flow [DATA [CONFIG]]`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.rows import free_port, line, row
from headwater.settings import CHECKOUT

EVERY = 0.25
PORTS = ("COLLECTOR", "API", "SANDBOX", "DAGSTER")


def measures(data: Path | None = None, config: Path | None = None) -> list[dict[str, Any]]:
    """Run the flow twice in a temporary home; raises RuntimeError with the run's last lines when it fails."""
    name = f"run_{data.name}" if data else "run"
    with tempfile.TemporaryDirectory(prefix="hw-bench-") as folder:
        home = Path(folder) / "home"
        first, peak, words = _run(home, data, config)
        again, _, _ = _run(home, data, config)
    events = re.search(r"events +([\d,]+)", words)
    count = int(events.group(1).replace(",", "")) if events else 0
    return [
        row(f"{name}_seconds", "seconds", "lower", first, None, f"{count:,} events, empty home to summary"),
        row(f"{name}_again_seconds", "seconds", "lower", again, None, "the same once more, nothing new"),
        row(f"{name}_peak_memory", "MB", "lower", peak / 1e6, None, "proportional set size of all processes together"),
    ]


def _run(home: Path, data: Path | None, config: Path | None) -> tuple[float, float, str]:
    command = [str(Path(sys.executable).parent / "headwater"), "run", "--home", str(home)]
    command += ["--data", str(data)] if data else []
    command += ["--config", str(config)] if config else []
    environment = os.environ | {f"HEADWATER_{name}_PORT": str(free_port()) for name in PORTS}
    environment["SANDBOX_URL"] = f"http://127.0.0.1:{environment['HEADWATER_SANDBOX_PORT']}"
    environment.pop("HEADWATER_HOME", None)
    begun = time.perf_counter()
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        with _Peak(process.pid, home) as peak:
            words = process.stdout.read() if process.stdout else ""
        if process.wait():
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{words[-2000:]}")
    return time.perf_counter() - begun, peak.bytes, words


class _Peak:
    """Samples the memory of a process, of all it starts, and of those that left it but name the home (Redis)."""

    def __init__(self, pid: int, home: Path) -> None:
        self.bytes = 0.0
        self._root, self._home = psutil.Process(pid), str(home)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self.bytes = max(self.bytes, sum(_pss(process) for process in self._processes()))

    def _processes(self) -> set[psutil.Process]:
        try:
            family = {self._root, *self._root.children(recursive=True)}
        except psutil.NoSuchProcess:
            return set()
        for process in psutil.process_iter(["cmdline"]):
            if any(self._home in part for part in process.info["cmdline"] or ()):
                family.add(process)
        return family


def _pss(process: psutil.Process) -> float:
    """Shared pages are divided among those that share them, so that forked workers do not count them twice."""
    try:
        info = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return float(getattr(info, "pss", info.rss))


if __name__ == "__main__":
    for each in measures(*(Path(argument).resolve() for argument in sys.argv[1:3])):
        print(line(each))
