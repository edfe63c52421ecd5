"""The lines that a run prints about what Dagster does."""

from __future__ import annotations

from typing import Any

import dagster as dg

from headwater.errors import UnavailableError
from orchestration.progress import progress


def _run(metadata: dict[str, Any]) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("priced", asset="orders")])
    def orders():
        yield dg.Output(None)
        yield dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)

    job = dg.Definitions(assets=[orders], loggers={"console": progress}).resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(run_config={"loggers": {"console": {}}}).success


def test_a_failed_check_says_how_many_rows_fail(capsys):
    _run({"dagster_dbt/failed_row_count": 2102})
    assert "  check failed (warn): orders priced: 2,102 rows\n" in capsys.readouterr().out


def test_a_failed_check_that_counts_nothing_is_named_alone(capsys):
    _run({})
    assert "  check failed (warn): orders priced\n" in capsys.readouterr().out


def test_a_failed_check_that_tells_its_rows_names_the_first_of_them(capsys):
    rows = [{"destination": "tool", "message_ids": f"m{number}"} for number in range(9)]
    _run({"dagster_dbt/failed_row_count": 9, "failing": rows})
    said = capsys.readouterr().out
    assert "  check failed (warn): orders priced: 9 rows\n    destination tool, message_ids m0\n" in said
    assert "m4" in said and "m5" not in said


def test_a_failed_step_says_the_platforms_own_sentence_and_not_what_was_below_it(capsys):
    @dg.asset
    def events():
        try:
            raise ConnectionError("closed before we received a valid response")
        except ConnectionError as error:
            raise UnavailableError("The lake s3://b/ does not answer.", hint="Run it again.") from error

    @dg.asset
    def orders():
        raise RuntimeError("outside") from ValueError("at the bottom")

    for asset in (events, orders):
        job = dg.Definitions(assets=[asset], loggers={"console": progress}).resolve_implicit_global_asset_job_def()
        job.execute_in_process(run_config={"loggers": {"console": {}}}, raise_on_error=False)
    said = capsys.readouterr().out
    assert "  events failed: The lake s3://b/ does not answer. Run it again.\n" in said
    assert "  orders failed: ValueError: at the bottom\n" in said
