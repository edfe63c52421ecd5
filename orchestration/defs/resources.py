"""The resources' values. Apart from the assets: Dagster ignores loose assets beside a `@definitions` function."""

import dagster as dg

from orchestration.dbt import Dbt
from orchestration.parsed import PROJECT_DIR, dbt_executable
from orchestration.platform import Platform, Warehouse, settings
from orchestration.progress import progress


@dg.definitions
def resources() -> dg.Definitions:
    """`platform`, `warehouse` and `dbt`."""
    return dg.Definitions(
        resources={
            "platform": Platform(),
            "warehouse": Warehouse(database=str(settings().warehouse)),
            "dbt": Dbt(project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=dbt_executable()),
        },
        loggers={"console": progress},
        executor=dg.in_process_executor,
    )
