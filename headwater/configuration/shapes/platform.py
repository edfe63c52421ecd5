"""`platform.yaml`: the company as a whole.

Belongs here: what is set once for all: the collector, tokens, tables, vars. Does not belong here: one source, one
destination or one event (the files beside this one).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field


class Limits(Struct, forbid_unknown_fields=True):
    """How much the collector takes.

    Attributes:
        event_bytes, event_depth: of one event: its bytes, and how deep its JSON may be nested.
        request_bytes, request_events: of one request, unpacked.
        incoming_bytes: all bodies that are on their way at a time.
        client_requests: of one client's address that are on their way at a time; beyond it the answer is 503. 0: any
            number, for a collector behind a proxy that does not name the client. One that does, in `X-Forwarded-For`,
            is believed where it is among `trusted_proxies`; else all its clients count as one.
        header_seconds: how long a client may take to send a request's head, and a connection may be idle; more than
            the minute for which load balancers keep one. A change needs a restart.
        body_seconds: how long a client may take to send a body.
        events_per_second: for each source, on average (0: no limit).
        burst_events: for each source, how many may come at once (0: those of one second).
    """

    event_bytes: int = 1024 * 1024
    event_depth: int = 200
    request_bytes: int = 4 * 1024 * 1024
    request_events: int = 10_000
    incoming_bytes: int = 64 * 1024 * 1024
    client_requests: int = 256
    header_seconds: float = 65
    body_seconds: float = 30
    events_per_second: float = 0
    burst_events: int = 0


class Cookie(Struct, forbid_unknown_fields=True):
    """The anonymous id that the collector sets as a first-party cookie for an event that brings neither id.

    `same_site` `None` is for a collector on another domain than the shop's, and needs `is_secure`."""

    name: str = "hw_anonymous_id"
    max_age_days: int = 365
    domain: str = ""
    is_secure: bool = True
    same_site: Literal["Lax", "Strict", "None"] = "Lax"


class Collector(Struct, forbid_unknown_fields=True):
    """`platform.yaml`, `collector:`.

    Attributes:
        path_aliases: first-party path prefix → the route it stands for (`/hello/e: /v1/batch`), which no blocker lists.
        cookie: set the anonymous id in a cookie where a browser sends none; absent: never.
        trusted_proxies: addresses or networks (`10.0.0.0/8`) of the proxies before the collector. The client is then
            the last address in `X-Forwarded-For` that is none of these.
        retention_days: a sealed log segment stays so long after every reader has passed it.
        duplicate_days: an event that comes again within so many days is not delivered again.
    """

    limits: Limits = field(default_factory=Limits)
    path_aliases: dict[str, str] = {}
    cookie: Cookie | None = None
    trusted_proxies: list[str] = field(default_factory=lambda: ["127.0.0.0/8", "::1"])
    retention_days: float = 7
    duplicate_days: float = 7


class AdminToken(Struct, forbid_unknown_fields=True):
    """A token for what changes or shows the platform's inside over HTTP, with what it may do."""

    token: str
    scopes: list[Literal["plan", "receipts", "live", "destinations", "replay"]]


class EventTables(Struct, forbid_unknown_fields=True):
    """`platform.yaml`, `event_tables:` the tables of schema `events`.

    Attributes:
        json_paths: what stands there stays one column of JSON text (`context.app`; `track.properties.cart`: only of
            tracks). For events loaded from now on; `headwater replay --warehouse` makes older ones the same.
        has_full_event: the tables of types, not those of event names, get the whole event as `rudder_event`.
    """

    json_paths: list[str] = []
    has_full_event: bool = False


class Platform(Struct, forbid_unknown_fields=True):
    """`platform.yaml`: the company as a whole."""

    company: str
    currency: str
    stacks: list[Literal["starter", "growth", "ml", "realtime"]]
    api_tokens: list[str] = []
    session_gap_minutes: int = 30
    dbt_vars: dict[str, Any] = {}
    collector: Collector = field(default_factory=Collector)
    event_tables: EventTables = field(default_factory=EventTables)
    admin_tokens: list[AdminToken] = []
