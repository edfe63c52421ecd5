"""What holds for the whole suite: the order in which the workers take the files."""

from __future__ import annotations

import pytest

LONG = ("tests/e2e/", "tests/truth/", "tests/entrance/", "tests/orchestration/", "tests/sdk/")
"""Folders whose files take minutes: first, so that no worker begins one when the other has nothing left to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of `LONG` first, each in its own order."""
    items.sort(key=lambda item: next((n for n, folder in enumerate(LONG) if item.nodeid.startswith(folder)), len(LONG)))
