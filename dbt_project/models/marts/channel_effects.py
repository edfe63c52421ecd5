"""What each channel's removal would cost, by a Markov chain over the paths: the arithmetic is `ml.attribution`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ml.attribution import removal_effects

COLUMNS = pa.schema(
    [
        ("channel", pa.string()),
        ("count_paths", pa.int64()),
        ("count_conversions", pa.int64()),
        ("removal_effect", pa.float64()),
        ("removal_effect_low", pa.float64()),
        ("removal_effect_high", pa.float64()),
        ("credit_share", pa.float64()),
        ("credit_share_low", pa.float64()),
        ("credit_share_high", pa.float64()),
        ("effect_rank", pa.int64()),
    ]
)


def model(dbt: Any, session: Any) -> Any:
    """One row a channel that is on any path."""
    dbt.config(materialized="table")
    counted = dbt.ref("int_paths_counted").order("path").fetchall()
    effects = removal_effects([(path.split(" > "), converted, lost) for path, converted, lost in counted])
    return pa.Table.from_pylist([vars(effect) for effect in effects], schema=COLUMNS)
