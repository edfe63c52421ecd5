"""Every SQL model gives the same rows on Spark as in DuckDB: what parses on both may still mean something else."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.configuration import load_config
from headwater.configuration.dbt_vars import dbt_vars
from headwater.settings import CHECKOUT, load_settings
from headwater.storage.warehouse import connect

from .conftest import AS_OF, Built, _insert, build, fill
from .other_rows import other_rows

# What is not built there, and why; DuckDB's rows stand in for it, so that what reads it is compared none the less. So
# they do for snapshots, which Spark keeps in no plain Parquet, as it cannot be merged into.
NOT_COMPARED = {
    "channel_effects": "a Python model: dbt-spark runs none in its own session",
    "channel_lift": "a Python model: dbt-spark runs none in its own session",
}
KINDS = {
    "BIGINT": "bigint", "BOOLEAN": "boolean", "DATE": "date", "DOUBLE": "double", "FLOAT": "float", "HUGEINT": "double",
    "INTEGER": "int", "JSON": "string", "TIMESTAMP": "timestamp_ntz", "UUID": "string", "VARCHAR": "string",
}  # fmt: skip


# What comes from outside: numbers, dates and addresses as somebody wrote them.
NUMBERS = ["2", "2.0", "1.5", "-3", " 7 ", "three", "", "1e2", "12345678901234567890", None]
BIRTHDAYS = ["1990-05-01", "1990-05-01T00:00:00Z", "01/02/1990", "1990-13-01", " 1990-05-02 ", "1990", "", None]
URLS = [
    "https://www.Example.com/a?utm_source=A%20b+c&gclid=%C3%A9&empty=", "http://user:pass@shop.example/x?gclid=%zz#f",
    "shop.example/x", "https://shop.example/?utm_source=%ff&utm_medium=%C3", "https://example.com:8080/?q=a%2Bb&q=second",
    "HTTPS://EXAMPLE.COM?FBCLID=x&ref=%", "", None,
]  # fmt: skip


def odd_events() -> list[dict[str, Any]]:
    """Events of people whom nobody knows, whose every value is written otherwise."""
    who = {"anonymousId": "d_odd", "userId": "u_cat"}
    lines = [{"product_id": "p1", "name": 'A\u00e9 "b"', "category": "", "quantity": n, "price": n} for n in NUMBERS]
    lines += [{"product_id": 7, "quantity": 2.0, "price": 1.005}, {"product_id": "p9", "quantity": 1e2, "price": 1e-3}]
    events: list[dict[str, Any]] = [
        {
            "type": "track",
            "event": "Order Completed",
            "properties": {"order_id": "odd", "total": 1.005, "products": lines},
        },
        {"type": "track", "event": "Order Completed", "properties": {"order_id": " ", "total": "x", "products": {}}},
        {
            "type": "track",
            "event": "Product Viewed",
            "properties": {"name": {"a": [1, 2.50, None]}, "product_id": True},
        },
        {"type": "identify", "traits": {"email": "\tOdd@Example.com ", "name": "  ", "consent": {"marketing": True}}},
        {"type": "identify", "traits": {"firstName": None, "phone": 491701234567, "consent": {"ads": "no"}}},
        *({"type": "identify", "traits": {"birthday": day, "firstName": f"B{i}"}} for i, day in enumerate(BIRTHDAYS)),
        *({"type": "page", "name": None, "context": {"page": {"url": url, "referrer": url}}} for url in URLS),
    ]
    return [{"messageId": f"odd{number:03}", **who, **event} for number, event in enumerate(events)]


def lacking() -> str:
    """What of Spark is not there; empty when all is."""
    for module in ("pyspark", "dbt.adapters.spark"):
        if importlib.util.find_spec(module) is None:
            how = ".venv/bin/uv pip install --python .venv/bin/python -e '.[spark]'"
            return f"not compared with Spark: {module} is not installed ({how})"
    java = f"{os.environ['JAVA_HOME']}/bin/java" if "JAVA_HOME" in os.environ else "java"
    if shutil.which(java) is None:
        return f"not compared with Spark: there is no {java}, and it needs Java 17 or newer"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        return f"not compared with Spark: it needs Java 17 or newer, and {java} says: {told.strip() or 'nothing'}"
    return ""


pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class OnSpark:
    """What became of the project there."""

    code: int
    output: str
    rows: Path
    duckdb_rows: Path


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The hand-made company and what nobody expects, built by DuckDB."""
    home = tmp_path_factory.mktemp("odd") / "home"
    fill(home)
    with connect(load_settings(home=home), purpose="test") as con:
        for table, rows in other_rows().items():
            for row in rows:
                _insert(con, table, row)
        for number, event in enumerate(odd_events()):
            at = datetime(2026, 3, 1, 10) + timedelta(minutes=41 * number, microseconds=number)
            con.execute(
                "insert into raw.events (message_id, type, event, user_id, anonymous_id, timestamp, received_at,"
                " source, known_at, route, payload, lake_object, row_number)"
                " values (?, ?, ?, ?, ?, ?, ?, 'web', ?, 'live', ?, 'events/odd.parquet', ?)",
                [
                    event["messageId"], event["type"], event.get("event"), event["userId"], event["anonymousId"],
                    at, at, at, json.dumps(event), number,
                ],
            )  # fmt: skip
    return build(home, "--exclude-resource-type", "test", "unit_test", "--vars", json.dumps({"as_of": AS_OF}))


def test_what_is_not_compared_is_what_spark_cannot_be_asked_for(odd: Built) -> None:
    models = [node for node in odd.manifest["nodes"].values() if node["resource_type"] == "model"]
    assert {model["name"] for model in models if model["language"] != "sql"} == set(NOT_COMPARED)


