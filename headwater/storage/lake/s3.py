"""The lake in a bucket. Endpoint, region and keys come from boto3's own standard environment.

Belongs here: everything that differs on S3. Checksums are sent only where S3 demands them, because compatible servers
do not know the newer ones. Does not belong here: reading the environment; boto3 does that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from headwater.errors import DataError, UnavailableError, UsageError
from headwater.storage.lake.base import Object, checked_key

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DEFAULT_REGION = "us-east-1"


class S3Lake:
    """A bucket, or a prefix in it, as a lake. The bucket must exist."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.netloc:
            raise UsageError(f"The lake {url} names no bucket.")
        self.bucket = parts.netloc
        self.prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._session = boto3.Session()
        self._region = self._session.region_name or _DEFAULT_REGION
        self._client = self._session.client(
            "s3",
            region_name=self._region,
            config=Config(
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"mode": "standard", "max_attempts": 4},
                connect_timeout=5,
                s3={"addressing_style": "auto"},
            ),
        )

    def put(self, key: str, content: bytes | Path) -> Object:
        name = self.prefix + checked_key(key)
        with self._sentences(f"put {key}"):
            if isinstance(content, Path):
                self._client.upload_file(str(content), self.bucket, name)
                return Object(key, content.stat().st_size)
            self._client.put_object(Bucket=self.bucket, Key=name, Body=content)
            return Object(key, len(content))

    def list(self, prefix: str = "") -> list[Object]:
        with self._sentences("list objects"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            found = [
                Object(item["Key"][len(self.prefix) :], item["Size"], item.get("ETag", ""))
                for page in pages
                for item in page.get("Contents", [])
            ]
        return sorted(found, key=lambda item: item.key)

    def get(self, key: str) -> bytes:
        with self._sentences(f"get {key}"):
            answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + checked_key(key))
            return bytes(answer["Body"].read())

    def exists(self, key: str) -> bool:
        try:
            with self._sentences(f"look for {key}"):
                self._client.head_object(Bucket=self.bucket, Key=self.prefix + checked_key(key))
        except DataError:
            return False
        return True

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{checked_key(key)}"

    def configure(self, con: DuckDBPyConnection) -> None:
        """Load httpfs from its wheel (no download) and give it the endpoint and keys that boto3 uses."""
        from duckdb_extensions import import_extension

        import_extension("httpfs", con=con)
        con.execute("load httpfs")
        con.execute(f"create or replace secret headwater_lake ({', '.join(self._secret())})")

    def _secret(self) -> Sequence[str]:
        endpoint = urlsplit(self._client.meta.endpoint_url)
        amazon = (endpoint.hostname or "").endswith(".amazonaws.com")
        options = {"region": self._region, "scope": f"s3://{self.bucket}/{self.prefix}"}
        if not amazon:
            options |= {"endpoint": endpoint.netloc, "url_style": "path"}
        credentials = self._session.get_credentials()
        if credentials:
            keys = credentials.get_frozen_credentials()
            options |= {"key_id": keys.access_key, "secret": keys.secret_key}
            if keys.token:
                options["session_token"] = keys.token
        quoted = [f"{name} '{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in options.items()]
        return ["type s3", *quoted, f"use_ssl {'true' if endpoint.scheme == 'https' else 'false'}"]

    @contextmanager
    def _sentences(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("NoSuchKey", "404", "NotFound"):
                raise DataError(f"The lake s3://{self.bucket}/{self.prefix} cannot {what}: not found.") from error
            raise UnavailableError(f"The lake s3://{self.bucket}/{self.prefix} cannot {what}: {error}.") from error
        except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
            raise UnavailableError(f"The lake s3://{self.bucket}/{self.prefix} cannot {what}: {error}.") from error
