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
    *("tests/e2e/test_example_company.py", "tests/e2e/test_killed_runs.py", "tests/truth/test_churn.py"),
    *("tests/e2e/test_lake_on_s3.py", "tests/e2e/", "tests/dbt_project/test_audiences.py"),
    *("tests/dbt_project/test_company_vars.py", "tests/entrance/", "tests/orchestration/", "tests/dbt_project/"),
    *("tests/storage/test_lake_s3.py", "tests/docs/", "tests/sdk/", "tests/truth/"),
)
"""Files and folders that take minutes: first, so that no worker begins one when the others have nothing left to do.
What several files share (the example company, the company of `truth`) is made by the first of them while the others
have something else to do: so they stand apart."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of `LONG` first, each in its own order."""
    items.sort(key=lambda item: next((n for n, folder in enumerate(LONG) if item.nodeid.startswith(folder)), len(LONG)))
