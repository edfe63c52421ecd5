"""Pulled tables in Dagster: what a check tells, days of history as partitions, and what follows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater.configuration import Contract, RestSource, RestTable
from headwater.settings import Settings
from headwater.storage.warehouse import connect
from tests.land.paged_tool import TOKEN, PagedTool

pytestmark = pytest.mark.slow
COLUMNS: dict[str, Any] = {"id": "text", "visits": "integer", "updated_at": "timestamp"}


@pytest.fixture
def tool() -> Iterator[PagedTool]:
    server = PagedTool()
    server.rows = {name: [contact(n) for n in range(1, 6)] for name in ("contacts", "deals")}
    yield server
    server.close()


def contact(day: int, **values: Any) -> dict[str, Any]:
    return {"id": f"c{day}", "visits": 1, "updated_at": f"2026-01-{day:02d}T12:00:00.000Z", **values}


@pytest.fixture
def crm(settings: Settings, tool: PagedTool) -> RestSource:
    """A source of the code location's config, with two tables."""
    from orchestration.platform import config

    tables = {name: RestTable(path=name, columns=dict(COLUMNS)) for name in ("contacts", "deals")}
    source = RestSource(base_url=tool.url, token=TOKEN, tables=tables)
    config().sources["crm"] = source
    return source


def materialize(assets: list[Any], **options: Any) -> Any:
    import dagster as dg

    from orchestration.platform import Platform

    return dg.materialize(assets, resources={"platform": Platform()}, **options)


def lake_of(source: RestSource) -> list[Any]:
    from orchestration.defs.land import _tool_assets

    return _tool_assets("crm", source)


def checks(result: Any) -> dict[str, Any]:
    return {found.asset_key.path[-1]: found for found in result.get_asset_check_evaluations()}


def test_a_change_of_schema_warns_by_the_tables_check_and_says_what_it_is(crm: RestSource, tool: PagedTool) -> None:
    tool.rows["contacts"] = [contact(1, colour="red")]
    found = checks(materialize(lake_of(crm)))
    assert found["crm__deals"].passed
    assert (found["crm__contacts"].passed, found["crm__contacts"].severity.value) == (False, "WARN")
    assert found["crm__contacts"].description == "column colour (text) is not declared: evolve"


def test_rows_that_are_kept_aside_warn_with_each_run_until_they_have_come_right(
    crm: RestSource, tool: PagedTool
) -> None:
    tool.rows["contacts"] = [contact(1), contact(2, visits="many")]
    first = checks(materialize(lake_of(crm)))["crm__contacts"]
    again = checks(materialize(lake_of(crm)))["crm__contacts"]
    for found in (first, again):
        assert (found.passed, found.severity.value, found.metadata["kept_aside"].value) == (False, "WARN", 1)
    assert first.description == f"column visits is declared as integer and holds text: discard; {again.description}"
    assert str(again.description).startswith("1 row is kept aside (raw.quarantine), the first since 20")
    tool.rows["contacts"] = [contact(1), contact(2)]
    assert checks(materialize(lake_of(crm)))["crm__contacts"].passed


def job_of(source: RestSource) -> Any:
    """The whole run of a source: its tables in the lake and in the warehouse, and its check."""
    import dagster as dg

    from orchestration.defs.land import _pulled
    from orchestration.defs.load import _source_assets
    from orchestration.platform import Platform, Warehouse, settings

    defs = dg.Definitions(
        assets=[*lake_of(source), _source_assets("crm", source)],
        asset_checks=[_pulled("crm", list(source.tables))],
        resources={"platform": Platform(), "warehouse": Warehouse(database=str(settings().warehouse))},
        jobs=[dg.define_asset_job("job", dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks())],
    )
    return defs.resolve_job_def("job")


def test_a_tool_that_gives_nothing_is_told_once_with_the_names_of_its_tables(crm: RestSource, tool: PagedTool) -> None:
    from orchestration.progress import said

    tool.rows.clear()
    result = job_of(crm).execute_in_process(raise_on_error=False)
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert said(failure.step_failure_data.error).count("answered 404") == 1
    assert said(failure.step_failure_data.error).endswith(" As well: crm__deals.")
    assert checks(result)["crm"].metadata["failed"].value == "crm__contacts, crm__deals"


