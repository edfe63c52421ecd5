"""The scorecard's numbers come from the semantic YAML: MetricFlow, dbt's own engine, reads it to the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

from .conftest import Built


class Renderer:
    """What MetricFlow asks of a client that only writes SQL."""

    sql_engine_type = SqlEngine.DUCKDB
    sql_plan_renderer = DuckDbSqlPlanRenderer()

    @staticmethod
    def render_bind_parameter_key(bind_parameter_key: str) -> str:
        return f"${bind_parameter_key}"


class Peer:
    """MetricFlow over the built warehouse."""

    def __init__(self, built: Built, con: duckdb.DuckDBPyConnection) -> None:
        semantic = (built.home / "dbt" / "target" / "semantic_manifest.json").read_text(encoding="utf-8")
        self.engine = MetricFlowEngine(
            SemanticManifestLookup(parse_manifest_from_dbt_generated_manifest(semantic)),
            Renderer(),  # type: ignore[arg-type]
        )
        self.con = con

    def value(self, metric: str, begin: datetime, end: datetime, *, is_cumulative: bool) -> float | None:
        """Over the period; of what adds up since the beginning, on its last day."""
        last = end - timedelta(days=1)
        request = MetricFlowQueryRequest.create(
            metric_names=[metric],
            group_by_names=["metric_time__day"] if is_cumulative else [],
            time_constraint_start=last if is_cumulative else begin,
            time_constraint_end=last,
        )
        row = self.con.execute(self.engine.explain(request).sql_statement.sql).fetchone()
        return None if row is None or row[-1] is None else float(row[-1])


@pytest.fixture(scope="module")
def peer(company: Built) -> Iterator[Peer]:
    with duckdb.connect(str(company.home / "warehouse.duckdb"), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        yield Peer(company, con)


def _meta(built: Built) -> dict[str, dict[str, Any]]:
    return {metric["name"]: metric["config"]["meta"] for metric in built.manifest["metrics"].values()}


def _is_cumulative(built: Built, name: str) -> bool:
    metric = built.manifest["metrics"][f"metric.headwater.{name}"]
    inputs = [node for node in metric["depends_on"]["nodes"] if node.startswith("metric.")]
    return metric["type"] == "cumulative" or any(_is_cumulative(built, node.split(".")[-1]) for node in inputs)


def test_the_scorecard_has_every_metric_with_a_place_in_it_for_each_period(company: Built) -> None:
    placed = {name for name, meta in _meta(company).items() if meta.get("scorecard")}
    assert len(placed) > 10
    found = company.rows("select period, list(metric) from marts.executive_scorecard group by period")
    assert {period for period, _ in found} == {"last_week", "last_month", "year_to_date"}
    for _, metrics in found:
        assert sorted(metrics) == sorted(placed)


def test_every_metric_says_its_unit_and_what_it_is(company: Built) -> None:
    for metric in company.manifest["metrics"].values():
        assert metric["config"]["meta"]["unit"] in ("count", "cents", "share"), metric["name"]
        assert metric["description"] and metric["label"], metric["name"]


def test_metricflow_reads_the_same_numbers_from_the_same_yaml(company: Built, peer: Peer) -> None:
    compared = 0
    for metric, begin, end, value in company.rows(
        "select metric, period_starts_at, period_ends_at, value from marts.executive_scorecard"
        " union all select metric, previous_starts_at, previous_ends_at, previous_value"
        " from marts.executive_scorecard where previous_value is not null"
    ):
        theirs = peer.value(metric, begin, end, is_cumulative=_is_cumulative(company, metric))
        assert (theirs or 0) == pytest.approx(value or 0), (metric, begin, end)
        compared += theirs is not None and theirs != 0
    assert compared > 20


def test_the_numbers_of_a_month_are_those_of_its_orders(company: Built) -> None:
    assert company.rows(
        "select metric, value, previous_value from marts.executive_scorecard"
        " where period = 'last_month' and metric in ('order_revenue', 'sales', 'new_customers', 'guest_sales')"
        " order by 1"
    ) == [("guest_sales", 2, 0), ("new_customers", 1, 1), ("order_revenue", -2000, 16051), ("sales", 3, 2)]
