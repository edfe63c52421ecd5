"""Two homes that dbt has built from the command line: an empty one, and one with a small hand-made company."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater.settings import CHECKOUT, load_settings
from headwater.storage.warehouse import connect, ensure_schemas
from orchestration.parsed import ensure_manifest
from tests.once import once, shared_folder

PROJECT = CHECKOUT / "dbt_project"
AS_OF = "2026-03-15 12:00:00"


@dataclass(frozen=True)
class Built:
    """A home after `dbt build`: what dbt said, its manifest, and a way to ask the warehouse."""

    home: Path
    output: str
    manifest: dict[str, Any]
    rows: Callable[[str], list[tuple[Any, ...]]]

    @classmethod
    def of(cls, home: Path, output: str) -> Built:
        manifest = json.loads((home / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))

        def rows(query: str) -> list[tuple[Any, ...]]:
            with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
                return con.execute(query).fetchall()

        return cls(home, output, manifest, rows)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A build by dbt takes ten seconds: what reads one is slow."""
    for item in items:
        if item.path.parent == Path(__file__).parent and {"empty", "company"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def dbt(home: Path, *arguments: str, as_of: str = "") -> subprocess.CompletedProcess[str]:
    """Run dbt as a user does, in `dbt_project`, with nothing but the home and the as-of time in the environment."""
    ensure_manifest(load_settings(home=home))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HEADWATER", "DBT"))}
    return subprocess.run(
        [str(Path(sys.executable).parent / "dbt"), *arguments],
        cwd=PROJECT,
        env={**environment, "HEADWATER_HOME": str(home), "HEADWATER_AS_OF": as_of},
        capture_output=True,
        text=True,
        check=False,
    )


def build(home: Path, *arguments: str, as_of: str = "") -> Built:
    result = dbt(home, "build", *arguments, as_of=as_of)
    assert result.returncode == 0, result.stdout + result.stderr
    return Built.of(home, result.stdout)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A home in which nothing has ever been, with its catalogue. Only to be read, as several workers do."""

    def make(folder: Path) -> str:
        built = build(folder / "home")
        told = dbt(built.home, "docs", "generate")
        assert told.returncode == 0, told.stdout + told.stderr
        return built.output

    return _shared(tmp_path_factory, "empty", make)


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Ann buys and returns, Cat subscribes and leaves, Bob is a guest, Eve only looks; a shop's own tables beside. Only
    to be read, as several workers do."""

    def make(folder: Path) -> str:
        fill(folder / "home")
        return build(folder / "home", as_of=AS_OF).output

    return _shared(tmp_path_factory, "company", make)


def _shared(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], str]) -> Built:
    """What `make` builds in the folder's home and says, made by the worker that needs it first."""
    home, output = once(
        shared_folder(tmp_path_factory, "dbt_project"), name, lambda folder: (str(folder / "home"), make(folder))
    )
    return Built.of(Path(home), output)


def fill(home: Path) -> None:
    """The hand-made company's rows, of which dbt has built nothing yet."""
    with connect(load_settings(home=home), purpose="fixture") as con:
        ensure_schemas(con)
        for row in (*_ann(), *_cat(), *_bob(), *_eve()):
            _insert(con, "raw.events", row)
        for table, rows in _TABLES.items():
            for row in rows:
                _insert(con, table, row)


