"""A headless Chromium: the machine's own, else the one inside the npm package `@sparticuz/chromium`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.sdk import npm

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_UNPACK = "import('@sparticuz/chromium').then(async (found) => console.log(await found.default.executablePath()))"


@contextmanager
def launched(cache: Path) -> Iterator[Browser]:
    """A browser; the test is skipped, saying so, where none starts."""
    tried: list[str] = []
    with sync_playwright() as playwright:
        for executable in _executables(cache, tried):
            try:
                browser = playwright.chromium.launch(executable_path=executable)
            except Error as error:
                tried.append(f"{executable}: {error.message.splitlines()[0]}")
                continue
            yield browser
            browser.close()
            return
    pytest.skip(f"no Chromium starts on this machine: {'; '.join(tried)}")


def _executables(cache: Path, tried: list[str]) -> Iterator[str]:
    yield from filter(None, map(shutil.which, _NAMES))
    try:
        modules = npm.installed("chromium", cache)
        script = modules.parent / "unpack.mjs"
        script.write_text(_UNPACK)
        yield npm.node(str(script), modules=modules).strip()
    except AssertionError as error:
        tried.append(str(error).strip().splitlines()[0])
