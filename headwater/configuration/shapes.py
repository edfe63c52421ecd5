"""The shape of every config file.

Belongs here: one class a file or part of a file, with what its keys mean. Does not belong here: reading
(`headwater.configuration.reading`), or what a verb does with it.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

ColumnType = Literal["text", "integer", "decimal", "double", "boolean", "date", "timestamp", "json"]


class Limits(Struct, forbid_unknown_fields=True):
    """How much the collector takes.

    Attributes:
        event_bytes, event_depth: of one event: its bytes, and how deep its JSON may be nested.
        request_bytes, request_events: of one request, unpacked.
        incoming_bytes: all bodies that are on their way at a time.
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
    header_seconds: float = 65
    body_seconds: float = 30
    events_per_second: float = 0
    burst_events: int = 0


class SourceLimits(Struct, forbid_unknown_fields=True):
    """What of the platform's `Limits` is another number for one source."""

    event_bytes: int | None = None
    request_bytes: int | None = None
    request_events: int | None = None
    events_per_second: float | None = None
    burst_events: int | None = None


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
        retention_days: a sealed log segment stays so long after every reader has passed it.
        duplicate_days: an event that comes again within so many days is not delivered again.
    """

    limits: Limits = field(default_factory=Limits)
    path_aliases: dict[str, str] = {}
    cookie: Cookie | None = None
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


class EventSource(Struct, tag_field="kind", tag="events", forbid_unknown_fields=True):
    """An SDK or server that sends events to the collector, known by its write keys."""

    write_keys: list[str]
    transformations: list[str] = []
    limits: SourceLimits | None = None
    description: str = ""


class WebhookSource(Struct, tag_field="kind", tag="webhook", forbid_unknown_fields=True):
    """A SaaS tool that calls `POST /v1/webhook/<source>`.

    Attributes:
        type: who calls: a translation under `headwater/collect/webhooks/`, or `generic`.
        secret: checks the signature (`generic`: compared with the query's or header's token; empty: no check).
        transformations: for `generic`, what makes spec events of `Webhook Received`, whose properties are the body.
    """

    type: str
    secret: str = ""
    transformations: list[str] = []
    description: str = ""


class KafkaSource(Struct, tag_field="kind", tag="kafka", forbid_unknown_fields=True):
    """Topics of Segment-spec events (JSON) that `headwater consume` reads and sends to the collector.

    Attributes:
        topics: names; one that begins with `^` is a pattern.
        write_key: by which the collector knows this source; its own.
        group: the consumer group, which remembers the place.
        settings: more of librdkafka's (`security.protocol`, `sasl.username`, …).
    """

    bootstrap_servers: str
    topics: list[str]
    write_key: str
    group: str = "headwater"
    settings: dict[str, str] = {}
    transformations: list[str] = []
    description: str = ""


class RestTable(Struct, forbid_unknown_fields=True):
    """One collection of a REST source. `cursor` is the field by which it is pulled incrementally."""

    path: str
    columns: dict[str, ColumnType]
    primary_key: str = "id"
    cursor: str = "updated_at"
    description: str = ""


class RestSource(Struct, tag_field="kind", tag="rest", forbid_unknown_fields=True):
    """A SaaS tool that is pulled over HTTP; pages are followed by `next_page_token`."""

    base_url: str
    token: str
    tables: dict[str, RestTable]
    page_size: int = 500
    owner: str = ""
    description: str = ""


class ConversationSource(Struct, tag_field="kind", tag="conversations", forbid_unknown_fields=True):
    """Chat transcripts that arrive as JSONL files in `inbox/<source>/` or in the data folder's `transcripts/`."""

    files: str = "*.jsonl*"
    description: str = ""


class ColumnRule(Struct, forbid_unknown_fields=True):
    """How one canonical column is filled: `from` a column (perhaps `times` a whole number) or a constant `value`."""

    from_: str | None = field(default=None, name="from")
    value: str | int | None = None
    times: int | None = None


class CsvTable(Struct, forbid_unknown_fields=True):
    """One CSV file of the data folder. `feeds` names the canonical table that its rows also fill, by `mapping`."""

    file: str
    primary_key: list[str]
    columns: dict[str, ColumnType]
    feeds: Literal["orders", "order_lines", "products", "customers"] | None = None
    mapping: dict[str, str | ColumnRule] = {}
    description: str = ""


class CsvSource(Struct, tag_field="kind", tag="csv", forbid_unknown_fields=True):
    """Tables that come as files, relative to the data folder of `make run DATA=DIR`."""

    tables: dict[str, CsvTable]
    description: str = ""


Source = EventSource | RestSource | ConversationSource | CsvSource | WebhookSource | KafkaSource


class SourcesFile(Struct, forbid_unknown_fields=True):
    """`sources.yaml`."""

    sources: dict[str, Source]
    import_source: str = "server"


class IdType(Struct, forbid_unknown_fields=True):
    """One kind of identifier. `limits` says how many values of another type one value of this type may be tied to."""

    priority: int
    normalise: Literal["none", "email"] = "none"
    junk: list[str] = []
    limits: dict[str, int] = {}


class EdgeSource(Struct, forbid_unknown_fields=True):
    """A table whose rows tie identifiers together; `ids` maps id type to a column or SQL expression over its rows."""

    table: str
    ids: dict[str, str]
    where: str = ""


