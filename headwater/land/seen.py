"""What was landed already, so that a second look at an unchanged file costs one `stat`.

Belongs here: the memory, one small JSON file a kind and lake under the home. Losing it is harmless: everything is read
once more and found to be in the lake. Does not belong here: what landing a file means.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from headwater.errors import UnavailableError
from headwater.settings import Settings


class Seen:
    """Path → fingerprint of the file as it was landed, and the object it became."""

    def __init__(self, settings: Settings, kind: str) -> None:
        # another lake holds other objects
        lake = hashlib.sha256(settings.lake_url.encode()).hexdigest()[:8]
        self.folder = settings.home / "landed"
        self._path = self.folder / f"{kind}-{lake}.json"
        self._known: dict[str, Any] = {}
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}
        except (OSError, ValueError):
            pass

    def object_of(self, name: str, path: Path, extra: str = "") -> str | None:
        """The object that this file became, if it is unchanged since; "" when it became none."""
        entry = self._known.get(name)
        return entry["object"] if entry and entry["file"] == _fingerprint(path, extra) else None

    def last_object(self, name: str) -> str | None:
        """The object that this file became when it was last landed, whether it has changed since or not."""
        entry = self._known.get(name)
        return entry["object"] if entry else None

    def remember(self, name: str, path: Path, object_key: str, extra: str = "") -> None:
        """Note what the file became. Durable once `save` is called."""
        self._known[name] = {"file": _fingerprint(path, extra), "object": object_key}

    def prepare(self) -> None:
        """Make the folder, for the memory and for files that are only underway.

        Raises:
            UnavailableError: the home cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"{self.folder} cannot be made: {error.strerror}.") from error

    def save(self) -> None:
        """Write the memory, whole or not at all.

        Raises:
            UnavailableError: the home cannot be written.
        """
        part = self._path.with_suffix(".part")
        self.prepare()
        try:
            part.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise UnavailableError(f"{self._path} cannot be written: {error.strerror}.") from error


def _fingerprint(path: Path, extra: str) -> list[Any]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, extra]
