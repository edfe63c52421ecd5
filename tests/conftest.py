"""What holds for the whole suite: the order in which the workers take the files, and how hypothesis looks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as options

# no deadline, no complaint about slowness: what holds must not depend on the machine
options.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
options.register_profile("fast", options.get_profile("thorough"), max_examples=20)
options.load_profile("thorough")  # `make check` says --hypothesis-profile fast

LONG = (
    *("tests/truth/test_churn.py", "tests/e2e/", "tests/entrance/", "tests/orchestration/", "tests/sdk/"),
    "tests/truth/",
)
"""Files and folders that take minutes: first, so that no worker begins one when the other has nothing left to do. One
file of `truth` builds the company that all of them read: the others come later, so that nobody waits for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of `LONG` first, each in its own order."""
    items.sort(key=lambda item: next((n for n, folder in enumerate(LONG) if item.nodeid.startswith(folder)), len(LONG)))