class Identity(Struct, forbid_unknown_fields=True):
    """`identity.yaml`."""

    id_types: dict[str, IdType]
    edges: list[EdgeSource]


class Sync(Struct, forbid_unknown_fields=True):
    """`syncs/<name>.yaml`: a model, a mapping, a destination."""

    model: str
    key: str
    destination: str
    object: str
    mapping: dict[str, str]
    where: str = ""
    owner: str = ""
    description: str = ""


class Stream(Struct, forbid_unknown_fields=True):
    """Which events a streaming destination receives. Empty lists mean «all».

    Attributes:
        types, events, sources: only these; `events` limits tracks by name and leaves other types alone.
        routes: `live` events, imported history, or both.
        batch_size: fewer in one request than the class allows.
        give_up_after_hours: how long one request is tried before its events go to the dead letters.
    """

    types: list[str] = []
    events: list[str] = []
    sources: list[str] = []
    routes: list[Literal["live", "import"]] = field(default_factory=lambda: ["live"])
    batch_size: int | None = None
    give_up_after_hours: float = 72


class Consent(Struct, forbid_unknown_fields=True):
    """Categories (of `context.consent.categoryPreferences`) that a person must have allowed before an event goes there.

    `when_absent` decides for events that carry no preferences at all.
    """

    categories: list[str]
    require: Literal["all", "any"] = "all"
    when_absent: Literal["deliver", "withhold"] = "deliver"


class Privacy(Struct, forbid_unknown_fields=True):
    """What a destination must not see, by path (`properties.email`, `context.traits.*`) or by the plan's PII tag.

    `drop` removes, `mask` keeps the first letter and the length's stars, `hash` is SHA-256 of the trimmed lower-case
    text with `salt`.
    """

    drop: list[str] = []
    mask: list[str] = []
    hash: list[str] = []
    salt: str = ""


class Destination(Struct, forbid_unknown_fields=True):
    """`destinations/<name>.yaml`: a tool and how to reach it; `type` names a class of `push/destinations/`.

    Attributes:
        settings: what only this type knows (its class's `Settings`): keys, ids, event mapping.
        integrations_name: how senders call it in a message's `integrations` (default: the class's).
        transformations: files of `transformations/`, in order; see `headwater.policy.transform`.
        is_enabled: what is delivered before anybody switches it live.
        counts_url: where the tool reports what it has, as `[{"day", "event", "count"}]`, for `marts.reconciliation`.
    """

    type: str
    base_url: str = ""
    token: str = ""
    settings: dict[str, Any] = {}
    stream: Stream | None = None
    integrations_name: str = ""
    transformations: list[str] = []
    on_transformation_error: Literal["skip", "quarantine"] = "quarantine"
    consent: Consent | None = None
    privacy: Privacy | None = None
    is_enabled: bool = True
    rate_per_second: float | None = None
    counts_url: str = ""
    owner: str = ""
    description: str = ""


class Label(Struct, forbid_unknown_fields=True):
    """The churn rule: churned = cancelled (or no sale) in [T + gap, T + gap + horizon), whole UTC days."""

    kind: Literal["cancellation", "inactivity"]
    horizon_days: int
    gap_days: int = 0


class Prediction(Struct, forbid_unknown_fields=True):
    """`predictions/<name>.yaml`: who is predicted, what, how far ahead, and who becomes the audience."""

    label: Label
    population_has: list[str] = []
    first_observation: str | None = None
    last_observation: str | None = None
    audience_share: float = 0.2
    owner: str = ""
    description: str = ""


Action = Literal["forward", "drop", "quarantine"]
Violation = Literal["unplanned_event", "missing_required", "wrong_type", "additional_property", "rule", "unknown"]


class PlannedEvent(Struct, forbid_unknown_fields=True):
    """`tracking_plan/<event>.yaml`: an event that the company agreed on.

    Attributes:
        event: the name of a track (or of a page or screen; empty for identify and group).
        schema: JSON Schema (draft 2020-12) of `properties`, for identify and group of the traits.
        pii: property path → tag (`email`, `phone`, `name`, …).
        on_violation: what becomes of an event that violates, by kind of violation; what is not named here follows
            the plan's own (`tracking_plan/_plan.yaml`).
        examples: objects that fit the schema; `headwater plan check` tries them.
    """

    event: str = ""
    owner: str = ""
    description: str = ""
    type: Literal["track", "identify", "group", "page", "screen"] = "track"
    schema: dict[str, Any] = {}
    pii: dict[str, str] = {}
    on_violation: dict[Violation, Action] = {}
    examples: list[dict[str, Any]] = []


class Plan(Struct, forbid_unknown_fields=True):
    """`tracking_plan/_plan.yaml`: what holds for every event.

    Attributes:
        on_violation: by kind of violation; what is not named is forwarded.
        event_pattern, property_pattern: how names are written (regular expressions that must match whole).
    """

    on_violation: dict[Violation, Action] = {}
    event_pattern: str = ""
    property_pattern: str = ""


class Transformation(Struct, forbid_unknown_fields=True):
    """`transformations/_settings.yaml`, by name of the file: how long one event may take, in seconds, and how much
    memory its process may have."""

    timeout_seconds: float = 1.0
    memory_mb: int = 1024
