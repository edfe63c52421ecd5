"""One client for S3 in a process, and what goes wrong with it in sentences.

Belongs here: the connection that everything on S3 shares (making one takes a tenth of a second and each has connections
of its own), and errors: what, where, what to do, without keys. Checksums are sent only where S3 demands them, because
compatible servers do not know the newer ones. Does not belong here: objects (`s3`) or reading the environment; boto3
and `headwater.settings` do that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import exceptions as boto_errors
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from headwater.errors import DataError, HeadwaterError, UnavailableError, UsageError
from headwater.settings import s3_environment

_DEFAULT_REGION = "us-east-1"
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_REFUSED = {
    "AccessDenied", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "InvalidSecurity", "InvalidToken",
    "SignatureDoesNotMatch", "Unauthorized", "401", "403",
}  # fmt: skip
_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "500", "502", "503", "504"}
KEYS_HINT = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL."
AGAIN_HINT = "Nothing is lost: once it answers, run it again, and it takes up where it was."


@dataclass(frozen=True)
class Access:
    """boto3's client, and what DuckDB needs to know to go the same way."""

    client: Any
    session: Any
    region: str

    @property
    def endpoint(self) -> str:
        """Scheme, host and port of the server, without a name or a password."""
        parts = urlsplit(self.client.meta.endpoint_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def access() -> Access:
    """The client for what the environment says now; threads may share it.

    Raises:
        UsageError: it says something that no client can be made of.
    """
    return _access(s3_environment())


@lru_cache(maxsize=4)
def _access(_environment: tuple[tuple[str, str], ...]) -> Access:
    try:
        session = boto3.Session()
        region = session.region_name or _DEFAULT_REGION
        client = session.client(
            "s3",
            region_name=region,
            config=Config(
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"mode": "standard", "max_attempts": 5},
                connect_timeout=5,
                tcp_keepalive=True,
                s3={"addressing_style": "auto"},
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise UsageError(f"S3 cannot be used with what AWS_… in the environment says: {error}.") from error
    return Access(client, session, region)


@contextmanager
def in_sentences(where: str, bucket: str, what: str) -> Iterator[None]:
    """What fails inside, as an error of ours: `where` is the lake's URL, `what` what it should do.

    Raises:
        DataError: there is no such object.
        UnavailableError: anything else; its hint says whether to look at keys, bucket or server.
    """
    try:
        yield
    except ClientError as error:
        raise _told(where, bucket, what, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise UnavailableError(f"{where} cannot {what}: there are no keys for S3.", hint=KEYS_HINT) from error
    except (boto_errors.ConnectionError, boto_errors.HTTPClientError) as error:
        said = f"{where} cannot {what}: {access().endpoint} does not answer ({type(error).__name__})."
        raise UnavailableError(said, hint=f"Is the server there, and AWS_ENDPOINT_URL right? {AGAIN_HINT}") from error
    except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
        if isinstance(error.__context__, ClientError):  # what an upload in parts wraps
            raise _told(where, bucket, what, error.__context__) from error
        raise UnavailableError(f"{where} cannot {what}: {error}.", hint=AGAIN_HINT) from error


def _told(where: str, bucket: str, what: str, error: ClientError) -> HeadwaterError:
    answer = error.response
    status = str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    code = str(answer.get("Error", {}).get("Code", "")) or status
    server = access().endpoint
    if code == "NoSuchBucket":
        said = f"{where} cannot {what}: {server} has no bucket «{bucket}»."
        return UnavailableError(said, hint="Make the bucket, or name another one in LAKE.")
    if code in _ABSENT:
        return DataError(f"{where} cannot {what}: not found.")
    if code in _REFUSED or status in _REFUSED:
        return UnavailableError(f"{where} cannot {what}: {server} refuses the keys ({code}).", hint=KEYS_HINT)
    if code in _BUSY or status in _BUSY:
        tries = int(answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)) + 1
        said = f"{where} cannot {what}: {server} answered {status or code} ({code}) to {tries} tries."
        return UnavailableError(said, hint=AGAIN_HINT)
    return UnavailableError(f"{where} cannot {what}: {server} answered {status} ({code}).")
