"""The lake: immutable objects under names that sort in landing order, in a local folder or on S3.

Belongs here: writing, listing and reading objects, and letting DuckDB read them. Does not belong here: what is in an
object (the lander of each kind decides) and which objects were loaded (`raw.loaded_objects` in the warehouse).

    events/received_date=YYYY-MM-DD/<segment>.parquet      extracts/<source>/<table>/<stamp>-<sha12>.parquet
    files/<source>/<name>-<sha12>.<ext>                    quarantine/<kind>/<stamp or segment>-<sha12>.parquet
    models/<name>/<version>/…                              dropped/events/<segment>-<sha12>.parquet
    identity/readings/<stamp>-<sha12>.json
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headwater.errors import UsageError
from headwater.storage.lake.base import Lake, Object, content_digest, landing_order
from headwater.storage.lake.local import LocalLake

if TYPE_CHECKING:
    from headwater.settings import Settings

__all__ = ["Lake", "LocalLake", "Object", "content_digest", "landing_order", "open_lake"]


def open_lake(settings: Settings) -> Lake:
    """The lake that `settings.lake_url` names: a folder, or a bucket and prefix after `s3://`.

    Raises:
        UsageError: the URL has another scheme, or an `s3://` URL without a bucket.
    """
    url = settings.lake_url
    if url.startswith("s3://"):
        from headwater.storage.lake.s3 import S3Lake  # boto3 takes half a second to import

        return S3Lake(url)
    if "://" in url:
        raise UsageError(f"The lake {url} is neither a folder nor an s3:// URL.")
    return LocalLake(url)
