"""Following the edits of a config folder, for processes that stay up.

Belongs here: whether anything changed, reading it again, and keeping what is in use when the new one cannot be used.
Does not belong here: what a process does with a changed config.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG

from headwater.configuration import Config, load_config
from headwater.errors import ConfigError, HeadwaterError
from headwater.settings import Settings

WATCH_SECONDS = 1.0
"""Between two looks at the files."""

_log = logging.getLogger(__name__)
_ENDINGS = (".yaml", ".py", ".json")
_TRANSFORMATIONS = "transformations"  # they may read any file that lies beside them


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


class Follower:
    """Gives each changed config to `use`; one that cannot be read, or that `use` raises for, is said once.

    `fault` tells why the config on disk is not the one in use, or is None.

    Args:
        use: called in whatever thread looks, with a config that is valid.
    """

    def __init__(self, settings: Settings, use: Callable[[Config], None]) -> None:
        self.fault: str | None = None
        self._watch, self._use = Watch(settings), use

    async def run(self) -> None:
        """Look every second, beside the event loop, until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Look once; never raises, so that later edits are followed whatever this one holds."""
        try:
            changed = self._watch.reread()
            if changed is not None:
                self._use(changed)
        except (HeadwaterError, OSError) as error:
            self._say(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a file makes fail, the process goes on with what it has
            self._say(f"{type(error).__name__}: {error}")
        else:
            if changed is not None:
                self.fault = None
                _log.warning("The changed config is in use.")

    def _say(self, fault: str) -> None:
        if fault != self.fault:
            self.fault = fault
            _log.warning("The config was changed and cannot be used; the old one stays: %s", fault)


def fingerprint(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Each file of a config folder that matters, with what changes when it is written: time, size, and number (for
    replaced files)."""
    found = {}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.suffix in _ENDINGS or inside.parts[0] == _TRANSFORMATIONS:
            if not _is_kept(inside):
                continue
            try:
                status = path.stat()
            except OSError:
                continue
            if S_ISREG(status.st_mode):
                found[str(inside)] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def transformations_digest(settings: Settings) -> str:
    """What a company's transformations are made of: their files, those that they import or read, whatever lies beside
    them; but not their recorded cases. Another digest means: what was started before runs something old."""
    folder = settings.config_dir / _TRANSFORMATIONS
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if _is_kept(inside) and inside.parts[0] != "tests" and path.is_file():
            try:
                content = path.read_bytes()
            except OSError:
                continue
            digest.update(f"{inside}\0{len(content)}\0".encode("utf-8", "surrogateescape") + content)
    return digest.hexdigest()


def _is_kept(path: Path) -> bool:
    """Whether somebody meant to keep this file: no cache, and not what an editor leaves for a moment."""
    return "__pycache__" not in path.parts and not path.name.startswith(".") and not path.name.endswith("~")
