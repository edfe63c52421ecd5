"""`sources.yaml`: where events, tables and files come from, one class a kind.

Belongs here: sources of events and of whole files, and the list of all kinds. Does not belong here: sources of tables
(`tables`), what is drawn from rows (`identity`, `plan`).
"""

from __future__ import annotations

from msgspec import Struct

from headwater.configuration.shapes.tables import CsvSource, FilesSource, RestSource, SqlSource


class SourceLimits(Struct, forbid_unknown_fields=True):
    """What of the platform's `Limits` is another number for one source."""

    event_bytes: int | None = None
    request_bytes: int | None = None
    request_events: int | None = None
    events_per_second: float | None = None
    burst_events: int | None = None


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
        url: the address that the tool calls, for tools that sign it and where a proxy changes it without saying so in
            `X-Forwarded-Proto` and `X-Forwarded-Host`.
        transformations: for `generic`, what makes spec events of `Webhook Received`, whose properties are the body.
    """

    type: str
    secret: str = ""
    url: str = ""
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


class ConversationSource(Struct, tag_field="kind", tag="conversations", forbid_unknown_fields=True):
    """Chat transcripts that arrive as JSONL files in `inbox/<source>/` or in the data folder's `transcripts/`."""

    files: str = "*.jsonl*"
    description: str = ""


Source = (
    EventSource | RestSource | ConversationSource | CsvSource | SqlSource | FilesSource | WebhookSource | KafkaSource
)


class SourcesFile(Struct, forbid_unknown_fields=True):
    """`sources.yaml`."""

    sources: dict[str, Source]
    import_source: str = "server"
