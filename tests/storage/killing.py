"""A collector that is killed at random moments under load, with or without a power cut, and what it must then hold.

Several senders, each a user of its own, send one request after the other, single events and batches, and remember what
was answered with 200. None sends anything twice.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx

from headwater.settings import CHECKOUT
from headwater.storage.log import LogReader, Position, recover
from tests.collect.conftest import free_port
from tests.storage.power_cut import Journal, cut_power, listing

CONFIG = CHECKOUT / "config" / "examples" / "minimal"
SENDERS = 6


@dataclass
class Victim:
    """One home, its collector, and what its senders know. `rounds` counts starts."""

    base: Path
    chance: random.Random
    syncs: str = "synced"
    acknowledged: set[str] = field(default_factory=set)
    rounds: int = 0
    port: int = field(default_factory=free_port)

    @property
    def log_dir(self) -> Path:
        return self.base / "home" / "log"

    @property
    def journal(self) -> Path:
        return self.base / "journal"

    def round(self, longest: float, *, with_power_cut: bool) -> None:
        """Start, load, kill after at most `longest` seconds of load; then cut the power, if wanted."""
        self.rounds += 1
        command = [sys.executable, "-m", "tests.storage.recorded_collector", str(self.journal), self.syncs, "collect"]
        where = ["--home", str(self.base / "home"), "--config", str(CONFIG), "--port", str(self.port)]
        with (self.base / "collector.txt").open("ab") as output:
            process = subprocess.Popen([*command, *where], cwd=CHECKOUT, stdout=output, stderr=output)
        try:
            self._await_health(process)
            threads = [threading.Thread(target=self._send, args=(user,)) for user in range(SENDERS)]
            for thread in threads:
                thread.start()
            time.sleep(self.chance.uniform(0, longest))
        finally:
            process.kill()
            process.wait()
        for thread in threads:
            thread.join()
        if with_power_cut:
            self._cut_power()

    def faults(self) -> list[str]:
        """What of it should not be: acknowledged events that are gone, events of a user out of order, or twice."""
        recover(self.log_dir)
        reader = LogReader(self.log_dir, "test")
        reader.position = Position()
        keys: list[str] = []
        while records := reader.read():
            keys += [record.message_id for record in records]
        faults = [f"{key} is lost" for key in sorted(self.acknowledged - set(keys))]
        for user in range(SENDERS):
            mine = [tuple(map(int, key.split("-")[1:])) for key in keys if key.startswith(f"{user}-")]
            faults += [f"user {user}: {after} behind {before}" for before, after in pairwise(mine) if after <= before]
        return faults

    def _send(self, user: int) -> None:
        number = 0
        with suppress(httpx.TransportError), httpx.Client(auth=("wk_web_demo", ""), timeout=120) as client:
            while True:
                events = [self._event(user, number + n) for n in range(1 if number % 3 else 20)]
                number += len(events)
                if len(events) > 1:
                    answer = client.post(f"http://127.0.0.1:{self.port}/v1/batch", json={"batch": events})
                else:
                    answer = client.post(f"http://127.0.0.1:{self.port}/v1/track", json=events[0])
                if answer.status_code == 200:
                    self.acknowledged |= {str(event["messageId"]) for event in events}

    def _event(self, user: int, number: int) -> dict[str, object]:
        key = f"{user}-{self.rounds}-{number}"
        return {"type": "track", "event": "Tried", "userId": f"u{user}", "messageId": key, "properties": {"n": number}}

    def _await_health(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{self.port}/health").status_code == 200:
                    return
            time.sleep(0.02)
        raise AssertionError((self.base / "collector.txt").read_text())

    def _cut_power(self) -> None:
        left = self.base / "left"
        cut_power(self.journal, self.base, self.log_dir, left, self.chance)
        shutil.rmtree(self.log_dir, ignore_errors=True)
        (self.base / "home").mkdir(exist_ok=True)
        left.rename(self.log_dir)
        # what is there now came back from the disk, so it is on the disk
        self.journal.unlink(missing_ok=True)
        journal = Journal(self.journal)
        for folder in (self.base, self.base / "home", self.log_dir):
            journal.note_folder(folder, listing(folder))
        for path in self.log_dir.iterdir():
            journal.note_file(path.stat().st_ino, path.stat().st_size)
        journal.close()
