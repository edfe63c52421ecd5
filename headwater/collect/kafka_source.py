"""`headwater consume`: topics of Kafka become events, by way of the collector like any other.

Belongs here: reading topics, what makes an event of a message, when its place is passed. Does not belong here: any
judgement of an event beyond its being one, any way around the collector.

At least once: a message's place is committed only after the collector's 200, which means that it is on disk. What is
then read again (a crash in between, a rebalance) has the same messageId, so it adds nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from headwater.collect.judge import KEPT_BYTES
from headwater.configuration import Config, KafkaSource
from headwater.errors import ConfigError, DataError, UnavailableError
from headwater.event import NOT_AN_OBJECT, NOT_JSON, fault, identifier, iso
from headwater.settings import Settings

MESSAGES = 1000
REQUEST_BYTES = 2 * 1024 * 1024
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass
class Request:
    """What goes to the collector at a time; `size` is about its bytes."""

    batch: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0

    def add(self, message: Any) -> None:
        """The event of a message, or the message with why it is none; a tombstone (no value) is nothing."""
        value = message.value()
        if value is None:
            return
        self.size += len(value)
        event, reason = _event(value, message)
        if event is not None:
            self.batch.append(event)
            return
        place = f"{message.topic()}, partition {message.partition()}, offset {message.offset()}"
        payload = value[:KEPT_BYTES].decode("utf-8", "replace")
        self.rejected.append({"payload": payload, "reason": reason, "file": place})


class Feed:
    """One Kafka source. `run` reads until it is told to stop.

    Args:
        give_up_seconds: how long the collector may not take a request before `run` ends, less than the time after
            which Kafka believes this consumer dead (`max.poll.interval.ms`, five minutes).
    """

    def __init__(self, name: str, source: KafkaSource, collector_url: str, give_up_seconds: float = 240.0) -> None:
        self.name, self.source, self.collector_url = name, source, collector_url
        self.accepted = self.quarantined = 0
        self._give_up_seconds = give_up_seconds

    def run(self, stop: threading.Event) -> None:
        """Read until `stop`.

        Raises:
            ConfigError: librdkafka does not take the settings, or the collector does not know the write key.
            UnavailableError: Kafka or the collector does not answer; nothing is lost, start again.
            DataError: the collector refused a request.
        """
        client = _client()
        try:
            consumer = client.Consumer(
                {"auto.offset.reset": "earliest", "client.id": "headwater"}
                | dict(self.source.settings)
                | {
                    "bootstrap.servers": self.source.bootstrap_servers,
                    "group.id": self.source.group,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                },
                logger=_log,
            )
        except (client.KafkaException, ValueError, TypeError) as error:
            raise ConfigError(f"sources.yaml, source {self.name}: Kafka cannot be opened: {error}.") from error
        try:
            consumer.list_topics(timeout=10)
            consumer.subscribe(self.source.topics)
            with httpx.Client(base_url=self.collector_url, timeout=60.0, trust_env=False) as http:
                while not stop.is_set():
                    self._step(client, consumer, http, stop)
        except client.KafkaException as error:
            raise UnavailableError(f"Kafka at {self.source.bootstrap_servers} does not answer: {error}.") from error
        finally:
            consumer.close()

    def _step(self, client: Any, consumer: Any, http: httpx.Client, stop: threading.Event) -> None:
        """Take what is there, give it to the collector, pass its places."""
        passed: dict[tuple[str, int], int] = {}
        request = Request()
        for message in consumer.consume(MESSAGES, timeout=0.5):
            if message.error() is not None:
                self._complain(client, message.error())
                continue
            if request.size and request.size + len(message.value() or b"") > REQUEST_BYTES:
                self._hand_over(client, consumer, http, request, passed, stop)
                request, passed = Request(), {}
            request.add(message)
            passed[message.topic(), message.partition()] = message.offset() + 1
        self._hand_over(client, consumer, http, request, passed, stop)

    def _hand_over(
        self,
        client: Any,
        consumer: Any,
        http: httpx.Client,
        request: Request,
        passed: dict[tuple[str, int], int],
        stop: threading.Event,
    ) -> None:
        self._send(http, request, stop)
        if not passed:
            return
        places = [client.TopicPartition(topic, partition, offset) for (topic, partition), offset in passed.items()]
        try:
            consumer.commit(offsets=places, asynchronous=False)
        except client.KafkaException as error:
            # another consumer has the partition by now, and reads these messages again: the same ids, nothing twice
            _log.warning("%s: the place in Kafka could not be passed: %s", self.name, error)

    def _send(self, http: httpx.Client, request: Request, stop: threading.Event) -> None:
        """Give everything to the collector, in parts where it takes only smaller ones."""
        count = len(request.batch) + len(request.rejected)
        if not count:
            return
        told = self._post(http, _encode({"batch": request.batch, "rejected": request.rejected}), stop)
        if told is not None:
            self.accepted += told.get("accepted", 0)
            self.quarantined += told.get("quarantined", 0)
        elif count == 1:
            self.quarantined += 1  # larger than the collector takes at all: it has kept the beginning aside
        else:
            for some in _halves(request):
                self._send(http, some, stop)

    def _post(self, http: httpx.Client, body: bytes, stop: threading.Event) -> dict[str, Any] | None:
        """The collector's answer; None when the request is too large for it."""
        until, pause = time.monotonic() + self._give_up_seconds, 0.2
        while True:
            try:
                answer = http.post("/v1/batch", content=body, headers={"X-Write-Key": self.source.write_key})
                if answer.status_code == 200:
                    told: dict[str, Any] = answer.json()
                    return told
                if answer.status_code == 413:
                    return None
                problem = f"it answered {answer.status_code}: {answer.text[:300]}"
                if answer.status_code == 401:
                    raise ConfigError(f"The collector at {self.collector_url} does not know {self.name}'s write key.")
                if answer.status_code not in _AGAIN:
                    raise DataError(f"The collector at {self.collector_url} refused messages of {self.name}: {problem}")
                after = answer.headers.get("retry-after", "")
                pause = max(pause, float(after)) if after.isdigit() else pause
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            if time.monotonic() + pause > until or stop.wait(pause):
                raise UnavailableError(
                    f"The collector at {self.collector_url} does not take events of {self.name}: {problem}.",
                    hint="Their place in Kafka is not passed: they are read again.",
                )
            pause = min(pause * 2, 10.0)

    def _complain(self, client: Any, error: Any) -> None:
        if error.code() == client.KafkaError._PARTITION_EOF:
            return
        if error.fatal() or (not error.retriable() and error.code() != client.KafkaError.UNKNOWN_TOPIC_OR_PART):
            raise client.KafkaException(error)
        _log.warning("%s: %s", self.name, error.str())


