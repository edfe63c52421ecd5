"""What has grown day by day is what a build of everything at once gives: late events, merged people and all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from headwater.settings import CHECKOUT, load_settings
from headwater.storage.warehouse import connect

from .conftest import AS_OF, _event, _insert, build, fill

pytestmark = pytest.mark.slow

WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")


PLATFORM = "company: A company\ncurrency: USD\nstacks: [starter]\nsession_gap_minutes: {gap}\n"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company in two days: on the second come events, some of them late, a row is another, people merge and part.
    Between the two the company says that a visit ends sooner."""
    home, config = (tmp_path_factory.mktemp("grown") / name for name in ("home", "config"))
    shutil.copytree(CHECKOUT / "config" / "examples" / "minimal", config)
    (config / "platform.yaml").write_text(PLATFORM.format(gap=30))
    fill(home)
    (home / "home.json").write_text(json.dumps({"holds": "a test's data", "config": str(config)}))
    with connect(load_settings(home=home), purpose="test") as con:
        for minute in (0, 10):
            _insert(con, "raw.events", _event(f"2026-01-20 10:{minute:02}:00", type="page", anonymousId="d_fay"))
        con.execute(
            "insert into identity.identifiers (id_type, id_value, customer_id) values ('anonymous_id', 'd_fay', 'fay')"
        )
        con.execute("create table raw.kept_back as from raw.events where known_at >= timestamp '2026-02-01'")
        con.execute("delete from raw.events where known_at >= timestamp '2026-02-01'")
        con.execute("insert into raw.kept_back from raw.events where event = 'Subscription Started'")
        con.execute("delete from raw.events where event = 'Subscription Started'")
    build(home, *WITHOUT_TESTS, as_of=AS_OF)
    (config / "platform.yaml").write_text(PLATFORM.format(gap=5))
    build(home, *WITHOUT_TESTS, "--select", "int_events_sessioned", as_of=AS_OF)
    with connect(load_settings(home=home), purpose="test") as con:
        con.execute("insert into raw.events from raw.kept_back")
        con.execute("drop table raw.kept_back")
        con.execute("update identity.identifiers set customer_id = 'ann' where customer_id = 'bob'")
        con.execute("update identity.identifiers set customer_id = 'zoe' where id_value = 'd_cat'")
        con.execute(
            "update raw.crm__opportunities set stage = 'closed_lost', is_open = false,"
            " updated_at = timestamp '2026-03-01' where id = 'd1'"
        )
    build(home, *WITHOUT_TESTS, as_of=AS_OF)
    return home


def test_two_days_are_the_same_as_both_at_once(grown: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(grown, whole)
    build(whole, "--full-refresh", *WITHOUT_TESTS, as_of=AS_OF)
    with duckdb.connect() as con:
        for name, home in {"grown": grown, "whole": whole}.items():
            con.execute(f"attach '{home / 'warehouse.duckdb'}' as {name} (read_only)")
        tables = con.execute(
            "select distinct table_schema || '.' || table_name from information_schema.tables"
            " where table_catalog = 'whole' and table_schema in ('staging', 'intermediate', 'marts')"
            " and table_type = 'BASE TABLE'"
        ).fetchall()
        different = [
            table
            for (table,) in tables
            if con.execute(
                f"(from grown.{table} except all from whole.{table})"
                f" union all (from whole.{table} except all from grown.{table})"
            ).fetchall()
        ]
        assert len(tables) > 50
        assert not different
        found = con.execute("select count(*) from grown.marts.customer_journey where customer_id = 'ann'").fetchone()
        assert found is not None
        assert found[0] > 5
        visits = con.execute("select count(*) from grown.marts.sessions where customer_id = 'fay'").fetchone()
        assert visits == (2,)


def test_a_snapshot_keeps_what_a_deal_was(grown: Path) -> None:
    with duckdb.connect(str(grown / "warehouse.duckdb"), read_only=True) as con:
        found = con.execute(
            "select stage, is_open, dbt_valid_to is null from snapshots.crm_opportunities"
            " where opportunity_id = 'd1' order by 3, 1"
        ).fetchall()
    assert found == [("proposal", True, False), ("closed_lost", False, True)]
