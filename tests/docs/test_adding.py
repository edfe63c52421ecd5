"""What CONTRIBUTING says about adding: a model and a source appear in the graph by themselves, its SQL is in style."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest
import yaml

from headwater.settings import CHECKOUT
from tests.docs import documents

pytestmark = pytest.mark.slow

PARTS = ("pyproject.toml", "headwater", "orchestration", "ml", "dbt_project", "config", "tests/orchestration")
MODEL_SQL = """\
with customers as (
    select * from {{ ref('customer_360') }}
),

final as (
    select
        country,
        count(*) as count_customers
    from customers
    group by country
)

select * from final
"""
MODEL = {
    "version": 2,
    "models": [
        {
            "name": "countries",
            "description": "One row per country: how many customers live there.",
            "config": {"meta": {"owner": "sales-operations@example.com"}},
            "data_tests": [{"grain": {"arguments": {"columns": ["country"]}}}],
            "columns": [
                {"name": "country", "description": "Where they live; null when unknown."},
                {"name": "count_customers", "description": "How many.", "data_tests": ["not_null"]},
            ],
        }
    ],
}
SOURCE = {
    "kind": "rest",
    "base_url": "http://127.0.0.1:9/v1",
    "token": "${LOYALTY_TOKEN:-none}",
    "owner": "marketing@example.com",
    "description": "The loyalty programme.",
    "tables": {
        "members": {
            "path": "members",
            "description": "One row per member.",
            "columns": {"id": "text", "email": "text", "points": "integer", "updated_at": "timestamp"},
        }
    },
}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The asset graph of a copy of the repository to which exactly that has been added."""
    copy = tmp_path_factory.mktemp("copy")
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            shutil.copytree(
                CHECKOUT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "target", "logs")
            )
        else:
            shutil.copy(CHECKOUT / part, copy / part)
    marts = copy / "dbt_project" / "models" / "marts"
    (marts / "countries.sql").write_text(MODEL_SQL)
    (marts / "countries.yml").write_text(yaml.safe_dump(MODEL))
    sources = copy / "config" / "sources.yaml"
    described = yaml.safe_load(sources.read_text())
    described["sources"]["loyalty"] = SOURCE
    sources.write_text(yaml.safe_dump(described))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HEADWATER_", "DAGSTER_"))}
    home = tmp_path_factory.mktemp("home")
    result = subprocess.run(
        [sys.executable, "-m", "tests.orchestration.graph", "--json"],
        cwd=copy,
        env={**environment, "PYTHONPATH": str(copy), "HEADWATER_HOME": str(home), "DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return {asset["key"]: asset for asset in json.loads(result.stdout)["assets"]}


def test_a_new_model_is_an_asset_with_its_tests_as_checks(assets: dict[str, dict[str, Any]]) -> None:
    added = assets["marts/countries"]
    assert added["upstream"] == ["marts/customer_360"]
    assert added["owners"] == ["sales-operations@example.com"]
    assert added["checks"] == 2


def test_a_tool_that_only_the_yaml_names_is_pulled_and_loaded(assets: dict[str, dict[str, Any]]) -> None:
    assert assets["lake/loyalty__members"]["upstream"] == ["tool/loyalty"]
    assert assets["raw/loyalty__members"]["upstream"] == ["backfill/loyalty__members", "lake/loyalty__members"]
    assert assets["lake/loyalty__members"]["owners"] == ["marketing@example.com"]


def test_sql_of_the_documents_passes_the_linter() -> None:
    examples = [content for _, language, content in documents.fences() if language == "sql"]
    assert examples
    for content in examples:
        path = content.partition("\n")[0].removeprefix("-- ")
        linted = subprocess.run(
            [sys.executable, "-m", "sqlfluff", "lint", "-", "--stdin-filename", path],
            cwd=CHECKOUT,
            input=content,
            capture_output=True,
            text=True,
            check=False,
        )
        assert linted.returncode == 0, linted.stdout + linted.stderr
