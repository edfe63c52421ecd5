"""Kills the collector at random moments under load, again and again, and cuts the power at half of them.

Belongs here: the long version of `tests/storage/test_log_kills.py`, by hand: `python -m benchmarks.soak_log [KILLS
[SEED]]`. Does not belong here: any speed.

Every second kill is followed by a power cut: what no sync covered is lost, bytes and names alike. After each kill all
that was ever acknowledged must be in the log, and each user's events in order. At the end a collector without its sync
goes through the same, and must be found out.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from tests.storage.killing import Victim

KILLS_PER_HOME = 10
LONGEST = 1.0


def main(kills: int, seed: int) -> int:
    """Print a line a home; 0 when nothing was lost, and the collector without its sync did lose events."""
    chance = random.Random(seed)
    acknowledged = cuts = 0
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="hw-soak-log-") as folder:
        for first in range(0, kills, KILLS_PER_HOME):
            base = Path(folder) / str(first)
            base.mkdir()
            victim = Victim(base, chance)
            for number in range(first, min(first + KILLS_PER_HOME, kills)):
                victim.round(LONGEST, with_power_cut=number % 2 == 1)
                cuts += number % 2
                faults += [f"kill {number + 1}: {fault}" for fault in victim.faults()]
            acknowledged += len(victim.acknowledged)
            print(
                f"{number + 1:>4} kills, {cuts} with a power cut: {acknowledged:,} events acknowledged, "
                f"{len(faults)} faults",
                flush=True,
            )
        for fault in faults[:20]:
            print(f"  {fault}")
        base = Path(folder) / "unsynced"
        base.mkdir()
        unsynced = Victim(base, chance, syncs="unsynced")
        unsynced.round(LONGEST, with_power_cut=True)
        lost = len(unsynced.faults())
        print(f"without the sync: {lost:,} of {len(unsynced.acknowledged):,} acknowledged events lost in one power cut")
    return 1 if faults or not lost else 0


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    sys.exit(main(*given, *[100, 1][len(given) :]))
