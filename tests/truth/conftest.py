"""One simulated company, taken through the platform's own steps, with its ground truth beside it.

History and tools go over real HTTP: collector, import, lake, pulls, warehouse, identity, dbt. The platform never sees
the truth. It is told for weeks beyond `T`, so that what came later is there to be left out.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx
import pytest

from headwater.collect.importer import import_events
from headwater.configuration import Config, RestSource, SqlSource, load_config
from headwater.land.events import land_events
from headwater.land.extracts import pull
from headwater.land.files import land_files
from headwater.load.conversations import load_conversations
from headwater.load.events import load_events
from headwater.load.extracts import load_extracts
from headwater.match.resolve import resolve
from headwater.settings import CHECKOUT, Settings, load_settings
from headwater.storage.lake import open_lake
from headwater.storage.warehouse import connect, ensure_schemas
from orchestration.parsed import ensure_manifest
from tests.once import once, shared_folder

BIN = Path(sys.executable).parent
PEOPLE, SEED, TOLD_UPTO = 2500, 11, "2026-11-21"
T = "2026-11-05 12:00:00"
MODELS = [
    *("+high_value_customers", "+int_churn_features", "+marketing_efficiency", "+channel_lift"),
    *("+customer_360", "+qualified_leads"),
]


@dataclass(frozen=True)
class Company:
    """A company after one pass: its home, what it wrote, the truth, and ways to ask and to build."""

    home: Path
    folder: Path

    @property
    def truth(self) -> Path:
        return self.folder / "truth"

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"


def dbt_run(home: Path, *models: str) -> None:
    """Build models with dbt's command line as of `T`, in a home that has its own warehouse."""
    ensure_manifest(load_settings(home))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HEADWATER", "DBT"))}
    result = subprocess.run(
        [
            *(str(BIN / "dbt"), "build", "--exclude-resource-type", "test", "unit_test"),
            *("--select", *models),
        ],
        cwd=CHECKOUT / "dbt_project",
        env={**environment, "HEADWATER_HOME": str(home), "HEADWATER_AS_OF": T},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Built once, also when pytest-xdist spreads the files of this folder over several processes. Only to be read."""

    def build(folder: Path) -> str:
        made = Company(folder / "home", folder / "home" / "sandbox")
        _build(made)
        return str(made.home)

    home = Path(once(shared_folder(tmp_path_factory, "truth"), "company", build))
    return Company(home, home / "sandbox")


def _build(company: Company) -> None:
    settings = load_settings(
        company.home,
        CHECKOUT / "config",
        lake_url=str(company.home / "lake"),
        collector_port=_free_port(),
        sandbox_port=_free_port(),
        sandbox_db_port=_free_port(),
    )
    where = ["--out", str(company.folder), "--inbox", str(settings.inbox)]
    size = ["--people", str(PEOPLE), "--seed", str(SEED), "--as-of", TOLD_UPTO]
    sandbox = [sys.executable, "-m", "sandbox"]
    subprocess.run([*sandbox, "simulate", *where, *size], check=True, cwd=CHECKOUT, capture_output=True)
    _live_as_history(company.folder / "company")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_URL", settings.sandbox_url)
        patch.setenv("PAYMENTS_DATABASE_URL", settings.payments_database_url)
        config = load_config(settings)
    places = ["--home", str(settings.home), "--config", str(settings.config_dir)]
    with _running([str(BIN / "headwater"), "collect", *places, "--port", str(settings.collector_port)], settings):
        import_events(settings, config, company.folder / "company")
    tools = [*sandbox, "serve", "--dir", str(company.folder), "--port", str(settings.sandbox_port)]
    tools += ["--db-port", str(settings.sandbox_db_port)]
    with _running([*tools, *(f"--rate={tool}=1000" for tool in ("crm", "email", "support"))], settings):
        _land_and_load(settings, config)
    dbt_run(company.home, *MODELS)


def _land_and_load(settings: Settings, config: Config) -> None:
    tools = [name for name, source in config.sources.items() if isinstance(source, RestSource | SqlSource)]
    land_events(settings, config)
    land_files(settings, config)
    for tool in tools:
        pull(settings, config, tool)
    lake = open_lake(settings)
    with connect(settings, purpose="the truth's fixture") as con:
        ensure_schemas(con)
        load_events(con, lake)
        load_conversations(con, lake)
        for tool in tools:
            load_extracts(con, lake, config, tool)
        resolve(con, config.identity, lake=lake)


def _live_as_history(company: Path) -> None:
    """The events that would be sent live become files of history: what is compared must not depend on today."""
    lines: dict[str, list[bytes]] = {}
    for line in (company / "live.ndjson").read_bytes().splitlines(keepends=True):
        lines.setdefault(json.loads(line)["channel"], []).append(line)
    for source, found in lines.items():
        (company / "events" / f"{source}-live.ndjson").write_bytes(b"".join(found))


@contextmanager
def _running(command: list[str], settings: Settings) -> Iterator[None]:
    """A service that answers, stopped at the end."""
    port = command[command.index("--port") + 1]
    with (settings.home / f"service-{port}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=CHECKOUT)
    try:
        while True:
            assert process.poll() is None, Path(log.name).read_text(encoding="utf-8")
            try:
                httpx.get(f"http://127.0.0.1:{port}/health")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def warehouse(company: Company) -> Iterator[duckdb.DuckDBPyConnection]:
    """The built warehouse, attached read-only as `built`, and the truth's tables, all text, in schema `truth`."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"attach '{company.warehouse}' as built (read_only)")
        con.execute("create schema truth")
        for path in company.truth.glob("*.csv"):
            con.execute(f"create table truth.{path.stem} as from read_csv('{path}', all_varchar = true, nullstr = '')")
        yield con
