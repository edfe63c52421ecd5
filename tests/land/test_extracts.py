"""Pulling a tool: increments, faults of the tool, faults of rows, death in the middle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import Config, Contract, RestSource
from headwater.errors import DataError, UnavailableError, UsageError
from headwater.land import pages
from headwater.land.extracts import pull
from headwater.settings import CHECKOUT, Settings
from headwater.storage.lake import LocalLake
from tests.land.paged_tool import TOKEN, PagedTool

Rows = Callable[[str], list[tuple[Any, ...]]]


def contact(number: int, *, day: int = 1, visits: object = 1) -> dict[str, object]:
    moment = f"2026-01-{day:02d}T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
    return {"id": f"c{number:05d}", "email": f"{number}@example.com", "visits": visits, "updated_at": moment}


def test_every_page_of_every_table_becomes_one_typed_object(
    settings: Settings, crm: Config, tool: PagedTool, landed_rows: Rows
) -> None:
    tool.rows = {"contacts": [contact(n) for n in range(250)], "deals": [contact(n) for n in range(3)]}
    report = pull(settings, crm, "crm")
    assert (report.tables["contacts"].rows, report.tables["contacts"].objects) == (250, 1)
    assert report.tables["deals"].rows == 3
    rows = landed_rows("extracts/crm/contacts/")
    assert len({row[0] for row in rows}) == 250
    assert ("c00007", "7@example.com", 1, datetime(2026, 1, 1, 0, 0, 7)) in rows


def test_a_second_pull_asks_from_the_cursor_and_lands_nothing_when_nothing_changed(
    settings: Settings, crm: Config, tool: PagedTool, lake: LocalLake
) -> None:
    tool.rows = {"contacts": [contact(n) for n in range(250)], "deals": []}
    pull(settings, crm, "crm")
    before, asked = lake.list("extracts/"), len(tool.requests)
    report = pull(settings, crm, "crm")
    assert report.tables["contacts"].rows == 0
    assert lake.list("extracts/") == before
    # five minutes of overlap before the newest row
    assert "updated_since=2025-12-31T23%3A59%3A09.000000Z" in tool.requests[asked]


def test_only_new_and_changed_rows_come_again_also_at_the_very_same_cursor(
    settings: Settings, crm: Config, tool: PagedTool, landed_rows: Rows
) -> None:
    tool.rows = {"contacts": [contact(n) for n in range(5)], "deals": []}
    pull(settings, crm, "crm")
    twin = {**contact(4), "id": "c99999"}
    changed_without_a_new_cursor = {**contact(4), "visits": 9}
    tool.rows["contacts"] = [*(contact(n) for n in range(4)), changed_without_a_new_cursor, twin, contact(1, day=2)]
    assert pull(settings, crm, "crm").tables["contacts"].rows == 3
    assert len(landed_rows("extracts/crm/contacts/")) == 8


def test_tables_can_be_pulled_one_by_one_with_their_own_cursors(
    settings: Settings, crm: Config, tool: PagedTool
) -> None:
    tool.rows = {"contacts": [contact(1)], "deals": [contact(2)]}
    assert list(pull(settings, crm, "crm", ["deals"]).tables) == ["deals"]
    assert all("contacts" not in path for path in tool.requests)
    assert pull(settings, crm, "crm").tables["contacts"].rows == 1


def test_a_row_with_a_wrong_type_or_a_missing_column_is_kept_aside_and_the_rest_goes_on(
    settings: Settings, crm: Config, tool: PagedTool, landed_rows: Rows
) -> None:
    incomplete = {key: value for key, value in contact(3).items() if key != "email"}
    without_key = {**contact(4), "id": None}
    too_great = contact(6, visits=2**63)
    tool.rows = {"contacts": [contact(1), contact(2, visits="many"), incomplete, without_key, contact(5), too_great]}
    tool.rows["deals"] = []
    report = pull(settings, crm, "crm")
    assert (report.tables["contacts"].rows, report.tables["contacts"].quarantined) == (2, 4)
    aside = sorted((reason, source, payload) for reason, source, _, payload, _ in landed_rows("quarantine/extracts/"))
    assert [reason for reason, _, _ in aside] == ["missing column", "wrong type", "wrong type", "wrong type"]
    assert {source for _, source, _ in aside} == {"crm.contacts"}
    assert '"c00003"' in aside[0][2]


def test_the_same_bad_row_is_kept_aside_once_however_often_it_is_met(
    settings: Settings, crm: Config, tool: PagedTool, landed_rows: Rows
) -> None:
    tool.rows = {"contacts": [contact(1), contact(2, visits="many")], "deals": []}
    assert pull(settings, crm, "crm").tables["contacts"].quarantined == 1
    tool.rows["contacts"].append(contact(3, visits="few"))
    assert pull(settings, crm, "crm").tables["contacts"].quarantined == 1
    assert pull(settings, crm, "crm").tables["contacts"].quarantined == 0
    assert len(landed_rows("quarantine/")) == 2


@pytest.mark.slow
def test_a_tool_that_asks_to_wait_and_one_that_stumbles_are_asked_again(
    settings: Settings, crm: Config, tool: PagedTool
) -> None:
    tool.rows = {"contacts": [contact(n) for n in range(150)], "deals": []}
    faults = {1: (429, {"Retry-After": "1"}, b"slow down"), 3: (503, {}, b"oops")}
    tool.fault = lambda path, count: faults.get(count)
    started = time.monotonic()
    assert pull(settings, crm, "crm").tables["contacts"].rows == 150
    assert time.monotonic() - started >= 1


def test_a_refused_token_is_one_sentence_with_the_tools_own_words(settings: Settings, crm: Config) -> None:
    source = crm.sources["crm"]
    assert isinstance(source, RestSource)
    source.token = "wrong"
    with pytest.raises(UnavailableError, match=r'^crm\'s contacts \(.*/v1/contacts\) answered 401: «{"error":"no"}»'):
        pull(settings, crm, "crm")


@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b'{"rows": []}', b"[1, 2]", b'{"data": [], "ne', b""])
def test_an_answer_that_is_no_page_is_a_data_error_that_shows_it(
    settings: Settings, crm: Config, tool: PagedTool, body: bytes
) -> None:
    tool.fault = lambda path, count: (200, {}, body)
    with pytest.raises(DataError, match=r"crm's contacts .* answered"):
        pull(settings, crm, "crm")


def test_pages_that_never_end_are_noticed(settings: Settings, crm: Config, tool: PagedTool) -> None:
    tool.fault = lambda path, count: (200, {}, b'{"data": [], "next_page_token": "again"}')
    with pytest.raises(DataError, match="repeats the page token «again»"):
        pull(settings, crm, "crm")


def test_a_tool_that_is_not_there_is_unavailable_and_the_next_pull_works(
    settings: Settings, crm: Config, tool: PagedTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ATTEMPTS", 2)
    tool.rows = {"contacts": [contact(1)], "deals": []}
    source = crm.sources["crm"]
    assert isinstance(source, RestSource)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        source.base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(UnavailableError, match=r"crm's contacts .* does not answer: .*refused"):
            pull(settings, crm, "crm")
    source.base_url = tool.url
    assert pull(settings, crm, "crm").tables["contacts"].rows == 1


def test_a_table_that_fails_lets_the_others_land_and_loses_nothing(
    settings: Settings, crm: Config, tool: PagedTool, landed_rows: Rows
) -> None:
    tool.rows = {"deals": [contact(2)]}
    with pytest.raises(UnavailableError, match=r"crm's contacts .* answered 404"):
        pull(settings, crm, "crm")
    assert len(landed_rows("extracts/crm/deals/")) == 1
    tool.rows["contacts"] = [contact(1)]
    report = pull(settings, crm, "crm")
    assert (report.tables["contacts"].rows, report.tables["deals"].rows) == (1, 0)


def test_a_column_that_is_added_to_the_config_brings_every_row_again(
    settings: Settings, crm: Config, tool: PagedTool
) -> None:
    tool.rows = {"contacts": [{**contact(n), "phone": "1"} for n in range(3)], "deals": []}
    source = crm.sources["crm"]
    assert isinstance(source, RestSource)
    source.tables["contacts"].contract = Contract(columns="discard")
    pull(settings, crm, "crm")
    source.tables["contacts"].columns["phone"] = "text"
    assert pull(settings, crm, "crm").tables["contacts"].rows == 3


@pytest.mark.slow
def test_a_lake_that_was_emptied_or_replaced_is_filled_again(
    settings: Settings, crm: Config, tool: PagedTool, lake: LocalLake, tmp_path: Path
) -> None:
    tool.rows = {"contacts": [contact(1)], "deals": []}
    pull(settings, crm, "crm")
    other = replace(settings, lake_url=str(tmp_path / "other"))
    assert pull(other, crm, "crm").tables["contacts"].rows == 1
    for found in lake.list("extracts/"):
        Path(lake.uri(found.key)).unlink()
    assert pull(settings, crm, "crm").tables["contacts"].rows == 1


def test_a_source_or_table_that_does_not_exist_is_a_usage_error(settings: Settings, crm: Config) -> None:
    with pytest.raises(UsageError, match="«erp» is not a source of kind rest"):
        pull(settings, crm, "erp")
    with pytest.raises(UsageError, match="crm has no table leads; it has contacts, deals"):
        pull(settings, crm, "crm", ["leads"])


_CHILD = """
import os, sys
from pathlib import Path
writes, connections = [], set()
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        writes.append(arguments[0])
    if event in ("os.mkdir", "os.rename"):
        writes.append(str(arguments[0]))
    if event == "socket.getaddrinfo":
        connections.add(":".join(map(str, arguments[:2])))
