from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from headwater.errors import BusyError
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.warehouse import connect, publish, read_copy
from headwater.storage.warehouse.connection import MEMORY_LIMIT
from headwater.storage.warehouse.lock import WarehouseLock

if TYPE_CHECKING:  # dbt costs each worker a second: imported where it is used
    from dbt.adapters.duckdb.environments import Environment

PROFILE = """
tiny:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: "{{ env_var('HEADWATER_HOME') }}/warehouse.duckdb"
      plugins:
        - module: headwater.storage.warehouse.dbt_plugin
          config: {wait_seconds: %s}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home")
    with connect(settings, purpose="test"):
        pass
    publish(settings)
    return settings


def dbt(settings: Settings, tmp_path: Path, *arguments: str, wait_seconds: float) -> subprocess.Popen[str]:
    """A real dbt process on a project with one model."""
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: tiny\nprofile: tiny\n")
    (project / "profiles.yml").write_text(PROFILE % wait_seconds)
    (project / "models" / "one.sql").write_text("select 1 as n")
    return subprocess.Popen(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments],
        cwd=project,
        env={**os.environ, "HEADWATER_HOME": str(settings.home), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_dbt_waits_for_its_turn_then_builds_and_the_read_copy_counts_as_behind(
    settings: Settings, tmp_path: Path
) -> None:
    lock = WarehouseLock(settings.warehouse, "load events")
    lock.acquire()
    process = dbt(settings, tmp_path, "run", wait_seconds=60)
    try:
        while not (tmp_path / "project" / "target" / "manifest.json").exists():  # it has parsed and wants the file now
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)
        assert process.poll() is None
    finally:
        lock.release()
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, output
    copy = read_copy(settings)
    assert copy is not None and copy.is_behind
    with connect(settings, purpose="test", wait_seconds=0) as con:
        assert con.execute("select n from main.one").fetchone() == (1,)


@pytest.mark.slow
def test_dbt_that_waits_in_vain_says_in_one_sentence_who_holds_the_warehouse(
    settings: Settings, tmp_path: Path
) -> None:
    with connect(settings, purpose="load events"):
        output, _ = (process := dbt(settings, tmp_path, "run", wait_seconds=0.2)).communicate(timeout=60)

    assert process.returncode != 0
    assert f"The warehouse is being written by load events (process {os.getpid()}, since 20" in output
    assert "Traceback" not in output


@pytest.fixture
def environment(settings: Settings) -> Callable[..., Environment]:
    """Makes what dbt-duckdb makes once per process."""

    from dbt.adapters.duckdb.credentials import DuckDBCredentials, PluginConfig
    from dbt.adapters.duckdb.environments import create

    def make(**config: object) -> Environment:
        plugins = [PluginConfig(module="headwater.storage.warehouse.dbt_plugin", config=dict(config))]
        credentials = DuckDBCredentials(
            database="warehouse", schema="main", path=str(settings.warehouse), plugins=plugins
        )
        return create(credentials)

    return make


def test_dbt_is_told_when_a_macro_has_changed(
    settings: Settings, environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headwater.storage.warehouse import dbt_plugin

    def told() -> dict[str, Any]:
        made = environment()
        handle = made.handle()
        (found,) = handle.cursor().execute("select getvariable('headwater_vars')").fetchone()
        handle.close()
        made.close()
        return json.loads(found)

    shutil.copytree(CHECKOUT / "dbt_project" / "macros", tmp_path / "dbt_project" / "macros")
    before = told()
    monkeypatch.setattr(dbt_plugin, "CHECKOUT", tmp_path)
    assert told() == before  # wherever they lie
    with (tmp_path / "dbt_project" / "macros" / "touchpoints.sql").open("a") as macro:
        macro.write("{# another word #}")
    after = told()
    assert after.pop(dbt_plugin.MACROS) != before.pop(dbt_plugin.MACROS)
    assert after == before


@pytest.mark.parametrize(
    ("machine", "limit"), [("16.0 GiB", "5.0 GiB"), ("4.0 GiB", "1.25 GiB"), ("800.0 MiB", MEMORY_LIMIT)]
)
def test_dbt_may_use_a_quarter_of_the_memory_that_is_there(
    settings: Settings, environment, monkeypatch: pytest.MonkeyPatch, machine: str, limit: str
) -> None:
    opened = duckdb.connect

    def of_machine(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        con = opened(*arguments, **options)
        if not arguments:
            con.execute(f"set memory_limit = '{machine}'")
        return con

    monkeypatch.setattr(duckdb, "connect", of_machine)
    handle = environment().handle()
    (told,) = handle.cursor().execute("select current_setting('memory_limit')").fetchone()
    with opened() as con:
        con.execute(f"set memory_limit = '{limit}'")
        assert con.execute("select current_setting('memory_limit')").fetchone() == (told,)


def test_the_lock_is_held_under_its_own_name_until_the_environment_goes(settings: Settings, environment) -> None:
    made = environment(purpose="dbt build")
    handle = made.handle()
    configured = handle.cursor().execute("select current_setting('TimeZone'), current_setting('threads')").fetchone()
    assert configured == ("UTC", 2)
    with pytest.raises(BusyError, match=r"by dbt build \("), connect(settings, purpose="test", wait_seconds=0):
        pass
    handle.close()
    made.close()
    del made, handle
    with connect(settings, purpose="test", wait_seconds=0) as con:
        assert con.execute("select 1").fetchone() == (1,)


@pytest.mark.slow
def test_an_environment_that_waits_in_vain_fails_with_the_holders_name_and_holds_nothing(
    settings: Settings, environment
) -> None:
    made = environment(wait_seconds=0.1)
    from dbt_common.exceptions import DbtRuntimeError

    with connect(settings, purpose="load events"), pytest.raises(DbtRuntimeError, match="written by load events"):
        made.handle()
    with connect(settings, purpose="test", wait_seconds=0) as con:
        assert con.execute("select 1").fetchone() == (1,)


def test_what_has_waited_in_vain_does_not_wait_again(settings: Settings, environment) -> None:
    from dbt_common.exceptions import DbtRuntimeError

    made = environment(wait_seconds=0.3)
    with connect(settings, purpose="load events"):
        with pytest.raises(DbtRuntimeError, match=r"waited 0\.3 s"):
            made.handle()
        with pytest.raises(DbtRuntimeError, match="waited 0 s"):
            made.handle()
