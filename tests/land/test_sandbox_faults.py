"""The example company's tools when they misbehave: nothing is lost, nothing doubled, and the pull says what it met."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from headwater.configuration import Config, Contract, RestSource, load_config
from headwater.errors import DataError
from headwater.land import pages
from headwater.land.extracts import pull, try_pull
from headwater.load.extracts import load_extracts
from headwater.settings import CHECKOUT, Settings
from headwater.storage.lake import LocalLake
from headwater.storage.warehouse import ensure_schemas

TOKEN = {"Authorization": "Bearer sandbox_demo"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The running tools of a small company."""
    folder = tmp_path_factory.mktemp("sandbox")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    make = [sys.executable, "-m", "sandbox", "simulate", "--out", str(folder), "--people", "200", "--seed", "5"]
    subprocess.run(make, check=True, cwd=CHECKOUT, capture_output=True)
    serve = [sys.executable, "-m", "sandbox", "serve", "--dir", str(folder), "--port", str(port), "--no-database"]
    process = subprocess.Popen(serve, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=TOKEN) as client:
        while True:
            assert process.poll() is None
            try:
                client.get("/health")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield client
    process.terminate()
    process.wait(60)


@pytest.fixture
def crm_of_the_company(sandbox: httpx.Client, config_of: Callable[..., Config]) -> Iterator[Config]:
    """The shipped config's source `crm`, on that company, with small pages; the tools behave."""
    shipped = load_config(Settings(home=Path("unused"), config_dir=CHECKOUT / "config", lake_url="unused"))
    crm = shipped.sources["crm"]
    assert isinstance(crm, RestSource)
    crm.base_url, crm.token, crm.page_size = f"{sandbox.base_url}/crm/v1", "sandbox_demo", 20
    crm.tables = {"contacts": crm.tables["contacts"]}
    sandbox.delete("/admin/faults").raise_for_status()
    yield config_of(crm=crm)
    sandbox.delete("/admin/faults")


def contacts_of(config: Config) -> Any:
    source = config.sources["crm"]
    assert isinstance(source, RestSource)
    return source.tables["contacts"]


def loaded(lake: LocalLake, config: Config, columns: str = "id, email, phone, shop_user_id") -> list[Any]:
    with duckdb.connect() as con:
        ensure_schemas(con)
        load_extracts(con, lake, config, "crm")
        return con.execute(f"select {columns} from raw.crm__contacts order by all").fetchall()


@pytest.fixture
def truth(settings: Settings, crm_of_the_company: Config, tmp_path: Path) -> list[Any]:
    """The contacts as a pull without any fault brings them."""
    other = replace(settings, home=tmp_path / "undisturbed", lake_url=str(tmp_path / "undisturbed_lake"))
    pull(other, crm_of_the_company, "crm")
    found = loaded(LocalLake(other.lake_url), crm_of_the_company)
    assert len(found) > 60
    return found


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        ({"kind": "429", "times": 2}, ""),
        ({"kind": "500", "times": 3}, ""),
        ({"kind": "timeout", "times": 1, "seconds": 20}, ""),
        ({"kind": "half_page", "times": 2}, ""),
        ({"kind": "page_order", "times": None}, ""),
        ({"kind": "duplicate_rows", "times": None}, "came more than once"),
        ({"kind": "clock_back", "times": None}, ""),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_first_pull_through_a_fault_ends_like_one_without(
    fault: dict[str, Any],
    note: str,
    settings: Settings,
    crm_of_the_company: Config,
    sandbox: httpx.Client,
    lake: LocalLake,
    truth: list[Any],
) -> None:
    source = crm_of_the_company.sources["crm"]
    assert isinstance(source, RestSource)
    source.timeout_seconds = 3
    sandbox.post("/admin/faults", json={"tool": "crm", "table": "contacts", **fault}).raise_for_status()
    found = pull(settings, crm_of_the_company, "crm").tables["contacts"]
    assert note in " ".join(found.notes)
    assert loaded(lake, crm_of_the_company) == truth
    sandbox.delete("/admin/faults")
    pull(settings, crm_of_the_company, "crm")
    assert loaded(lake, crm_of_the_company) == truth


def test_a_cursor_without_an_end_is_noticed_and_the_next_pull_is_whole(
    settings: Settings, crm_of_the_company: Config, sandbox: httpx.Client, lake: LocalLake, truth: list[Any]
) -> None:
    sandbox.post("/admin/faults", json={"tool": "crm", "kind": "endless_cursor", "times": None}).raise_for_status()
    with pytest.raises(DataError, match="its pages have no end"):
        pull(settings, crm_of_the_company, "crm")
    sandbox.delete("/admin/faults")
    pull(settings, crm_of_the_company, "crm")
    assert loaded(lake, crm_of_the_company) == truth