def consume(settings: Settings, config: Config, stop: threading.Event, say: Callable[[str], None] = print) -> None:
    """Read every Kafka source until `stop`, each in a thread; when one ends by an error, all end.

    Raises:
        ConfigError: there is no Kafka source; see also `Feed.run`.
    """
    sources = {name: one for name, one in config.sources.items() if isinstance(one, KafkaSource)}
    if not sources:
        raise ConfigError("sources.yaml has no source of kind kafka.")
    feeds = [Feed(name, source, settings.collector_url) for name, source in sources.items()]
    failures: list[Exception] = []

    def run(feed: Feed) -> None:
        try:
            feed.run(stop)
        except Exception as error:  # noqa: BLE001 - told by the caller's thread
            if not stop.is_set():
                failures.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(feed,), name=feed.name) for feed in feeds]
    for thread, feed in zip(threads, feeds, strict=True):
        say(f"{feed.name}: {', '.join(feed.source.topics)} of {feed.source.bootstrap_servers}")
        thread.start()
    for thread in threads:
        thread.join()
    for feed in feeds:
        say(f"{feed.name}: {feed.accepted:,} events, {feed.quarantined:,} kept aside")
    if failures:
        raise failures[0]


def _halves(request: Request) -> list[Request]:
    first, second = len(request.batch) // 2, len(request.rejected) // 2
    if len(request.batch) == len(request.rejected) == 1:
        return [Request(batch=request.batch), Request(rejected=request.rejected)]
    return [
        Request(request.batch[:first], request.rejected[:second]),
        Request(request.batch[first:], request.rejected[second:]),
    ]


def _event(value: bytes, message: Any) -> tuple[dict[str, Any] | None, str]:
    """The event, or why the message is none."""
    try:
        event = _decode(value)
        if type(event) is not dict:
            return None, NOT_AN_OBJECT
        reason = fault(event.get("type"), event.get("event"), event.get("userId"), event.get("anonymousId"))
        if reason:
            return None, reason
        stamp = _stamp(message.timestamp())
        if identifier(event.get("messageId")) is None:
            # with the time: a topic that was made anew counts its offsets from the beginning
            parts = (message.topic(), message.partition(), message.offset(), message.timestamp()[1])
            event["messageId"] = "/".join(map(str, parts))
        if event.get("timestamp") is None and stamp:
            event["timestamp"] = stamp
        _encode(event)
    except (ValueError, OverflowError, RecursionError):
        return None, NOT_JSON
    return event, ""


def _stamp(told: Sequence[int]) -> str | None:
    """When the message was produced, as the spec writes times."""
    kind, milliseconds = told
    try:
        at = datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None
    return iso(at) if kind and milliseconds > 0 else None


def _client() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:
        raise ConfigError("Sources of kind kafka need confluent-kafka.", hint="Install headwater[kafka].") from error
    return confluent_kafka
