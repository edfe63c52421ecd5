"""The lake in a local folder.

Belongs here: atomic, durable files. An object is written beside its place, synced and renamed, so that a crash leaves
either the whole object or a `.part` file that nobody lists. Does not belong here: anything S3 does differently.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from headwater.errors import DataError, UnavailableError
from headwater.storage.lake.base import Object, checked_key

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PART = ".part"


class LocalLake:
    """A folder as a lake; the folder need not exist yet."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()

    def put(self, key: str, content: bytes | Path) -> Object:
        target = self.root / checked_key(key)
        part = target.with_name(f"{target.name}.{uuid.uuid4().hex}{_PART}")
        try:
            _make_folder(target.parent)
            try:
                _write(part, content)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
            _sync_folder(target.parent)
            return Object(key, target.stat().st_size)
        except OSError as error:
            raise UnavailableError(f"{target} cannot be written: {error.strerror}.") from error

    def list(self, prefix: str = "") -> list[Object]:
        found = []
        try:
            for folder, _, names in os.walk(self.root / prefix.rpartition("/")[0]):
                for name in names:
                    path = Path(folder, name)
                    key = path.relative_to(self.root).as_posix()
                    if key.startswith(prefix) and not name.endswith(_PART):
                        stat = path.stat()
                        found.append(Object(key, stat.st_size, str(stat.st_mtime_ns)))
        except OSError as error:
            raise UnavailableError(f"The lake {self.root} cannot be listed: {error.strerror}.") from error
        return sorted(found, key=lambda item: item.key)

    def get(self, key: str) -> bytes:
        path = self.root / checked_key(key)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise DataError(f"The lake {self.root} holds no object {key}.") from error
        except OSError as error:
            raise UnavailableError(f"{path} cannot be read: {error.strerror}.") from error

    def exists(self, key: str) -> bool:
        return (self.root / checked_key(key)).is_file()

    def check(self) -> None:
        """Nothing to do: the folder is made with the first object."""

    def uri(self, key: str) -> str:
        return str(self.root / checked_key(key))

    def configure(self, con: DuckDBPyConnection) -> None:
        """Nothing to do: DuckDB reads files as they are."""


def _write(path: Path, content: bytes | Path) -> None:
    with path.open("wb") as out:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, out, 1 << 20)
        else:
            out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