def test_half_pages_that_do_not_stop_fail_the_table_and_the_next_pull_is_whole(
    settings: Settings,
    crm_of_the_company: Config,
    sandbox: httpx.Client,
    lake: LocalLake,
    truth: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "ATTEMPTS", 2)
    sandbox.post("/admin/faults", json={"tool": "crm", "kind": "half_page", "times": None}).raise_for_status()
    found = try_pull(settings, crm_of_the_company, "crm").tables["contacts"]
    assert "is not JSON" in str(found.error) and "bytes that begin as JSON" in str(found.error)
    assert "@" not in str(found.error)  # what came of it names people
    sandbox.delete("/admin/faults")
    pull(settings, crm_of_the_company, "crm")
    assert loaded(lake, crm_of_the_company) == truth


def test_a_clock_that_goes_back_after_a_pull_hides_no_change(
    settings: Settings, crm_of_the_company: Config, sandbox: httpx.Client, lake: LocalLake, truth: list[Any]
) -> None:
    pull(settings, crm_of_the_company, "crm")
    back = {"tool": "crm", "table": "contacts", "kind": "clock_back", "seconds": 86_400, "times": None}
    sandbox.post("/admin/faults", json=back).raise_for_status()
    found = pull(settings, crm_of_the_company, "crm").tables["contacts"]
    assert "the newest row is not where it was" in " ".join(found.notes)
    assert pull(settings, crm_of_the_company, "crm").tables["contacts"].notes == []
    sandbox.delete("/admin/faults")
    pull(settings, crm_of_the_company, "crm")
    assert loaded(lake, crm_of_the_company) == truth


def test_pages_in_another_order_than_before_are_told(
    settings: Settings, crm_of_the_company: Config, sandbox: httpx.Client, lake: LocalLake, truth: list[Any]
) -> None:
    contacts_of(crm_of_the_company).overlap = 400 * 86_400
    pull(settings, crm_of_the_company, "crm")
    sandbox.post("/admin/faults", json={"tool": "crm", "kind": "page_order", "times": None}).raise_for_status()
    found = pull(settings, crm_of_the_company, "crm").tables["contacts"]
    assert found.notes == ["rows do not come by ascending updated_at any more"]
    assert loaded(lake, crm_of_the_company) == truth


def test_a_column_more_fills_itself_for_every_row_and_stays_when_it_goes(
    settings: Settings, crm_of_the_company: Config, sandbox: httpx.Client, lake: LocalLake, truth: list[Any]
) -> None:
    pull(settings, crm_of_the_company, "crm")
    fault = {"tool": "crm", "kind": "schema_change", "change": "add", "times": None}
    sandbox.post("/admin/faults", json=fault).raise_for_status()
    found = pull(settings, crm_of_the_company, "crm").tables["contacts"]
    assert found.changes == ["column loyalty_tier (text) is not declared: evolve"]
    assert {row[0] for row in loaded(lake, crm_of_the_company, "loyalty_tier")} == {"gold"}
    assert loaded(lake, crm_of_the_company) == truth


@pytest.mark.parametrize("change", ["drop", "type"])
def test_rows_of_a_changed_schema_are_kept_aside_and_come_by_themselves_when_it_is_mended(
    change: str,
    settings: Settings,
    crm_of_the_company: Config,
    sandbox: httpx.Client,
    lake: LocalLake,
    truth: list[Any],
) -> None:
    fault = {"tool": "crm", "kind": "schema_change", "change": change, "column": "email", "value": 7, "times": 2}
    sandbox.post("/admin/faults", json=fault).raise_for_status()
    found = pull(settings, crm_of_the_company, "crm").tables["contacts"]
    assert found.quarantined == 40
    assert len(found.changes) == 1
    assert len(loaded(lake, crm_of_the_company)) == len(truth) - 40
    pull(settings, crm_of_the_company, "crm")
    assert loaded(lake, crm_of_the_company) == truth


def test_a_frozen_table_stops_at_a_change_and_goes_on_after_it(
    settings: Settings, crm_of_the_company: Config, sandbox: httpx.Client, lake: LocalLake, truth: list[Any]
) -> None:
    contacts_of(crm_of_the_company).contract = Contract(columns="freeze", types="freeze")
    fault = {"tool": "crm", "kind": "schema_change", "change": "type", "column": "email", "value": 7, "times": None}
    sandbox.post("/admin/faults", json=fault).raise_for_status()
    with pytest.raises(DataError, match="column email is declared as text and holds integer; its contract freezes"):
        pull(settings, crm_of_the_company, "crm")
    sandbox.delete("/admin/faults")
    pull(settings, crm_of_the_company, "crm")
    assert loaded(lake, crm_of_the_company) == truth
