"""A disk that journals what has surely reached it, and what a power cut leaves of a folder by that journal.

A page cache survives `kill -9` and hides a missing fsync; this does not. What was not synced is lost, or there in part,
or zeros, as the file system pleases: bytes of a file, and names in a folder (created, renamed, removed).
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

from headwater.storage.log.disk import Disk


class Journal:
    """What has surely reached the disk, a line each, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note_file(self, inode: int, size: int) -> None:
        """So much of a file is on disk."""
        self._note({"file": inode, "size": size})

    def note_folder(self, folder: Path, names: dict[str, int]) -> None:
        """These names (with inodes) are on disk."""
        self._note({"folder": str(folder), "names": names})

    def close(self) -> None:
        os.close(self._handle)

    def _note(self, line: dict) -> None:
        os.write(self._handle, json.dumps(line).encode() + b"\n")


class Recording(Disk):
    """The real disk; each sync that has returned is in the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def sync(self, handle: int) -> None:
        found = os.fstat(handle)
        super().sync(handle)
        self.journal.note_file(found.st_ino, found.st_size)

    def sync_directory(self, directory: Path) -> None:
        names = listing(directory)
        super().sync_directory(directory)
        self.journal.note_folder(directory, names)


def cut_power(journal: Path, base: Path, folder: Path, target: Path, chance: random.Random) -> None:
    """Write to `target` what `folder` may hold after a power cut at the end of `journal`; `base` was there before all.

    Every file that was synced is there up to its synced size, under a name that was synced or is newer. All else is
    left to chance. Folders within `folder` (readers' places) are left out.
    """
    sizes: dict[int, int] = {}
    names: dict[str, dict[str, int]] = {}
    for line in journal.read_bytes().splitlines() if journal.exists() else []:
        note = json.loads(line)
        if "folder" in note:
            names[note["folder"]] = note["names"]
        else:
            sizes[note["file"]] = note["size"]
    target.mkdir(parents=True)
    if not _is_reached(names, base, folder):
        return
    synced = {inode: name for name, inode in names.get(str(folder), {}).items()}
    current = {inode: name for name, inode in listing(folder).items()}
    for inode in synced.keys() | current.keys():
        if inode not in current or (inode not in synced and chance.random() < 0.5):
            continue  # removed since (nothing is removed but what holds nothing), or its name never got to the disk
        name = synced[inode] if inode in synced and chance.random() < 0.5 else current[inode]
        data = _content(folder, inode)
        size = min(sizes.get(inode, 0), len(data))
        (target / name).write_bytes(data[:size] + _tail(data[size:], chance))


def _tail(unsynced: bytes, chance: random.Random) -> bytes:
    kept = unsynced[: chance.randint(0, len(unsynced))]
    return chance.choice([b"", kept, bytes(len(kept))])


def _is_reached(names: dict[str, dict[str, int]], base: Path, folder: Path) -> bool:
    """Whether the name of each folder on the way is durable."""
    while folder != base:
        if folder.name not in names.get(str(folder.parent), {}):
            return False
        folder = folder.parent
    return True


def listing(folder: Path) -> dict[str, int]:
    """The names in a folder, with their inodes."""
    return {entry.name: entry.inode() for entry in os.scandir(folder) if not entry.name.startswith(".")}


def _content(folder: Path, inode: int) -> bytes:
    while True:
        for entry in os.scandir(folder):
            if entry.inode() == inode:
                try:
                    return Path(entry.path).read_bytes()
                except FileNotFoundError:
                    break  # renamed meanwhile
        else:
            return b""
