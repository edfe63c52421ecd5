"""Predicting: for each config/predictions/<name>.yaml a training set, a model and scores."""

import base64
import json
from datetime import datetime
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb

from headwater.configuration import Prediction
from headwater.storage.warehouse import replace_table, transaction
from orchestration.platform import POOL, SOURCE_OWNER, Platform, Warehouse, as_of, config, rows

if TYPE_CHECKING:
    import pandas as pd

    from ml.labels import ChurnRule
    from ml.outcomes import Trained

FEATURES = "intermediate.int_churn_features"
SUBSCRIPTIONS = "intermediate.int_subscription_periods"
MODELS = (
    "create table if not exists ml.models"
    " (prediction text, version text, status text, reason text, metrics json, trained_at timestamp)"
)
INPUTS = [["marts", "orders"], SUBSCRIPTIONS.split(".")]


@cache
def _ml() -> ModuleType:
    """`ml.prediction`, imported by the step that needs it: scikit-learn costs every Dagster process seconds."""
    from ml import prediction

    return prediction


def _rule(prediction: Prediction) -> "ChurnRule":
    return _ml().rule_from(
        prediction.label,
        first_observation=prediction.first_observation,
        last_observation=prediction.last_observation,
    )


def _frames(connection: duckdb.DuckDBPyConnection, *, scoring: bool) -> "dict[str, pd.DataFrame]":
    which = "is_scoring" if scoring else "not is_scoring"
    return {
        "features": connection.execute(f"select * exclude (is_scoring) from {FEATURES} where {which}").df(),
        "orders": connection.execute("select customer_id, ordered_at, kind from marts.orders").df(),
        "subscriptions": connection.execute(f"select customer_id, started_at, cancelled_at from {SUBSCRIPTIONS}").df(),
    }


def _allowed(connection: duckdb.DuckDBPyConnection, prediction: Prediction) -> set[str] | None:
    """The people who have one of the id types that the prediction's population asks for."""
    if not prediction.population_has:
        return None
    found = connection.execute(
        "select distinct customer_id from identity.identifiers where list_contains(?, id_type)",
        [prediction.population_has],
    ).fetchall()
    return {customer for (customer,) in found}


def _assets(name: str, prediction: Prediction) -> list[dg.AssetsDefinition]:
    owner = prediction.owner or SOURCE_OWNER
    shared: dict[str, Any] = {"group_name": "predict", "owners": [owner], "pool": POOL}
    who = [["identity", "identifiers"]] if prediction.population_has else []

    @dg.asset(
        key=["ml", f"{name}_training_set"],
        deps=[FEATURES.split("."), *INPUTS, *who],
        kinds={"pandas", "duckdb"},
        description="One row a person and observation date: features known before it, the label after it.",
        **shared,
    )
    def training_set(
        context: dg.AssetExecutionContext, platform: Platform, warehouse: Warehouse
    ) -> dg.MaterializeResult:
        with warehouse.get_connection() as connection:
            frames = _frames(connection, scoring=False)
            prepared = _ml().prepare(
                **frames, rule=_rule(prediction), as_of=as_of(context), allowed=_allowed(connection, prediction)
            )
            replace_table(connection, f"ml.{name}_training_set", prepared.frame)
            if prepared.skip_reason:
                _record(connection, name, _ml().Trained(skip_reason=prepared.skip_reason), as_of(context))
        return dg.MaterializeResult(metadata=rows(len(prepared.frame), **prepared.metadata()))

    @dg.asset(
        key=["ml", f"{name}_model"],
        deps=[["ml", f"{name}_training_set"]],
        kinds={"scikitlearn"},
        description=f"{prediction.description} Versioned artefact, evaluated on later, unseen data.",
        **shared,
    )
    def model(context: dg.AssetExecutionContext, platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
        with warehouse.get_connection() as connection:
            frame = connection.execute(f"select * from ml.{name}_training_set").df()
            trained = _ml().train(
                frame,
                rule=_rule(prediction),
                folder=platform.settings.home / "models" / name,
                created_at=as_of(context),
                audience_share=prediction.audience_share,
                skip_reason=_skip_reason(connection, name) if frame.empty else "",
            )
            _record(connection, name, trained, as_of(context))
        if trained.version and trained.folder:
            lake = platform.lake()
            for file in sorted(trained.folder.iterdir()):
                lake.put(f"models/{name}/{trained.version}/{file.name}", file)
        plots = {plot: _picture(image) for plot, image in trained.plots.items()}
        return dg.MaterializeResult(metadata=rows(len(frame), **trained.metadata(), **plots))

    @dg.asset(
        key=["ml", f"{name}_scores"],
        deps=[["ml", f"{name}_model"], FEATURES.split("."), *INPUTS, *who],
        kinds={"scikitlearn", "duckdb"},
        description="The latest score of each person of the population: probability, percentile, reasons.",
        **shared,
    )
    def scores(context: dg.AssetExecutionContext, platform: Platform, warehouse: Warehouse) -> dg.MaterializeResult:
        with warehouse.get_connection() as connection:
            scored = _ml().score(
                **_frames(connection, scoring=True),
                rule=_rule(prediction),
                folder=platform.settings.home / "models" / name,
                scored_at=as_of(context),
                allowed=_allowed(connection, prediction),
            )
            replace_table(connection, f"ml.{name}_scores", scored.frame)
        return dg.MaterializeResult(metadata=rows(len(scored.frame), **scored.metadata()))

    return [training_set, model, scores]


def _skip_reason(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """Why the training set is empty, as its asset recorded it."""
    connection.execute(MODELS)
    found = connection.execute(
        "select reason from ml.models where prediction = ? and status = 'skipped'", [name]
    ).fetchone()
    return found[0] if found else ""


def _record(connection: duckdb.DuckDBPyConnection, name: str, trained: "Trained", at: datetime) -> None:
    """`ml.models`: what the last training of each prediction came to."""
    with transaction(connection):
        connection.execute(MODELS)
        connection.execute("delete from ml.models where prediction = ?", [name])
        connection.execute(
            "insert into ml.models by name select ? as prediction, ? as version, ? as status, ? as reason,"
            " ?::json as metrics, ?::timestamp as trained_at",
            [
                name,
                trained.version,
                "skipped" if trained.skip_reason else "trained",
                trained.skip_reason or trained.decision,
                json.dumps(trained.numbers),
                at,
            ],
        )


def _picture(image: bytes) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(image).decode()})")


@dg.definitions
def predict() -> dg.Definitions:
    """Three assets a prediction."""
    return dg.Definitions(
        assets=[asset for name, p in config().predictions.items() for asset in _assets(name, p)],
    )
