"""The lines that a run prints about what Dagster does."""

from __future__ import annotations

import dagster as dg

from orchestration.progress import progress


def _run(metadata: dict[str, int]) -> None:
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
