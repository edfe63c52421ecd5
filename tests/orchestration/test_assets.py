"""Assets materialised one by one in this process: what they report, and that they read what the graph says."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from headwater.settings import Settings
from headwater.storage.home import advance_as_of, read_home
from headwater.storage.warehouse import connect, ensure_schemas, replace_table
from headwater.storage.warehouse.schema import SCHEMAS
from ml import candidates
from orchestration.platform import AS_OF_TAG, Platform, Warehouse
from tests.ml.conftest import make_company
from tests.orchestration.running import EVENTS, PEOPLE, batch
from tests.report.conftest import MARTS

pytestmark = pytest.mark.slow

READ: set[str] = set()  # tables read through the resource since the last `materialize`
FROM = re.compile(r'\b(?:from|join)\s+"?(\w+)"?\."?(\w+)"?', re.IGNORECASE)
# Written and read by the step itself, or the loaders' own book of what is loaded.
BOOKKEEPING = {"raw.loaded_objects", "identity.read_objects", "identity.resolutions", "ml.models"}


class RecordingWarehouse(Warehouse):
    """Notes every table that is read, from DuckDB's own log of queries."""

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with super().get_connection() as con:
            con.execute("call enable_logging('QueryLog')")
            yield con
            queries = con.execute("select message from duckdb_logs where type = 'QueryLog'").fetchall()
            READ.update(".".join(found) for (query,) in queries for found in FROM.findall(query))


def materialize(
    settings: Settings, *definitions: Any, as_of: str = "", instance: dg.DagsterInstance | None = None
) -> dict[str, dict[str, Any]]:
    """Run these assets; asset → its metadata. `READ` holds what they read."""
    READ.clear()
    result = dg.materialize(
        list(definitions),
        resources={"platform": Platform(), "warehouse": RecordingWarehouse(database=str(settings.warehouse))},
        tags={AS_OF_TAG: as_of} if as_of else {},
        instance=instance,
    )
    return {
        event.materialization.asset_key.to_user_string(): dict(event.materialization.metadata)
        for event in result.get_asset_materialization_events()
        for event in [event.step_materialization_data]
    }


def upstream(definition: dg.AssetsDefinition) -> set[str]:
    """The warehouse tables that the graph says an asset reads."""
    keys = {key for deps in definition.asset_deps.values() for key in deps}
    return {".".join(key.path) for key in keys if key.path[0] not in {"lake", "log"}}


def tables_read(definition: dg.AssetsDefinition) -> set[str]:
    """The tables that were read, without what the asset itself makes and the books."""
    own = {".".join(key.path) for key in definition.keys}
    return {name for name in READ if name.split(".")[0] in SCHEMAS} - own - BOOKKEEPING


def test_events_go_from_the_log_into_tables_and_people_each_step_telling_its_rows(settings: Settings) -> None:
    from orchestration.defs.land import lake_events
    from orchestration.defs.load import event_tables, raw_events
    from orchestration.defs.match import identity

    with dg.DagsterInstance.ephemeral() as instance:
        for number in (1, 2):
            batch(settings, number)
            found = materialize(settings, lake_events, instance=instance)
            assert _rows(found) == {"lake/events": number * EVENTS}  # all that is there; new is one batch
            assert found["lake/events"]["landed"].value == EVENTS
        assert _rows(materialize(settings, lake_events, instance=instance)) == {"lake/events": 2 * EVENTS}
    assert _rows(materialize(settings, raw_events)) == {"raw/events": 2 * EVENTS}
    assert tables_read(raw_events) == upstream(raw_events) == set()

    found = _rows(materialize(settings, event_tables))
    assert (found["events/tracks"], found["events/users"], found["events/aliases"]) == (2 * PEOPLE, PEOPLE, 0)
    assert {name for name in tables_read(event_tables) if not name.startswith("events.")} == upstream(event_tables)

    found = materialize(settings, identity)
    assert found["identity/identifiers"]["people"].value == PEOPLE
    assert tables_read(identity) == upstream(identity)


