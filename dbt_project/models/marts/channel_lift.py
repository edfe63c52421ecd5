"""What people order because a channel reached them, as far as can be told: the arithmetic is `ml.lift`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ml.lift import Cases, StudyBucket, lifts

COLUMNS = pa.schema(
    [
        ("channel", pa.string()),
        ("campaign", pa.string()),
        ("comparison", pa.string()),
        ("count_reached", pa.int64()),
        ("lift", pa.float64()),
        ("lift_low", pa.float64()),
        ("lift_high", pa.float64()),
        ("orders_in_visits", pa.int64()),
        ("orders_by_experiment", pa.float64()),
        ("incremental_orders_at_least", pa.float64()),
        ("incremental_orders_at_most", pa.float64()),
        ("incremental_orders", pa.float64()),
        ("incremental_orders_low", pa.float64()),
        ("incremental_orders_high", pa.float64()),
        ("is_incremental", pa.bool_()),
    ]
)


def model(dbt: Any, session: Any) -> Any:
    """One row a channel, and one a campaign of it."""
    dbt.config(materialized="table")
    counted = dbt.ref("int_lift_counted").order("all").fetchall()
    studied = dbt.ref("int_lift_studied").project(
        "channel, campaign, cast(first_date as text), cast(user_bucket as text),"
        " users_test, orders_test, users_control, orders_control"
    )
    found = lifts([Cases(*row) for row in counted], [StudyBucket(*row) for row in studied.order("all").fetchall()])
    return pa.Table.from_pylist([vars(lift) for lift in found], schema=COLUMNS)
