"""`python -m tests.dbt_project.on_spark SOURCES RESULTS VARS SELECTION…`: dbt builds the project on Spark, in its
process and with a catalogue in memory.

Belongs here: sources from Parquet into Spark, dbt, what became of each model as Parquet. Does not belong here: any
expectation. SOURCES holds `<schema>.<table>.parquet` with the columns' types in its `tables.json`; RESULTS gets the
same for each model, and dbt's own files.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from headwater.settings import CHECKOUT

# a small fixture on a small machine: planning and compiling would cost more than all of its rows
LIGHT = {
    "spark.master": "local[1]",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.ui.enabled": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
}


def main(sources: Path, results: Path, variables: str, *selection: str) -> int:
    """0 when dbt built everything that was selected."""
    from dbt.cli.main import dbtRunner
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in {**LIGHT, "spark.sql.warehouse.dir": str(results / "warehouse")}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    spark.sql("create database if not exists main")
    for table, columns in json.loads((sources / "tables.json").read_text(encoding="utf-8")).items():
        spark.sql(f"create database if not exists {table.split('.')[0]}")
        typed = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
        spark.sql(f"create table {table} ({typed}) using parquet location '{sources / table}'")
    os.chdir(CHECKOUT / "dbt_project")
    target = ["--target", "spark", "--target-path", str(results / "target"), "--vars", variables]
    told = dbtRunner().invoke(["build", *target, *selection])
    built = {node.node.relation_name: node for node in _nodes(told) if str(node.status) == "success"}
    for relation in built:
        if relation:
            spark.table(relation).write.parquet(str(results / "rows" / relation.replace("`", "")))
    spark.stop()
    return 0 if told.success else 1


def _nodes(told: Any) -> list[Any]:
    return [node for node in getattr(told.result, "results", []) if node.node.resource_type in ("model", "seed")]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
