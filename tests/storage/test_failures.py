"""What a source's transformations failed at is found once, and holds for every reader of the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import UnavailableError
from headwater.storage.failures import Failures

HUNG = ("picky", "took longer than 1 s", False)
NOT_ASKED = ("picky", "suspended after 3 hangs in a row", True)


@pytest.fixture
def failures(tmp_path: Path) -> Iterator[Failures]:
    found = Failures(tmp_path)
    yield found
    found.close()


def test_what_the_first_reader_found_stands(failures: Failures) -> None:
    assert failures.known("web", "a", 0, 100) == (0, {})
    assert failures.decide("web", "a", 50, {20: HUNG, 30: NOT_ASKED}) == 0
    assert failures.decide("web", "a", 80, {40: HUNG, 70: HUNG}) == 50
    assert failures.decide("web", "a", 60, {55: HUNG}) == 80
    assert failures.known("web", "a", 0, 100) == (80, {20: HUNG, 30: NOT_ASKED, 70: HUNG})
    assert failures.known("web", "a", 25, 60) == (80, {30: NOT_ASKED})
    assert failures.known("shop", "a", 0, 100) == failures.known("web", "b", 0, 100) == (0, {})


def test_a_source_is_suspended_while_its_last_event_was_not_asked_about(failures: Failures) -> None:
    assert failures.suspended() == {}
    failures.decide("web", "a", 20, {10: HUNG, 20: NOT_ASKED})
    failures.decide("shop", "a", 30, {30: HUNG})
    assert failures.suspended() == {"web": "transformation picky is suspended after 3 hangs in a row"}
    failures.decide("web", "b", 5, {})
    assert failures.suspended() == {}


def test_segments_that_are_gone_are_forgotten(failures: Failures) -> None:
    failures.decide("web", "a", 20, {20: HUNG})
    failures.decide("web", "b", 20, {20: HUNG})
    failures.forget("b")
    assert failures.known("web", "a", 0, 100) == (0, {})
    assert failures.known("web", "b", 0, 100) == (20, {20: HUNG})


def test_a_file_that_is_damaged_is_named(failures: Failures, tmp_path: Path) -> None:
    (tmp_path / "failures.sqlite").write_bytes(b"nothing of ours" * 100)
    with pytest.raises(UnavailableError, match=r"failures\.sqlite.*not a database"):
        failures.known("web", "a", 0, 100)