@pytest.mark.parametrize("fault", ["gone", "frozen"])
def test_a_table_that_fails_fails_its_check_and_at_last_the_run_and_the_rest_goes_on_with_the_rows_that_are_there(
    settings: Settings, crm: RestSource, tool: PagedTool, fault: str
) -> None:
    import dagster as dg

    crm.tables["contacts"].contract = Contract(columns="freeze")
    job = job_of(crm)
    with dg.DagsterInstance.ephemeral() as instance:
        first = job.execute_in_process(instance=instance)
        assert first.success and all(found.passed for found in first.get_asset_check_evaluations())
        tool.rows["deals"].append(contact(9))
        if fault == "gone":
            del tool.rows["contacts"]
        else:
            tool.rows["contacts"].append(contact(9, colour="red"))
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        age = instance.get_latest_materialization_event(dg.AssetKey(["lake", "crm__contacts"]))
    assert age and age.run_id == first.run_id  # it is as old as it is
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert made == {"lake/crm__deals", "raw/crm__deals", "raw/crm__contacts"}
    with connect(settings, purpose="test") as con:
        counts = [con.sql(f"select count(*) from raw.crm__{name}").fetchall() for name in ("deals", "contacts")]
    assert counts == [[(6,)], [(5,)]]

    found = checks(result)
    assert (found["crm__contacts"].passed, found["crm__contacts"].severity.value) == (False, "ERROR")
    assert found["crm__deals"].passed
    assert not result.success
    assert [event.step_key for event in result.all_events if event.is_step_failure] == ["pulled_crm"]
    why = {"gone": "answered 404", "frozen": "colour"}[fault]
    assert why in found["crm__contacts"].description and why in found["crm"].description
    assert found["crm"].metadata["failed"].value == "crm__contacts"


@pytest.mark.parametrize("table", ["contacts", "deals"])
def test_a_table_asked_for_by_itself_ends_as_its_own_pull_did(crm: RestSource, tool: PagedTool, table: str) -> None:
    import dagster as dg

    del tool.rows["contacts"]
    key = dg.AssetKey(["lake", f"crm__{table}"])
    result = job_of(crm).execute_in_process(asset_selection=[key], raise_on_error=False)
    assert checks(result)[f"crm__{table}"].passed == result.success == (table == "deals")
    assert [event.step_key for event in result.all_events if event.is_step_failure] == (
        [] if table == "deals" else ["lake_crm"]
    )


def test_days_are_partitions_one_run_a_range_and_the_raw_table_follows(crm: RestSource, tool: PagedTool) -> None:
    import dagster as dg

    from orchestration.defs.land import _backfill
    from orchestration.defs.load import _source_assets
    from orchestration.platform import Platform, Warehouse

    [again] = _backfill("crm", crm)
    raw = _source_assets("crm", crm)
    outside = [dg.AssetSpec(["lake", f"crm__{table}"]) for table in crm.tables]
    resources = {"platform": Platform(), "warehouse": Warehouse(database="unused")}
    condition = dg.Definitions(assets=[again, raw, *outside], resources=resources)
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(condition, instance)
        assert before.total_requested == 0
        days = {"dagster/asset_partition_range_start": "2026-01-02", "dagster/asset_partition_range_end": "2026-01-03"}
        result = materialize(
            [again], instance=instance, tags=days, selection=[dg.AssetKey(["backfill", "crm__contacts"])]
        )
        [event] = {e.asset_key.path[-1]: e for e in result.get_asset_materialization_events()}.values()
        assert event.materialization.metadata["dagster/row_count"].value == 2
        after = dg.evaluate_automation_conditions(condition, instance, cursor=before.cursor)
        assert after.get_num_requested(dg.AssetKey(["raw", "crm__contacts"])) == 1
        assert after.get_num_requested(dg.AssetKey(["raw", "crm__deals"])) == 0
        again_after = dg.evaluate_automation_conditions(condition, instance, cursor=after.cursor)
        assert again_after.total_requested == 0
