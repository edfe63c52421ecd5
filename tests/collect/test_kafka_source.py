"""Topics of librdkafka's own cluster, read by the process that a company runs, into a real collector."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from headwater.collect import kafka_source
from headwater.collect.kafka_source import Feed, Request, _halves
from headwater.configuration import KafkaSource, load_config
from headwater.errors import ConfigError, UnavailableError
from headwater.settings import CHECKOUT, load_settings
from tests.collect.conftest import COMMAND, CollectorProcess, free_port

KEY = "wk_orders"


@pytest.fixture
def brokers() -> Iterator[str]:
    """librdkafka's own cluster, alive as long as this producer."""
    holder = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    (broker,) = holder.list_topics(timeout=60).brokers.values()
    yield f"{broker.host}:{broker.port}"


@pytest.fixture
def collector(tmp_path: Path, brokers: str) -> Iterator[CollectorProcess]:
    """A collector whose config has a Kafka source."""
    config = tmp_path / "config"
    config.mkdir()
    for name in ("platform.yaml", "identity.yaml"):
        (config / name).write_text((CHECKOUT / "config" / "examples" / "minimal" / name).read_text())
    (config / "sources.yaml").write_text(
        f"sources:\n  web: {{kind: events, write_keys: [wk_web_demo]}}\n"
        f"  orders: {{kind: kafka, bootstrap_servers: '{brokers}', topics: [shop], write_key: {KEY},\n"
        "    settings: {session.timeout.ms: '3000', heartbeat.interval.ms: '500'}}\nimport_source: web\n"
    )
    settings = load_settings(tmp_path / "home", config, lake_url=str(tmp_path / "lake"), collector_port=free_port())
    made = CollectorProcess(settings, load_config(settings)).start()
    yield made
    made.stop(signal.SIGKILL)


def produce(brokers: str, *values: Any, topic: str = "shop") -> None:
    producer = Producer({"bootstrap.servers": brokers, "message.max.bytes": 10_000_000})
    for value in values:
        content = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        producer.produce(topic, value=content, partition=0, timestamp=1_777_888_800_000)
    assert producer.flush(20) == 0


def track(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": "u1", "properties": {}, **more}


def committed(brokers: str) -> int:
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "headwater"})
    (place,) = consumer.committed([TopicPartition("shop", 0)], timeout=60)
    consumer.close()
    return int(place.offset)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def start(collector: CollectorProcess) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts `headwater consume`."""
    started: list[subprocess.Popen[bytes]] = []

    def run() -> subprocess.Popen[bytes]:
        settings = collector.settings
        words = ["--home", str(settings.home), "--config", str(settings.config_dir)]
        words += ["--port", str(settings.collector_port)]
        started.append(subprocess.Popen([COMMAND[0], "consume", *words], stdout=subprocess.PIPE))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_topics_become_events_and_bad_messages_are_kept_aside_with_their_place(
    collector: CollectorProcess, brokers: str, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    produce(
        brokers,
        track("Order Packed", messageId="m-1", timestamp="2026-05-01T00:00:00Z"),
        b"<no json>",
        track("Order Sent"),
        None,  # a compacted topic's tombstone
        [1, 2],
        {"type": "track", "event": "Nobody"},
        b"\xff\xfe",
        track("Order Arrived"),
    )
    process = start()
    wait_until(lambda: committed(brokers) == 8)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert b"orders: 3 events, 4 kept aside" in out
    events = [(r.message_id, json.loads(r.payload)) for r in collector.events()]
    assert [(key, event["event"]) for key, event in events] == [
        ("m-1", "Order Packed"),
        ("shop/0/2/1777888800000", "Order Sent"),
        ("shop/0/7/1777888800000", "Order Arrived"),
    ]
    assert [event["timestamp"] for _, event in events] == ["2026-05-01T00:00:00Z"] + ["2026-05-04T10:00:00.000Z"] * 2
    assert {r.envelope.source for r in collector.records()} == {"orders"}
    assert [(r.envelope.reason, r.envelope.detail, r.payload) for r in collector.aside()] == [
        ("not JSON", "shop, partition 0, offset 1", b"<no json>"),
        ("not an object", "shop, partition 0, offset 4", b"[1, 2]"),
        ("no userId or anonymousId", "shop, partition 0, offset 5", b'{"type": "track", "event": "Nobody"}'),
        ("not JSON", "shop, partition 0, offset 6", "\ufffd\ufffd".encode()),
    ]


@pytest.mark.slow
def test_what_the_collector_did_not_take_is_read_again_and_is_there_once(
    collector: CollectorProcess, brokers: str, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    produce(brokers, *[track("Order Sent", n=n) for n in range(20)])
    collector.stop(signal.SIGKILL)
    process = start()
    time.sleep(3)  # long enough for it to have read; what it cannot give it must not pass
    assert committed(brokers) < 0
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    collector.start()
    again = start()
    wait_until(lambda: committed(brokers) == 20)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=120)
    assert [json.loads(r.payload)["n"] for r in collector.events()] == list(range(20))
    assert len({r.message_id for r in collector.events()}) == 20


@pytest.mark.slow
def test_a_message_that_no_request_can_hold_stops_nobody(
    collector: CollectorProcess, brokers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_source, "REQUEST_BYTES", 50_000_000)  # all in one request, which is then too large
    source = collector.config.sources["orders"]
    assert isinstance(source, KafkaSource)
    large = track("Large", text="x" * 5_000_000)
    produce(brokers, track("First"), large, track("Last"), b"no json")
    feed, stop = Feed("orders", source, collector.url), threading.Event()
    thread = threading.Thread(target=feed.run, args=(stop,))
    thread.start()
    wait_until(lambda: committed(brokers) == 4)
    stop.set()
    thread.join(60)
    assert sorted(json.loads(r.payload)["event"] for r in collector.events()) == ["First", "Last"]
    reasons = {r.envelope.reason for r in collector.aside()}
    assert reasons == {"request larger than the limit", "not JSON"}


@pytest.mark.parametrize("events", [0, 1, 2, 3])
@pytest.mark.parametrize("rejected", [0, 1, 2, 5])
def test_a_request_is_halved_until_each_is_alone(events: int, rejected: int) -> None:
    def singles(request: Request) -> int:
        count = len(request.batch) + len(request.rejected)
        return count if count < 2 else sum(singles(part) for part in _halves(request))

    assert singles(Request([{}] * events, [{}] * rejected)) == events + rejected


@pytest.mark.slow
def test_a_wrong_write_key_and_a_kafka_that_is_away_are_told(collector: CollectorProcess, brokers: str) -> None:
    produce(brokers, track("Order Sent"))
    wrong = KafkaSource(bootstrap_servers=brokers, topics=["shop"], write_key="guessed")
    with pytest.raises(ConfigError, match="does not know orders's write key"):
        Feed("orders", wrong, collector.url).run(threading.Event())
    assert committed(brokers) < 0
    away = KafkaSource(bootstrap_servers="127.0.0.1:9", topics=["shop"], write_key=KEY)
    with pytest.raises(UnavailableError, match="does not answer"):
        Feed("orders", away, collector.url).run(threading.Event())
    odd = KafkaSource(bootstrap_servers=brokers, topics=["shop"], write_key=KEY, settings={"no.such": "1"})
    with pytest.raises(ConfigError, match="cannot be opened"):
        Feed("orders", odd, collector.url).run(threading.Event())