def _insert(con: duckdb.DuckDBPyConnection, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join("?" for _ in row)
    columns = ", ".join(f'"{name}"' for name in row)
    con.execute(f"insert into {table} ({columns}) values ({marks})", list(row.values()))


_count = iter(range(1, 10_000))


def _event(at: str, *, known: str = "", source: str = "web", **fields: Any) -> dict[str, Any]:
    """One row of raw.events; `fields` are the spec's, camelCase."""
    number = next(_count)
    message_id = f"m{number:04}"
    return {
        "message_id": message_id,
        "type": fields["type"],
        "event": fields.get("event"),
        "user_id": fields.get("userId"),
        "anonymous_id": fields.get("anonymousId"),
        "timestamp": datetime.fromisoformat(at),
        "received_at": datetime.fromisoformat(known or at),
        "source": source,
        "known_at": datetime.fromisoformat(known or at),
        "route": "import",
        "payload": json.dumps({"messageId": message_id, **fields}),
        "lake_object": "events/a.parquet",
        "row_number": number,
    }


def _track(at: str, event: str, known: str = "", source: str = "web", **fields: Any) -> dict[str, Any]:
    return _event(at, known=known, source=source, type="track", event=event, **fields)


def _ordered(order_id: str, total: Any, *products: tuple[str, str, float, int], **more: Any) -> dict[str, Any]:
    lines = [{"product_id": p, "category": c, "price": price, "quantity": q} for p, c, price, q in products]
    return {"order_id": order_id, "total": total, "currency": "usd", "products": lines, **more}


def _ann() -> list[dict[str, Any]]:
    device, login = {"anonymousId": "d_ann"}, {"anonymousId": "d_ann", "userId": "u_ann"}
    campaign = {"context": {"page": {"path": "/boots"}, "campaign": {"source": "google", "medium": "cpc"}}}
    o1 = _ordered("o1", 120.5, ("p1", "boots", 100.0, 1), ("p2", "socks", 10.25, 2), coupon="SPRING")
    o2 = _ordered("o2", "40.00", ("p2", "socks", 10.0, 4))
    return [
        _event("2025-12-20 10:00:00", type="page", name="Boots", **device, **campaign),
        _event("2026-01-10 09:00:00", type="page", name="Home", **device),
        _event("2026-01-10 09:05:00", type="identify", traits={"email": "Ann@Example.com ", "name": "Ann A."}, **login),
        _track("2026-01-10 09:10:00", "Order Completed", properties=o1, **login),
        _track("2026-01-20 09:00:00", "Order Completed", known="2026-02-05 09:00:00", properties=o2, **login),
        _track("2026-01-20 09:00:00", "Order Completed", known="2026-02-06 09:00:00", properties=o2, **login),
        _track(
            "2026-02-20 09:00:00", "Order Refunded", source="server", userId="u_ann",
            properties={"order_id": "o1", "refund_id": "r1", "total": 20},
        ),
        _track("2026-03-10 09:00:00", "Email Opened", source="server", userId="u_ann"),
    ]  # fmt: skip


def _cat() -> list[dict[str, Any]]:
    login = {"anonymousId": "d_cat", "userId": "u_cat"}
    started = {"subscription_id": "s1", "plan": "plus", "price": 9.9, "currency": "USD"}
    return [
        _event("2026-01-15 08:00:00", source="mobile", type="screen", name="Home", **login),
        _track("2026-01-15 08:05:00", "Subscription Started", source="mobile", properties=started, **login),
        _track(
            "2026-02-10 22:00:00", "Subscription Cancelled", source="server", userId="u_cat",
            properties={"subscription_id": "s1", "reason": "too expensive"},
        ),
    ]  # fmt: skip


def _bob() -> list[dict[str, Any]]:
    free = _ordered("o3", 0, ("p3", "stickers", 0, 1))
    unpriced = {"order_id": "o4", "products": "no list"}
    return [
        _track("2026-02-01 10:00:00", "Order Completed", anonymousId="d_bob", properties=free),
        _track("2026-02-02 10:00:00", "Order Completed", anonymousId="d_bob", properties=unpriced),
    ]


def _eve() -> list[dict[str, Any]]:
    return [_event("2026-03-15 11:00:00", type="page", name="Home", anonymousId="d_eve")]


_TABLES: dict[str, list[dict[str, Any]]] = {
    "identity.identifiers": [
        {"id_type": kind, "id_value": value, "customer_id": who}
        for who, ids in {
            "ann": ["anonymous_id:d_ann", "user_id:u_ann", "email:ann@example.com", "payment_id:cus_ann"],
            "bob": ["anonymous_id:d_bob"],
            "cat": ["anonymous_id:d_cat", "user_id:u_cat", "email:cat@example.com", "crm_id:crm_cat"],
            "dan": ["user_id:u_dan"],
            "eve": ["anonymous_id:d_eve"],
        }.items()
        for kind, value in (name.split(":") for name in ids)
    ],
    "raw.payments__customers": [{"id": "cus_ann", "email": "ann@example.com", "user_id": "u_ann"}],
    "raw.payments__orders": [
        {"id": "o1", "customer_id": "cus_ann", "total_cents": 12051, "currency": "USD", "status": "partially_refunded",
         "ordered_at": datetime(2026, 1, 10, 9, 10, 1), "updated_at": datetime(2026, 2, 20, 9)},
    ],
    "raw.payments__refunds": [
        {"id": "r1", "order_id": "o1", "amount_cents": 2000, "currency": "USD",
         "refunded_at": datetime(2026, 2, 20, 9), "updated_at": datetime(2026, 2, 20, 9)},
    ],
    "raw.crm__accounts": [{"id": "a1", "name": "Cat & Co", "type": "wholesale", "account_manager": "Mia"}],
    "raw.crm__contacts": [
        {"id": "crm_cat", "email": "cat@example.com", "first_name": "Cat", "last_name": "C.", "account_id": "a1",
         "birth_date": datetime(1990, 3, 16), "created_at": datetime(2026, 1, 20), "updated_at": datetime(2026, 1, 20)},
    ],
    "raw.crm__opportunities": [
        {"id": "d1", "account_id": "a1", "contact_id": "crm_cat", "stage": "proposal", "risk_status": "high",
         "amount_cents": 500000, "currency": "usd", "is_open": True, "created_at": datetime(2026, 2, 1)},
        {"id": "d2", "account_id": "a1", "stage": "closed_won", "is_open": False, "amount_cents": 100,
         "created_at": datetime(2026, 1, 1), "closed_at": datetime(2026, 1, 9)},
        {"id": "d3", "account_id": "a1", "stage": "proposal", "is_open": True, "_is_deleted": True},
    ],
    "raw.crm__opportunity_stages": [
        {"id": "d1-1", "opportunity_id": "d1", "stage": "qualified", "risk_status": "low",
         "changed_at": datetime(2026, 2, 1)},
        {"id": "d1-2", "opportunity_id": "d1", "stage": "proposal", "risk_status": "high",
         "changed_at": datetime(2026, 2, 11)},
    ],
    "raw.shop__products": [
        {"id": "p1", "title": "Boots", "category": "boots", "unit_cost_cents": 4000, "list_price_cents": 10000},
        {"id": "p2", "title": "Socks", "category": "socks", "unit_cost_cents": 300, "list_price_cents": 1000},
    ],
    "raw.email__contacts": [
        {"id": "e1", "email": "ANN@example.com", "status": "subscribed", "created_at": datetime(2026, 1, 10)},
    ],
    "raw.email__sends": [
        {"id": "n1", "contact_id": "e1", "campaign_id": "nl1", "status": "delivered", "sent_at": datetime(2026, 2, 1)},
    ],
    "raw.support__ratings": [
        {"id": "r1", "ticket_id": "t1", "score": 2, "rated_at": datetime(2026, 2, 9)},
        {"id": "r2", "ticket_id": "t2", "score": 5, "rated_at": datetime(2026, 2, 9)},
    ],
    "raw.crm__leads": [{"id": "l1", "email": "CAT@example.com", "status": "qualified", "is_qualified": True}],
    "raw.support__tickets": [
        {"id": "t1", "user_id": "u_cat", "topic": "billing", "status": "open", "created_at": datetime(2026, 2, 8)},
        {"id": "t2", "requester_email": "cat@example.com", "status": "solved", "created_at": datetime(2026, 2, 9),
         "agent_id": "g1", "solved_at": datetime(2026, 2, 20)},
    ],
    "raw.support__agents": [{"id": "g1", "name": "Gus"}],
    "raw.conversations": [
        {"conversation_id": "c1", "source": "contact_centre", "channel": "chat", "user_id": "u_cat",
         "started_at": datetime(2026, 1, 31, 23), "known_at": datetime(2026, 2, 1, 1)},
    ],
    "raw.files__orders": [
        {"source": "shop", "order_id": "f1", "user_id": "u_dan", "kind": "sale", "total_cents": 5000, "currency": "GBP",
         "ordered_at": datetime(2026, 2, 3)},
        {"source": "shop", "order_id": "C1", "user_id": "u_dan", "kind": "cancellation", "total_cents": 1000,
         "currency": "GBP", "ordered_at": datetime(2026, 2, 4)},
        {"source": "shop", "order_id": "A1", "user_id": None, "kind": "adjustment", "total_cents": -700,
         "currency": "GBP", "ordered_at": datetime(2026, 2, 5)},
    ],
}  # fmt: skip