def test_the_model_shows_its_curves_and_reads_what_the_graph_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.defs.predict import predict

    monkeypatch.setattr(candidates, "NAMES", ["logistic"])
    company = make_company(people=600)
    features = company.features.assign(is_scoring=company.features["observation_date"] == company.as_of)
    with connect(settings, purpose="test") as con:
        replace_table(con, "intermediate.int_churn_features", features)
        replace_table(con, "intermediate.int_subscription_periods", company.subscriptions)
        replace_table(con, "marts.orders", company.orders)
    assets = {definition.key.path[-1]: definition for definition in predict().assets}
    as_of = company.as_of.isoformat(sep=" ")

    training = materialize(settings, assets["churn_training_set"], as_of=as_of)
    assert _rows(training)["ml/churn_training_set"] > 600
    assert tables_read(assets["churn_training_set"]) == upstream(assets["churn_training_set"])

    model = materialize(settings, assets["churn_model"], as_of=as_of)["ml/churn_model"]
    assert tables_read(assets["churn_model"]) == upstream(assets["churn_model"])
    for curve in ("roc", "calibration"):
        assert isinstance(model[curve], dg.MarkdownMetadataValue)
        picture = base64.b64decode(model[curve].md_str.split("base64,")[1].rstrip(")"))
        assert picture.startswith(b"\x89PNG") and len(picture) > 2_000
    assert 0.5 < model["roc_auc"].value < 1

    scores = materialize(settings, assets["churn_scores"], as_of=as_of)
    assert 0 < _rows(scores)["ml/churn_scores"] <= 600
    assert tables_read(assets["churn_scores"]) == upstream(assets["churn_scores"]) - {"ml.churn_model"}  # a file


def test_the_report_is_written_from_what_the_graph_says_and_shows_its_scorecard_in_dagster(settings: Settings) -> None:
    from orchestration.defs.report import report

    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        con.execute(MARTS)
    told = materialize(settings, report)["marts/report"]
    assert settings.report_dir / "index.html" == Path(told["path"].path)
    assert told["report"].url.startswith(f"{settings.api_url}/report?key=")
    assert "|Order revenue|€1,235 (▲ 23.5 %)|" in told["scorecard"].md_str.replace("$", "€")
    assert "Revenue and margin" in told["sections"].data
    assert tables_read(report) == upstream(report) - {"marts.customer_activation"}


def test_now_stays_where_a_sync_has_told_a_tool_it_is_unless_somebody_gave_the_time(settings: Settings) -> None:
    from orchestration.defs.push import push
    from orchestration.platform import config

    [sync] = [asset for asset in push().assets if asset.key.path == ["push", "crm_profiles"]]
    columns = sorted({"crm_id", *config().syncs["crm_profiles"].mapping.values()})
    with connect(settings, purpose="test") as con:
        ensure_schemas(con)
        con.execute(f"create table marts.customer_activation ({', '.join(f'{name} varchar' for name in columns)})")
    long_ago, in_a_century = datetime(2026, 1, 1, 12), datetime(2126, 1, 1)
    advance_as_of(settings, long_ago)
    materialize(settings, sync, as_of=in_a_century.isoformat(sep=" "))
    assert _now(settings) == long_ago

    materialize(settings, sync)
    told = _now(settings)
    with connect(settings, purpose="test") as con:
        runs = con.sql("select as_of from push.sync_runs where status = 'succeeded' order by started_at").fetchall()
    assert runs == [(in_a_century,), (told,)]
    assert told > long_ago
    advance_as_of(settings, long_ago)  # as an entrance does that found its last receipt before
    assert _now(settings) == told


def _now(settings: Settings) -> datetime | None:
    home = read_home(settings)
    return home.as_of if home else None


def _rows(metadata: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {key: found["dagster/row_count"].value for key, found in metadata.items()}
