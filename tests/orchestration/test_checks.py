"""A day that does not balance, in Dagster: the check fails and names the message, and the run goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import dagster as dg
import pytest

from headwater.settings import Settings
from headwater.storage.warehouse import connect, ensure_schemas
from orchestration.checks import PULLED, ended_checks

pytestmark = pytest.mark.slow
AT = datetime(2026, 3, 1, 12)
KNOWN = {"source": "web", "type": "track", "event": "Order Completed"}


def fill(settings: Settings, *delivered: str) -> None:
    """Two events came; the tool, which reports one, was given these of them."""
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)

        def insert(table: str, **row: Any) -> None:
            names = ", ".join(f'"{name}"' for name in row)
            con.execute(f"insert into {table} ({names}) values ({', '.join('?' * len(row))})", list(row.values()))

        day = {"segment": "01", "received_date": AT.date(), "lake_object": "o"}
        insert("raw.arrivals", status="accepted", events=2, **day, **KNOWN)
        for seq, message_id in enumerate(("kept", "lost")):
            insert("raw.events", message_id=message_id, received_at=AT, timestamp=AT, lake_object="o", **KNOWN)
            if message_id in delivered:
                row = {"destination": "tool", "seq": seq, "message_id": message_id, "status": "delivered"}
                row |= {"segment": "01", "received_at": AT, "at": AT, "tool_event": "purchase", "reason": ""}
                insert("raw.deliveries", **row, **KNOWN)
        insert("raw.delivery_places", destination="tool", segment="01", is_whole=True)
        insert("raw.destinations", destination="tool", type="webhook", knows_repeats=True)
        insert("raw.destination_reports", destination="tool", read_at=AT)
        insert("raw.destination_counts", destination="tool", day=AT.date(), event="purchase", events=1)


def reconcile(settings: Settings) -> tuple[dict[str, dg.AssetCheckEvaluation], dg.AssetsDefinition]:
    from orchestration.dbt import Dbt
    from orchestration.defs.model import dbt_models
    from orchestration.parsed import PROJECT_DIR, dbt_executable
    from orchestration.platform import Platform, Warehouse

    result = dg.materialize(
        [dbt_models],
        selection=dg.AssetSelection.assets(["marts", "reconciliation"]).upstream() & dg.AssetSelection.groups("model"),
        resources={
            "platform": Platform(),
            "warehouse": Warehouse(database=str(settings.warehouse)),
            "dbt": Dbt(project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=dbt_executable()),
        },
    )
    assert result.success
    return {found.check_name: found for found in result.get_asset_check_evaluations()}, dbt_models


def test_a_day_that_does_not_balance_fails_its_check_names_the_message_and_stops_nothing(settings: Settings) -> None:
    fill(settings, "kept")
    checks, models = reconcile(settings)
    (balance,) = [check for name, check in checks.items() if name.startswith("every_event_is_accounted_for")]
    assert (balance.passed, balance.severity) == (False, dg.AssetCheckSeverity.ERROR)
    (row,) = balance.metadata["failing"].value
    assert (row["destination"], row["event_name"], row["message_ids"]) == ("tool", "Order Completed", "lost")
    assert not any(spec.blocking for spec in models.check_specs if spec.name == balance.check_name)
    assert all(check.passed for name, check in checks.items() if name != balance.check_name)


def test_a_tool_with_another_count_is_warned_of_with_the_day_the_event_and_how_much(settings: Settings) -> None:
    fill(settings, "kept", "lost")
    checks, _ = reconcile(settings)
    (count,) = [check for name, check in checks.items() if name.startswith("same_count_as_the_tool")]
    assert (count.passed, count.severity) == (False, dg.AssetCheckSeverity.WARN)
    (row,) = count.metadata["failing"].value
    assert (row["received_date"], row["event_name"], row["tool_difference"]) == ("2026-03-01", "Order Completed", "-1")
    assert all(check.passed for name, check in checks.items() if name != count.check_name)


def test_an_asset_can_say_how_the_checks_of_all_before_it_ended() -> None:
    told: dict[str, Any] = {}

    def checked(name: str, *after: dg.AssetsDefinition, **checks: tuple[bool, str]) -> dg.AssetsDefinition:
        @dg.asset(name=name, deps=after, check_specs=[dg.AssetCheckSpec(check, asset=name) for check in checks])
        def made() -> dg.MaterializeResult:
            return dg.MaterializeResult(
                check_results=[
                    dg.AssetCheckResult(passed=passed, check_name=check, severity=dg.AssetCheckSeverity[severity])
                    for check, (passed, severity) in checks.items()
                ]
            )

        return made

    first = checked("first", holds=(True, "ERROR"), too_many=(False, "WARN"))
    second = checked("second", first, too_old=(False, "ERROR"), **{PULLED: (False, "ERROR")})  # the sum of others

    @dg.asset(deps=[second])
    def page(context):  # Dagster reads annotations, which this module keeps as text
        told.update(ended_checks(context))

    later = checked("later", page, of_no_concern=(False, "ERROR"))
    assert dg.materialize([first, second, page, later]).success
    assert told == {"passed": 1, "warned": ["too_many (first)"], "failed": ["too_old (second)"], "not_run": 0}


def test_a_check_that_a_later_run_only_planned_counts_as_it_ended_last_and_one_that_never_ran_apart() -> None:
    told: dict[str, Any] = {}
    ends = {"holds": (True, "ERROR"), "too_many": (False, "WARN")}  # what the next run evaluates
    names = [*ends, "never_run"]

    @dg.multi_asset(
        specs=[dg.AssetSpec("first")],
        check_specs=[dg.AssetCheckSpec(name, asset="first") for name in names],
        can_subset=True,
    )
    def first():
        yield dg.MaterializeResult(asset_key="first")
        for name, (passed, severity) in ends.items():
            yield dg.AssetCheckResult(
                asset_key="first", check_name=name, passed=passed, severity=dg.AssetCheckSeverity[severity]
            )

    @dg.asset(deps=["first"])
    def page(context):
        told.update(ended_checks(context))

    job = dg.Definitions(assets=[first, page], jobs=[dg.define_asset_job("job")]).resolve_job_def("job")
    keys = [dg.AssetCheckKey(dg.AssetKey("first"), name) for name in names]
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
        instance.report_run_canceled(instance.create_run_for_job(job))
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        assert {key.name: record.status.value for key, record in latest.items()} == dict.fromkeys(names, "PLANNED")
        ends.clear()
        assert job.execute_in_process(instance=instance).success
    assert told == {"passed": 1, "warned": ["too_many (first)"], "failed": [], "not_run": 1}
