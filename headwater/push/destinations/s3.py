"""S3 and what speaks like it: objects of events, as gzipped NDJSON or Parquet.

Objects are named from what they hold, by the day each event was received: the same batch written again is the same
object. A batch that was cut otherwise after a kill may repeat events; `messageId` tells. Keys come from the settings,
else from the environment as boto3 reads it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import msgspec

from headwater.configuration import Destination as DestinationConfig
from headwater.errors import ConfigError, UnavailableError
from headwater.push.destinations.base import Direct, Outcome, StreamEvent, Streaming
from headwater.push.spec import anonymous_id, event_name, user_id

_DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "403", "401"}


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """Where objects go.

    Attributes:
        prefix: put before `received_date=YYYY-MM-DD/<digest>.ndjson.gz`.
        format: `ndjson`, one event a line as it is; `parquet`, columns with the payload as JSON.
        every_seconds: how long events are gathered for one object.
        access_key_id: its secret is `token`.
        region: of the bucket.
        endpoint_url: another service than AWS.
    """

    bucket: str
    prefix: str = "events/"
    format: Literal["ndjson", "parquet"] = "ndjson"
    every_seconds: float = 60.0
    access_key_id: str = ""
    region: str = ""
    endpoint_url: str = ""


class S3(Direct):
    """A bucket that exists. `base_url` is not used; `token` is the secret key."""

    type = "s3"
    integrations_name = "Amazon S3"
    Settings: ClassVar[Any] = Settings
    streaming = Streaming(batch_size=5000, batch_bytes=16_000_000, linger_seconds=60.0)
    rate_per_second = 50.0

    def __init__(self, config: DestinationConfig) -> None:
        super().__init__(config)
        limits = S3.streaming
        self.streaming = Streaming(limits.batch_size, limits.batch_bytes, self.settings.every_seconds)  # type: ignore[misc]
        self._client: Any = None

    def open(self) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        given: Settings = self.settings
        keys = {"aws_access_key_id": given.access_key_id, "aws_secret_access_key": self.config.token}
        try:
            session = boto3.Session(**(keys if given.access_key_id else {}))
            self._client = session.client(
                "s3",
                region_name=given.region or session.region_name or "us-east-1",
                endpoint_url=given.endpoint_url or None,
                config=Config(
                    signature_version="s3v4", request_checksum_calculation="when_required",
                    response_checksum_validation="when_required", connect_timeout=5, read_timeout=30,
                    retries={"mode": "standard", "max_attempts": 2},
                ),
            )  # fmt: skip
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(f"S3 cannot be opened with these settings: {error}.") from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def write(self, events: Sequence[StreamEvent]) -> list[Outcome]:
        from botocore.exceptions import BotoCoreError, ClientError

        days: dict[str, list[StreamEvent]] = {}
        for event in events:
            days.setdefault(str(event.payload.get("receivedAt"))[:10], []).append(event)
        names: dict[int, str] = {}
        for day, some in days.items():
            content, ending = _parquet(some) if self.settings.format == "parquet" else _ndjson(some)
            key = f"{self.settings.prefix}received_date={day}/{_digest(some)}{ending}"
            try:
                self._client.put_object(Bucket=self.settings.bucket, Key=key, Body=content)
            except ClientError as error:
                code = str(error.response.get("Error", {}).get("Code"))
                if code in _DENIED:
                    raise ConfigError(f"S3 does not let us write {self.settings.bucket}: {error}.") from error
                raise UnavailableError(f"S3 did not take {key}: {error}.") from error
            except BotoCoreError as error:
                raise UnavailableError(f"S3 does not answer: {error}.") from error
            names.update((id(event), key) for event in some)
        return [Outcome(True, "OK", names[id(event)]) for event in events]


def _digest(events: Sequence[StreamEvent]) -> str:
    digest = hashlib.sha256()
    for event in events:
        digest.update(b"\x00".join((event.source.encode(), event.message_id.encode("utf-8", "replace"), event.body)))
    return digest.hexdigest()[:32]


def _ndjson(events: Sequence[StreamEvent]) -> tuple[bytes, str]:
    lines = b"".join(bytes(event.body) + b"\n" for event in events)
    return gzip.compress(lines, 6, mtime=0), ".ndjson.gz"


def _parquet(events: Sequence[StreamEvent]) -> tuple[bytes, str]:
    import pyarrow as pa
    from pyarrow import parquet

    payloads = [event.payload for event in events]
    table = pa.table({
        "message_id": [event.message_id for event in events],
        "source": [event.source for event in events],
        "type": [str(payload.get("type")) for payload in payloads],
        "event": [event_name(payload) for payload in payloads],
        "user_id": pa.array([user_id(payload) for payload in payloads], pa.string()),
        "anonymous_id": pa.array([anonymous_id(payload) for payload in payloads], pa.string()),
        "timestamp": pa.array([payload.get("timestamp") for payload in payloads], pa.string()),
        "received_at": pa.array([payload.get("receivedAt") for payload in payloads], pa.string()),
        "payload": [bytes(event.body).decode() for event in events],
    })  # fmt: skip
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue(), ".parquet"
