"""Input that cannot be used is kept aside and named; a run that cannot go on says why in one sentence."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from headwater.errors import DataError
from headwater.settings import CHECKOUT
from tests.e2e.product import Ended, Product, differences
from tests.land.paged_tool import TOKEN, PagedTool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MINIMAL = CHECKOUT / "config" / "examples" / "minimal"
TABLES = {
    "shop": {
        "kind": "csv",
        "tables": {
            "customers": {
                "file": "relational/customers.csv", "primary_key": ["id"],
                "columns": {"id": "text", "age": "integer", "joined": "date"},
            },
            "products": {
                "file": "relational/products.csv", "primary_key": ["sku"],
                "columns": {"sku": "text", "price": "decimal"},
            },
        },
    }
}  # fmt: skip
GOOD = 40
CUT = 3_000


def event(number: int, **extra: Any) -> dict[str, Any]:
    """What person `number % 10` looked at on a day of January 2026; every second person by a track, not a page."""
    what = {"type": "track", "event": "Product Viewed"} if number % 2 else {"type": "page", "name": "Home"}
    return {
        **what, "messageId": f"m{number}", "userId": f"u{number % 10}",
        "timestamp": f"2026-01-{1 + number % 28:02d}T10:00:00.000Z", **extra,
    }  # fmt: skip


def config_with(folder: Path, **sources: Any) -> Path:
    """The minimal config and some sources more."""
    shutil.copytree(MINIMAL, folder)
    path = folder / "sources.yaml"
    content = yaml.safe_load(path.read_text())
    content["sources"] |= sources
    path.write_text(yaml.safe_dump(content))
    return folder


def write_data(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def lines(*rows: dict[str, Any] | bytes) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


@dataclass
class Bad:
    """A home into which a folder full of faults was brought, and what the run said."""

    product: Product
    arguments: tuple[str, ...]
    ended: Ended


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Bad:
    folder = tmp_path_factory.mktemp("bad")
    nobody = {key: value for key, value in event(1_000).items() if key != "userId"}
    cut = gzip.compress(lines(*(event(n, note=os.urandom(64).hex()) for n in range(10_000, 10_000 + CUT))))
    data = write_data(
        folder / "data",
        {
            "events/2026-01-01.ndjson": lines(
                *(event(n) for n in range(GOOD // 2)),
                b'{"type": "track", "userId": "u1", "event": "Broken',
                nobody,
                event(1_001, note="x" * 3_000_000),
                event(1_002, note="y" * 1_500_000),
                *(event(n) for n in range(GOOD // 2, GOOD)),
            ),
            "events/2026-01-02.ndjson.gz": cut[: len(cut) // 2],
            "relational/customers.csv": b"id,age,joined\nc1,31,2026-01-01\nc2,thirty,2026-01-02\nc3,33,2026-01-03\n",
            "relational/products.csv": b"sku,colour\ns1,red\ns2,blue\n",
        },
    )
    product = Product(folder / "home")
    arguments = ("--data", str(data), "--config", str(config_with(folder / "config", **TABLES)))
    with product.service("collect", "COLLECTOR") as collector:
        answer = collector.post("/v1/batch", content=b"this is no JSON", auth=("wk_web_demo", ""))
        assert answer.status_code == 400
    return Bad(product, arguments, product.run("run", *arguments))


def test_what_cannot_be_used_is_kept_with_its_reason_and_the_rest_goes_on(bad):
    assert bad.ended.code == 0, bad.ended.text
    assert bad.product.rows("select reason, count(*) from raw.quarantine group by all order by all") == [
        ("event larger than the limit", 2),
        ("missing column", 1),
        ("no userId or anonymousId", 1),
        ("not JSON", 2),
        ("truncated gzip", 1),
        ("wrong type", 1),
    ]
    kept = dict(bad.product.rows("select reason, payload from raw.quarantine where reason <> 'not JSON'"))
    assert json.loads(kept["no userId or anonymousId"])["messageId"] == "m1000"
    assert json.loads(kept["wrong type"])["age"] == "thirty"
    payloads = {payload for (payload,) in bad.product.rows("select payload from raw.quarantine")}
    assert {"this is no JSON", '{"type": "track", "userId": "u1", "event": "Broken'} <= payloads
    whole = bad.product.rows("select count(*) from raw.events where message_id in (select 'm' || range from range(40))")
    assert whole == [(GOOD,)]
    (before_the_cut,) = bad.product.rows("select count(*) from raw.events where length(message_id) = 6")[0]
    assert CUT / 4 < before_the_cut < CUT
    assert bad.product.rows("select id, age from raw.shop__customers order by 1") == [("c1", 31), ("c3", 33)]
    assert bad.product.rows("select count(*) from raw.shop__products") == [(0,)]
    assert bad.product.rows("select count(*) from marts.customer_360") == [(10,)]


def test_tracks_of_files_that_name_no_source_are_visits_too(bad):
    assert bad.product.rows("select sum(count_events) from marts.sessions") == bad.product.rows(
        "select count(*) from raw.events where type in ('page', 'track')"
    )
    assert bad.product.rows("select count(*) from raw.events where type = 'track'") > [(GOOD // 2 - 1,)]


def named(text: str) -> str:
    """The part of a summary about what was kept aside."""
    return text.partition("Kept aside")[2].split("\n\n")[0]


def test_the_run_ends_by_naming_each_of_them_with_its_place(bad):
    told = named(bad.ended.text)
    for words in (
        *("not JSON", f"2026-01-01.ndjson, line {GOOD // 2 + 1}", "a body of 15 bytes"),
        *("no userId or anonymousId", f"2026-01-01.ndjson, line {GOOD // 2 + 2}"),
        *("event larger than the limit", f"2026-01-01.ndjson, line {GOOD // 2 + 3}", "line 24; 1,500,"),
        *("truncated gzip", "2026-01-02.ndjson.gz, line"),
        *("missing column", "relational/products.csv has no column price"),
        *("wrong type", "relational/customers.csv: age: «thirty» is not of type integer"),
    ):
        assert words in told, told


def test_the_same_faults_met_again_are_kept_once(bad):
    """Also where the importer has forgotten what it sent: the log has them twice, the warehouse once."""
    before = bad.product.content()
    shutil.rmtree(bad.product.home / "imports")
    again = bad.product.run("run", *bad.arguments)
    assert again.code == 0, again.text
    # what arrived again is counted, and what it made of the log is told: nothing else differs
    told = {"ml.models", "raw.loaded_objects", "raw.arrivals"}
    assert set(differences(before, bad.product.content())) <= told
    assert named(again.text) == named(bad.ended.text)


def test_a_home_that_holds_other_data_is_refused(bad, tmp_path):
    other = write_data(tmp_path / "other", {"events/web-1.ndjson": lines(event(1))})
    sentence(bad.product.run("run", "--data", str(other)), 2, str(bad.product.home), str(other), "HEADWATER_HOME")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", {"events/web-1.ndjson": lines(*(event(n) for n in range(20)))})


def sentence(ended: Ended, code: int, *words: str) -> None:
    """The command ended with this code, and its last line is the one that tells why; nobody sees a traceback."""
    assert ended.code == code, ended.text
    assert "Traceback" not in ended.text
    told = [line for line in ended.text.splitlines() if line.startswith("headwater: ")]
    assert len(told) == 1 and ended.text.rstrip().endswith(told[0]), ended.text
    for word in words:
        assert word in told[0]


@pytest.fixture
def tool() -> Iterator[PagedTool]:
    server = PagedTool()
    yield server
    server.close()


def test_a_table_that_a_tool_does_not_give_holds_up_nothing_and_is_what_the_run_ends_with(tmp_path, data, tool):
    tool.rows["contacts"] = [{"id": "c1", "email": "u1@example.com", "updated_at": "2026-01-02T12:00:00.000Z"}]
    tables = {
        name: {"path": name, "columns": {"id": "text", "email": "text", "updated_at": "timestamp"}}
        for name in ("contacts", "deals")
    }
    crm = {"kind": "rest", "base_url": tool.url, "token": TOKEN, "tables": tables}
    config = config_with(tmp_path / "config", crm=crm)
    product = Product(tmp_path / "home")
    ended = product.run("run", "--data", str(data), "--config", str(config))
    sentence(ended, DataError.exit_code, "crm's deals", "answered 404", "Everything else is built")
    assert "people" in ended.text and "Done in" in ended.text
    assert product.rows("select id from raw.crm__contacts") == [("c1",)]
    assert product.rows("select count(*) from marts.customer_360") == [(10,)]
    assert (product.home / "report" / "index.html").is_file()


def test_a_wrong_config_key_is_named_with_its_file_line_and_the_valid_keys(tmp_path, data):
    config = config_with(tmp_path / "config")
    path = config / "platform.yaml"
    path.write_text(path.read_text() + "currencey: EUR\n")
    line = len(path.read_text().splitlines())
    ended = Product(tmp_path / "home").run("run", "--data", str(data), "--config", str(config))
    sentence(ended, 2, f"{path}, line {line}", "currencey", "currency", "dbt_vars")
    assert not (tmp_path / "home").exists()


def test_a_busy_port_is_named_with_its_holder(tmp_path, data):
    product = Product(tmp_path / "home")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", product.port("COLLECTOR")))
        holder.listen()
        ended = product.run("run", "--data", str(data))
    sentence(ended, 3, str(product.port("COLLECTOR")), f"process {os.getpid()}", "HEADWATER_COLLECTOR_PORT")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "{tmp}/nowhere"), ("{tmp}/nowhere", "does not exist")),
        (("--data", "{tmp}"), ("{tmp}", "events/")),
        (("--data", "{tmp}/empty"), ("{tmp}/empty", "ndjson")),
        (("--data", "{data}", "--config", "{tmp}/nowhere"), ("{tmp}/nowhere",)),
    ],
    ids=["data", "events", "files", "config"],
)
def test_a_missing_directory_is_named(tmp_path, data, arguments, words):
    (tmp_path / "empty" / "events").mkdir(parents=True)
    places = {"tmp": tmp_path, "data": data}
    ended = Product(tmp_path / "home").run("run", *(argument.format(**places) for argument in arguments))
    sentence(ended, 2, *(word.format(**places) for word in words))


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own, of as many bytes as the test asks for."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small disk is not allowed here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("disk", ["4k", "64k", "4m"], indirect=True)
def test_a_full_disk_is_one_sentence(disk, data):
    product = Product(disk / "home")
    sentence(product.run("run", "--data", str(data)), 4, "space")
