"""What must hold for every model, whoever adds one: documented, tested, portable."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from headwater.settings import CHECKOUT

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
    r"/ *\d+\.\d|\b\d+\.\d+ */": "decimal division, which keeps six places on one and is a double on the other",
}
MODELS = sorted((PROJECT / "models").rglob("*.sql"))
# A mart without a contract, and why: its check `columns_as_declared` holds the same.
NO_CONTRACT = {
    "customer_activation": "has a column for each audience, whoever adds one",
    "customer_journey": "takes in new columns as it grows, which dbt allows no incremental model with a contract",
    "channel_effects": "a Python model: dbt knows no contract for it",
    "channel_lift": "a Python model: dbt knows no contract for it",
}
# Names under which something stands that tells who a person is, or what a person wrote. `customer_id` is ours.
PERSONAL = {
    *("email", "current_email", "requester_email", "phone", "full_name", "first_name", "last_name", "birth_date"),
    *("user_id", "shop_user_id", "anonymous_id", "previous_id", "crm_id", "payment_id", "id_value", "left_value"),
    *("address_street", "address_city", "address_postal_code"),
    *("right_value", "request_ip", "context_ip", "click_id", "trait_value", "customer_text", "payload", "original"),
}


def _models(built: Built) -> list[dict[str, Any]]:
    return [node for node in built.manifest["nodes"].values() if node["resource_type"] == "model"]


def _tables(built: Built) -> list[dict[str, Any]]:
    """Everything that is a table or a view: models, seeds, snapshots, sources."""
    kinds = ("model", "seed", "snapshot")
    nodes = [node for node in built.manifest["nodes"].values() if node["resource_type"] in kinds]
    return [*nodes, *built.manifest["sources"].values()]


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


def test_every_model_has_a_group_and_every_table_an_owner(empty: Built) -> None:
    for model in _models(empty):
        assert model["config"]["group"] == model["schema"], model["name"]
    for table in _tables(empty):
        assert table["config"]["meta"].get("owner"), table["unique_id"]


def test_what_tells_who_a_person_is_is_marked_from_the_sources_on(empty: Built) -> None:
    for table in _tables(empty):
        if table["resource_type"] == "seed":  # what a company writes by itself
            continue
        for name in PERSONAL & set(table["columns"]):
            assert table["columns"][name]["config"]["meta"].get("pii"), f"{table['unique_id']}.{name}"


def test_the_catalogue_has_every_documented_column_and_every_column_is_documented(empty: Built) -> None:
    catalogue = json.loads((empty.home / "dbt" / "target" / "catalog.json").read_text(encoding="utf-8"))
    assert not catalogue["errors"]
    there = {
        name: {column.lower() for column in found["columns"]}
        for name, found in {**catalogue["nodes"], **catalogue["sources"]}.items()
    }
    audiences = {f"is_{model['name']}" for model in _models(empty) if model["schema"] == "audiences"}
    for table in _tables(empty):
        documented = {name.lower() for name in table["columns"]}
        if table["name"] == "customer_activation":  # an audience is described where it is defined
            documented |= audiences & there[table["unique_id"]]
        assert there[table["unique_id"]] == documented, table["unique_id"]
        assert table["description"].strip(), table["unique_id"]
    for table in _tables(empty):
        bare = [name for name, column in table["columns"].items() if not column["description"].strip()]
        assert not bare, f"{table['unique_id']}: {bare}"


def test_a_model_that_takes_only_the_rows_of_some_people_hears_of_every_change_in_what_it_reads(empty: Built) -> None:
    models = {model["unique_id"]: model for model in _models(empty)}
    following = [model for model in models.values() if model["config"]["meta"].get("follows")]
    assert following
    for model in following:
        read = [models[name] for name in model["depends_on"]["nodes"] if not name.startswith("seed.")]
        assert {found["name"] for found in read} == set(model["config"]["meta"]["follows"]), model["name"]
        assert all(found["config"]["materialized"] == "incremental" for found in read), model["name"]
        silent = [
            found["name"]
            for found in read
            if "customer_id" not in found["columns"] and not found["config"]["meta"].get("tells_through")
        ]
        assert not silent, model["name"]


def test_every_mart_and_audience_has_a_contract_or_a_check_that_holds_the_same(empty: Built) -> None:
    marts = [model for model in _models(empty) if model["schema"] in ("marts", "audiences")]
    without = {model["unique_id"]: model for model in marts if not model["config"]["contract"]["enforced"]}
    assert {model["name"] for model in without.values()} == set(NO_CONTRACT)
    checked = {
        node["attached_node"]
        for node in empty.manifest["nodes"].values()
        if node["resource_type"] == "test" and (node["test_metadata"] or {}).get("name") == "columns_as_declared"
    }
    assert checked == set(without)
    assert all(column["data_type"] for model in without.values() for column in model["columns"].values())
    versioned = [model for model in marts if model["version"]]
    assert versioned
    for model in versioned:
        assert model["latest_version"] and model["config"]["contract"]["enforced"], model["unique_id"]


def test_what_reads_the_models_from_outside_is_an_exposure_with_somebody_to_ask(empty: Built) -> None:
    exposures = {exposure["name"]: exposure for exposure in empty.manifest["exposures"].values()}
    for exposure in exposures.values():
        assert exposure["description"] and exposure["owner"]["email"], exposure["name"]
        assert exposure["depends_on"]["nodes"], exposure["name"]
    assert {"profile_api", "executive_report", "churn_model"} < set(exposures)  # the syncs: test_star


def test_the_report_is_an_exposure_of_just_the_models_that_its_code_reads(empty: Built) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "headwater" / "report").glob("*.py"))
    read = set(re.findall(r"\b(?:marts|audiences|intermediate)\.([a-z]\w*)", code))
    (exposure,) = (node for node in empty.manifest["exposures"].values() if node["name"] == "executive_report")
    assert {empty.manifest["nodes"][node]["name"] for node in exposure["depends_on"]["nodes"]} == read


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
