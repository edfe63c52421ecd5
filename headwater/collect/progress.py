"""How far each file has been imported, so that nothing acknowledged is sent again.

Belongs here: one small JSON file per imported file, and when it still holds. Does not belong here: reading or sending.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from headwater.collect.reading import unpacked_parts


class Progress(Struct):
    """What has been acknowledged of one file.

    `offset` and `lines` count unpacked bytes and lines; `prefix` is the SHA-256 of those bytes, `digest` the one of the
    file as it lay there when it was read to its end (empty until then).
    """

    name: str
    size: int = 0
    digest: str = ""
    offset: int = 0
    lines: int = 0
    prefix: str = ""
    sent: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = {}
    last_event_at: datetime | None = None


@dataclass
class Place:
    """Where to go on in a file: its progress and the running hash of what is behind."""

    progress: Progress
    hash: hashlib._Hash
    is_finished: bool = False


def find_place(folder: Path, file: Path) -> Place:
    """Where the import of `file` stands: finished, to be continued (it has grown), or from the start (it changed)."""
    saved = _load(folder, file)
    if saved is not None:
        if saved.digest and saved.size == file.stat().st_size and saved.digest == file_digest(file):
            return Place(saved, hashlib.sha256(), is_finished=True)
        running = prefix_hash(file, saved.offset)
        if saved.offset and running.hexdigest() == saved.prefix:
            saved.digest = ""
            return Place(saved, running)
    return Place(Progress(file.name), hashlib.sha256())


def prefix_hash(file: Path, length: int) -> hashlib._Hash:
    """The running SHA-256 of the file's first `length` unpacked bytes."""
    running = hashlib.sha256()
    for part in unpacked_parts(file, length):
        running.update(part)
    return running


def save(folder: Path, progress: Progress) -> None:
    """Write it so that a kill leaves the old or the new. After a power cut some blocks may be sent again: harmless."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{progress.name}.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(progress))
    temporary.replace(path)


def file_digest(file: Path) -> str:
    """SHA-256 of the file's bytes as they lie on disk."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _load(folder: Path, file: Path) -> Progress | None:
    try:
        return msgspec.json.decode((folder / f"{file.name}.json").read_bytes(), type=Progress)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
