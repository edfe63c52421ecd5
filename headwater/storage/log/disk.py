"""The calls that durability hangs on, apart so that tests can make them fail, or cut the power between them.

Belongs here: writing bytes and making bytes and names durable. Does not belong here: when that is done (`writer`,
`segment`).
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The real one."""

    def write(self, handle: int, data: bytes | memoryview) -> int:
        """Append; answers how many bytes were taken."""
        return os.write(handle, data)

    def sync(self, handle: int) -> None:
        """Return when everything written to the file is on disk."""
        # fdatasync also writes the file's new size, which is all of the metadata that reading back needs
        os.fdatasync(handle) if hasattr(os, "fdatasync") else os.fsync(handle)

    def sync_directory(self, directory: Path) -> None:
        """Return when the names created, renamed or removed in the folder are on disk."""
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


DISK = Disk()


def make_folder(directory: Path, disk: Disk = DISK) -> None:
    """Make the folder and those above it, so that a power cut does not take the folder with all that is in it."""
    missing = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        disk.sync_directory(folder.parent)
