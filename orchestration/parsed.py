"""The parsed dbt project: read anew only when a file of it has changed, and then once for all homes of a checkout.
Reading costs ten seconds; a home more costs none.

Belongs here: the manifest of a home, and what dbt has parsed, kept beside the installed packages and laid into the
target folder of a home that has nothing yet. Does not belong here: Dagster's view of it (`orchestration.dbt`), or
deciding whether a parsed project still holds: dbt compares every file, its own version, vars and profile by itself.

What dbt parsed names its home in two digests and nowhere else: of the variables that `dbt_project.yml` reads, and of
the connection. They are written anew for the other home, if those of the home that parsed are what we take them for;
where they are not, as after an upgrade that changes what goes into them, nothing is kept and each home parses for
itself.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import pprint
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from headwater.errors import HeadwaterError
from headwater.settings import CHECKOUT, Settings

PROJECT_DIR = CHECKOUT / "dbt_project"
PARSED = "partial_parse.msgpack"
MANIFEST = "manifest.json"
_HOME = "{home}"
_KEPT = 5  # states of the project
_WRITTEN_SECONDS = 60.0


def dbt_executable() -> str:
    """dbt beside the running Python."""
    return str(Path(sys.executable).parent / "dbt")


def target_dir(settings: Settings) -> Path:
    """Where dbt writes for this home."""
    return settings.dbt_dir / "target"


def ensure_manifest(settings: Settings) -> Path:
    """The manifest of the project as it stands; parses it (some seconds) only when a project file has changed, and no
    other home of this checkout has parsed it since.

    Raises:
        HeadwaterError: dbt cannot parse the project; holds dbt's own message.
    """
    target = target_dir(settings)
    target.mkdir(parents=True, exist_ok=True)
    manifest, stamp = target / MANIFEST, target / "manifest.stamp"
    digest = project_digest()
    with (target / "manifest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if manifest.exists() and stamp.exists() and stamp.read_text() == digest:
            return manifest
        if not lay_out(target, settings.home, digest):
            # what dbt mends is good for this home; others get what was read as a whole
            is_new = not (target / PARSED).exists()
            _parse(settings, target, manifest)
            if is_new:
                keep(target, settings.home, digest)
        stamp.write_text(digest)
    return manifest


def read_manifest(settings: Settings) -> dict[str, Any]:
    """What the manifest of `ensure_manifest` says. While a `dbt` of somebody else writes it anew, it is in pieces: then
    this waits for that to end.

    Raises:
        HeadwaterError: as `ensure_manifest`, or the manifest stayed in pieces.
    """
    path, deadline = ensure_manifest(settings), time.monotonic() + _WRITTEN_SECONDS
    while True:
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return found
        except ValueError as error:
            if time.monotonic() > deadline:
                raise HeadwaterError(f"{path} is damaged: delete it, dbt writes it anew.") from error
            time.sleep(0.1)


def _parse(settings: Settings, target: Path, manifest: Path) -> None:
    result = subprocess.run(
        [
            *(dbt_executable(), "--quiet", "parse"),
            *("--profiles-dir", str(PROJECT_DIR), "--target-path", str(target)),
        ],
        cwd=PROJECT_DIR,
        env=settings.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode or not manifest.exists():
        raise HeadwaterError(f"dbt cannot parse {PROJECT_DIR.name}: {(result.stdout + result.stderr).strip()}")


def cache_dir() -> Path:
    """Beside the installed packages: another environment may have another dbt."""
    return Path(sys.prefix) / "share" / "headwater" / "dbt"


def project_digest() -> str:
    """Of every file of the project that dbt reads, and of where it lies, which its manifest says."""
    found = hashlib.sha256(str(PROJECT_DIR).encode())
    for path in sorted(PROJECT_DIR.rglob("*")):
        if path.suffix in {".sql", ".yml", ".csv", ".md", ".py"} and "target" not in path.parts:
            found.update(str(path.relative_to(PROJECT_DIR)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def lay_out(target: Path, home: Path, digest: str) -> bool:
    """Put the project of this digest into the target folder, as if it had been parsed for this home. False: it is not
    kept, or the folder has a parsed project."""
    kept = cache_dir() / digest
    if (target / PARSED).exists():
        return False
    try:
        told = json.loads((kept / "told.json").read_text(encoding="utf-8"))
        parsed = (kept / PARSED).read_bytes()
        for before, after in zip(told["digests"], _digests(told["connection"], home), strict=True):
            parsed = parsed.replace(before.encode(), after.encode())
        target.mkdir(parents=True, exist_ok=True)
        _write(target / PARSED, parsed)
        shutil.copyfile(kept / MANIFEST, target / MANIFEST)
    except (OSError, ValueError, KeyError):
        return False
    return True


def keep(target: Path, home: Path, digest: str) -> bool:
    """Keep what `dbt parse`, given no vars, wrote into the target folder. False: it was kept already, cannot be
    written, or is not understood."""
    kept = cache_dir() / digest
    if (kept / "told.json").exists():
        return False
    connection = _connection(home)
    digests = _digests(connection, home)
    with suppress(OSError):
        parsed = (target / PARSED).read_bytes()
        if all(parsed.count(found.encode()) == 1 for found in digests):
            kept.mkdir(parents=True, exist_ok=True)
            _write(kept / PARSED, parsed)
            _write(kept / MANIFEST, (target / MANIFEST).read_bytes())
            # last: what has it is complete
            _write(kept / "told.json", json.dumps({"digests": digests, "connection": connection}).encode())
            for older in sorted(cache_dir().iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
                shutil.rmtree(older, ignore_errors=True)
            return True
    return False


def _connection(home: Path) -> list[tuple[str, Any]]:
    """What dbt's digest of the profile is made of, with a mark in the place of the home."""
    from dbt.adapters.duckdb.credentials import DuckDBCredentials  # a second

    output = yaml.safe_load((PROJECT_DIR / "profiles.yml").read_text(encoding="utf-8"))["headwater"]["outputs"][
        "duckdb"
    ]
    path = f"{home}/warehouse.duckdb"
    made = DuckDBCredentials.from_dict({**output, "path": path, "database": "warehouse"})
    return [(name, f"{_HOME}/warehouse.duckdb" if value == path else value) for name, value in made.connection_info()]


def _digests(connection: list[Any], home: Path) -> list[str]:
    """Those two in which a parsed project names its home, as dbt's `build_manifest_state_check` makes them."""
    told = [(name, value.replace(_HOME, str(home)) if isinstance(value, str) else value) for name, value in connection]
    texts = f"HEADWATER_HOME:{home}|", pprint.pformat(sorted(told))
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{uuid4().hex}")
    unfinished.write_bytes(content)
    unfinished.replace(path)
