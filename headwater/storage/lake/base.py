"""What every lake can do, and the two rules that do not depend on where it is: naming by content and landing order.

Belongs here: the protocol and pure functions over keys. Does not belong here: any I/O.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from headwater.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Object:
    """One object of the lake. `size` is in bytes; another `tag` tells that an object of the same key is another one."""

    key: str
    size: int
    tag: str = field(default="", compare=False)


class Lake(Protocol):
    """Objects by key; a key is a relative path with `/`. All methods raise `UnavailableError` when storage fails."""

    def put(self, key: str, content: bytes | Path) -> Object:
        """Store bytes, or a copy of a file, so that readers see all of it or nothing."""
        ...

    def list(self, prefix: str = "") -> list[Object]:
        """Every object whose key starts with `prefix`, sorted by key."""
        ...

    def get(self, key: str) -> bytes:
        """The object's content. Raises `DataError` when there is none."""
        ...

    def exists(self, key: str) -> bool: ...

    def check(self) -> None:
        """Raise what keeps the lake from being used, before anything is done: for what starts a run."""
        ...

    def uri(self, key: str) -> str:
        """The name by which DuckDB reads the object once `configure` was called: a path or an s3:// URL."""
        ...

    def configure(self, con: DuckDBPyConnection) -> None:
        """Let this DuckDB connection read the lake."""
        ...


def content_digest(content: bytes) -> str:
    """The twelve hex digits that name an object by what it holds."""
    return hashlib.sha256(content).hexdigest()[:12]


def landing_order(key: str) -> tuple[str, str]:
    """Sort key that puts objects in the order in which they landed: by file name (a stamp), whatever their folder."""
    return key.rsplit("/", 1)[-1], key


def checked_key(key: str) -> str:
    """The key itself.

    Raises:
        UsageError: it is empty, absolute, or steps outside the lake.
    """
    if not key or key.startswith("/") or any(part in ("", ".", "..") for part in key.split("/")):
        raise UsageError(f"«{key}» is not a key of the lake.")
    return key
