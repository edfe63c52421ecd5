"""Identity against the example company's ground truth, which the platform itself never sees."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from headwater.configuration import Identity
from headwater.match.resolve import resolve
from headwater.settings import CHECKOUT

EVENTS = "events/received_date=2026-11-01/0000000001-1793500000000.parquet"  # 2026-11-01
PULLED_LATER = "extracts/tool/t/20261102T000000000000Z-000000000000.parquet"
PULLED_BEFORE = "extracts/tool/t/20261030T000000000000Z-000000000000.parquet"

Identifier = tuple[str, str]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small example company and its truth."""
    folder = tmp_path_factory.mktemp("company")
    arguments = ["simulate", "--out", str(folder), "--people", "700", "--seed", "11", "--as-of", "2026-11-01"]
    subprocess.run([sys.executable, "-m", "sandbox", *arguments], check=True, cwd=CHECKOUT, capture_output=True)
    return folder


def _load_events(con: duckdb.DuckDBPyConnection, company: Path) -> None:
    rows = []
    days = sorted((company / "company" / "events").glob("*.ndjson.gz"), key=lambda path: path.name[-20:])
    for path in [*days, company / "company" / "live.ndjson"]:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            for line in lines:
                event = json.loads(line) if line.startswith("{") else {}
                row = {key: event.get(name) for key, name in (("type", "type"), ("user_id", "userId"))}
                rows.append({**row, "anonymous_id": event.get("anonymousId"), "payload": line, "row_number": len(rows)})
    con.register("rows", pa.Table.from_pylist(rows))
    con.execute("insert into raw.events by name select *, ? as lake_object from rows where type is not null", [EVENTS])


def _load_tools(con: duckdb.DuckDBPyConnection, company: Path, lake_object: str) -> None:
    with sqlite3.connect(company / "tools.sqlite") as tools:
        for table, columns in (
            ("crm_contacts", "id, email, shop_user_id"),
            ("payments_customers", "id, email, user_id"),
        ):
            rows = tools.execute(f"select {columns}, ? from {table}", [lake_object]).fetchall()
            target = f"raw.{table.replace('_', '__', 1)}"
            con.executemany(f"insert into {target} ({columns}, _lake_object) values (?, ?, ?, ?)", rows)


def _pairs(members: Iterable[tuple[str, Identifier]]) -> set[tuple[Identifier, Identifier]]:
    """Every two identifiers of one owner. An identifier that several people share has several owners."""
    owned: dict[str, set[Identifier]] = defaultdict(set)
    for owner, identifier in members:
        owned[owner].add(identifier)
    return {pair for identifiers in owned.values() for pair in combinations(sorted(identifiers), 2)}


@pytest.mark.parametrize("pulled", [PULLED_LATER, PULLED_BEFORE])
def test_pairs_of_identifiers_are_right_in_99_and_found_in_90_of_100_cases(
    con: duckdb.DuckDBPyConnection, identity: Identity, company: Path, pulled: str
) -> None:
    _load_events(con, company)
    _load_tools(con, company, pulled)
    resolve(con, identity)
    found = {
        (id_type, id_value): customer_id
        for id_type, id_value, customer_id in con.execute(
            "select id_type, id_value, customer_id from identity.identifiers where id_type <> 'customer_id'"
        ).fetchall()
    }
    with (company / "truth" / "identities.csv").open() as file:
        truth = [(row["person_id"], (row["id_type"], row["id_value"].lower())) for row in csv.DictReader(file)]
    lowered = {(id_type, value.lower()): customer_id for (id_type, value), customer_id in found.items()}
    assert set(lowered) <= {identifier for _, identifier in truth}
    known = [(person, lowered[identifier], identifier) for person, identifier in truth if identifier in lowered]
    said, true = (
        _pairs((customer, identifier) for _, customer, identifier in known),
        _pairs((person, identifier) for person, _, identifier in known),
    )
    precision, recall = len(said & true) / len(said), len(said & true) / len(true)
    assert precision >= 0.99, (precision, recall)
    assert recall >= 0.90, (precision, recall)