sys.dont_write_bytecode = True
sys.addaudithook(watch)
from headwater.configuration import Config, Identity, Platform, RestSource, RestTable
from headwater.land.extracts import pull
from headwater.settings import Settings
url, token, home, lake, columns = sys.argv[1:4] + [sys.argv[4], eval(sys.argv[5])]
tables = {name: RestTable(path=name, columns=columns) for name in ("contacts", "deals")}
crm = RestSource(base_url=url, token=token, tables=tables, page_size=100)
config = Config(platform=Platform(company="", currency="EUR", stacks=[]), sources={"crm": crm}, import_source="",
                identity=Identity(id_types={}, edges=[]))
pull(Settings(home=Path(home), config_dir=Path(home), lake_url=lake), config, "crm")
import time; time.sleep(0.3)  # what dlt would report, it would report from another thread
outside = [path for path in writes if not path.startswith((home, lake, "/dev/"))]
assert not outside, outside
assert connections == {url.split("/")[2]}, connections
"""


@pytest.fixture
def pull_in_child(settings: Settings, tool: PagedTool, tmp_path: Path) -> Callable[[], subprocess.Popen[bytes]]:
    """Start the same pull in another process, with a user folder of its own."""
    (tmp_path / "user").mkdir()

    def start() -> subprocess.Popen[bytes]:
        columns = {"id": "text", "email": "text", "visits": "integer", "updated_at": "timestamp"}
        arguments = [tool.url, TOKEN, str(settings.home), settings.lake_url, repr(columns)]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "HOME": str(tmp_path / "user")}
        return subprocess.Popen([sys.executable, "-c", _CHILD, *arguments], env=environment, cwd=tmp_path / "user")

    return start


@pytest.mark.parametrize("at_request", [2, 4])
@pytest.mark.slow
def test_a_pull_that_is_killed_between_pages_is_repeated_without_loss_or_doubles(
    at_request: int,
    settings: Settings,
    crm: Config,
    tool: PagedTool,
    landed_rows: Rows,
    pull_in_child: Callable[[], subprocess.Popen[bytes]],
) -> None:
    tool.rows = {"contacts": [contact(n) for n in range(250)], "deals": [contact(n) for n in range(120)]}
    children: list[subprocess.Popen[bytes]] = []

    def kill(path: str, count: int) -> None:
        if count == at_request:
            children[0].send_signal(signal.SIGKILL)

    tool.fault = kill
    children.append(pull_in_child())
    assert children[0].wait(60) == -signal.SIGKILL
    tool.fault = lambda path, count: None
    pull(settings, crm, "crm")
    assert sorted(row[0] for row in landed_rows("extracts/crm/contacts/")) == [f"c{n:05d}" for n in range(250)]
    assert len(landed_rows("extracts/crm/deals/")) == 120


@pytest.mark.slow
def test_a_pull_that_is_killed_while_it_lands_finishes_its_package_once(
    settings: Settings,
    crm: Config,
    tool: PagedTool,
    lake: LocalLake,
    landed_rows: Rows,
    pull_in_child: Callable[[], subprocess.Popen[bytes]],
) -> None:
    tool.rows = {"contacts": [contact(n) for n in range(250)], "deals": [contact(n) for n in range(120)]}
    child = pull_in_child()
    while not lake.list("extracts/") and child.poll() is None:
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    tool.rows["contacts"].append(contact(1, day=2))
    pull(settings, crm, "crm")
    assert len(landed_rows("extracts/crm/contacts/")) == 251
    assert len(landed_rows("extracts/crm/deals/")) == 120


@pytest.mark.slow
def test_nothing_is_written_outside_the_home_and_the_lake_and_nobody_else_is_called(
    tool: PagedTool, pull_in_child: Callable[[], subprocess.Popen[bytes]]
) -> None:
    tool.rows = {"contacts": [contact(1)], "deals": []}
    assert pull_in_child().wait(60) == 0
