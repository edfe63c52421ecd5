"""`headwater collect` on a disk that journals its syncs: `python -m tests.storage.recorded_collector JOURNAL SYNCS …`.

SYNCS is `synced`, or `unsynced` for a collector from which the sync of the data was taken out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from headwater.cli import main
from headwater.storage.log import Disk
from tests.storage.power_cut import Journal, Recording


class _Plain(Disk):
    """The calls as they are, before they are replaced below."""

    sync, sync_directory = Disk.sync, Disk.sync_directory


class _Recording(Recording, _Plain):
    pass


def _record(journal: Path, *, is_synced: bool) -> None:
    """Replace the calls of the class itself, so that it holds for whatever the collector makes of it."""
    disk = _Recording(Journal(journal))
    Disk.sync_directory = lambda self, directory: disk.sync_directory(directory)  # type: ignore[method-assign]
    Disk.sync = lambda self, handle: disk.sync(handle) if is_synced else None  # type: ignore[method-assign]


if __name__ == "__main__":
    _record(Path(sys.argv[1]), is_synced={"synced": True, "unsynced": False}[sys.argv[2]])
    sys.argv[1:] = sys.argv[3:]
    main()
