"""What a company sets in its config reaches dbt the same way from the command line and from Dagster."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from headwater.settings import CHECKOUT, load_settings
from headwater.storage.warehouse import connect
from orchestration.instance import prepare_instance

from .conftest import AS_OF, Built, build, dbt, fill

pytestmark = pytest.mark.slow

# One who bought once for more than 100 USD is of high value here, if USD is what counts.
PLATFORM = """\
company: Another company
currency: GBP
session_gap_minutes: 5
stacks: [starter]
dbt_vars:
  high_value_min_orders: 1
  high_value_session_periods: 1
  high_value_session_period_days: 365
  lapsed_after_days: 30
"""
VISITS = "select started_at, count_events from marts.sessions where customer_id = 'ann' and started_at::date = '{day}'"
ONE_VISIT = [(datetime(2026, 1, 10, 9), 2)]
TWO_VISITS = [(datetime(2026, 1, 10, 9), 1), (datetime(2026, 1, 10, 9, 10), 1)]
COMPANY_SETS = {
    "visits": VISITS.format(day="2026-01-10") + " order by 1",
    "stage": "select lifecycle_stage from marts.customer_360 where customer_id = 'ann'",
    "high value": "select customer_id from audiences.high_value_customers",
    "revenue": "select revenue_cents, currency from marts.customer_360 where customer_id = 'ann'",
}
# Whatever lies between a var and what is asked for.
MODELS = [
    "intermediate/int_events_sessioned",
    "intermediate/int_sessions_landed",
    "intermediate/int_sessions_channelled",
    "marts/sessions",
    "intermediate/int_customers_staged",
    "marts/orders",
    "marts/customer_360",
    "audiences/high_value_customers",
]
EVERYTHING_BEHIND = [
    *("--exclude-resource-type", "test", "unit_test"),
    *("--select", *(f"+{model.partition('/')[2]}" for model in MODELS)),
]


def _home(tmp_path: Path, platform: str = PLATFORM) -> Path:
    """The hand-made company, last run with a config of its own; Ann's age is known."""
    config, home = tmp_path / "config", tmp_path / "home"
    config.mkdir()
    for path in (CHECKOUT / "config" / "examples" / "minimal").glob("*.yaml"):
        (config / path.name).write_text(path.read_text())
    (config / "platform.yaml").write_text(platform)
    fill(home)
    with connect(load_settings(home=home), purpose="test") as con:
        con.execute("insert into raw.crm__contacts (id, birth_date) values ('crm_ann', '1990-01-01')")
        con.execute(
            "insert into identity.identifiers (id_type, id_value, customer_id) values ('crm_id', 'crm_ann', 'ann')"
        )
    (home / "home.json").write_text(json.dumps({"holds": "a test's data", "config": str(config)}))
    return home


def _says(built: Built) -> dict[str, list[tuple[object, ...]]]:
    return {name: built.rows(query) for name, query in COMPANY_SETS.items()}


def _drop(home: Path) -> None:
    with connect(load_settings(home=home), purpose="test") as con:
        for model in MODELS:
            con.execute(f"drop table {model.replace('/', '.')}")


def test_dbt_builds_the_same_by_itself_as_in_dagster_and_vars_of_the_command_line_win(tmp_path: Path) -> None:
    home = _home(tmp_path)
    given = {"as_of": AS_OF, "currency": "USD", "session_gap_minutes": 10, "lapsed_after_days": 180}
    built = build(home, *EVERYTHING_BEHIND, "--vars", json.dumps(given))
    assert _says(built) == {
        "visits": ONE_VISIT,
        "stage": [("repeat",)],
        "high value": [("ann",)],
        "revenue": [(14051, "USD")],
    }

    _drop(home)
    settings = load_settings(home=home, as_of=datetime.fromisoformat(AS_OF))
    prepare_instance(settings)
    dagster = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dagster")), "asset", "materialize"),
            *("-m", "orchestration.definitions", "--select", " or ".join(f'key:"{model}"' for model in MODELS)),
        ],
        cwd=CHECKOUT,
        # what is built on these is not built anew, and so not compared with them
        env={**settings.environment(), "DBT_INDIRECT_SELECTION": "cautious"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert dagster.returncode == 0, dagster.stdout + dagster.stderr
    in_dagster = _says(built)
    assert in_dagster == {"visits": TWO_VISITS, "stage": [("lapsed",)], "high value": [], "revenue": [(None, None)]}

    _drop(home)
    names = [model.partition("/")[2] for model in MODELS]
    by_itself = build(home, "--select", *names, "--indirect-selection", "cautious", as_of=AS_OF)
    assert _says(by_itself) == in_dagster


def test_a_config_that_cannot_be_read_is_one_sentence_in_dbt(tmp_path: Path) -> None:
    home = _home(tmp_path, PLATFORM.replace("lapsed_after_days", "lapsed_after_dayz"))
    result = dbt(home, "--no-use-colors", "run", "--select", "sessions")
    said = result.stdout + result.stderr
    assert result.returncode != 0
    assert "platform.yaml, line 9: dbt_vars: «lapsed_after_dayz» is no var of the dbt project: app_sources, " in said
    assert "Traceback" not in said
