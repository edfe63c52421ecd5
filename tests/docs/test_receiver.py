"""The README's receiver of the tutorial: it listens, and shows what comes."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import httpx

from benchmarks.rows import free_port
from tests.docs import documents


def test_the_receiver_of_the_tutorial_shows_what_it_was_sent() -> None:
    [code] = re.findall(r"^python3 -c '\n(.*?)' &$", documents.text("README.md"), re.DOTALL | re.MULTILINE)
    port = free_port()
    receiver = subprocess.Popen(
        [sys.executable, "-c", code.replace("9999", str(port))], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            try:
                answer = httpx.post(f"http://127.0.0.1:{port}/", content=b'{"events": []}')
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        assert answer.status_code == 204
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == b'{"events": []}\n'
    finally:
        receiver.kill()
        receiver.wait()
