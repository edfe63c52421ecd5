"""Kafka: the bus to a company's other services.

An idempotent producer (`acks=all`), so that what librdkafka itself repeats is there once; the key is the user's id, so
that a user's events stay in one partition and in order. Known from librdkafka's CONFIGURATION.md and the
confluent-kafka documentation. Needs the extra `kafka` (`confluent-kafka`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.push import templates
from headwater.push.destinations.base import Direct, Outcome, StreamEvent, Streaming
from headwater.push.spec import any_id

_TIMEOUT = 30.0


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """Where events go.

    Attributes:
        topic: template of the topic's name, over `event`.
        key: template of the message's key; default: the user's id, else the device's.
        config: more of librdkafka's settings (`security.protocol`, `sasl.username`, …).
    """

    topic: str = "headwater.events"
    key: str = ""
    config: dict[str, Any] = {}


class Kafka(Direct):
    """`base_url` is `host:port,host:port`; `token` becomes `sasl.password`. Delivery reports are awaited before the
    place in the log moves."""

    type = "kafka"
    integrations_name = "Kafka"
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=1000, batch_bytes=4_000_000)
    rate_per_second = 100.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        self._topic = templates.text(self.settings.topic, "settings.topic")
        self._key = templates.text(self.settings.key, "settings.key")
        self._producer: Any = None

    def open(self) -> None:
        client = _client()
        decided = {
            "bootstrap.servers": self.config.base_url,
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "gzip",
            "message.timeout.ms": int(_TIMEOUT * 1000),
            "client.id": "headwater",
            **({"sasl.password": self.config.token} if self.config.token else {}),
            **self.settings.config,
        }
        try:
            self._producer = client.Producer(decided, logger=_Silent())
        except (client.KafkaException, ValueError, TypeError) as error:
            raise ConfigError(f"Kafka cannot be opened with these settings: {error}.") from error

    def close(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer = None

    def write(self, events: Sequence[StreamEvent]) -> list[Outcome]:
        client = _client()
        found: list[Any] = [_UNKNOWN] * len(events)

        def note(place: int) -> Any:
            return lambda error, _: found.__setitem__(place, error)

        for place, event in enumerate(events):
            try:
                self._produce(event, note(place))
            except BufferError:
                self._producer.flush(_TIMEOUT)
                self._produce(event, note(place))
            except client.KafkaException as error:
                found[place] = error.args[0]
        self._producer.flush(_TIMEOUT + 5)
        if any(error is _UNKNOWN for error in found):
            raise UnavailableError(f"Kafka at {self.config.base_url} did not report every message.")
        codes = client.KafkaError
        refusals = (codes.MSG_SIZE_TOO_LARGE, codes.INVALID_MSG, codes.TOPIC_EXCEPTION, codes.INVALID_RECORD)
        down = next((error for error in found if error is not None and error.code() not in refusals), None)
        if down is not None:
            raise UnavailableError(f"Kafka at {self.config.base_url} did not take it: {down.str()}.")
        return [
            Outcome(True, "OK") if error is None else Outcome(False, str(error.name()), str(error.str()))
            for error in found
        ]

    def _produce(self, event: StreamEvent, report: Any) -> None:
        about = {"event": event.payload}
        self._producer.produce(
            self._topic(about),
            value=bytes(event.body),
            key=(self._key(about) or any_id(event.payload)).encode(),
            headers={"message_id": event.message_id.encode(), "source": event.source.encode()},
            on_delivery=report,
        )
        self._producer.poll(0)


_UNKNOWN = object()


class _Silent:
    """librdkafka's own log lines say nothing that an outcome does not."""

    def log(self, *_: object) -> None:
        """Nothing."""

    def addHandler(self, *_: object) -> None:  # noqa: N802
        """Nothing."""


def _client() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:
        raise ConfigError("Type kafka needs confluent-kafka.", hint="Install headwater[kafka].") from error
    return confluent_kafka
