"""Events of tools that know a person by the address only, joined to the customer by the shipped rules."""

from __future__ import annotations

import json
from collections.abc import Callable

import duckdb
import pytest

from headwater.collect.webhooks.registry import TYPES
from headwater.configuration import Identity
from headwater.match.resolve import resolve

KEY = "events/received_date=2026-01-01/0000000002-1767225602000.parquet"


def click(address: str) -> dict[str, object]:
    """A click in an e-mail, as the route gives it to the log."""
    data = {"customer_id": "c1", "delivery_id": "d1", "recipient": address, "href": "https://shop.example.com"}
    body = {"event_id": address, "object_type": "email", "metric": "clicked", "timestamp": 1767225602, "data": data}
    (found,) = TYPES["customerio"].translate(json.dumps(body).encode())
    assert isinstance(found, dict)
    return found


def land(con: duckdb.DuckDBPyConnection, *found: dict[str, object]) -> None:
    for number, event in enumerate(found):
        con.execute(
            "insert into raw.events (message_id, type, user_id, anonymous_id, payload, lake_object, row_number) "
            "values (?, 'track', ?, ?, ?, ?, ?)",
            [event["messageId"], event.get("userId"), event.get("anonymousId"), json.dumps(event), KEY, number],
        )


@pytest.mark.parametrize("written", ["ann@example.com", " Ann@Example.COM"])
def test_a_click_in_an_email_is_the_customers_who_has_the_address(
    con: duckdb.DuckDBPyConnection,
    identity: Identity,
    events: Callable[..., None],
    people: Callable[[], dict[str, set[str]]],
    written: str,
) -> None:
    events(("ann", None, "ann@example.com"), ("ben", None, "ben@example.com"))
    event = click(written)
    land(con, event)
    resolve(con, identity)
    found = sorted(people().values(), key=min)
    assert len(found) == 2
    assert found[0] == {"user_id:ann", "email:ann@example.com", f"anonymous_id:{event['anonymousId']}"}


def test_one_who_is_known_by_address_alone_is_one_person_and_becomes_the_customer_later(
    con: duckdb.DuckDBPyConnection,
    identity: Identity,
    events: Callable[..., None],
    people: Callable[[], dict[str, set[str]]],
) -> None:
    land(con, click("ann@example.com"), click("ANN@example.com"))
    resolve(con, identity)
    ((before, known),) = people().items()
    assert "email:ann@example.com" in known
    events(("ann", "a-1", "ann@example.com"), segment=3)
    resolve(con, identity)
    ((after, known),) = people().items()
    assert after == before
    assert {"user_id:ann", "anonymous_id:a-1"} < known


@pytest.mark.parametrize("table", ["crm__leads", "email__contacts"])
def test_who_is_in_one_tool_only_is_a_person_and_is_found_again_in_events(
    con: duckdb.DuckDBPyConnection,
    identity: Identity,
    events: Callable[..., None],
    people: Callable[[], dict[str, set[str]]],
    table: str,
) -> None:
    con.execute(f"insert into raw.{table} (id, email) values ('t1', ' CFO@fresh.example')")
    resolve(con, identity)
    ((before, known),) = people().items()
    assert known == {"email:cfo@fresh.example"}
    events(("cfo", None, "cfo@fresh.example"))
    resolve(con, identity)
    assert people() == {before: {"email:cfo@fresh.example", "user_id:cfo"}}
