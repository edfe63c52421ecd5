"""Putting one object into the lake once: named by when it landed and what it holds.

Belongs here: the name of landed objects, the check that the same content is not landed twice, the shape of a
quarantine object of tables. Does not belong here: reading any source.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.storage.lake import Lake, content_digest

STAMP = "%Y%m%dT%H%M%S%fZ"
_QUARANTINE = pa.schema(
    [
        ("reason", pa.string()),
        ("source", pa.string()),
        ("received_at", pa.timestamp("us")),
        ("payload", pa.string()),
        ("detail", pa.string()),
    ]
)


class Rejected(msgspec.Struct, frozen=True):
    """One record that was kept aside: why (a short, countable reason), what exactly is wrong, and the record."""

    reason: str
    detail: str
    payload: str


def put_once(lake: Lake, folder: str, content: bytes | Path, before: str | None = None) -> tuple[str, bool]:
    """Put Parquet as `<folder>/<utc stamp>-<sha12>.parquet`, unless the folder holds the same content already.

    Args:
        before: the object that the same file was when it was last landed, empty where it was none, None where nobody
            remembers. What was another object lands anew, also where the folder once held the same: its rows are the
            latest again.

    Returns:
        The object's key, and whether it is new.

    Raises:
        UnavailableError: the lake cannot be reached or written.
    """
    digest = file_digest(content) if isinstance(content, Path) else content_digest(content)
    is_anew = before is not None and not before.endswith(_ending(digest))
    return _put_named(lake, folder, content, digest, is_anew=is_anew)


def file_digest(path: Path) -> str:
    """As `content_digest`, without holding the file in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def put_quarantine(lake: Lake, kind: str, source: str, rejected: Sequence[Rejected]) -> None:
    """Keep records aside under `quarantine/<kind>/`. The same records are kept once, however often they are met."""
    if not rejected:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    table = pa.Table.from_pylist(
        [{"source": source, "received_at": now, **msgspec.structs.asdict(item)} for item in rejected], _QUARANTINE
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    # the moment of landing is no part of what the records are
    digest = content_digest(msgspec.json.encode([source, rejected]))
    _put_named(lake, f"quarantine/{kind}", buffer.getvalue(), digest)


def _put_named(
    lake: Lake, folder: str, content: bytes | Path, digest: str, *, is_anew: bool = False
) -> tuple[str, bool]:
    ending = _ending(digest)
    keys = [item.key for item in lake.list(f"{folder}/")]
    # killed after this and before the caller noted it: then it is the newest already
    held = next((key for key in (keys[-1:] if is_anew else keys) if key.endswith(ending)), None)
    if held:
        return held, False
    return lake.put(f"{folder}/{datetime.now(UTC).strftime(STAMP)}{ending}", content).key, True


def _ending(digest: str) -> str:
    return f"-{digest}.parquet"
