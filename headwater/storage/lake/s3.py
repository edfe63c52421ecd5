"""The lake in a bucket. Endpoint, region and keys come from boto3's own standard environment.

Belongs here: objects on S3, by boto3 and by DuckDB's httpfs. Does not belong here: the client and its errors
(`s3_client`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headwater.errors import DataError, UsageError
from headwater.storage.lake.base import Object, checked_key
from headwater.storage.lake.s3_client import Access, access, in_sentences

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from duckdb import DuckDBPyConnection


class S3Lake:
    """A bucket, or a prefix in it, as a lake. The bucket must exist.

    Args:
        called: what it is in errors.
    """

    def __init__(self, url: str, called: str = "The lake") -> None:
        parts = urlsplit(url)
        if not parts.netloc or "@" in parts.netloc:
            raise UsageError(f"{called} s3://{parts.netloc.rpartition('@')[2]}{parts.path} names no bucket.")
        self.bucket = parts.netloc
        self.prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._access: Access = access()
        self._client: Any = self._access.client
        self._called = f"{called} s3://{self.bucket}/{self.prefix}"

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

    def check(self) -> None:
        with self._sentences("be used"):
            self._client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{checked_key(key)}"

    def configure(self, con: DuckDBPyConnection) -> None:
        """Load httpfs from its wheel (no download, nothing written) and give it the endpoint and keys of boto3."""
        con.execute(f"load {_literal(_extension())}")
        # an object never changes: what was asked of one once holds as long as the connection lives
        con.execute("set enable_http_metadata_cache = true; set parquet_metadata_cache = true")
        con.execute("set http_retries = 5")  # in all nine seconds
        con.execute(f"create or replace secret headwater_lake ({', '.join(self._secret())})")

    def _secret(self) -> Sequence[str]:
        endpoint = urlsplit(self._access.endpoint)
        amazon = (endpoint.hostname or "").endswith(".amazonaws.com")
        options = {"region": self._access.region, "scope": f"s3://{self.bucket}/{self.prefix}"}
        if not amazon:
            options |= {"endpoint": endpoint.netloc, "url_style": "path"}
        credentials = self._access.session.get_credentials()
        if credentials:
            keys = credentials.get_frozen_credentials()
            options |= {"key_id": keys.access_key, "secret": keys.secret_key}
            if keys.token:
                options["session_token"] = keys.token
        quoted = [f"{name} {_literal(str(value))}" for name, value in options.items()]
        return ["type s3", *quoted, f"use_ssl {'true' if endpoint.scheme == 'https' else 'false'}"]

    def _sentences(self, what: str) -> AbstractContextManager[None]:
        return in_sentences(self._called, self.bucket, what)


def _extension() -> str:
    """httpfs as its wheel holds it, for the DuckDB that is installed."""
    import duckdb
    import duckdb_extension_httpfs

    folder = Path(next(iter(duckdb_extension_httpfs.__path__)), "extensions", f"v{duckdb.__version__}")
    return str(folder / "httpfs.duckdb_extension")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
