"""A real collector killed at random moments; `benchmarks/soak_log.py` does it a hundred times."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.storage.killing import Victim

pytestmark = pytest.mark.slow


def test_repeated_kills_lose_nothing_acknowledged_and_keep_each_user_in_order(tmp_path: Path) -> None:
    victim = Victim(tmp_path, random.Random(1))
    for _ in range(3):
        victim.round(0.6, with_power_cut=False)
        assert victim.faults() == []
    assert len(victim.acknowledged) > 100


def test_kills_with_power_cuts_lose_nothing_acknowledged(tmp_path: Path) -> None:
    victim = Victim(tmp_path, random.Random(2))
    for _ in range(3):
        victim.round(0.6, with_power_cut=True)
        assert victim.faults() == []
    assert len(victim.acknowledged) > 100


def test_a_collector_without_its_sync_would_lose_acknowledged_events_in_a_power_cut(tmp_path: Path) -> None:
    victim = Victim(tmp_path, random.Random(3), syncs="unsynced")
    victim.round(0.6, with_power_cut=True)
    assert victim.acknowledged
    assert victim.faults()
