"""What several workers need is made by one of them, and nobody waits for ever."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from tests.once import once


def named(folder: Path) -> str:
    return folder.name


def die_making(shared: Path) -> None:
    once(shared, "thing", lambda _: os.kill(os.getpid(), signal.SIGKILL))


def test_it_is_made_once_and_everybody_gets_the_same(tmp_path):
    first = once(tmp_path, "thing", named)
    assert once(tmp_path, "thing", named) == first
    assert once(tmp_path, "another", named) != first
    assert sorted(path.name for path in tmp_path.glob("thing-*")) == [first]


def test_what_a_worker_left_unfinished_when_it_died_is_made_again_in_a_folder_of_its_own(tmp_path):
    worker = multiprocessing.get_context("fork").Process(target=die_making, args=(tmp_path,))
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    (left,) = (path.name for path in tmp_path.glob("thing-*"))
    assert once(tmp_path, "thing", named) != left


def test_what_cannot_be_made_fails_everybody_without_another_attempt(tmp_path):
    def fail(_: Path) -> str:
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        once(tmp_path, "thing", fail)
    with pytest.raises(AssertionError, match="no luck"):
        once(tmp_path, "thing", named)
