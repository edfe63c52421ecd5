"""`headwater sync` as its users type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from headwater.cli import cli
from headwater.errors import ConfigError
from headwater.settings import Settings
from headwater.storage.warehouse import connect, publish
from tests.tool_server import TOKEN, ToolServer


@pytest.fixture
def company(settings: Settings, tool: ToolServer) -> Settings:
    """A config folder with one sync, and a warehouse with three people."""
    folder = settings.config_dir
    destination = {"type": "crm", "base_url": f"{tool.url}/crm", "token": TOKEN}
    mapping = {"email": "email", "first_name": "first_name"}
    sync = {"model": "marts.people", "key": "email", "destination": "crm", "object": "contacts", "mapping": mapping}
    for name, content in {
        "platform.yaml": {"company": "T", "currency": "EUR", "stacks": ["starter"]},
        "sources.yaml": {"sources": {"server": {"kind": "events", "write_keys": ["k"]}}},
        "identity.yaml": {"id_types": {}, "edges": []},
        "destinations/crm.yaml": destination,
        "syncs/people.yaml": sync,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    with connect(settings, purpose="a test") as con:
        con.execute("create schema if not exists marts")
        con.execute(
            "create table marts.people as select 'p' || i || '@x.y' as email, 'É' as first_name from range(3) as t(i)"
        )
    publish(settings)
    return settings


def call(settings: Settings, *words: str):
    return CliRunner().invoke(
        cli,
        [*words, "--home", str(settings.home), "--config", str(settings.config_dir)],
        catch_exceptions=False,
    )


def test_a_dry_run_prints_the_exact_requests_and_sends_none(company: Settings, tool: ToolServer) -> None:
    shown = call(company, "sync", "people", "--dry-run").output
    assert shown.startswith(f"POST {tool.url}/crm/contacts/batch/upsert\n")
    assert "Authorization: Bearer …" in shown
    assert TOKEN not in shown
    assert '{"id_property":"email","id":"p1@x.y","properties":{"first_name":"É"}}' in shown
    assert "1 requests, 3 rows; none sent." in shown
    assert tool.received == []


def test_a_query_shows_the_rows_that_are_due(company: Settings, tool: ToolServer) -> None:
    lines = [json.loads(line) for line in call(company, "sync", "people", "--query").output.splitlines()]
    assert lines[0] == {
        "key": "p0@x.y", "operation": "insert", "fields": {"email": "p0@x.y", "first_name": "É"},
    }  # fmt: skip
    assert len(lines) == 3
    assert tool.received == []


def test_a_sync_says_what_it_did_and_refused_rows_can_be_sent_again(company: Settings, tool: ToolServer) -> None:
    tool.refuse = lambda record: ("INVALID", "no") if record["id"] == "p1@x.y" else None
    said = call(company, "sync", "people").output
    assert said.splitlines() == [
        "people: 3 rows, 3 due; 2 accepted, 1 refused in 1 requests.",
        "The reasons are in push.rejected_rows (sync = 'people').",
    ]
    assert call(company, "sync", "people").output == "people: 3 rows, 0 due; 0 accepted, 0 refused in 0 requests.\n"
    tool.refuse = lambda record: None
    said = call(company, "sync", "people", "--rejected").output
    assert said == "people: 3 rows, 1 due; 1 accepted, 0 refused in 1 requests.\n"
    said = call(company, "sync", "people", "--full").output
    assert said == "people: 3 rows, 3 due; 3 accepted, 0 refused in 1 requests.\n"


def test_an_unknown_name_says_which_there_are(company: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Sync «nobody» is not defined; defined are: people"):
        call(company, "sync", "nobody")
