"""Kills `headwater run` at random moments, again and again, and holds what comes of it against an undisturbed run.

Belongs here: the long version of `tests/e2e/test_example_company.py`, by hand: `python -m benchmarks.soak_run
[KILLS [SEED]]`. Does not belong here: any speed.

All homes start from one copy in which the events are collected (so that receipts are the same), each is killed once,
and run again. Who is killed changes too: the whole process group, only the entrance, or only the graph's process.
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.e2e.product import OF_ATTEMPT, Product, Running, differences

PEOPLE = "100"
# rows that tell of runs, not of what came of them
OF_RUN = {"push.sync_runs", "push.online_runs", "ml.models"}


def main(kills: int, seed: int) -> int:
    """Print a line a kill; 0 when every home ended like the undisturbed one."""
    chance, failures = random.Random(seed), 0
    with tempfile.TemporaryDirectory(prefix="hw-soak-") as folder:
        collected = Product(Path(folder) / "collected")
        begun = collected.start("run", "--people", PEOPLE)
        begun.wait_until(lambda: "the whole graph" in begun.text(), "the graph")
        begun.kill()
        collected.await_rest()
        undisturbed = copy(collected, Path(folder) / "undisturbed")
        started = time.monotonic()
        ended = undisturbed.run("run")
        took = time.monotonic() - started
        if ended.code:
            print(ended.text)
            return 1
        expected = undisturbed.content(leave_out=OF_ATTEMPT)
        print(f"undisturbed: {took:.0f} s, {len(expected)} tables")
        for number in range(kills):
            home = copy(collected, Path(folder) / f"killed-{number}")
            who = chance.choice(["group", "group", "entrance", "graph"])
            problem = disturbed(home, who, chance.uniform(0.5, took), expected)
            failures += bool(problem)
            print(f"{number + 1:>3}  {problem or 'the same'}", flush=True)
            if not problem:
                shutil.rmtree(home.home, ignore_errors=True)
        if failures:
            kept = tempfile.mkdtemp(prefix="hw-soak-failed-")
            shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
            print(f"{failures} of {kills} ended otherwise; their homes are kept in {kept}")
    return 1 if failures else 0


def copy(product: Product, home: Path) -> Product:
    """The same home at another place, with the same ports."""
    shutil.copytree(product.home, home, ignore=shutil.ignore_patterns("*.sock", "processes.json"))
    return Product(home, ports_of=product)


def disturbed(product: Product, who: str, after: float, expected: dict[str, tuple[int, int]]) -> str:
    """Run, kill, run again; what is wrong, or nothing."""
    run = product.start("run")
    with suppress(psutil.TimeoutExpired):
        psutil.Process(run.process.pid).wait(after)
    place = (run.text().strip().splitlines() or ["nothing yet"])[-1].strip()
    late = "" if run.process.poll() is None else " (it had ended)"
    print(f"     {who} after {after:.1f} s, at «{' '.join(place.split())}»{late}:", end=" ", flush=True)
    kill(run, who)
    ended = product.run("run")
    if ended.code:
        return f"the next run ended with {ended.code}: {ended.text.strip().splitlines()[-1]}"
    found = set(differences(expected, product.content(leave_out=OF_ATTEMPT))) - OF_RUN
    with sqlite3.connect(product.home / "dagster" / "history" / "runs.db") as history:
        states = {state for (state,) in history.execute("select status from runs")}
    if found:
        return f"other content: {', '.join(sorted(found))}"
    return f"Dagster's runs are {', '.join(sorted(states))}" if states - {"SUCCESS", "FAILURE"} else ""


def kill(run: Running, who: str) -> None:
    """SIGKILL to whom `who` names; when there is no graph yet, to the entrance."""
    graph = []
    with suppress(psutil.Error):
        children = psutil.Process(run.process.pid).children()
        graph = [child for child in children if "orchestration.launch" in child.cmdline()]
    if who == "group":
        with suppress(ProcessLookupError):
            run.kill()
    elif who == "graph" and graph:
        graph[0].send_signal(signal.SIGKILL)
    elif run.process.poll() is None:
        run.process.send_signal(signal.SIGKILL)
    run.process.wait()


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    sys.exit(main(*given, *[10, 1][len(given) :]))
