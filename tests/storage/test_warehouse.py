from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from headwater.cli import cli
from headwater.errors import BusyError, ConfigError, DataError, UnavailableError
from headwater.settings import Settings, load_settings
from headwater.storage import warehouse
from headwater.storage.warehouse import connect, connect_read, ensure_schemas, publish, read_copy, replace_table
from headwater.storage.warehouse.schema import columns_by_table, declared_tables


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


@contextmanager
def child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs `code` and has printed its first line; killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait(60)


HOLD = """
import sys
from headwater.settings import load_settings
from headwater.storage.warehouse import connect
with connect(load_settings(home=sys.argv[1]), purpose="a long build") as con:
    con.execute("create or replace table kept as select 7 as n")
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_waits_until_the_first_is_done(settings: Settings) -> None:
    with child(HOLD, settings.home) as holder:
        threading.Timer(0.3, lambda: holder.stdin.write("go\n") and holder.stdin.flush()).start()
        with connect(settings, purpose="test", wait_seconds=30) as con:
            assert con.execute("select n from kept").fetchone() == (7,)
        assert holder.wait(60) == 0


def test_who_waits_in_vain_learns_who_holds_the_warehouse_for_what(settings: Settings) -> None:
    with (
        child(HOLD, settings.home) as holder,
        pytest.raises(BusyError) as caught,
        connect(settings, purpose="test", wait_seconds=0.2),
    ):
        pass
    expected = (
        rf"The warehouse is being written by a long build \(process {holder.pid}, since 20.* UTC\); waited 0.2 s\."
    )
    assert caught.match(expected)


def test_a_killed_holder_blocks_nobody_and_what_it_committed_is_there(settings: Settings) -> None:
    with child(HOLD, settings.home) as holder:
        holder.kill()
        holder.wait(60)
        with connect(settings, purpose="test", wait_seconds=0.2) as con:
            assert con.execute("select n from kept").fetchone() == (7,)


def test_threads_of_one_process_take_turns_too(settings: Settings) -> None:
    order: list[int] = []

    def work(number: int) -> None:
        with connect(settings, purpose=f"thread {number}", wait_seconds=30) as con:
            order.append(number)
            con.execute("create table if not exists turns (n int)")
            con.execute("insert into turns values (?)", [number])
            order.append(number)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[::2] == order[1::2]
    with connect(settings, purpose="test") as con:
        assert con.execute("select count(*) from turns").fetchone() == (4,)


FOREIGN = """
import sys, duckdb
con = duckdb.connect(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_program_that_knows_nothing_of_the_lock_is_waited_for_and_named(settings: Settings) -> None:
    settings.home.mkdir()
    with child(FOREIGN, settings.warehouse) as foreign:
        sentence = rf"open in another program, .* \(process {foreign.pid}\); waited 0.2 s"
        with pytest.raises(BusyError, match=sentence), connect(settings, purpose="test", wait_seconds=0.2):
            pass
        threading.Timer(0.3, foreign.kill).start()
        with connect(settings, purpose="test", wait_seconds=30) as con:
            assert con.execute("select 1").fetchone() == (1,)


def test_a_failed_step_leaves_nothing_behind_and_lets_go(settings: Settings) -> None:
    with pytest.raises(ZeroDivisionError), connect(settings, purpose="fails") as con:
        con.execute("create table t (n int)")
        with warehouse.transaction(con):
            con.execute("insert into t values (1)")
            raise ZeroDivisionError
    with connect(settings, purpose="test", wait_seconds=0) as con:
        assert con.execute("select count(*) from t").fetchone() == (0,)


def test_a_file_that_is_no_database_is_one_sentence(settings: Settings) -> None:
    settings.home.mkdir()
    settings.warehouse.write_bytes(b"x" * 10_000)
    with pytest.raises(DataError, match="cannot be opened"), connect(settings, purpose="test"):
        pass


def test_every_connection_has_the_one_configuration(settings: Settings) -> None:
    def configuration(con: duckdb.DuckDBPyConnection) -> object:
        names = ("TimeZone", "threads", "memory_limit", "temp_directory")
        return con.execute(f"select {', '.join(f'current_setting({name!r})' for name in names)}").fetchone()

    with connect(settings, purpose="test") as con:
        written = configuration(con)
    publish(settings)
    with connect_read(settings) as con:
        assert configuration(con) == written
    assert written == ("UTC", 2, "953.6 MiB", str(settings.home / "warehouse.tmp"))


def test_the_read_copy_is_renewed_only_after_something_was_written(settings: Settings) -> None:
    assert read_copy(settings) is None
    with pytest.raises(UnavailableError, match="headwater publish"), connect_read(settings):
        pass
    with connect(settings, purpose="test") as con:
        con.execute("create table t as select 1 as n")
    assert publish(settings).copied
    assert not publish(settings).copied
    with connect(settings, purpose="test") as con:
        con.execute("insert into t values (2)")
    behind = read_copy(settings)
    assert behind is not None and behind.is_behind
    assert publish(settings).copied
    copy = read_copy(settings)
    assert copy is not None and not copy.is_behind
    assert copy.age_seconds(copy.published_at + timedelta(seconds=5)) == 5
    with connect_read(settings) as con:
        assert con.execute("select sum(n) from t").fetchone() == (3,)


def test_views_that_name_the_database_work_in_the_read_copy(settings: Settings) -> None:
    with connect(settings, purpose="test") as con:
        con.execute("create table t as select 1 as n")
        con.execute('create view v as select * from "warehouse"."main"."t"')
    publish(settings)
    with connect_read(settings) as con:
        assert con.execute("select n from v").fetchone() == (1,)
        with pytest.raises(duckdb.Error):
            con.execute("insert into t values (2)")


def test_a_killed_writer_is_published_with_all_it_committed(settings: Settings) -> None:
    with child(HOLD, settings.home) as holder:
        holder.kill()
        holder.wait(60)
    assert settings.warehouse.with_name("warehouse.duckdb.wal").exists()
    publish(settings)
    with connect_read(settings) as con:
        assert con.execute("select n from kept").fetchone() == (7,)
    alone = duckdb.connect(settings.warehouse_read, read_only=True)  # as a BI tool opens it
    assert alone.execute("select n from kept").fetchone() == (7,)


READ = """
import sys
from headwater.settings import load_settings
from headwater.storage.warehouse import connect_read
settings = load_settings(home=sys.argv[1])
print("ready", flush=True)
seen = set()
while len(seen) < 3:
    with connect_read(settings) as con:
        low, high, rows = con.execute("select min(n), max(n), count(*) from t").fetchone()
        assert low == high and rows == 50_000, (low, high, rows)
        seen.add(low)
"""


@pytest.mark.slow
def test_readers_never_see_half_a_copy_while_it_is_renewed(settings: Settings) -> None:
    def write(number: int) -> None:
        with connect(settings, purpose="test") as con:
            con.execute(f"create or replace table t as select {number} as n from range(50_000)")
        publish(settings)

    write(0)
    with child(READ, settings.home) as first, child(READ, settings.home) as second:
        number = 0
        deadline = time.monotonic() + 60
        while (first.poll() is None or second.poll() is None) and time.monotonic() < deadline:
            number += 1
            write(number)
        assert (first.wait(60), second.wait(60)) == (0, 0)


def test_a_reader_that_stays_open_keeps_its_copy_and_the_next_sees_the_new_one(settings: Settings) -> None:
    for number in (1, 2):
        with connect(settings, purpose="test") as con:
            con.execute(f"create or replace table t as select {number} as n")
        publish(settings)
        if number == 1:
            staying = connect_read(settings)
            old = staying.__enter__()
    with connect_read(settings) as new:
        assert new.execute("select n from t").fetchone() == (2,)
    assert old.execute("select n from t").fetchone() == (1,)
    staying.__exit__(None, None, None)


def test_schemas_and_declared_tables_are_made_and_kept(settings: Settings) -> None:
    with connect(settings, purpose="test") as con:
        con.execute("create schema raw")
        con.execute("create table raw.crm__contacts (id text, custom int)")
        con.execute("insert into raw.crm__contacts values ('1', 2)")
        ensure_schemas(con)
        con.execute("insert into raw.events (message_id) values ('m')")
        ensure_schemas(con)
        tables = columns_by_table(con)
        for table, columns in declared_tables().items():
            assert {name.lower() for name in columns} <= set(tables[table]), table
        assert con.execute("select id, custom, email from raw.crm__contacts").fetchall() == [("1", 2, None)]
        assert con.execute("select count(*) from raw.events").fetchone() == (1,)
        assert tables["raw.events"]["payload"] == "JSON"


def test_a_declaration_without_a_type_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "_sources.yml"
    file.write_text("sources: [{name: raw, tables: [{name: t, columns: [{name: id}]}]}]")
    with pytest.raises(ConfigError, match="data_type"):
        declared_tables(file)


def test_replacing_a_table_keeps_declared_types_and_adds_what_else_is_given(settings: Settings) -> None:
    with connect(settings, purpose="test") as con:
        for count in (3, 2):
            frame = pd.DataFrame(
                {"customer_id": [f"c{n}" for n in range(count)], "probability": 0.5, "extra": range(count)}
            )
            assert replace_table(con, "ml.churn_scores", frame) == count
        found = columns_by_table(con)["ml.churn_scores"]
        assert (found["probability"], found["scored_at"], found["extra"]) == ("DOUBLE", "TIMESTAMP", "BIGINT")
        assert con.execute("select customer_id, scored_at from ml.churn_scores order by 1").fetchall() == [
            ("c0", None), ("c1", None)
        ]  # fmt: skip
        replace_table(con, "ml.other", pd.DataFrame({"n": [1]}), columns={"n": "text", "at": "timestamp"})
        assert columns_by_table(con)["ml.other"] == {"n": "VARCHAR", "at": "TIMESTAMP"}


def test_a_replacement_that_fails_leaves_the_old_rows(settings: Settings) -> None:
    with connect(settings, purpose="test") as con:
        replace_table(con, "ml.t", pd.DataFrame({"n": [1]}))
        with pytest.raises(duckdb.Error):
            replace_table(con, "ml.t", pd.DataFrame({"n": ["not a number"]}), columns={"n": "bigint"})
        assert con.execute("select n from ml.t").fetchall() == [(1,)]


def test_the_publish_command_says_what_it_did(settings: Settings) -> None:
    for expected in ("renewed", "is up to date"):
        result = CliRunner().invoke(cli, ["publish", "--home", str(settings.home)])
        assert result.exit_code == 0, result.output
        assert f"{settings.warehouse_read} {expected}" in result.output
