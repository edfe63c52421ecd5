"""Live sessions: how an event changes one, and how the log reaches a real Redis."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from headwater.configuration import Config, WebhookSource
from headwater.event import Event
from headwater.push.sessions import SessionUpdater, advance
from headwater.push.times import utc_now
from headwater.settings import Settings
from headwater.storage.online import OnlineStore, keys, open_online_store
from tests.push.log_events import write_events

NOON = dt.datetime(2026, 3, 1, 12)


def event(minute: int, name: str | None = None, user_id: str | None = None, **properties: Any) -> Event:
    at = NOON + dt.timedelta(minutes=minute)
    kind = "track" if name else "page"
    payload = {"properties": properties}
    return Event("web", f"m{minute}", kind, name, user_id, "a", at, None, None, at, at, "live", payload)


def test_a_session_counts_views_and_cart_and_knows_where_the_visitor_is() -> None:
    session = None
    for step in (
        event(0, path="/"),
        event(1, "Product Viewed", product_id="p1"),
        event(2, "Product Added", product_id="p1", quantity=2),
        event(3, "Product Added", product_id="p2"),
        event(4, "Product Removed", product_id="p1"),
        event(5, user_id="u1", path="/cart"),
    ):
        session = advance(session, step)
    assert session is not None
    assert (session.count_events, session.count_views, session.count_cart_items) == (6, 3, 2)
    assert (session.last_page, session.last_product_id, session.user_id) == ("/cart", "p1", "u1")
    assert (session.started_at, session.last_seen_at) == (NOON, NOON + dt.timedelta(minutes=5))
    assert advance(session, event(6, "Order Completed")).count_cart_items == 0


def test_an_event_that_comes_late_does_not_turn_the_visit_back() -> None:
    session = advance(advance(None, event(5, path="/new")), event(1, path="/old"))
    assert (session.last_page, session.started_at, session.count_events) == (
        "/new",
        NOON + dt.timedelta(minutes=1),
        2,
    )


@pytest.mark.parametrize("quantity", [float("nan"), "many", None, -3, True])
def test_odd_quantities_do_no_harm(quantity: Any) -> None:
    assert advance(None, event(0, "Product Added", quantity=quantity)).count_cart_items in (0, 1)


@pytest.fixture
def store(settings: Settings) -> Iterator[OnlineStore]:
    with open_online_store(settings) as opened:
        yield opened


def page(message_id: str, anonymous_id: str | None, **fields: Any) -> dict[str, Any]:
    return {"messageId": message_id, "type": "page", "anonymousId": anonymous_id, "userId": "u", **fields}


def test_live_events_reach_the_store_and_expire_with_the_session(
    settings: Settings, config: Config, store: OnlineStore
) -> None:
    now = utc_now()
    write_events(
        settings.log_dir,
        page("1", "a", properties={"path": "/x"}),
        page("2", "a", properties={"path": "/y"}),
        page("3", None),
        page("4", "old", timestamp=(now - dt.timedelta(hours=2)).isoformat() + "Z"),
    )
    write_events(settings.log_dir, page("5", "imported"), route="import")
    updater = SessionUpdater(settings, config)
    while updater.step():
        pass
    updater.close()
    found = store.get_sessions(["a", "old", "imported"])
    assert list(found) == ["a"]
    session = json.loads(found["a"][1])
    assert (session["count_views"], session["last_page"], session["user_id"]) == (2, "/y", "u")
    assert 0 < store.client.ttl(keys.session("a")) <= 30 * 60


def test_what_a_tool_tells_of_a_person_is_no_visit(settings: Settings, config: Config, store: OnlineStore) -> None:
    write_events(settings.log_dir, page("1", "email_1"), source="mails")
    write_events(settings.log_dir, page("2", "a"))
    config.sources["mails"] = WebhookSource(type="customerio", secret="s")
    updater = SessionUpdater(settings, config)
    while updater.step():
        pass
    updater.close()
    assert list(store.get_sessions(["email_1", "a"])) == ["a"]


def test_a_stretch_of_the_log_that_is_read_twice_counts_once(
    settings: Settings, config: Config, store: OnlineStore
) -> None:
    write_events(settings.log_dir, page("1", "a"), page("2", "b"))
    for _ in range(2):
        updater = SessionUpdater(settings, config)
        updater._reader.commit = lambda *_: None  # type: ignore[method-assign]
        updater.step()
        updater.close()
    write_events(settings.log_dir, page("3", "a"))
    updater = SessionUpdater(settings, config)
    while updater.step():
        pass
    updater.close()
    found = store.get_sessions(["a", "b"])
    assert [json.loads(found[id_][1])["count_events"] for id_ in ("a", "b")] == [2, 1]
