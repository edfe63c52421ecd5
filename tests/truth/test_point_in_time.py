"""Churn features as of a day are what a warehouse of that day would have given."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from .conftest import Company, dbt_run

pytestmark = pytest.mark.slow

DAYS = ("2026-10-01", "2026-11-01")
DAY = "timestamp '2026-10-01 00:00:00'"

# Every second phone is without network for the five days before DAY, and every tenth browser's history is only
# imported after it.
LATE = f"""
update raw.events set known_at = {DAY} + interval '1 hour'
where timestamp < {DAY} and (
    source = 'mobile' and timestamp >= {DAY} - interval '5 days' and md5_number_upper(anonymous_id) % 2 = 0
    or source = 'web' and md5_number_upper(anonymous_id) % 10 = 0
)
"""

# Everything that happened, or became known, from DAY on is taken away; what a tool tells as it stands is put back.
FORGET = f"""
delete from raw.events where timestamp >= {DAY} or known_at >= {DAY};
delete from raw.conversations where started_at >= {DAY} or known_at >= {DAY};
delete from raw.support__tickets where created_at >= {DAY};
update raw.support__tickets set status = 'open', satisfaction = null where updated_at >= {DAY};
delete from raw.crm__contacts where created_at >= {DAY};
delete from raw.payments__orders where ordered_at >= {DAY};
update raw.payments__orders set status = 'paid' where updated_at >= {DAY};
delete from raw.payments__order_lines where order_id not in (select id from raw.payments__orders);
delete from raw.payments__refunds where refunded_at >= {DAY};
delete from raw.payments__subscriptions where started_at >= {DAY};
update raw.payments__subscriptions set status = 'active', cancelled_at = null where cancelled_at >= {DAY};
"""


@pytest.fixture(scope="module")
def features(company: Company, tmp_path_factory: pytest.TempPathFactory) -> list[pd.DataFrame]:
    """The features with late events and everything that came after DAY, then those of a warehouse without either.

    People stay who they are: identity is resolved with everything that is known now."""
    home = tmp_path_factory.mktemp("then") / "home"
    home.mkdir()
    shutil.copy(company.warehouse, home / "warehouse.duckdb")
    return [_built(home, LATE), _built(home, FORGET)]


def _built(home: Path, change: str) -> pd.DataFrame:
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute(change)
    dbt_run(home, "+int_churn_features")
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute("from intermediate.int_churn_features where not is_scoring").df()
    return rows.sort_values(["observation_date", "customer_id"], ignore_index=True)


def _at(rows: pd.DataFrame, day: str) -> pd.DataFrame:
    return rows[rows["observation_date"] == day].reset_index(drop=True)


def test_features_up_to_a_day_do_not_change_when_everything_after_it_is_taken_away(
    features: list[pd.DataFrame],
) -> None:
    with_later, without = (rows[rows["observation_date"] <= "2026-10-01"] for rows in features)
    assert len(with_later) > 3000
    pd.testing.assert_frame_equal(with_later, without)


def test_what_was_taken_away_counts_a_month_later(features: list[pd.DataFrame]) -> None:
    later = [_at(rows, "2026-11-01") for rows in features]
    for name in ("count_orders", "count_sessions", "count_tickets", "count_chats", "count_refunds"):
        assert later[0][name].sum() > later[1][name].sum(), name


def test_a_visit_that_is_known_late_is_missing_on_the_day_and_counted_afterwards(
    company: Company, features: list[pd.DataFrame]
) -> None:
    """Beside it the same people on the same days, in a warehouse to which everything came in time."""
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        punctual = con.execute("from intermediate.int_churn_features where not is_scoring").df()
    count = {day: [_at(rows, day)["count_sessions"].sum() for rows in (punctual, features[0])] for day in DAYS}
    assert count["2026-10-01"][0] > count["2026-10-01"][1] + 500
    assert count["2026-11-01"][0] == count["2026-11-01"][1]
