"""What several workers of one session need, made by one of them.

Belongs here: making it under a lock; whoever needs it first makes it, the others wait or find it. What a worker that
died left unfinished is made again elsewhere; what could not be made fails everybody who needs it, at once. Does not
belong here: what is made.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all workers of this session have."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    return folder


def once(shared: Path, name: str, make: Callable[[Path], Any]) -> Any:
    """What `make` returned in the worker that came first; it is given a folder of its own."""
    made = shared / f"{name}.json"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a worker that dies lets go of it
        if not made.exists():
            told: dict[str, Any] = {}
            try:
                told["result"] = make(Path(tempfile.mkdtemp(prefix=f"{name}-", dir=shared)))
            except Exception as error:
                told["failed"] = str(error)
                raise
            finally:
                if told:
                    made.write_text(json.dumps(told), encoding="utf-8")
        else:
            told = json.loads(made.read_text(encoding="utf-8"))
    assert "failed" not in told, told["failed"]
    return told["result"]
