"""What must hold for every model, whoever adds one: documented, tested, portable."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .conftest import PROJECT, Built

# What DuckDB and Spark spell differently belongs into a macro (design, section 4).
NOT_PORTABLE = {
    r"->": "JSON",
    r"\bjson_extract": "JSON",
    r"\bunnest\b": "unnest",
    r"\bdate_?(diff|sub|add)\b": "date differences",
    r"\bepoch\b": "epoch",
    r"\bregexp_": "regular expressions",
    r"\basof join\b": "as-of joins",
    r"\bignore nulls\b": "ignore nulls",
    r"\bexclude\b": "exclude",
    r"\bby name\b": "union by name",
    r"\bgenerate_series\b": "date spine",
    r"\bconcat\(": "concat with nulls",
    r"(?<!_)\bhash\(": "hash()",
}
MODELS = sorted((PROJECT / "models").rglob("*.sql"))


def _models(built: Built) -> list[dict[str, Any]]:
    return [node for node in built.manifest["nodes"].values() if node["resource_type"] == "model"]


def test_every_model_and_every_column_is_described(empty: Built) -> None:
    built: dict[str, set[str]] = {}
    for schema, table, column in empty.rows(
        "select table_schema, table_name, column_name from information_schema.columns"
    ):
        built.setdefault(f"{schema}.{table}", set()).add(column)
    for model in _models(empty):
        assert model["description"].strip(), model["name"]
        described = {name for name, column in model["columns"].items() if column["description"].strip()}
        there = built[f"{model['schema']}.{model['alias']}"]
        if model["name"] == "customer_activation":  # an audience is described where it is defined
            there -= {f"is_{found['name']}" for found in _models(empty) if found["schema"] == "audiences"} - described
        assert described == there, model["name"]


def test_every_model_says_what_one_row_is_and_tests_it(empty: Built) -> None:
    tested = {
        node["attached_node"]
        for node in empty.manifest["nodes"].values()
        if node["resource_type"] == "test" and (node["test_metadata"] or {}).get("name") == "grain"
    }
    for model in _models(empty):
        assert model["description"].startswith("One row"), model["name"]
        assert model["unique_id"] in tested, model["name"]


def test_every_model_has_an_owner_and_a_group(empty: Built) -> None:
    for model in _models(empty):
        assert model["config"]["meta"]["owner"], model["name"]
        assert model["config"]["group"] == model["schema"], model["name"]


def test_what_tells_who_a_person_is_is_marked(empty: Built) -> None:
    for model in _models(empty):
        for name in {"email", "phone", "full_name", "birth_date"} & set(model["columns"]):
            assert model["columns"][name]["config"]["meta"].get("pii"), f"{model['name']}.{name}"


def test_features_never_read_what_is_made_of_scores(empty: Built) -> None:
    parents = empty.manifest["parent_map"]
    seen, left = set(), ["model.headwater.int_churn_features"]
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            left += parents.get(node, [])
    assert not [node for node in seen if ".ml." in node or "activation" in node or "_ml__" in node]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_says_only_what_duckdb_and_spark_both_parse(path: Any) -> None:
    sql = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|--[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = [what for pattern, what in NOT_PORTABLE.items() if re.search(pattern, sql)]
    assert not found, f"{path.name}: behind a macro, please: {', '.join(found)}"
    assert path.with_suffix(".yml").exists()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_reads_the_companys_vars_and_not_only_those_of_the_command_line(path: Any) -> None:
    assert not re.search(r"(?<!company_)\bvar\(", path.read_text(encoding="utf-8"))
