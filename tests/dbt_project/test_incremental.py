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


BEFORE_DESCRIBED = [
    *("int_events_identified", "int_events_sessioned", "int_sessions_landed", "sessions"),
    "int_event_touchpoints_identified",
]
PLATFORM = "company: A company\ncurrency: USD\nstacks: [starter]\nsession_gap_minutes: {gap}\n"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company in two days: on the second come events, some of them late, one is erased, rows of tools are others,
    an ad and a ticket of the day before come to be known, people merge and part. Between the two the company says that
    a visit ends sooner."""
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
        tagged = {"context": {"campaign": {"source": "google", "medium": "cpc", "name": "spring", "content": "boots"}}}
        _insert(con, "raw.events", _event("2026-01-21 10:00:00", type="page", anonymousId="d_gil", **tagged))
        for hour in (10, 11):
            _insert(con, "raw.events", _event(f"2026-01-21 {hour}:00:00", type="page", anonymousId="d_hal"))
        ticket = {"event": "Ticket Opened", "properties": {"ticket_id": "t9"}}
        _insert(con, "raw.events", _event("2026-01-22 10:00:00", type="track", source="desk", userId="u_cat", **ticket))
        con.execute(
            "insert into identity.identifiers (id_type, id_value, customer_id) values ('anonymous_id', 'd_gil', 'gil'),"
            " ('anonymous_id', 'd_hal', 'hal')"
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
        con.execute("delete from raw.events where anonymous_id = 'd_hal' and hour(timestamp) = 11")
        con.execute(
            "update raw.events set known_at = known_at + interval '1 day'"
            " where user_id = 'u_ann' and (type = 'identify' or event = 'Order Completed')"
        )
        con.execute(
            "insert into raw.ads__campaigns (id, utm_source, utm_medium, utm_campaign) values ('ac1', 'google', 'cpc',"
            " 'spring')"
        )
        con.execute("insert into raw.ads__ads (id, campaign_id, utm_content) values ('ad1', 'ac1', 'boots')")
        con.execute(
            "insert into raw.support__tickets (id, user_id, topic, created_at)"
            " values ('t9', 'u_cat', 'billing', timestamp '2026-01-22 10:00:00')"
        )
        con.execute("update raw.crm__leads set status = 'lost', updated_at = timestamp '2026-03-01'")
        con.execute("update identity.identifiers set customer_id = 'ann' where customer_id = 'bob'")
        con.execute("update identity.identifiers set customer_id = 'zoe' where id_value = 'd_cat'")
        con.execute(
            "update raw.crm__opportunities set stage = 'closed_lost', is_open = false,"
            " updated_at = timestamp '2026-03-01' where id = 'd1'"
        )
    # some of what reads events before all of what they say is there
    build(home, *WITHOUT_TESTS, "--select", *BEFORE_DESCRIBED, as_of=AS_OF)
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
            " and table_type = 'BASE TABLE' and table_name <> 'people_told'"
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
        known = con.execute(
            "select list(distinct ad_id) filter (where customer_id = 'gil'),"
            " count(*) filter (where customer_id = 'hal' and kind = 'page_view'),"
            " list(source) filter (where title = 'billing' and customer_id = 'cat' and occurred_at < '2026-02-01')"
            " from grown.marts.customer_journey"
        ).fetchone()
        assert known == (["ad1"], 1, ["support"])


def test_a_snapshot_keeps_what_a_deal_was(grown: Path) -> None:
    with duckdb.connect(str(grown / "warehouse.duckdb"), read_only=True) as con:
        found = con.execute(
            "select stage, is_open, dbt_valid_to is null from snapshots.crm_opportunities"
            " where opportunity_id = 'd1' order by 3, 1"
        ).fetchall()
    assert found == [("proposal", True, False), ("closed_lost", False, True)]
