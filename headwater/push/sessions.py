"""What each browser and app is doing now, kept in the online store from the live events.

Belongs here: how one event changes a session, and the loop that applies the log to Redis. Does not belong here:
sessions of the past (dbt's `sessions` model), or what a page shows from it.

A session ends `session_gap_minutes` after its last event: the key expires. An event whose own time is older than that
says nothing about now and is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from headwater.configuration import Config, WebhookSource
from headwater.event import Event, complete
from headwater.push.times import utc_now
from headwater.settings import Settings
from headwater.storage.log import SESSIONS, LogReader, Record
from headwater.storage.online import OnlineStore, ensure_redis

_READ_BYTES = 1024 * 1024


class Session(msgspec.Struct):
    """One visit that is still going on. Times are UTC."""

    anonymous_id: str
    started_at: datetime
    last_seen_at: datetime
    user_id: str | None = None
    last_page: str | None = None
    last_event: str | None = None
    last_product_id: str | None = None
    count_events: int = 0
    count_views: int = 0
    count_cart_items: int = 0
    position: str = ""


def advance(session: Session | None, event: Event) -> Session:
    """The session after one more event of it. `event.anonymous_id` must be set."""
    at = event.timestamp
    if session is None:
        session = Session(event.anonymous_id or "", at, at)
    properties = event.payload.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    session.started_at = min(session.started_at, at)
    if at >= session.last_seen_at:
        session.last_seen_at = at
        session.last_event = event.event or event.type
        session.last_page = _page(event, properties) or session.last_page
        session.last_product_id = _text(properties.get("product_id")) or session.last_product_id
    session.user_id = event.user_id or session.user_id
    session.count_events += 1
    session.count_views += event.type in ("page", "screen") or event.event == "Product Viewed"
    if event.event == "Product Added":
        session.count_cart_items += _quantity(properties)
    elif event.event == "Product Removed":
        session.count_cart_items = max(0, session.count_cart_items - _quantity(properties))
    elif event.event == "Order Completed":
        session.count_cart_items = 0
    return session


class SessionUpdater:
    """Applies new live events to the online store.

    A batch that is repeated after a kill changes nothing twice: each session remembers its place in the log.
    """

    name = "sessions"
    outlives_failures = False  # a new one starts Redis again

    def __init__(self, settings: Settings, config: Config, *, now: Callable[[], datetime] = utc_now) -> None:
        self._redis = ensure_redis(settings)
        self._store = OnlineStore(self._redis.url)
        self._reader = LogReader(settings.log_dir, SESSIONS)
        # what a SaaS tool tells of a person is no visit of theirs
        self._tools = {name for name, source in config.sources.items() if isinstance(source, WebhookSource)}
        self._gap = timedelta(minutes=config.platform.session_gap_minutes)
        self._now = now

    def step(self) -> int:
        """Apply the next stretch of the log; answers how many records were passed.

        Raises:
            UnavailableError: Redis does not answer; nothing is lost.
        """
        self._reader.rewind()
        records = self._reader.read(_READ_BYTES)
        if not records:
            return 0
        segment = self._reader.position.segment
        now = self._now()
        fresh = [
            (f"{segment}-{record.end:012d}", event)
            for record in records
            if (event := live_event(record)) is not None
            and event.timestamp > now - self._gap
            and event.source not in self._tools
        ]
        if fresh:
            self._apply(fresh, now)
        self._reader.commit()
        return len(records)

    def is_turned(self) -> bool:
        """Nobody can."""
        return False

    def close(self) -> None:
        """Give the connections back, and stop Redis if it was started here."""
        self._store.close()
        self._redis.stop()

    def _apply(self, fresh: Sequence[tuple[str, Event]], now: datetime) -> None:
        ids = sorted({event.anonymous_id for _, event in fresh if event.anonymous_id})
        sessions = {
            id_: msgspec.json.decode(value, type=Session) for id_, (_, value) in self._store.get_sessions(ids).items()
        }
        for position, event in fresh:
            id_ = event.anonymous_id or ""
            session = sessions.get(id_)
            if session is None or position > session.position:
                sessions[id_] = advance(session, event)
                sessions[id_].position = position
        self._store.put_sessions(
            (id_, session.position, msgspec.json.encode(session), _seconds(session, self._gap, now))
            for id_, session in sessions.items()
        )


def live_event(record: Record) -> Event | None:
    """The event of a record that came over a live route and names a browser or app; else `None`."""
    if record.envelope.route != "live":
        return None
    try:
        event = complete(msgspec.json.decode(record.payload), record.message_id, record.envelope.received())
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return event if event.anonymous_id else None


def _seconds(session: Session, gap: timedelta, now: datetime) -> int:
    """Until the session ends; a clock that runs ahead does not make it longer than the gap."""
    return max(1, min(math.ceil((session.last_seen_at + gap - now).total_seconds()), int(gap.total_seconds())))


def _page(event: Event, properties: dict[str, Any]) -> str | None:
    context = event.payload.get("context")
    page = context.get("page") if isinstance(context, dict) else None
    path = page.get("path") if isinstance(page, dict) else None
    return (
        _text(properties.get("path"))
        or _text(path)
        or (_text(properties.get("name")) if event.type == "screen" else None)
    )


def _text(value: object) -> str | None:
    return value[:500] if isinstance(value, str) and value else None


def _quantity(properties: dict[str, Any]) -> int:
    value = properties.get("quantity", 1)
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 1
