"""Noticing that a config folder was edited, for processes that stay up.

Belongs here: whether anything changed. Does not belong here: reading it, or what follows from a change.
"""

from __future__ import annotations

from pathlib import Path

from headwater.configuration import Config, load_config
from headwater.errors import ConfigError
from headwater.settings import Settings

_ENDINGS = (".yaml", ".py", ".json")


class Watch:
    """One folder, compared with how it was when last asked. Asking costs a listing of the folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = fingerprint(settings.config_dir)

    def reread(self) -> Config | None:
        """The config when a file changed since the last call, else None.

        Raises:
            ConfigError: it changed and cannot be used; the next call says nothing until it changes again.
        """
        now = fingerprint(self._settings.config_dir)
        if now == self._seen:
            return None
        self._seen = now
        try:
            return load_config(self._settings)
        except OSError as error:
            raise ConfigError(f"{self._settings.config_dir} cannot be read: {error}.") from error


def fingerprint(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Each file that matters, with what changes when it is written: time, size, and number (for replaced files)."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix in _ENDINGS and "__pycache__" not in path.parts:
            try:
                stat = path.stat()
            except OSError:
                continue
            found[str(path.relative_to(folder))] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found
