"""The shipped syncs and streaming destination against the example company's tools, over real HTTP."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from headwater.configuration import Config, load_config
from headwater.push.stream import drain
from headwater.push.sync import run_sync
from headwater.settings import CHECKOUT, Settings, load_settings
from tests.push.log_events import track, write_events

HEADERS = {"Authorization": "Bearer sandbox_demo"}


@dataclass
class Tools:
    """The running tools."""

    url: str
    folder: Path

    def get(self, path: str) -> dict[str, Any]:
        return httpx.get(f"{self.url}{path}", headers=HEADERS, trust_env=False).raise_for_status().json()

    def rows(self, sql: str) -> list[tuple]:
        with sqlite3.connect(self.folder / "tools.sqlite") as database:
            return database.execute(sql).fetchall()

    def posts(self, tool: str) -> int:
        return self.get("/admin/requests")["counts"][tool].get("POST", 0)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    folder = tmp_path_factory.mktemp("sandbox")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    sandbox = [sys.executable, "-m", "sandbox"]
    options = ["--people", "120", "--seed", "7", "--as-of", "2026-03-01"]
    subprocess.run(
        [*sandbox, "simulate", "--out", str(folder), *options], check=True, cwd=CHECKOUT, capture_output=True
    )
    server = subprocess.Popen(
        [*sandbox, "serve", "--dir", str(folder), "--port", port, "--no-database"],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            httpx.get(url, trust_env=False)
            break
        except httpx.TransportError:
            assert server.poll() is None
            time.sleep(0.05)
    yield Tools(url, folder)
    server.terminate()
    server.wait(60)


@pytest.fixture
def shipped(tools: Tools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Settings, Config]:
    """The config that ships, pointed at the running tools."""
    monkeypatch.setenv("SANDBOX_URL", tools.url)
    settings = load_settings(home=tmp_path / "home", config=CHECKOUT / "config")
    return settings, load_config(settings)


def activation(con: duckdb.DuckDBPyConnection, config: Config, tools: Tools) -> None:
    """A model with every column that the shipped syncs name, for the people of the CRM."""
    columns = {column for sync in config.syncs.values() for column in sync.mapping.values()}
    others = sorted(columns - {"crm_id", "email", "likelihood_to_churn", "first_name"})
    con.execute("create table marts.customer_activation (crm_id text, email text, first_name text)")
    con.execute("alter table marts.customer_activation add column likelihood_to_churn double default 0.25")
    for column in others:
        con.execute(f"alter table marts.customer_activation add column {column} text default 'x'")
    people = tools.rows("select id, email, first_name from crm_contacts where email is not null order by id limit 90")
    con.executemany("insert into marts.customer_activation (crm_id, email, first_name) values (?, ?, ?)", people)


@pytest.mark.slow
def test_the_shipped_syncs_reach_the_tools_and_what_they_refuse_is_recorded(
    shipped: tuple[Settings, Config], tools: Tools, con: duckdb.DuckDBPyConnection
) -> None:
    settings, config = shipped
    activation(con, config, tools)
    con.execute("insert into marts.customer_activation (crm_id, email) values ('crm_nobody', 'not an address')")
    assert set(config.syncs) == {"crm_profiles", "email_profiles"}
    crm = run_sync(con, settings, config, "crm_profiles")
    assert (crm.accepted, crm.rejected) == (crm.selected - 1, 1)
    email = run_sync(con, settings, config, "email_profiles")
    assert email.accepted > 0
    assert email.accepted + email.rejected == email.selected
    reasons = con.sql("select sync, key, code, reason from push.rejected_rows order by key desc").fetchall()
    assert ("crm_profiles", "crm_nobody", "CONTACT_NOT_FOUND", "There is no contact crm_nobody.") in reasons
    assert ("email_profiles", "not an address", "INVALID_EMAIL", "Email address not an address is invalid.") in reasons
    accepted = con.sql("select key from push.sync_rows where status = 'accepted' and sync = 'crm_profiles'").fetchall()
    properties = tools.get(f"/crm/v1/contacts/{accepted[0][0]}")["properties"]
    assert properties["likelihood_to_churn"] == 0.25
    assert set(properties) == set(config.syncs["crm_profiles"].mapping) - {"id"}
    before = (tools.posts("crm"), tools.posts("email"))
    for name in config.syncs:
        assert run_sync(con, settings, config, name).requests == 0
    assert (tools.posts("crm"), tools.posts("email")) == before


@pytest.mark.slow
def test_the_shipped_streaming_destination_delivers_each_event_once(
    shipped: tuple[Settings, Config], tools: Tools
) -> None:
    settings, config = shipped
    write_events(
        settings.log_dir,
        track(1, "Order Completed"),
        track(2, "Subscription Cancelled"),
        track(3, "Product Viewed"),
        {"messageId": "m4", "type": "identify", "userId": "u4", "traits": {"email": "a@x.y"}},
    )
    report = drain(settings, config, "email_events")
    assert (report.delivered, report.failed, report.filtered) == (3, 0, 1)
    (settings.log_dir / "readers" / "push-email_events.json").unlink()
    for path in (settings.home / "push").glob("email_events.sqlite*"):
        path.unlink()
    assert drain(settings, config, "email_events").delivered == 3
    stored = tools.rows("select message_id from written_email_events order by message_id")
    assert stored == [("m1",), ("m2",), ("m4",)]
