"""`python -m sandbox.database.launch DATA PARENT PROGRAM …`: Postgres, never as root, and ending with its parent.

Belongs here: what must happen between fork and exec. Does not belong here: which program, and what of it (`server`).

Postgres refuses to run as root. Where the kernel allows it, root becomes an ordinary user in a user namespace of its
own, which keeps every folder reachable that root can reach; else the user «nobody», to whom the data folder is given.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_ORDINARY = 1000
NOBODY = 65534


def main(data: Path, parent: int, command: list[str]) -> None:
    """Replace this process by `command`; `data` is the folder that it writes, `parent` whom it must not outlive."""
    if os.geteuid() == 0 and not enter_namespace(data):
        become_nobody(data)
    with suppress(OSError, AttributeError):  # after the change of user, which forgets it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:
        sys.exit("The process that asked for this one has ended.")
    os.execv(command[0], command)


def enter_namespace(data: Path) -> bool:
    """Become an ordinary user whose files are root's outside; False where the system does not allow it."""
    _give(data, 0)
    try:
        if ctypes.CDLL(None).unshare(_CLONE_NEWUSER):
            return False
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{_ORDINARY} 0 1")
        Path("/proc/self/gid_map").write_text(f"{_ORDINARY} 0 1")
    except (OSError, AttributeError):
        return False
    return os.geteuid() == _ORDINARY


def become_nobody(data: Path) -> None:
    """Become «nobody», the owner of the data folder from now on."""
    _give(data, NOBODY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _give(data: Path, user: int) -> None:
    if data.exists() and data.stat().st_uid != user:
        for path in _tree(data):
            os.chown(path, user, user, follow_symlinks=False)


def _tree(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