def test_no_model_is_compared_while_it_is_empty(odd: Built) -> None:
    empty = {name for relation, name in relations(odd).items() if not odd.rows(f"select 1 from {relation} limit 1")}
    assert not empty - NOT_COMPARED.keys()


def test_what_visitors_write_fails_no_build(odd: Built) -> None:
    tags = odd.rows("select utm_source, utm_medium from intermediate.int_sessions_landed where utm_source is not null")
    assert ("%ff", "%C3") in tags and ("A b c", None) in tags


@pytest.fixture(scope="module")
def on_spark(odd: Built, tmp_path_factory: pytest.TempPathFactory) -> OnSpark:
    if lacking():
        pytest.skip(lacking())
    folder = tmp_path_factory.mktemp("spark")
    given, results = folder / "given", folder / "results"
    export(odd.home / "warehouse.duckdb", given)
    tables = json.loads((given / "tables.json").read_text())
    built = {relation for relation, name in relations(odd).items() if name not in NOT_COMPARED}
    (given / "tables.json").write_text(json.dumps({k: v for k, v in tables.items() if k not in built}))
    config = load_config(load_settings(home=odd.home, config=CHECKOUT / "config"))
    # in DuckDB the plugin tells them
    variables = {**dbt_vars(config.platform, config.sources, config.survivorship), "as_of": AS_OF}
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.dbt_project.on_spark", given, results, json.dumps(variables),
            "--exclude", *NOT_COMPARED, "resource_type:snapshot", "resource_type:test", "resource_type:unit_test",
        ],
        cwd=CHECKOUT,
        env={k: v for k, v in os.environ.items() if not k.startswith(("HEADWATER", "DBT"))}
        | {"HEADWATER_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )  # fmt: skip
    return OnSpark(done.returncode, done.stdout, results / "rows", given)


def test_dbt_builds_every_sql_model_on_spark(odd: Built, on_spark: OnSpark) -> None:
    assert on_spark.code == 0, on_spark.output[-8000:]
    wanted = {relation for relation, name in relations(odd).items() if name not in NOT_COMPARED}
    assert {path.name for path in on_spark.rows.iterdir()} == wanted


def test_every_model_has_the_same_rows_on_spark(on_spark: OnSpark) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        compared = [path.name for path in sorted(on_spark.rows.iterdir())]
        found = {relation: difference(con, relation, on_spark) for relation in compared}
    assert not {relation: words for relation, words in found.items() if words}
    assert len(compared) > 100


def relations(built: Built) -> dict[str, str]:
    """`schema.table` → name of each model and seed."""
    return {
        f"{node['schema']}.{node['alias']}": node["name"]
        for node in built.manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    }


def export(warehouse: Path, folder: Path) -> None:
    """Every table and view as Parquet, with Spark's types in `tables.json`."""
    folder.mkdir()
    told = {}
    with duckdb.connect(str(warehouse), read_only=True) as con:
        for schema, table in con.execute("select table_schema, table_name from information_schema.tables").fetchall():
            columns = {row[0]: row[1] for row in con.execute(f'describe {schema}."{table}"').fetchall()}
            told[f"{schema}.{table}"] = {name: spark_type(kind) for name, kind in columns.items()}
            texts = [name for name, kind in columns.items() if KINDS.get(kind) == "string"]
            selected = ", ".join(f'"{n}"::varchar as "{n}"' if n in texts else f'"{n}"' for n in columns)
            (folder / f"{schema}.{table}").mkdir()
            target = folder / f"{schema}.{table}" / "rows.parquet"
            con.execute(f"copy (select {selected} from {schema}.\"{table}\") to '{target}' (format parquet)")
    (folder / "tables.json").write_text(json.dumps(told))


def spark_type(kind: str) -> str:
    if kind.endswith("[]"):
        return f"array<{spark_type(kind[:-2])}>"
    return kind.lower() if kind.startswith("DECIMAL") else KINDS[kind]


def difference(con: duckdb.DuckDBPyConnection, relation: str, on_spark: OnSpark) -> str:
    """In words, the first columns and rows in which the two are not the same; doubles to nine places."""
    ours = f"read_parquet('{on_spark.duckdb_rows / relation}/*.parquet')"
    theirs = f"read_parquet('{on_spark.rows / relation}/*.parquet')"
    columns = {row[0]: row[1] for row in con.execute(f"describe from {ours}").fetchall()}
    there = [row[0] for row in con.execute(f"describe from {theirs}").fetchall()]
    if list(columns) != there:
        return f"columns: {sorted(set(columns) ^ set(there)) or 'in another order'}"
    same = {
        name: f'round("{name}"::double, 9)' if kind.startswith(("DOUBLE", "FLOAT", "DECIMAL")) else f'"{name}"::{kind}'
        for name, kind in columns.items()
    }

    def lone(which: list[str], left: str, right: str) -> list[Any]:
        chosen = ", ".join(which)
        return con.execute(f"select {chosen} from {left} except all select {chosen} from {right} limit 3").fetchall()

    every = list(same.values())
    if not lone(every, ours, theirs) and not lone(every, theirs, ours):
        return ""
    told = [
        f"{name}: DuckDB {lone([value], ours, theirs)}, Spark {lone([value], theirs, ours)}"
        for name, value in same.items()
        if lone([value], ours, theirs) or lone([value], theirs, ours)
    ]
    return "; ".join(told) or f"rows: DuckDB {lone(every, ours, theirs)}, Spark {lone(every, theirs, ours)}"
